#include "rag/request.h"

#include "json/writer.h"

namespace malmoi::rag {
namespace {

constexpr std::size_t kQueryBytesMax = 32 << 10;
constexpr std::int64_t kTopMax = 1000;

Error WrongType(const char* member, const char* wanted) {
  return Error(Code::kInvalidArgument, std::string("\"") + member + "\" must be " + wanted);
}

Status ReadNumber(const json::Value& json, const char* member, std::optional<double>* out) {
  const json::Value* value = json.Find(member);
  if (value == nullptr || value->is_null()) return Ok();
  const auto number = value->AsDouble();
  if (!number || *number < 0 || *number > 1) return WrongType(member, "a number from 0 to 1");
  *out = *number;
  return Ok();
}

Status ReadString(const json::Value& json, const char* member, std::string* out) {
  const json::Value* value = json.Find(member);
  if (value == nullptr || value->is_null()) return Ok();
  const auto text = value->AsString();
  if (!text) return WrongType(member, "a string");
  *out = *text;
  return Ok();
}

}  // namespace

Result<SearchRequest> ParseSearchRequest(const json::Value& json) {
  if (!json.is_object()) return Error(Code::kInvalidArgument, "the body must be a JSON object");
  SearchRequest out;
  MALMOI_TRY(ReadString(json, "question", &out.query));
  MALMOI_TRY(ReadString(json, "query", &out.query));
  if (out.query.empty()) return Error(Code::kInvalidArgument, "\"query\" is missing or empty");
  if (out.query.size() > kQueryBytesMax) {
    return Error(Code::kOutOfRange, "\"query\" has " + std::to_string(out.query.size()) +
                                        " bytes, more than the limit of " +
                                        std::to_string(kQueryBytesMax));
  }
  MALMOI_TRY(ReadString(json, "collection", &out.collection));
  MALMOI_TRY(ReadString(json, "fusion", &out.fusion));
  MALMOI_TRY(ParseFusion(out.fusion));
  std::string mode = "hybrid";
  MALMOI_TRY(ReadString(json, "mode", &mode));
  MALMOI_TRY(out.mode, ParseMode(mode));
  MALMOI_TRY(ReadNumber(json, "dense_share", &out.dense_share));
  MALMOI_TRY(ReadNumber(json, "evidence_min", &out.evidence_min));
  if (const json::Value* top = json.Find("top")) {
    const auto n = top->AsInt();
    if (!n || *n < 1) return WrongType("top", "a whole number from 1 on");
    if (*n > kTopMax) {
      return Error(Code::kOutOfRange, "\"top\" is " + std::to_string(*n) +
                                          ", more than the limit of " + std::to_string(kTopMax));
    }
    out.top = static_cast<std::size_t>(*n);
  }
  if (const json::Value* filter = json.Find("filter"); filter != nullptr && !filter->is_null()) {
    MALMOI_TRY(out.filter, vec::ParseFilter(*filter).With("\"filter\""));
    out.filter_json = filter->Dump();
  }
  out.extractive = json.GetBool("extractive");
  return out;
}

std::string ToJson(const SearchRequest& request) {
  json::Writer w;
  w.BeginObject().Field("query", request.query).Field("mode", ModeName(request.mode));
  w.Field("fusion", request.fusion).Field("top", request.top);
  if (!request.collection.empty()) w.Field("collection", request.collection);
  if (request.dense_share) w.Field("dense_share", *request.dense_share);
  if (request.evidence_min) w.Field("evidence_min", *request.evidence_min);
  if (request.extractive) w.Field("extractive", true);
  if (!request.filter_json.empty()) w.Key("filter").PutRaw(request.filter_json);
  return std::move(w.EndObject()).Take();
}

Result<RetrieveOptions> ToRetrieveOptions(const SearchRequest& request) {
  RetrieveOptions out;
  out.mode = request.mode;
  MALMOI_TRY(out.fusion, ParseFusion(request.fusion));
  if (request.dense_share) out.dense_share = static_cast<float>(*request.dense_share);
  out.top = request.top;
  out.filter = request.filter.empty() ? nullptr : &request.filter;
  return out;
}

Result<Library::AskOptions> ToAskOptions(const SearchRequest& request) {
  Library::AskOptions out;
  MALMOI_TRY(out.retrieve, ToRetrieveOptions(request));
  out.answer.evidence_min = request.evidence_min;
  out.extractive = request.extractive;
  return out;
}

}  // namespace malmoi::rag

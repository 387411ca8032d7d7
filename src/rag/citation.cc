// Citations: the check against stored bytes, and the answer as JSON.
#include <utility>

#include "base/strings.h"
#include "json/value.h"
#include "json/writer.h"
#include "rag/answer.h"

namespace malmoi::rag {
namespace {

// The marks of citations that were dropped leave the text; the others keep their numbers.
std::string RemoveMark(const std::string& text, std::uint32_t n) {
  const std::string mark = "[" + std::to_string(n) + "]";
  return ReplaceAll(ReplaceAll(text, " " + mark, ""), mark, "");
}

void PutPosition(json::Writer* w, std::string_view key, std::uint32_t value) {
  w->Key(key);
  value == 0 ? w->PutNull() : w->Put(value);
}

}  // namespace

Status VerifyCitations(const DocumentText& text_of, Answer* answer) {
  std::vector<Citation> kept;
  for (Citation& c : answer->citations) {
    const auto text = text_of(c);
    if (!text.ok() && text.error().code() != Code::kNotFound) return text.error().Clone();
    c.verified = text.ok() && c.start <= c.end && c.end <= text.value().size() &&
                 !c.quote.empty() &&
                 std::string_view(text.value()).substr(c.start, c.end - c.start) == c.quote;
    if (c.verified) {
      kept.push_back(std::move(c));
    } else {
      answer->text = RemoveMark(answer->text, c.n);
      ++answer->dropped;
    }
  }
  answer->citations = std::move(kept);
  return Ok();
}

std::string AnswerToJson(const Answer& answer) {
  json::Writer w;
  w.BeginObject();
  w.Field("question", answer.question).Field("answer", answer.text);
  w.Field("abstained", answer.abstained).Field("evidence", answer.evidence);
  w.Field("generator", answer.generator).Field("dropped", answer.dropped);
  // The first citation's folder; each citation names its own, since a collection may hold several.
  w.Field("root", answer.citations.empty() ? "" : answer.citations[0].root);
  w.Key("citations").BeginArray();
  for (const Citation& c : answer.citations) {
    w.BeginObject();
    w.Field("n", c.n).Field("root", c.root).Field("path", c.path).Field("version", c.version);
    w.Field("start", c.start).Field("end", c.end);
    PutPosition(&w, "page", c.page);
    PutPosition(&w, "line", c.line);
    w.Field("quote", c.quote).Field("verified", c.verified);
    w.EndObject();
  }
  w.EndArray().EndObject();
  return std::move(w).Take();
}

Result<Answer> AnswerFromJson(std::string_view text) {
  MALMOI_TRY(const json::Value root, json::Parse(text));
  const json::Value* citations = root.Find("citations");
  if (citations == nullptr || !citations->is_array()) {
    return Error(Code::kInvalidArgument,
                 "not a saved answer: no \"citations\" array; save one with: malmoi ask --json");
  }
  Answer out;
  out.question = root.GetString("question");
  out.text = root.GetString("answer");
  out.abstained = root.GetBool("abstained");
  out.evidence = root.GetDouble("evidence");
  out.generator = root.GetString("generator");
  for (const json::Value& item : citations->items()) {
    Citation c;
    c.n = static_cast<std::uint32_t>(item.GetInt("n"));
    c.root = item.GetString("root");
    c.path = item.GetString("path");
    c.version = item.GetString("version");
    c.start = static_cast<std::uint64_t>(item.GetInt("start", -1));
    c.end = static_cast<std::uint64_t>(item.GetInt("end", -1));
    c.page = static_cast<std::uint32_t>(item.GetInt("page"));
    c.line = static_cast<std::uint32_t>(item.GetInt("line"));
    c.quote = item.GetString("quote");
    if (c.path.empty() || item.GetInt("start", -1) < 0 || item.GetInt("end", -1) < 0) {
      return Error(Code::kInvalidArgument, "citation " + std::to_string(out.citations.size() + 1) +
                                               " lacks \"path\", \"start\" or \"end\"");
    }
    out.citations.push_back(std::move(c));
  }
  return out;
}

}  // namespace malmoi::rag

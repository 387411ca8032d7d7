// malmoi search: passages for a query. malmoi ask: an answer with checked citations.
#include <functional>

#include "base/strings.h"
#include "base/utf8.h"
#include "cli/backend.h"
#include "cli/commands.h"
#include "json/value.h"
#include "json/writer.h"

namespace malmoi::cli {
namespace {

constexpr std::size_t kPreviewCharacters = 200;

std::string Text(const json::Value& v, std::string_view key) {
  return std::string(v.GetString(key));
}

// "guide/loan.md:12" or "report.pdf, page 3".
std::string Place(const json::Value& v) {
  std::string out = Text(v, "path");
  if (v.GetInt("page") > 0) return out + ", page " + std::to_string(v.GetInt("page"));
  return v.GetInt("line") > 0 ? out + ":" + std::to_string(v.GetInt("line")) : out;
}

std::string OneLine(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  return out;
}

std::string Preview(std::string_view text) {
  const std::string out = OneLine(text);
  std::size_t end = 0;
  for (std::size_t n = 0; n < kPreviewCharacters && end < out.size(); ++n) {
    end += DecodeRune(out, end).size;
  }
  return end < out.size() ? out.substr(0, end) + "…" : out;
}

void PrintHits(const json::Value& report, std::FILE* out) {
  std::size_t rank = 0;
  for (const json::Value& hit : report.Find("hits")->items()) {
    std::string scores;
    if (const json::Value* s = hit.Find("scores")) {
      for (const auto& [name, value] : s->members()) {
        if (value.is_null() || name == "fused") continue;
        scores += "  " + name + " " + FormatFixed(value.AsDouble().value_or(0), 3);
      }
    }
    std::fprintf(out, "%2zu. %s  [%s%s]\n", ++rank, Place(hit).c_str(),
                 FormatFixed(hit.GetDouble("score"), 3).c_str(), scores.c_str());
    if (const auto heading = hit.GetString("heading"); !heading.empty()) {
      std::fprintf(out, "    %s\n", std::string(heading).c_str());
    }
    std::fprintf(out, "    %s\n\n", Preview(hit.GetString("text")).c_str());
  }
}

void PrintCitations(const json::Value& answer, std::FILE* out) {
  for (const json::Value& c : answer.Find("citations")->items()) {
    std::fprintf(out, "  [%lld] %s\n      \"%s\"\n", static_cast<long long>(c.GetInt("n")),
                 Place(c).c_str(), OneLine(c.GetString("quote")).c_str());
  }
}

Result<rag::SearchRequest> MakeRequest(const Context& context) {
  const Arguments& a = context.arguments;
  rag::SearchRequest request;
  request.query = a.positional.at(0);
  request.collection = context.settings.Get("collection");
  if (!a.modes.empty()) {
    MALMOI_TRY(request.mode, rag::ParseMode(a.modes.front()));
  }
  request.fusion = a.fusion;
  request.dense_share = a.dense_share;
  request.evidence_min = a.evidence_min;
  request.top = static_cast<std::size_t>(a.top);
  MALMOI_TRY(const FilterText filter, ParseFilterFlags(a.filters));
  if (!filter.json.empty()) {
    MALMOI_TRY(const json::Value parsed, json::Parse(filter.json));
    MALMOI_TRY(request.filter, vec::ParseFilter(parsed).With("--filter"));
    request.filter_json = filter.json;
  }
  if (Trim(request.query).empty()) return Error(Code::kInvalidArgument, "the query is empty");
  return request;
}

void PutMatch(json::Writer* w, const std::string& key, const std::string& value) {
  w->BeginObject().Field("key", "metadata." + key).Key("match").BeginObject();
  if (value.ends_with('*')) {
    w->Field("prefix", value.substr(0, value.size() - 1));
  } else if (const auto number = ParseInt(value)) {
    w->Field("value", *number);
  } else {
    w->Field("value", value);
  }
  w->EndObject().EndObject();
}

}  // namespace

Result<FilterText> ParseFilterFlags(const std::vector<std::string>& flags) {
  if (flags.empty()) return FilterText{};
  json::Writer w;
  w.BeginObject().Key("must").BeginArray();
  for (const std::string& flag : flags) {
    if (flag.starts_with('{')) {
      MALMOI_TRY(const json::Value parsed, json::Parse(flag).With("--filter"));
      w.Put(parsed);
      continue;
    }
    const std::size_t equals = flag.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error(Code::kInvalidArgument,
                   "--filter is '" + flag +
                       "': write KEY=VALUE, such as language=ko or path=guide/*, or a JSON filter");
    }
    PutMatch(&w, flag.substr(0, equals), flag.substr(equals + 1));
  }
  w.EndArray().EndObject();
  return FilterText{std::move(w).Take()};
}

Result<int> CmdSearch(const Context& context) {
  MALMOI_TRY(const auto request, MakeRequest(context));
  MALMOI_TRY(const auto backend, Backend::Open(context.settings, false));
  MALMOI_TRY(const std::string report, backend->Search(request, context.cancel));
  MALMOI_TRY(const json::Value parsed, json::Parse(report));
  const json::Value* hits = parsed.Find("hits");
  const bool found = hits != nullptr && !hits->items().empty();
  if (context.arguments.json) {
    std::fprintf(context.out, "%s\n", report.c_str());
    return found ? kFound : kNothing;
  }
  if (!found) std::fprintf(context.err, "nothing found\n");
  if (found) PrintHits(parsed, context.out);
  if (!parsed.GetBool("vectors_complete", true)) {
    std::fprintf(context.err,
                 "note: not all vectors are made yet; results are lexical for the rest\n");
  }
  return found ? kFound : kNothing;
}

Result<int> CmdAsk(const Context& context) {
  MALMOI_TRY(const auto request, MakeRequest(context));
  MALMOI_TRY(const auto backend, Backend::Open(context.settings, true));
  std::function<bool(std::string_view)> stream;
  if (!context.arguments.json) {
    stream = [&](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), context.out);
      std::fflush(context.out);
      return true;
    };
  }
  MALMOI_TRY(const std::string answer, backend->Ask(request, stream, context.cancel));
  MALMOI_TRY(const json::Value parsed, json::Parse(answer));
  if (context.arguments.json) {
    std::fprintf(context.out, "%s\n", answer.c_str());
  } else {
    std::fprintf(context.out, "\n\n");
    PrintCitations(parsed, context.out);
    const long long dropped = parsed.GetInt("dropped");
    if (dropped > 0) {
      std::fprintf(context.err, "note: %lld citations did not match their file and were dropped\n",
                   dropped);
    }
  }
  return parsed.GetBool("abstained") ? kNothing : kFound;
}

}  // namespace malmoi::cli

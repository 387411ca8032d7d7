// Reading of collections in BEIR form.
#include <functional>

#include "base/strings.h"
#include "json/value.h"
#include "os/paths.h"
#include "os/vfs.h"
#include "rag/evaluation.h"

namespace malmoi::rag {
namespace {

Error LineError(const std::string& file, std::size_t line, const std::string& what) {
  return Error(Code::kInvalidArgument, file + ":" + std::to_string(line) + ": " + what);
}

Status ForEachLine(const std::string& file,
                   const std::function<Status(std::string_view line, std::size_t number)>& body) {
  MALMOI_TRY(const std::string bytes,
             os::ReadFile(os::PosixVfs(), file)
                 .With("a folder in BEIR form has corpus.jsonl, queries.jsonl and qrels/test.tsv"));
  std::size_t number = 0;
  for (std::string_view line : Split(bytes, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!Trim(line).empty()) MALMOI_TRY(body(line, number));
  }
  return Ok();
}

Result<std::vector<BeirSet::Text>> ReadTexts(const std::string& file) {
  std::vector<BeirSet::Text> out;
  MALMOI_TRY(ForEachLine(file, [&](std::string_view line, std::size_t number) -> Status {
    auto parsed = json::Parse(line);
    if (!parsed.ok()) return LineError(file, number, parsed.error().message());
    const json::Value& value = parsed.value();
    BeirSet::Text text;
    text.id = value.GetString("_id");
    if (text.id.empty()) return LineError(file, number, "no \"_id\"");
    text.title = value.GetString("title");
    text.text = value.GetString("text");
    if (const json::Value* metadata = value.Find("metadata")) {
      if (const json::Value* answers = metadata->Find("answers")) {
        for (const json::Value& answer : answers->items()) {
          if (const auto s = answer.AsString()) text.answers.emplace_back(*s);
        }
      }
    }
    out.push_back(std::move(text));
    return Ok();
  }));
  return out;
}

Result<Qrels> ReadQrels(const std::string& file) {
  Qrels out;
  MALMOI_TRY(ForEachLine(file, [&](std::string_view line, std::size_t number) -> Status {
    const auto fields = Split(line, '\t');
    if (number == 1 && fields[0] == "query-id") return Ok();
    const auto score = fields.size() == 3 ? ParseInt(Trim(fields[2])) : std::nullopt;
    if (!score) return LineError(file, number, "not 'query-id <tab> corpus-id <tab> score'");
    out[std::string(fields[0])][std::string(fields[1])] = static_cast<int>(*score);
    return Ok();
  }));
  return out;
}

}  // namespace

Result<BeirSet> LoadBeir(const std::string& directory) {
  BeirSet out;
  out.name = os::BaseName(os::AbsolutePath(directory));
  MALMOI_TRY(out.corpus, ReadTexts(os::JoinPath(directory, "corpus.jsonl")));
  MALMOI_TRY(out.queries, ReadTexts(os::JoinPath(directory, "queries.jsonl")));
  MALMOI_TRY(out.qrels, ReadQrels(os::JoinPath(directory, "qrels/test.tsv")));
  std::erase_if(out.queries,
                [&](const BeirSet::Text& query) { return out.qrels.count(query.id) == 0; });
  return out;
}

}  // namespace malmoi::rag

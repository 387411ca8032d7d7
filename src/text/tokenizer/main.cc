// malmoi_tokenize [TOKENIZER_JSON]: reads JSON lines from standard input and answers each with one
// line. For tools/diff_tokenizer.py and bench/tokenizer_vs_peers.py.
//
//   {"tokenizer": "..."}   the text of a tokenizer.json, for the lines that follow
//                          -> {} or {"error"}
//   {"text", "pair"?, "max_tokens"?, "left"?, "cut"?: "only_first" or "only_second", "bare"?: true}
//                          -> {"ids","offsets","type_ids","special","decoded","kept"}; offsets are
//                          bytes, flat
//   {"decode": [ids]}      -> {"decoded","kept"}
//   {"bench": [texts]}     -> {"mb_per_s","tokens"}: best of five passes over all of them
//   {"fresh": [texts]}     the same of one pass of a tokenizer read anew from TOKENIZER_JSON
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "json/value.h"
#include "json/writer.h"
#include "text/tokenizer.h"

namespace malmoi::text {
namespace {

std::string PrintError(const std::string& message) {
  json::Writer w;
  w.BeginObject().Field("error", message).EndObject();
  return std::move(w).Take();
}

std::string PrintEncoding(const Tokenizer& tokenizer, const json::Value& line) {
  EncodeOptions options;
  options.max_tokens = static_cast<std::size_t>(line.GetInt("max_tokens"));
  options.cut_left = line.GetBool("left");
  options.add_special_tokens = !line.GetBool("bare");
  const std::string_view cut = line.GetString("cut");
  if (cut == "only_first") options.cut = CutWhat::kOnlyFirst;
  if (cut == "only_second") options.cut = CutWhat::kOnlySecond;
  const std::string_view text = line.GetString("text");
  const Encoding encoding = line.Find("pair") != nullptr
                                ? tokenizer.EncodePair(text, line.GetString("pair"), options)
                                : tokenizer.Encode(text, options);
  json::Writer w;
  w.BeginObject();
  w.Key("ids").BeginArray();
  for (const auto id : encoding.ids) w.Put(id);
  w.EndArray().Key("offsets").BeginArray();
  for (const auto& span : encoding.offsets) w.Put(span.begin).Put(span.end);
  w.EndArray().Key("type_ids").BeginArray();
  for (const auto id : encoding.type_ids) w.Put(id);
  w.EndArray().Key("special").BeginArray();
  for (const auto flag : encoding.special) w.Put(static_cast<int>(flag));
  w.EndArray();
  w.Field("decoded", tokenizer.Decode(encoding.ids, true));
  w.Field("kept", tokenizer.Decode(encoding.ids, false));
  w.EndObject();
  return std::move(w).Take();
}

std::string PrintDecoded(const Tokenizer& tokenizer, const json::Value& list) {
  std::vector<std::int32_t> ids;
  for (const json::Value& id : list.items()) {
    ids.push_back(static_cast<std::int32_t>(id.AsInt().value_or(-1)));
  }
  json::Writer w;
  w.BeginObject();
  w.Field("decoded", tokenizer.Decode(ids, true));
  w.Field("kept", tokenizer.Decode(ids, false));
  w.EndObject();
  return std::move(w).Take();
}

std::string PrintSpeed(const Tokenizer& tokenizer, const json::Value& texts, int passes) {
  double best = 0;
  std::size_t tokens = 0;
  for (int pass = 0; pass < passes; ++pass) {
    double bytes = 0;
    tokens = 0;
    const std::int64_t start = MonotonicNs();
    for (const json::Value& text : texts.items()) {
      const std::string_view s = text.AsString().value_or("");
      bytes += static_cast<double>(s.size());
      tokens += tokenizer.Encode(s).size();
    }
    best = std::max(best, 1e-6 * bytes / std::max(SecondsSince(start), 1e-9));
  }
  json::Writer w;
  w.BeginObject().Field("mb_per_s", best).Field("tokens", tokens).EndObject();
  return std::move(w).Take();
}

std::string Answer(const json::Value& line, const std::string& path,
                   std::shared_ptr<const Tokenizer>* tokenizer) {
  if (const json::Value* json = line.Find("tokenizer")) {
    auto made = Tokenizer::FromJson(json->AsString().value_or(""));
    if (!made.ok()) return PrintError(made.error().message());
    *tokenizer = made.value();
    return "{}";
  }
  if (*tokenizer == nullptr) return PrintError("no tokenizer was given");
  if (const json::Value* ids = line.Find("decode")) return PrintDecoded(**tokenizer, *ids);
  if (const json::Value* texts = line.Find("bench")) return PrintSpeed(**tokenizer, *texts, 5);
  if (const json::Value* texts = line.Find("fresh")) {
    const auto fresh = Tokenizer::FromFile(path);
    return fresh.ok() ? PrintSpeed(*fresh.value(), *texts, 1) : PrintError(fresh.error().message());
  }
  return PrintEncoding(**tokenizer, line);
}

int Main(int argc, char** argv) {
  std::shared_ptr<const Tokenizer> tokenizer;
  if (argc > 1) {
    auto made = Tokenizer::FromFile(argv[1]);
    if (!made.ok()) {
      std::fprintf(stderr, "%s\n", made.error().message().c_str());
      return 3;
    }
    tokenizer = made.value();
  }
  for (std::string line; std::getline(std::cin, line);) {
    const auto value = json::Parse(line);
    const std::string answer = value.ok()
                                   ? Answer(value.value(), argc > 1 ? argv[1] : "", &tokenizer)
                                   : PrintError(value.error().message());
    std::puts(answer.c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace malmoi::text

int main(int argc, char** argv) {
  return malmoi::text::Main(argc, argv);
}

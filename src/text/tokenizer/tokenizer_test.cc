// Goal: ids, offsets, type ids and decoded text equal the package's; hostile texts stay linear.
// Method: golden files that the package wrote (tools/make_golden/tokenizer.py, and the shared set
// where it is present) against the models of the assets; two tiny tokenizers written here with the
// package's answers, so that something runs without assets; damaged files; growth of run time.
#include "text/tokenizer.h"

#include <doctest/doctest.h>
#include <time.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "json/value.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::text {
namespace {

constexpr char kWordPiece[] = R"json({
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [{"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false,
    "rstrip": false, "normalized": false, "special": true}, {"id": 9, "content": "[MASK]",
    "single_word": false, "lstrip": true, "rstrip": false, "normalized": false,
    "special": true}, {"id": 15, "content": "Foo Bar", "single_word": true, "lstrip": false,
    "rstrip": false, "normalized": true, "special": false}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
    "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 10, "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3,
    "un": 4, "##aff": 5, "##able": 6, "cafe": 7, "##a": 8, "[MASK]": 9, ".": 10, "日": 11,
    "ᄒ": 12, "##ᅡ": 13, "##ᆫ": 14}}
})json";

constexpr char kUnigram[] = R"json({
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
    "rstrip": false, "normalized": false, "special": true}],
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace",
    "pattern": {"Regex": " {2,}"}, "content": " "}]},
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
    "split": true},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>",
    "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 1}}], "pair": [{"Sequence": {"id": "A",
    "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
  "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
    "split": true},
  "model": {"type": "Unigram", "unk_id": 1, "byte_fallback": true, "vocab": [["<s>", 0.0],
    ["<unk>", 0.0], ["▁", -2.0], ["a", -3.0], ["b", -3.0], ["ab", -4.0], ["▁ab", -4.5], ["한",
    -5.0], ["국", -5.0], ["한국", -6.0], ["abc", -9.0], ["c", -2.5], ["<0xF0>", -12.0], ["<0x9F>",
    -12.0], ["<0x98>", -12.0], ["<0x80>", -12.0]]}
})json";

using Spans = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

Spans SpansOf(const Encoding& encoding) {
  Spans out;
  for (const auto& span : encoding.offsets) out.emplace_back(span.begin, span.end);
  return out;
}

std::shared_ptr<const Tokenizer> FromJson(std::string_view json) {
  auto tokenizer = Tokenizer::FromJson(json);
  INFO((tokenizer.ok() ? std::string() : tokenizer.error().message()));
  REQUIRE(tokenizer.ok());
  return tokenizer.value();
}

// Null where the asset is absent, after saying so.
std::shared_ptr<const Tokenizer> FromAsset(const std::string& model) {
  const std::string root =
      os::GetEnv("MALMOI_ASSETS").value_or(std::string(MALMOI_SOURCE_DIR) + "/build/assets");
  const std::string path = root + "/models/" + model + "/tokenizer.json";
  if (!os::PosixVfs().Stat(path).ok()) {
    std::printf("skipped: tokenizer of %s: asset models/%s is absent\n", model.c_str(),
                model.c_str());
    return nullptr;
  }
  auto tokenizer = Tokenizer::FromFile(path);
  INFO((tokenizer.ok() ? std::string() : tokenizer.error().message()));
  REQUIRE(tokenizer.ok());
  return tokenizer.value();
}

std::vector<json::Value> ReadLines(const std::string& path) {
  auto bytes = os::ReadFile(os::PosixVfs(), path);
  REQUIRE(bytes.ok());
  std::vector<json::Value> out;
  std::string_view rest = bytes.value();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    auto value = json::Parse(rest.substr(0, end));
    REQUIRE(value.ok());
    out.push_back(std::move(value).value());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::vector<std::int64_t> Integers(const json::Value* list) {
  std::vector<std::int64_t> out;
  if (list == nullptr) return out;
  for (const json::Value& item : list->items()) {
    if (item.is_array()) {
      for (const json::Value& inner : item.items()) out.push_back(inner.AsInt().value_or(-1));
    } else {
      out.push_back(item.AsInt().value_or(-1));
    }
  }
  return out;
}

// Offsets in code points, as the package's Python interface gives them.
std::vector<std::int64_t> PointOffsets(std::string_view text, const Encoding& encoding) {
  std::vector<std::int64_t> points(text.size() + 1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = DecodeRune(text, at).size;
    for (std::size_t i = 1; i <= size; ++i) points[at + i] = points[at] + (i == size ? 1 : 0);
    at += size;
  }
  std::vector<std::int64_t> out;
  for (const auto& span : encoding.offsets) {
    out.push_back(points[span.begin]);
    out.push_back(points[span.end]);
  }
  return out;
}

// `full` cases also hold type ids and the special-tokens mask.
void Replay(const Tokenizer& tokenizer, const json::Value& line) {
  const std::string text(line.GetString("text"));
  CAPTURE(text);
  const Encoding encoding = tokenizer.Encode(text);
  CHECK(std::vector<std::int64_t>(encoding.ids.begin(), encoding.ids.end()) ==
        Integers(line.Find("ids")));
  CHECK(PointOffsets(text, encoding) == Integers(line.Find("offsets")));
  CHECK(tokenizer.Decode(encoding.ids, true) == line.GetString("decoded"));
  if (line.Find("type_ids") == nullptr) return;
  CHECK(std::vector<std::int64_t>(encoding.type_ids.begin(), encoding.type_ids.end()) ==
        Integers(line.Find("type_ids")));
  CHECK(std::vector<std::int64_t>(encoding.special.begin(), encoding.special.end()) ==
        Integers(line.Find("special")));
}

TEST_CASE("tiny tokenizers give the package's ids, offsets and text") {
  const struct {
    std::string_view json;
    std::string text;
    std::vector<std::int32_t> ids;
    Spans spans;
    std::string kept;
  } cases[] = {
      {kWordPiece,
       "unaffable Caf\303\251.",
       {2, 4, 5, 6, 7, 10, 3},
       {{0, 0}, {0, 2}, {2, 5}, {5, 9}, {10, 15}, {15, 16}, {0, 0}},
       "[CLS] unaffable cafe. [SEP]"},
      {kWordPiece,
       "UNAFFAAX unaffablea",
       {2, 1, 4, 5, 6, 8, 3},
       {{0, 0}, {0, 8}, {9, 11}, {11, 14}, {14, 18}, {18, 19}, {0, 0}},
       "[CLS] [UNK] unaffablea [SEP]"},
      {kWordPiece,
       "unaffablexxxxx \346\227\245\346\227\245",
       {2, 1, 11, 11, 3},
       {{0, 0}, {0, 14}, {15, 18}, {18, 21}, {0, 0}},
       "[CLS] [UNK] \346\227\245 \346\227\245 [SEP]"},
      {kWordPiece,
       "a [MASK] foo bar. Foo Barx",
       {2, 1, 9, 15, 10, 1, 1, 3},
       {{0, 0}, {0, 1}, {1, 8}, {9, 16}, {16, 17}, {18, 21}, {22, 26}, {0, 0}},
       "[CLS] [UNK] foo bar. [UNK] [UNK] [SEP]"},
      {kWordPiece,
       "\355\225\234 ",
       {2, 12, 13, 14, 3},
       {{0, 0}, {0, 3}, {0, 3}, {0, 3}, {0, 0}},
       "[CLS] \341\204\222\341\205\241\341\206\253 [SEP]"},
      {kWordPiece, "x\001un\314\201", {2, 1, 3}, {{0, 0}, {0, 4}, {0, 0}}, "[CLS] [UNK] [SEP]"},
      {kUnigram, "ab  abc", {0, 6, 6, 11}, {{0, 0}, {0, 2}, {3, 6}, {6, 7}}, "ab abc"},
      {kUnigram,
       "\357\275\201\357\275\202\355\225\234\352\265\255\354\226\264",
       {0, 6, 9, 1},
       {{0, 0}, {0, 6}, {6, 12}, {12, 15}},
       "ab\355\225\234\352\265\255<unk>"},
      {kUnigram,
       "ab\360\237\230\200",
       {0, 6, 12, 13, 14, 15},
       {{0, 0}, {0, 2}, {2, 6}, {2, 6}, {2, 6}, {2, 6}},
       "ab<0xF0><0x9F><0x98><0x80>"},
      {kUnigram,
       "<s>ab <unk>zz",
       {0, 0, 6, 2, 1},
       {{0, 0}, {0, 3}, {3, 5}, {5, 6}, {6, 13}},
       "ab <unk>"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto tokenizer = FromJson(c.json);
    const Encoding encoding = tokenizer->Encode(c.text);
    CHECK(encoding.ids == c.ids);
    CHECK(SpansOf(encoding) == c.spans);
    CHECK(encoding.type_ids.size() == encoding.size());
    CHECK(encoding.special.size() == encoding.size());
    CHECK(tokenizer->Decode(encoding.ids, true) == c.kept);
  }
}

// What an empty match adds before everything stands for the piece's empty beginning, also where an
// earlier normalizer took its first character.
TEST_CASE("an empty match before everything is at the beginning of its piece") {
  const auto tokenizer = FromJson(R"json({"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 4, "content": "<s>", "single_word": false, "lstrip": false,
      "rstrip": false, "normalized": false, "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "Replace",
      "pattern": {"Regex": "x*"}, "content": "-"}]},
    "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "-": 1, "##a": 2, "##-": 3}}})json");
  const Encoding encoding = tokenizer->Encode("a<s>\002a");
  CHECK(encoding.ids == std::vector<std::int32_t>{1, 2, 3, 4, 1, 2, 3});
  CHECK(SpansOf(encoding) == Spans{{0, 0}, {0, 1}, {0, 1}, {1, 4}, {4, 4}, {5, 6}, {5, 6}});
}

TEST_CASE("special tokens, limits and ill-formed bytes") {
  const auto tokenizer = FromJson(kUnigram);
  CHECK(tokenizer->Encode("ab ab ab").ids == std::vector<std::int32_t>{0, 6, 6, 6});
  CHECK(tokenizer->Encode("ab ab ab").type_ids == std::vector<std::int32_t>{0, 1, 1, 1});
  CHECK(tokenizer->Encode("ab ab ab").special == std::vector<std::uint8_t>{1, 0, 0, 0});
  CHECK(tokenizer->Encode("ab ab ab", {.add_special_tokens = false}).ids ==
        std::vector<std::int32_t>{6, 6, 6});
  CHECK(tokenizer->Encode("ab ab ab", {.max_tokens = 3}).ids == std::vector<std::int32_t>{0, 6, 6});
  CHECK(tokenizer->Encode("ab ab", {.add_special_tokens = false, .max_tokens = 1}).ids ==
        std::vector<std::int32_t>{6});
  CHECK(tokenizer->Encode("ab", {.max_tokens = 1}).ids == std::vector<std::int32_t>{0});
  CHECK(tokenizer->Encode("").ids == std::vector<std::int32_t>{0});
  CHECK(tokenizer->IdOf("\342\226\201ab") == 6);
  CHECK(tokenizer->IdOf("none") == -1);
  CHECK(tokenizer->TokenOf(6) == "\342\226\201ab");
  CHECK(tokenizer->TokenOf(99).empty());
  CHECK(tokenizer->TokenOf(-1).empty());
  CHECK(tokenizer->vocabulary_size() == 16);
  // A lone byte reads as U+FFFD and is unknown; its span is the byte.
  const Encoding lossy = tokenizer->Encode(
      "ab\xFF"
      "c");
  CHECK(lossy.ids == std::vector<std::int32_t>{0, 6, 1, 11});
  CHECK(SpansOf(lossy) == Spans{{0, 0}, {0, 2}, {2, 3}, {3, 4}});
}

TEST_CASE("unknown and malformed parts are named") {
  const auto message = [](std::string json, const std::string& from, const std::string& to) {
    const std::size_t at = json.find(from);
    REQUIRE(at != std::string::npos);
    auto tokenizer = Tokenizer::FromJson(json.replace(at, from.size(), to));
    REQUIRE(!tokenizer.ok());
    return tokenizer.error().message();
  };
  CHECK(message(kUnigram, "\"NFKC\"", "\"Rot13\"").find("'Rot13'") != std::string::npos);
  CHECK(message(kUnigram, "\"Unigram\"", "\"BPE\"").find("model 'BPE'") != std::string::npos);
  CHECK(message(kUnigram, " {2,}", "(a|b").find("'(a|b': missing ')'") != std::string::npos);
  CHECK(message(kUnigram, "\"unk_id\": 1", "\"unk_id\": 99").find("unk_id") != std::string::npos);
  CHECK(message(kWordPiece, "\"unk_token\": \"[UNK]\"", "\"unk_token\": \"?\"")
            .find("unk_token '?'") != std::string::npos);
  CHECK(message(kWordPiece, "\"BertPreTokenizer\"", "\"NoSuch\"").find("'NoSuch'") !=
        std::string::npos);
  CHECK(!Tokenizer::FromJson("[").ok());
  CHECK(!Tokenizer::FromJson("{}").ok());
  CHECK(!Tokenizer::FromFile("/nonexistent/tokenizer.json").ok());
}

TEST_CASE("damaged files give an error or a tokenizer, never a crash") {
  std::uint32_t state = 20240607;
  const auto next = [&](std::size_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  };
  // A map of 64 units and some replacements, in base64; damaged like the rest.
  const std::string map =
      R"({"type":"Precompiled","precompiled_charsmap":"AAEAAA)" + std::string(342, 'A') + R"("},)";
  int loaded = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string json = i % 2 == 0 ? kWordPiece : kUnigram;
    if (i % 4 == 1) json.insert(json.find("{\"type\": \"NFKC\"}"), map);
    const bool in_map = i % 4 == 1;
    const std::size_t map_at = in_map ? json.find("AAEAAA") : 0;
    const std::size_t edits = 1 + next(in_map ? 40 : 4);
    for (std::size_t k = 0; k < edits; ++k) {
      const std::size_t at = in_map ? map_at + next(340) : next(json.size());
      json[at] = in_map ? "ABCDQgw/19+"[next(11)] : "0123456789-\"[]{},:a"[next(19)];
    }
    auto tokenizer = Tokenizer::FromJson(json);
    if (!tokenizer.ok()) continue;
    ++loaded;
    const std::string text = "ab \xED\x95\x9C e\xCC\x81 <s>[MASK] foo bar \xFF";
    const Encoding encoding = tokenizer.value()->Encode(text);
    for (const auto& span : encoding.offsets) {
      CHECK(span.begin <= span.end);
      CHECK(span.end <= text.size());
    }
    CHECK(IsValidUtf8(tokenizer.value()->Decode(encoding.ids, false)));
  }
  CHECK(loaded > 500);
}

TEST_CASE("the assets' tokenizers replay our golden file") {
  const auto lines =
      ReadLines(std::string(MALMOI_SOURCE_DIR) + "/tests/golden/tokenizers-0.23.3-random.jsonl");
  CHECK(lines.size() == 600);
  for (const std::string model : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    const auto tokenizer = FromAsset(model);
    if (tokenizer == nullptr) continue;
    for (const json::Value& line : lines) {
      if (line.GetString("m") == model) Replay(*tokenizer, line);
    }
  }
}

TEST_CASE("the assets' tokenizers replay the shared golden file") {
  const std::string root =
      os::GetEnv("MALMOI_SHARED").value_or(std::string(MALMOI_SOURCE_DIR) + "/../shared");
  const std::string path = root + "/tokenizer/golden.jsonl";
  if (!os::PosixVfs().Stat(path).ok()) {
    std::printf("skipped: shared tokenizer golden file: ../shared is absent\n");
    return;
  }
  const auto word_piece = FromAsset("all-MiniLM-L6-v2");
  const auto unigram = FromAsset("multilingual-e5-small");
  for (const json::Value& line : ReadLines(path)) {
    const auto& tokenizer = line.GetString("tok").starts_with("minilm") ? word_piece : unigram;
    if (tokenizer != nullptr) Replay(*tokenizer, line);
  }
}

// This thread's processor time: other work on the machine does not count.
double CpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Processor seconds of the fastest of three runs.
double CpuSecondsOf(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double start = CpuSeconds();
    const Encoding encoding = tokenizer.Encode(text);
    CHECK(encoding.ids.size() == encoding.offsets.size());
    best = std::min(best, CpuSeconds() - start);
  }
  return best;
}

// Sixteen times the text may take 64 times as long (it leaves the caches), which is far from the
// 256 of a quadratic stage; a loaded machine gets three chances.
TEST_CASE("one word of any length costs linear time") {
  const struct {
    const char* name;
    const char* unit;
  } texts[] = {{"letters", "a"},
               {"marks", "\314\201\314\243"},
               {"hangul", "\355\225\234\352\265\255"},
               {"jamo", "\341\204\222\341\205\241"},
               {"unknown", "\360\222\200\200"},
               {"spaces", " "},
               {"masks", "[MASK]"},
               {"line ends", "\r\n"},
               {"regional", "\360\237\207\260"},
               {"controls", "\001\314\201"}};
  std::vector<std::shared_ptr<const Tokenizer>> tokenizers{FromJson(kWordPiece),
                                                           FromJson(kUnigram)};
  for (const char* model : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    if (auto tokenizer = FromAsset(model)) tokenizers.push_back(std::move(tokenizer));
  }
  for (const auto& tokenizer : tokenizers) {
    for (const auto& t : texts) {
      CAPTURE(t.name);
      std::string small, large;
      while (small.size() < (1u << 16)) small += t.unit;
      while (large.size() < (1u << 20)) large += t.unit;
      double ratio = 1e9;
      for (int i = 0; i < 3 && ratio >= 64; ++i) {
        ratio = std::min(ratio, CpuSecondsOf(*tokenizer, large) / CpuSecondsOf(*tokenizer, small));
      }
      CHECK(ratio < 64);
    }
  }
}

}  // namespace
}  // namespace malmoi::text

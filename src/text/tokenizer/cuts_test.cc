// Goal: a text that is cut at blanks and partly taken from the cache gives what the uncut text
// gives.
// Method: tokenizers of every kind that cuts, over texts made of words, blanks and characters that
// normalizers treat across borders; the same tokenizer with a stage in front that forbids cuts and
// changes nothing is the reference. Each text comes twice, so that the cache answers too.
#include "text/tokenizer/cuts.h"

#include <doctest/doctest.h>

#include "text/tokenizer.h"
#include "text/tokenizer/patterns.h"

namespace malmoi::text {
namespace {

std::shared_ptr<const Tokenizer> Make(const std::string& normalizers, const std::string& splitter,
                                      const std::string& model, bool cut) {
  // A replacement that may touch a blank, of what no text has.
  const std::string none =
      R"({"type":"Replace","pattern":{"String":"\u0007 \u0007"},"content":""})";
  std::string list = normalizers;
  if (!cut) list += (list.empty() ? "" : ",") + none;
  const std::string json = R"({"normalizer":{"type":"Sequence","normalizers":[)" + list +
                           R"(]},"pre_tokenizer":)" + splitter + R"(,"model":)" + model + "}";
  auto tokenizer = Tokenizer::FromJson(json);
  REQUIRE_MESSAGE(tokenizer.ok(), (tokenizer.ok() ? "" : tokenizer.error().message()));
  return tokenizer.value();
}

void CheckSame(const Encoding& a, const Encoding& b) {
  CHECK(a.ids == b.ids);
  REQUIRE(a.offsets.size() == b.offsets.size());
  for (std::size_t i = 0; i < a.offsets.size(); ++i) {
    CHECK(a.offsets[i].begin == b.offsets[i].begin);
    CHECK(a.offsets[i].end == b.offsets[i].end);
  }
}

// Words, blanks, and characters that normalizers drop, move or make blanks of.
constexpr const char* kUnits[] = {"a",
                                  "ab",
                                  "b.",
                                  " ",
                                  " ",
                                  " ",
                                  "  ",
                                  "\n",
                                  "\t",
                                  "\r\n",
                                  "'s",
                                  "A",
                                  "\xE1\xB8\x81",
                                  "\xCC\x81",
                                  "\xC2\xAD",
                                  "\xE2\x80\x8B",
                                  "\xE3\x80\x80",
                                  "\xED\x95\x9C",
                                  "\xE1\x84\x92\xE1\x85\xA1",
                                  "\xD8\x80",
                                  "\x01",
                                  "\x7F",
                                  "\xE6\x97\xA5",
                                  "\xEF\xBC\xA1",
                                  "\xE2\x96\x81",
                                  "1",
                                  "\xC2\xA0"};

TEST_CASE("cut texts give what uncut texts give") {
  const std::string words =
      R"({"type":"WordPiece","unk_token":"?","vocab":{"?":0,"a":1,"##a":2,"b":3,"##b":4,".":5}})";
  const std::string pieces =
      R"({"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["b",-1],["▁",-2],["▁a",-2],["ab",-1.5]]})";
  const std::string metaspace = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":)";
  const std::string gpt2 =
      R"({"type":"Split","pattern":{"Regex":"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false})";
  const std::string spaces = R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})";
  const struct {
    std::string normalizers, splitter, model;
  } kinds[] = {
      {R"({"type":"BertNormalizer"})", R"({"type":"BertPreTokenizer"})", words},
      {R"({"type":"BertNormalizer","clean_text":false})", R"({"type":"Whitespace"})", words},
      {R"({"type":"NFKC"},)" + spaces, metaspace + R"("always"})", pieces},
      {R"({"type":"Nmt"},{"type":"NFKC"},)" + spaces, metaspace + R"("first"})", pieces},
      {R"({"type":"Nmt"})",
       R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)" + metaspace +
           R"("always"}]})",
       pieces},
      {R"({"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"})", gpt2, pieces},
      {R"({"type":"NFC"})", R"({"type":"ByteLevel","add_prefix_space":true})", pieces},
      {"", metaspace + R"("never"})", pieces},
  };
  std::uint32_t state = 7;
  const auto next = [&](std::size_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  };
  for (const auto& kind : kinds) {
    CAPTURE(kind.normalizers);
    CAPTURE(kind.splitter);
    const auto cut = Make(kind.normalizers, kind.splitter, kind.model, true);
    const auto whole = Make(kind.normalizers, kind.splitter, kind.model, false);
    for (int i = 0; i < 3000; ++i) {
      std::string text;
      for (std::size_t k = next(14); k > 0; --k) text += kUnits[next(std::size(kUnits))];
      CAPTURE(text);
      const Encoding want = whole->Encode(text);
      CheckSame(cut->Encode(text), want);
      CheckSame(cut->Encode(text), want);
    }
  }
}

TEST_CASE("cuts are where both sides are alone") {
  const AddedTokens none;
  const auto read = [](const char* json) {
    auto stage = ReadPreTokenizer(json::Parse(json).value());
    REQUIRE(stage.ok());
    return std::move(stage).value();
  };
  const auto drops = read(R"({"type":"WhitespaceSplit"})");
  const auto splits = read(R"({"type":"Metaspace","replacement":"_"})");
  const auto keeps = read(R"({"type":"Punctuation"})");
  CHECK(!Cuts(nullptr, keeps.get(), none).enabled());
  CHECK(!Cuts(nullptr, nullptr, none).enabled());
  const Cuts words(nullptr, drops.get(), none);
  REQUIRE(words.enabled());
  CHECK(words.Next("ab  c", 0) == 2);
  CHECK(words.Next("ab  c", 2) == 5);
  CHECK(words.Skippable("  c") == 2);
  const Cuts marks(nullptr, splits.get(), none);
  CHECK(marks.Next("ab c", 0) == 2);
  CHECK(marks.Next("ab  c", 0) == 5);
  CHECK(marks.Next("ab\nc", 0) == 4);
  CHECK(marks.Skippable(" c") == 0);
  CHECK(marks.Next("\xD8\x80 c", 0) == 4);  // A character that joins what follows it.
}

}  // namespace
}  // namespace malmoi::text

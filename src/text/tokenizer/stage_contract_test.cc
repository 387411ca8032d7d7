// Goal: every stage keeps the laws of stages.h on any text.
// Method: each stage, made from its JSON, runs over hard texts and every two-part mix of them; the
// laws are checked, and that a second run gives the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "json/value.h"
#include "text/tokenizer/chars.h"
#include "text/tokenizer/stages.h"
#include "text/tokenizer/trie.h"

namespace malmoi::text {
namespace {

std::vector<std::string> Texts() {
  const std::vector<std::string> parts = {
      "a",
      "Hello, World!",
      "  two  spaces ",
      "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4",  // Hangul syllables.
      "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB",  // Their jamo.
      "e\xCC\x81\xCC\xA3\xCC\xA3",             // Marks out of order.
      "\xCC\x81",
      "\xC4\xB0\xE1\xBA\x9E",                          // Capitals with odd lower-case forms.
      "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9",  // Joined emoji.
      "\xE6\x97\xA5\xE6\x9C\xAC",
      "\x01\t\r\n\x7F",
      "\xE2\x96\x81\xE2\x96\x81x",
      "12\xE2\x91\xA0\xC2\xBD",
      "\xEF\xB7\xBA",  // One character that becomes eighteen.
      std::string(1, '\0'),
  };
  std::vector<std::string> out = {""};
  for (const auto& a : parts) {
    out.push_back(a);
    for (const auto& b : parts) out.push_back(a + b);
  }
  return out;
}

json::Value Parse(const std::string& text) {
  auto value = json::Parse(text);
  REQUIRE(value.ok());
  return std::move(value).value();
}

// Valid UTF-8, one span a byte, the same for all bytes of a character, inside the source.
void CheckText(const Normalized& text, std::size_t source_size) {
  CHECK(IsValidUtf8(text.text));
  REQUIRE(text.text.size() == text.spans.size());
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.text.size(); at += size) {
    ReadRune(text.text, at, &size);
    const Encoding::Span first = text.spans[at];
    CHECK(first.begin <= first.end);
    CHECK(first.end <= source_size);
    for (std::size_t i = 1; i < size; ++i) CHECK(text.spans[at + i].begin == first.begin);
  }
}

TEST_CASE("normalizers give valid text with a span a byte, and the same each time") {
  for (const char* json :
       {R"({"type":"BertNormalizer"})", R"({"type":"BertNormalizer","clean_text":false})",
        R"({"type":"NFC"})", R"({"type":"NFD"})", R"({"type":"NFKC"})", R"({"type":"NFKD"})",
        R"({"type":"Lowercase"})", R"({"type":"StripAccents"})", R"({"type":"Nmt"})",
        R"({"type":"Strip","strip_left":true,"strip_right":true})",
        R"({"type":"Prepend","prepend":"xy"})",
        R"({"type":"Replace","pattern":{"String":"a"},"content":"bcd"})",
        R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})",
        R"({"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"}]})"}) {
    CAPTURE(json);
    auto stage = ReadNormalizer(Parse(json));
    REQUIRE(stage.ok());
    TokenizerScratch scratch;
    for (const std::string& source : Texts()) {
      CAPTURE(source);
      Normalized text, again;
      text.Assign(source, 0);
      again.Assign(source, 0);
      stage.value()->Normalize(&text, &scratch);
      CheckText(text, source.size());
      stage.value()->Normalize(&again, &scratch);
      CHECK(text.text == again.text);
    }
  }
}

TEST_CASE("pre-tokenizers keep pieces in order, apart, not empty, and leave tokens alone") {
  for (const char* json :
       {R"({"type":"BertPreTokenizer"})", R"({"type":"Whitespace"})",
        R"({"type":"WhitespaceSplit"})", R"({"type":"Digits","individual_digits":true})",
        R"({"type":"Digits","individual_digits":false})",
        R"({"type":"Punctuation","behavior":"MergedWithPrevious"})",
        R"({"type":"Punctuation","behavior":"MergedWithNext"})",
        R"({"type":"Punctuation","behavior":"Contiguous"})",
        R"({"type":"Metaspace","replacement":"_","prepend_scheme":"always"})",
        R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false})",
        R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},
            {"type":"Metaspace","replacement":"_","prepend_scheme":"always"}]})"}) {
    CAPTURE(json);
    auto stage = ReadPreTokenizer(Parse(json));
    REQUIRE(stage.ok());
    TokenizerScratch scratch;
    for (const std::string& source : Texts()) {
      CAPTURE(source);
      Normalized text;
      text.Assign("T " + source, 0);
      std::vector<Piece> pieces = {{0, 2, 7}};
      if (!source.empty()) pieces.push_back({2, text.text.size(), -1});
      stage.value()->Split(&text, &pieces, &scratch);
      CheckText(text, source.size() + 2);
      REQUIRE(!pieces.empty());
      CHECK(pieces[0].token == 7);
      CHECK(text.text.substr(pieces[0].begin, pieces[0].end - pieces[0].begin) == "T ");
      std::size_t done = 0;
      for (const Piece& piece : pieces) {
        CHECK(piece.begin >= done);
        CHECK(piece.end > piece.begin);
        CHECK(piece.end <= text.text.size());
        CHECK(IsValidUtf8(text.text.substr(piece.begin, piece.end - piece.begin)));
        done = piece.end;
      }
    }
  }
}

TEST_CASE("models cover the word in order") {
  for (
      const char* json :
      {R"({"type":"WordPiece","unk_token":"?","vocab":{"?":0,"a":1,"##a":2,"Hello":3}})",
       R"({"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["He",-2],["llo",-3],[" ",-1]]})",
       R"({"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["?",0],["<0xCC>",-9],["<0x81>",-9]]})"}) {
    CAPTURE(json);
    auto stage = ReadModel(Parse(json));
    REQUIRE(stage.ok());
    TokenizerScratch scratch;
    for (const std::string& word : Texts()) {
      if (word.empty()) continue;
      CAPTURE(word);
      std::vector<ModelToken> tokens;
      stage.value()->Tokenize(word, &tokens, &scratch);
      REQUIRE(!tokens.empty());
      CHECK(tokens.front().begin == 0);
      CHECK(tokens.back().end == word.size());
      for (std::size_t i = 1; i < tokens.size(); ++i) {
        // Bytes of one unknown character share its span.
        const bool same = tokens[i].begin == tokens[i - 1].begin;
        CHECK((same || tokens[i].begin == tokens[i - 1].end));
      }
    }
  }
}

TEST_CASE("decoders do what their names say") {
  const struct {
    const char* json;
    std::vector<std::string> in;
    std::vector<std::string> out;
  } cases[] = {
      {R"({"type":"WordPiece","prefix":"##","cleanup":true})",
       {"do", "##n", "'", "t", ".", "!"},
       {"do", "n", " '", " t", ".", "!"}},
      {R"({"type":"WordPiece","prefix":"##","cleanup":false})", {"##a", "."}, {"##a", " ."}},
      {R"({"type":"Metaspace","replacement":"_","prepend_scheme":"always"})",
       {"_a", "b_c"},
       {"a", "b c"}},
      {R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never"})", {"_a"}, {" a"}},
      {R"({"type":"Fuse"})", {"a", "b"}, {"ab"}},
      {R"({"type":"Replace","pattern":{"String":"aa"},"content":"b"})", {"aaa"}, {"ba"}},
      {R"({"type":"Strip","content":" ","start":1,"stop":2})", {"  a   ", " "}, {" a ", ""}},
      {R"({"type":"ByteFallback"})",
       {"a", "<0xEC>", "<0x96>", "<0xB4>", "b", "<0xff>", "<0xzz>"},
       {"a", "\xEC\x96\xB4", "b", "\xEF\xBF\xBD", "<0xzz>"}},
      {R"({"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]})",
       {"<0x41>", "b"},
       {"Ab"}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.json);
    auto stage = ReadDecoder(Parse(c.json));
    REQUIRE(stage.ok());
    std::vector<std::string> tokens = c.in;
    stage.value()->Decode(&tokens);
    CHECK(tokens == c.out);
  }
}

TEST_CASE("the trie finds exactly its keys") {
  std::vector<std::string> keys;
  std::uint32_t state = 12345;
  for (int i = 0; i < 3000; ++i) {
    std::string key;
    const std::uint32_t length = 1 + (state >> 24) % 6;
    for (std::uint32_t k = 0; k < length; ++k) {
      state = state * 1664525 + 1013904223;
      key.push_back(static_cast<char>((state >> 16) % (i % 2 == 0 ? 4 : 256)));
    }
    keys.push_back(key);
  }
  std::vector<std::pair<std::string_view, std::int32_t>> pairs;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    pairs.emplace_back(keys[i], static_cast<std::int32_t>(i));
  }
  const ByteTrie trie = ByteTrie::Build(pairs);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto last = std::find(keys.rbegin(), keys.rend(), keys[i]);
    CHECK(trie.Find(keys[i]) == keys.rend() - last - 1);
    const std::string longer = keys[i] + "\x01zz9";
    const bool known = std::find(keys.begin(), keys.end(), longer) != keys.end();
    CHECK((trie.Find(longer) >= 0) == known);
  }
  CHECK(trie.Find("") == -1);
  CHECK(ByteTrie::Build({}).Find("a") == -1);
}

TEST_CASE("grapheme clusters break where UAX #29 says") {
  const struct {
    std::u32string text;
    std::vector<std::size_t> breaks;
  } cases[] = {
      {U"ab", {0, 1}},
      {U"\r\n\n", {0, 2}},
      {U"e\u0301\u0323x", {0, 3}},
      {U"\u1112\u1161\u11AB\u1112", {0, 3}},
      {U"\U0001F1F0\U0001F1F7\U0001F1FA\U0001F1F8\U0001F1F0", {0, 2, 4}},
      {U"\U0001F468\u200D\U0001F469a", {0, 3}},
      {U"a\u200D\U0001F469", {0, 2}},
      {U"\u0915\u094D\u0937\u0915", {0, 3}},
      {U"\u0600a", {0}},
  };
  for (const auto& c : cases) {
    ClusterBreaker breaker;
    std::vector<std::size_t> breaks;
    for (std::size_t i = 0; i < c.text.size(); ++i) {
      if (breaker.BreaksBefore(FlagsOf(c.text[i]))) breaks.push_back(i);
    }
    CHECK(breaks == c.breaks);
  }
}

}  // namespace
}  // namespace malmoi::text

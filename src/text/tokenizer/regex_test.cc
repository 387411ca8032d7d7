// Goal: the regular expressions of tokenizers match what Oniguruma matches, in linear time.
// Method: expected matches, written by hand from Oniguruma's rules and checked once against the
// tokenizers package (tools/diff_tokenizer.py compares at length by hand); steps counted on texts
// of two sizes that make backtracking engines explode; scanners of known patterns against Regex.
#include "text/tokenizer/regex.h"

#include <doctest/doctest.h>

#include "text/tokenizer/patterns.h"
#include "text/tokenizer/split.h"

namespace malmoi::text {
namespace {

std::vector<std::string> Find(const std::string& pattern, const std::string& text) {
  auto regex = Regex::Compile(pattern);
  REQUIRE_MESSAGE(regex.ok(), (regex.ok() ? "" : regex.error().message()));
  Regex::Scratch scratch;
  std::vector<Regex::Match> matches;
  regex.value().FindAll(text, &scratch, &matches);
  std::vector<std::string> out;
  for (const auto& m : matches) out.push_back(text.substr(m.begin, m.end - m.begin));
  return out;
}

using List = std::vector<std::string>;

TEST_CASE("matches are the first that backtracking finds") {
  CHECK(Find("a|ab", "ab") == List{"a"});
  CHECK(Find("ab|a", "aab") == List{"a", "ab"});
  CHECK(Find("a+?", "aa") == List{"a", "a"});
  CHECK(Find("a{2}", "aaaaa") == List{"aa", "aa"});
  CHECK(Find("a{,2}b", "aaab") == List{"aab"});
  CHECK(Find("a{x", "a{x") == List{"a{x"});
  CHECK(Find("(?:a|ab)(?:c|bcd)", "abcd") == List{"abcd"});
  CHECK(Find("(a*)*b", "aab") == List{"aab"});
  CHECK(Find("x*", "axb") == List{"", "x", ""});
  CHECK(Find("[a-c&&[^b]]+", "abca") == List{"a", "ca"});
  CHECK(Find("[^\\]a]", "]ab") == List{"b"});
  CHECK(Find("[]a]", "]ab") == List{"]", "a"});
  CHECK(Find("[[:digit:]x-]+", "1-x\n") == List{"1-x"});
  CHECK(Find("\\p{Han}+|\\p{Hangul}", "漢字한글") == List{"漢字", "한", "글"});
  CHECK(Find("\\p{^L}\\P{N}", "1a") == List{"1a"});
  CHECK(Find("(?i:'S|É)", "'s É é") == List{"'s", "É", "é"});
  CHECK(Find("(?i)k", "\xE2\x84\xAA") == List{"\xE2\x84\xAA"});  // The Kelvin sign.
  CHECK(Find("\\s+(?!\\S)|\\s+", "a  b ") == List{" ", " ", " "});
  CHECK(Find("(?<=a)b|(?<!x)c", "ab xc c") == List{"b", "c"});
  CHECK(Find("(?<=ab|c)d", "abd cd d") == List{"d", "d"});
  CHECK(Find("\\bfoo\\b", "foo food") == List{"foo"});
  CHECK(Find("^.|.$", "ab\ncd") == List{"a", "b", "c", "d"});
  CHECK(Find("\\A.|.\\z", "ab\ncd") == List{"a", "d"});
  CHECK(Find("(?m:a.b)", "a\nb") == List{"a\nb"});
  CHECK(Find("\\R", "\r\n\n") == List{"\r\n", "\n"});
  CHECK(Find("a++a", "aaa").empty());
  CHECK(Find("a?+\\x62\\u0063\\x{64}", "abcd") == List{"abcd"});
  CHECK(Find("(?#note)(?<name>a)", "a") == List{"a"});
}

TEST_CASE("what cannot be read or run is refused by name") {
  const struct {
    const char* pattern;
    Code code;
    const char* part;
  } cases[] = {
      {"(a", Code::kInvalidArgument, "missing ')'"},
      {"a)", Code::kInvalidArgument, "unmatched ')'"},
      {"[a", Code::kInvalidArgument, "missing ']'"},
      {"*a", Code::kInvalidArgument, "nothing to repeat"},
      {"\\p{Nonsense}", Code::kInvalidArgument, "unknown property"},
      {"[b-a]", Code::kInvalidArgument, "empty range"},
      {"a{5000}", Code::kInvalidArgument, "more than 1000"},
      {"(?:(?:a{900}){900}){900}", Code::kInvalidArgument, "too long"},
      {"(a)\\1", Code::kUnsupported, "\\1"},
      {"(?>a|b)", Code::kUnsupported, "group"},
      {"(?<=a+)b", Code::kUnsupported, "look-behind"},
      {"(?:ab)++", Code::kUnsupported, "possessive"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.pattern);
    const auto regex = Regex::Compile(c.pattern);
    REQUIRE(!regex.ok());
    CHECK(regex.error().code() == c.code);
    CHECK(regex.error().message().find(c.part) != std::string::npos);
  }
  CHECK(!Regex::Compile(std::string(100, '(')).ok());
  CHECK(!Regex::Compile(std::string(100000, 'a')).ok());
}

TEST_CASE("steps grow with the text, not with its square") {
  const struct {
    const char* pattern;
    const char* unit;
  } cases[] = {
      {"(a*)*b", "a"},          {"(?:a|aa)+b", "a"},    {"a*b|a", "a"},      {".*x|.", "a"},
      {"\\s+(?!\\S)", " "},     {"a(?=.*x)", "a"},      {"(?!.*x)a|b", "a"}, {"a++b|a", "a"},
      {"\\s*[\\r\\n]+|x", " "}, {"(.*)(.*)(.*)y", "z"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.pattern);
    const auto regex = Regex::Compile(c.pattern);
    REQUIRE(regex.ok());
    std::uint64_t steps[2];
    for (int i = 0; i < 2; ++i) {
      std::string text;
      while (text.size() < (i == 0 ? 2000u : 8000u)) text += c.unit;
      Regex::Scratch scratch;
      std::vector<Regex::Match> matches;
      regex.value().FindAll(text, &scratch, &matches);
      steps[i] = scratch.steps;
    }
    CHECK(steps[1] < 5 * steps[0] + 1000);
  }
}

TEST_CASE("known patterns scan as Regex matches") {
  const char* kExpressions[] = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
  const char* kUnits[] = {"a",
                          "B",
                          "'",
                          "s",
                          "ll",
                          "RE",
                          " ",
                          "  ",
                          "\n",
                          "\r",
                          "\t",
                          "1",
                          "23",
                          ".",
                          "-",
                          "한",
                          "é",
                          "ſ",
                          "½",
                          "\xCC\x81",
                          "\xE3\x80\x80",
                          "\xF0\x9F\x98\x80",
                          "\xC2\x85",
                          "٣"};
  std::uint32_t state = 99;
  const auto next = [&](std::size_t bound) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % bound;
  };
  for (const char* expression : kExpressions) {
    const KnownPattern* known = FindKnownPattern(expression);
    REQUIRE(known != nullptr);
    auto regex = Regex::Compile(expression);
    REQUIRE(regex.ok());
    Regex::Scratch scratch;
    std::vector<Regex::Match> want, got;
    const TextPattern pattern(*known);
    for (int i = 0; i < 5000; ++i) {
      std::string text;
      for (std::size_t k = next(12); k > 0; --k) text += kUnits[next(std::size(kUnits))];
      CAPTURE(text);
      regex.value().FindAll(text, &scratch, &want);
      pattern.FindAll(text, &scratch, &got);
      REQUIRE(want.size() == got.size());
      for (std::size_t k = 0; k < want.size(); ++k) CHECK(want[k].end == got[k].end);
    }
  }
}

}  // namespace
}  // namespace malmoi::text

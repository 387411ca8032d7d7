// Goal: what the scanner takes is what Parse takes, with the same numbers; what Parse refuses, it
// refuses too.
// Method: well-formed and broken texts, every prefix of a text and every byte of it changed, random
// numbers in several spellings, all against Parse.
#include "json/scanner.h"

#include <doctest/doctest.h>

#include <bit>
#include <cstdio>
#include <random>

#include "json/value.h"

using namespace malmoi;
using json::Scanner;

namespace {

bool TakesAll(std::string_view text) {
  Scanner in(text);
  std::string_view value;
  return in.Value(&value) && in.AtEnd();
}

// Whether both agree on the numbers, where the scanner takes them.
bool SameFloats(const std::string& text) {
  Scanner in(text);
  std::vector<float> mine;
  if (!in.Floats(&mine) || !in.AtEnd()) return false;
  const auto theirs = json::Parse(text);
  REQUIRE(theirs.ok());
  REQUIRE(theirs.value().items().size() == mine.size());
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const auto expected = static_cast<float>(*theirs.value().items()[i].AsDouble());
    if (std::bit_cast<std::uint32_t>(expected) != std::bit_cast<std::uint32_t>(mine[i])) {
      MESSAGE(text);
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("values are taken whole") {
  for (const char* text :
       {"{}", "[]", " { \"a\" : [1, -2.5, 3e4, true, false, null, \"x\\n\\u00e9\"] } ",
        "\"한국어\"", "-0", "0.5", "12345678901234567",
        R"({"a":{"b":[{"c":"a long string of more than 8 bytes"}]}})"}) {
    CAPTURE(text);
    CHECK(json::Parse(text).ok());
    CHECK(TakesAll(text));
  }
}

TEST_CASE("what Parse refuses is refused") {
  for (const char* text : {"",         "{",          "[1,]",
                           "{\"a\"}",  "{\"a\":1,}", "01",
                           "1.",       ".5",         "+1",
                           "1e",       "-",          "tru",
                           "nulls",    "\"\\x\"",    "\"\\u12g4\"",
                           "\"\x01\"", "\"\xff\"",   "\"abc",
                           "[1 2]",    "{1:2}",      "\"\xed\xa0\x80\""}) {
    CAPTURE(text);
    CHECK_FALSE(json::Parse(text).ok());
    CHECK_FALSE(TakesAll(text));
  }
}

TEST_CASE("no cut and no changed byte is taken that Parse refuses") {
  const std::string text =
      R"({"id":17,"vector":[0.25,-1.5e-3,7],"payload":{"k":"\"값\" \\ \u0041","n":null,"t":[true,{}]}})";
  REQUIRE(TakesAll(text));
  int both = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    CHECK_FALSE(TakesAll(text.substr(0, at)));
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      if (!TakesAll(changed)) continue;
      CAPTURE(changed);
      CHECK(json::Parse(changed).ok());
      ++both;
    }
  }
  CHECK(both > 1000);
}

TEST_CASE("lists as writers make them are those of Parse, whatever stands among them") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = round % 2 == 0 ? "[" : "                 [";
    for (int i = 0; i < 24; ++i) {
      const double value = static_cast<double>(static_cast<std::int64_t>(random()) >> 20) * 0x1p-40;
      char number[64];
      const int digits = static_cast<int>(random() % 15) + 1;
      std::snprintf(number, sizeof number, "%.*f", digits, value);
      constexpr const char* kOthers[] = {"-0.0", "0", "-7", "1e-5", "12.5", "9.0E2", "-0.00000001"};
      text += random() % 8 == 0 ? kOthers[random() % 7] : number;
      text += random() % 16 == 0 ? " ," : ",";
    }
    text += "0.5]";
    CHECK(SameFloats(text));
    std::string changed = text;  // What is broken is refused or read as Parse reads it.
    changed[random() % changed.size()] = "0123456789.,-e +x]["[random() % 19];
    Scanner in(changed);
    std::vector<float> taken;
    if (!in.Floats(&taken) || !in.AtEnd()) continue;
    CHECK(json::Parse(changed).ok());
    if (json::Parse(changed).ok()) CHECK(SameFloats(changed));
  }
}

TEST_CASE("numbers are those of Parse, bit for bit") {
  CHECK(SameFloats("[]"));
  CHECK(SameFloats("[0, -0, -0.0, 1, 3.4028234e38, 1e-45, 16777217, 16777219.0, 0.1, 1e22]"));
  // Between two floats, to either side of the middle and on it.
  CHECK(SameFloats("[1.00000005960464477, 1.00000005960464478, 1.000000059604644775390625]"));
  CHECK(SameFloats("[0.000000000000000012, 1234567890123456.789, 0.9999999999999999]"));
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const auto bits = random();
    const auto value =
        static_cast<double>(static_cast<std::int64_t>(bits) >> (bits % 40)) * 0x1p-40;
    char text[64];
    constexpr const char* kFormats[] = {"[%.9g]", "[%.17g]", "[%.8f]", "[%.3e]", "[%.16f]"};
    std::snprintf(text, sizeof text, kFormats[i % 5], value);
    // With others behind it: where there is room, digits are read 16 at a time.
    std::string number(text);
    if (i % 2 == 0) {
      const std::string digits = number.substr(1, number.size() - 2);
      number = "[" + digits + "," + digits + " ,-" + std::to_string(i) + ".123456789012345]";
    }
    // More digits than the scanner takes are left to Parse.
    Scanner in(number);
    std::vector<float> taken;
    if (in.Floats(&taken)) CHECK(SameFloats(number));
  }
  for (int i = 0; i < 100'000; ++i) {  // Middles of neighbouring floats, in full.
    const float f =
        std::bit_cast<float>(static_cast<std::uint32_t>(random() % 0x1000000 + 0x3f000000));
    const double middle = (static_cast<double>(f) + std::nextafter(f, 4.0f)) / 2;
    char text[64];
    std::snprintf(text, sizeof text, "[%.17g]", middle);
    CHECK(SameFloats(text));
    const std::string all(text);
    CHECK(SameFloats(all.substr(0, all.size() - 1) + ", 123456789.12345678]"));
  }
  for (std::size_t digits = 1; digits < 19; ++digits) {
    const std::string some = "0." + std::string("918273645546372819").substr(0, digits);
    CHECK(SameFloats("[" + some + "," + some + "]"));
    for (const char* wrong : {"/", ":", "x", "\xff", "..", "e", "-"}) {
      std::vector<float> none;
      const std::string text = "[" + some + wrong + ",0.1234567890123456]";
      CHECK_FALSE(Scanner(text).Floats(&none));
    }
  }
}

TEST_CASE("integers") {
  const auto take = [](std::string_view text, std::uint64_t* out) {
    Scanner in(text);
    return in.Uint(out) && in.AtEnd();
  };
  std::uint64_t n = 0;
  CHECK(take("18446744073709551615", &n));
  CHECK(n == 18446744073709551615u);
  for (const char* text : {"18446744073709551616", "-1", "1.0", "1e3", "007", "\"1\"", ""}) {
    CHECK_FALSE(take(text, &n));
  }
}

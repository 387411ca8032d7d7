// Goal: what is written reads back as the same values; ill-formed text is an error, not a crash.
// Method: round trips, and a table of texts that RFC 8259 refuses.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "json/value.h"
#include "json/writer.h"

using namespace malmoi;

TEST_CASE("writer and parser agree") {
  json::Writer w;
  w.BeginObject();
  w.Field("말", "모이 \"\\\n\x01");
  w.Key("n").BeginArray().Put(1).Put(-2.5).Put(0.1f).Put(18446744073709551615ull).PutNull();
  w.Put(true).EndArray();
  w.Key("o").BeginObject().EndObject();
  w.EndObject();
  const auto v = json::Parse(w.text());
  REQUIRE(v.ok());
  CHECK(v.value().GetString("말") == "모이 \"\\\n\x01");
  const auto& n = v.value().Find("n")->items();
  REQUIRE(n.size() == 6);
  CHECK(n[0].AsInt() == 1);
  CHECK(n[1].AsDouble() == -2.5);
  CHECK(static_cast<float>(*n[2].AsDouble()) == 0.1f);
  CHECK(n[3].AsUint() == 18446744073709551615ull);
  CHECK(n[4].is_null());
  CHECK(v.value().Dump() == w.text());
  CHECK(w.text().find("0.1,") != std::string::npos);
}

TEST_CASE("doubles are written so that they parse as doubles") {
  CHECK(json::Parse(R"([4.0,[-1.0],{"a":1e2}])").value().Dump() == R"([4.0,[-1.0],{"a":100.0}])");
  for (const double d :
       {4.0, -12.0, 0.0, 48111111111111183111.802, -0.0, -1e19, 0x1p63, 0x1p64, 1e20, 1e300}) {
    const auto again = json::Parse(json::Value::Double(d).Dump());
    REQUIRE(again.ok());
    CHECK(again.value().AsDouble() == d);
    CHECK(std::signbit(again.value().AsDouble().value()) == std::signbit(d));
    CHECK(again.value().kind() == json::Value::Kind::kDouble);
  }
}

TEST_CASE("ill-formed text is refused") {
  for (const char* text : {"", "{", "[1,]", "{\"a\" 1}", "nul", "\"\xFF\"", "01", "[1] x"}) {
    CAPTURE(text);
    CHECK_FALSE(json::Parse(text).ok());
  }
  CHECK_FALSE(json::Parse(std::string(100'000, '[')).ok());
}

TEST_CASE("what JSON cannot say becomes null or U+FFFD") {
  json::Writer w;
  w.BeginArray().Put(std::nan("")).Put(std::numeric_limits<float>::infinity()).Put("\xFF");
  w.EndArray();
  CHECK(w.text() == "[null,null,\"\xEF\xBF\xBD\"]");
}

TEST_CASE("typed reads give nothing for another kind") {
  const json::Value v = json::Parse(R"({"a":"x","b":3,"c":1.0,"a":"y"})").value();
  CHECK_FALSE(v.Find("a")->AsInt());
  CHECK(v.GetString("a") == "y");
  CHECK(v.GetInt("c") == 1);
  CHECK(v.GetInt("missing", 7) == 7);
  CHECK(v.Find("b")->Find("x") == nullptr);
}

// Goal: a payload packed from plain text or by the builder is the one packed from JSON values, and
// what is not plain is left to them; a collection takes the builder's form and refuses a broken
// one. Method: texts of all kinds and every byte of one changed, both ways compared byte by byte.
#include "vec/payload_builder.h"

#include <doctest/doctest.h>

#include "json/value.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"
#include "vec/packed_internal.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

std::string Slowly(const std::string& text) {
  const auto value = json::Parse(text);
  std::string out;
  if (value.ok()) Pack(value.value(), &out);
  return out;
}

// Whether the text was taken; then both ways agree.
bool Taken(const std::string& text) {
  std::string fast;
  if (!PackPlain(text, &fast)) return false;
  CAPTURE(text);
  CHECK(fast == Slowly(text));
  CHECK(IsPacked(fast));
  return true;
}

}  // namespace

TEST_CASE("plain text is packed as its values are") {
  for (
      const char* text :
      {"{}", R"({"a":1})", R"( { "a" : -0 , "b":[ 1.5e3,-2 , [],{} ],"c":{"d":null,"e":true} } )",
       R"({"한":"국어","long":"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"})",
       R"({"n":123456789012345678,"f":false,"x":-0.0,"y":1e-5,"z":0.1,"w":1E+2})"}) {
    CHECK(Taken(text));
  }
  for (const char* text : {"", "[]", "1", "null", R"({"a":1)", R"({"a":1,"a":2})", R"({"a":"\n"})",
                           R"({"a":18446744073709551615})", R"({"a":01})", R"({"a":1}})"}) {
    CAPTURE(text);
    CHECK_FALSE(Taken(text));
  }
  const std::string text = R"({"a":[1,-2.5e1,{"b":"c"}],"d":null,"e":true})";
  int taken = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = text;
      changed[at] = static_cast<char>(byte);
      taken += Taken(changed) ? 1 : 0;
    }
  }
  CHECK(taken > 500);
}

TEST_CASE("the builder's form is stored and read back as text") {
  PayloadBuilder builder;
  builder.BeginObject().Key("n").Put(std::int64_t{3}).Key("d").Put(3.0);
  builder.Key("list").BeginArray().Put(std::string_view("x")).Put(true).PutNull().EndArray();
  builder.Key("o").BeginObject().EndObject().EndObject();
  Point point{.id = std::uint64_t{1}};
  point.vectors.dense[""] = {1, 2};
  point.payload = builder.Take();
  CHECK(point.payload == Slowly(R"({"n":3,"d":3.0,"list":["x",true,null],"o":{}})"));

  os::FaultVfs vfs(1);
  auto db = Database::Open(vfs, "/db", 1);
  REQUIRE(db.ok());
  CollectionConfig config;
  config.dense[""] = {.dim = 2, .distance = Distance::kDot};
  auto c = db.value()->Create("c", config);
  REQUIRE(c.ok());
  REQUIRE(c.value()->Upsert({&point, 1}).ok());
  const std::vector<PointId> one = {std::uint64_t{1}};
  const auto read = c.value()->Retrieve(one, false);
  REQUIRE(read.ok());
  CHECK(read.value()[0].payload == R"({"n":3,"d":3.0,"list":["x",true,null],"o":{}})");
  for (std::size_t cut = 1; cut < point.payload.size(); ++cut) {
    Point broken = point;
    broken.payload.resize(cut);
    CHECK_FALSE(c.value()->Upsert({&broken, 1}).ok());
  }
}

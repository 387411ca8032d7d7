// Goal: every operation does what write.h says, several in one call as one unit and in order, and
// what they leave is the same after a power loss and after a checkpoint.
// Method: a small collection on FaultVfs; expected payloads and vectors spelled out. The payload
// rules (null takes away, brackets) are those that qdrant-edge-py 0.9.0 showed.
#include <doctest/doctest.h>

#include "json/value.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"
#include "vec/ops_internal.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

std::shared_ptr<const Filter> FilterOf(std::string_view json) {
  return std::make_shared<const Filter>(ParseFilter(json::Parse(json).value()).value());
}

struct Fixture {
  Fixture() {
    CollectionConfig config;
    config.dense[""] = {.dim = 2, .distance = Distance::kDot};
    config.dense["m"] = {.dim = 2, .distance = Distance::kDot, .multivector = true};
    config.sparse["s"] = {};
    db = Database::Open(vfs, "/db", 1).value();
    c = db->Create("c", config).value();
    std::vector<Point> points;
    for (std::uint64_t i = 1; i <= 4; ++i) {
      Point p{.id = i};
      p.vectors.dense[""] = {static_cast<float>(i), 1};
      p.vectors.multi["m"] = {2, {1, static_cast<float>(i), 3, 4}};
      p.vectors.sparse["s"] = {{1, 5}, {1, static_cast<float>(i)}};
      p.payload = R"({"n":)" + std::to_string(i) + R"(,"a":{"b":1},"l":[{"x":1},{"x":2}]})";
      points.push_back(p);
    }
    REQUIRE(c->Upsert(points).ok());
  }
  WriteOutcome Do(std::vector<Operation> ops, bool wait = true) {
    auto outcome = c->Write(ops, {.wait = wait});
    if (!outcome.ok()) FAIL(outcome.error().message());
    return outcome.value();
  }
  Point Get(std::uint64_t id) const {
    const std::vector<PointId> ids = {id};
    const auto points = c->Retrieve(ids, true);
    REQUIRE(points.ok());
    return points.value().empty() ? Point{.id = std::uint64_t{0}} : points.value()[0];
  }
  void PowerLoss() {
    vfs.FailAfter(0, os::Fault::kPowerLoss);
    c.reset();
    db.reset();
    vfs.Restart();
    db = Database::Open(vfs, "/db", 1).value();
    REQUIRE(db->damaged().empty());
    c = db->Get("c").value();
  }
  std::uint64_t Count(std::string_view filter) const {
    return c->Count(FilterOf(filter).get()).value();
  }

  os::FaultVfs vfs{1};
  std::unique_ptr<Database> db;
  std::shared_ptr<Collection> c;
};

PayloadOp Payload(PayloadOp::Kind kind, std::uint64_t id, std::string payload, std::string key = "",
                  std::vector<std::string> keys = {}) {
  return {.kind = kind,
          .points = {.ids = {id}},
          .payload = std::move(payload),
          .key = std::move(key),
          .keys = std::move(keys)};
}

}  // namespace

TEST_CASE("payload operations, by ids and by filter") {
  using Kind = PayloadOp::Kind;
  Fixture f;
  f.Do({Payload(Kind::kSet, 1, R"({"n":null,"z":[1]})")});
  f.Do({Payload(Kind::kSet, 2, R"({"q":1.0})", "a.c")});
  f.Do({Payload(Kind::kSet, 2, R"({"y":9})", "l[]")});
  f.Do({Payload(Kind::kSet, 3, R"({"y":9})", "n")});
  f.Do({Payload(Kind::kSet, 3, R"({"y":9})", "l[1].w")});
  f.Do({Payload(Kind::kDelete, 4, "{}", "", {"l[].x", "a.b"})});
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    CHECK(f.Get(1).payload == R"({"a":{"b":1},"l":[{"x":1},{"x":2}],"z":[1]})");
    CHECK(f.Get(2).payload ==
          R"({"n":2,"a":{"b":1,"c":{"q":1.0}},"l":[{"x":1,"y":9},{"x":2,"y":9}]})");
    CHECK(f.Get(3).payload == R"({"n":{"y":9},"a":{"b":1},"l":[{"x":1},{"x":2,"w":{"y":9}}]})");
    CHECK(f.Get(4).payload == R"({"n":4,"a":{},"l":[{},{}]})");
    CHECK(f.Get(4).vectors.multi.at("m").data == std::vector<float>{1, 4, 3, 4});
    CHECK(f.Get(4).vectors.sparse.at("s").values == std::vector<float>{1, 4});
    round == 0 ? f.PowerLoss() : void(f.c->Checkpoint().ok());
  }
  PayloadOp all{.kind = Kind::kOverwrite,
                .points = {.filter = FilterOf(R"({"must":[{"is_empty":{"key":"z"}}]})")},
                .payload = R"({"k":1})"};
  CHECK(f.Do({all}).changed == 3);
  CHECK(f.Get(4).payload == R"({"k":1})");
  f.Do({Payload(Kind::kClear, 4, "{}")});
  CHECK(f.Get(4).payload == "{}");
  CHECK(f.Do({Payload(Kind::kDelete, 1, "{}", "", {"l[]", "z[0]"})}).changed == 1);
  CHECK(f.Get(1).payload == R"({"a":{"b":1},"l":[],"z":[1]})");
}

TEST_CASE("operations of one call see each other and stand or fall together") {
  Fixture f;
  Point fresh{.id = std::uint64_t{9}, .vectors = {}, .payload = R"({"n":9})"};
  fresh.vectors.dense[""] = {9, 9};
  UpsertOp insert{.points = {fresh}, .mode = UpdateMode::kInsertOnly};
  const auto outcome = f.Do(
      {insert, Payload(PayloadOp::Kind::kSet, 9, R"({"t":1})"),
       DeletePointsOp{.points = {.filter = FilterOf(R"({"must":[{"key":"n","range":{"lt":3}}]})")}},
       DeleteVectorsOp{.points = {.ids = {std::uint64_t{3}}}, .names = {"s", ""}},
       PayloadOp{.kind = PayloadOp::Kind::kClear,
                 .points = {.filter = FilterOf(R"({"must":[{"key":"t","match":{"value":1}}]})")}},
       DeletePointsOp{.points = {.ids = {std::uint64_t{77}}}}});
  CHECK(outcome.changed == 1 + 1 + 2 + 1 + 1);
  for (int round = 0; round < 2; ++round) {
    CHECK(f.c->Count(nullptr).value() == 3);
    CHECK(f.Get(9).payload == "{}");
    CHECK(f.Get(9).vectors.dense.at("") == std::vector<float>{9, 9});
    CHECK_FALSE(f.Get(3).vectors.dense.contains(""));
    CHECK(f.Get(3).vectors.multi.contains("m"));
    CHECK(f.Count(R"({"must":[{"has_vector":"s"}]})") == 1);
    CHECK(f.c->Info().with_vector.at("s") == 1);
    f.PowerLoss();
  }
  // The second operation is wrong: the first must not be there.
  const std::vector<Operation> wrong = {
      Payload(PayloadOp::Kind::kSet, 3, R"({"t":1})"),
      DeleteVectorsOp{.points = {.ids = {std::uint64_t{3}}}, .names = {"none"}}};
  CHECK(f.c->Write(wrong).error().code() == Code::kInvalidArgument);
  CHECK(f.Count(R"({"must":[{"key":"t","match":{"value":1}}]})") == 0);
}

TEST_CASE("an id twice in a conditional upsert is judged by what was there before it") {
  Fixture f;
  const auto upsert = [&](UpdateMode mode, std::uint64_t id,
                          std::shared_ptr<const Filter> condition) {
    UpsertOp op{.points = {}, .mode = mode, .condition = std::move(condition)};
    op.points.push_back({.id = id, .vectors = {}, .payload = R"({"v":"a"})"});
    op.points.push_back({.id = id, .vectors = {}, .payload = R"({"v":"b"})"});
    return f.Do({op}).changed;
  };
  CHECK(upsert(UpdateMode::kInsertOnly, 20, nullptr) == 2);  // The last one stays.
  CHECK(f.Get(20).payload == R"({"v":"b"})");
  CHECK(upsert(UpdateMode::kUpdateOnly, 21, nullptr) == 0);
  const auto is_b = FilterOf(R"({"must":[{"key":"v","match":{"value":"b"}}]})");
  CHECK(upsert(UpdateMode::kUpsert, 20, is_b) == 2);
  CHECK(f.Get(20).payload == R"({"v":"b"})");
  const auto is_a = FilterOf(R"({"must":[{"key":"v","match":{"value":"a"}}]})");
  CHECK(upsert(UpdateMode::kUpsert, 20, is_a) == 0);
  CHECK(upsert(UpdateMode::kUpsert, 22, is_a) == 2);
}

TEST_CASE("upserts insert only, update only and under a condition") {
  Fixture f;
  Point one{.id = std::uint64_t{1}, .vectors = {}, .payload = R"({"v":2})"};
  Point ten{.id = std::uint64_t{10}, .vectors = {}, .payload = R"({"v":2})"};
  CHECK(f.Do({UpsertOp{.points = {one, ten}, .mode = UpdateMode::kInsertOnly}}).changed == 1);
  CHECK(f.Get(1).payload != one.payload);
  CHECK(f.Get(10).payload == ten.payload);
  Point eleven{.id = std::uint64_t{11}, .vectors = {}, .payload = R"({"v":2})"};
  CHECK(f.Do({UpsertOp{.points = {one, eleven}, .mode = UpdateMode::kUpdateOnly}}).changed == 1);
  CHECK(f.Get(1).payload == one.payload);
  CHECK(f.Get(1).vectors.dense.empty());
  Point two{.id = std::uint64_t{2}, .vectors = {}, .payload = R"({"v":3})"};
  Point three{.id = std::uint64_t{3}, .vectors = {}, .payload = R"({"v":3})"};
  const auto only_two = FilterOf(R"({"must":[{"key":"n","match":{"value":2}}]})");
  CHECK(f.Do({UpsertOp{.points = {two, three, eleven}, .condition = only_two}}).changed == 2);
  CHECK(f.Get(2).payload == two.payload);
  CHECK(f.Get(3).payload != three.payload);
  CHECK(f.Get(11).payload == eleven.payload);
  VectorUpdate update{.id = std::uint64_t{2}, .vectors = {.dense = {{"", {7, 7}}}}};
  const auto none = FilterOf(R"({"must":[{"key":"v","match":{"value":99}}]})");
  CHECK(f.Do({UpdateVectorsOp{.updates = {update}, .condition = none}}).changed == 0);
  CHECK(f.Do({UpdateVectorsOp{.updates = {update}}}).changed == 1);
  CHECK(f.Get(2).vectors.dense.at("") == std::vector<float>{7, 7});
}

TEST_CASE("vectors, indexes and settings come and go, durable") {
  Fixture f;
  Point p{.id = std::uint64_t{5}, .vectors = {}, .payload = R"({"n":5})"};
  p.vectors.dense["new"] = {1, 2, 3};
  f.Do({CreateVectorOp{.name = "new", .params = DenseParams{.dim = 3}},
        UpsertOp{.points = {p}, .mode = UpdateMode::kInsertOnly},
        CreateIndexOp{.key = "n", .params = {.kind = IndexKind::kInteger}},
        CreateIndexOp{.key = "t",
                      .params = {.kind = IndexKind::kText, .text = {.stemmer = "english"}}},
        SetSettingsOp{.settings = R"({"a":1})",
                      .metadata = R"({"b":2})",
                      .vector_settings = {{"new", R"({"c":3})"}}}});
  for (int round = 0; round < 4; ++round) {
    CAPTURE(round);
    const CollectionConfig config = f.c->config();
    CHECK(config.dense.at("new").settings == R"({"c":3})");
    CHECK(config.settings == R"({"a":1})");
    CHECK(config.metadata == R"({"b":2})");
    CHECK(f.Get(5).vectors.dense.at("new").size() == 3);
    const auto indexes = f.c->PayloadIndexes();
    REQUIRE(indexes.size() == 2);
    CHECK(indexes.at("n").points == 5);
    CHECK(indexes.at("t").params.text.stemmer == "english");
    round % 2 == 0 ? f.PowerLoss() : void(f.c->Checkpoint().ok());
  }
  f.Do({DropVectorOp{"m"}, DropIndexOp{"n"}});
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    CHECK_FALSE(f.Get(1).vectors.multi.contains("m"));
    CHECK(f.Get(1).vectors.sparse.contains("s"));
    CHECK(f.c->PayloadIndexes().size() == 1);
    CHECK_FALSE(f.c->Info().with_vector.contains("m"));
    round == 0 ? f.PowerLoss() : void(f.c->Checkpoint().ok());
  }
  // The name again, with another dimension.
  f.Do({CreateVectorOp{.name = "m", .params = DenseParams{.dim = 1, .distance = Distance::kDot}}});
  VectorUpdate update{.id = std::uint64_t{1}, .vectors = {.dense = {{"m", {7}}}}};
  f.Do({UpdateVectorsOp{.updates = {update}}});
  for (int round = 0; round < 3; ++round) {
    CHECK(f.Get(1).vectors.dense.at("m") == std::vector<float>{7});
    CHECK(f.c->Info().with_vector.at("m") == 1);
    round == 0 ? f.PowerLoss() : void(f.c->Checkpoint().ok());
  }
}

TEST_CASE("a collection is exported and imported; the owner's state lasts") {
  Fixture f;
  f.Do({CreateIndexOp{.key = "n", .params = {.kind = IndexKind::kInteger}}});
  REQUIRE(f.c->Export("/copy").ok());
  CHECK(f.c->Export("/copy").error().code() == Code::kAlreadyExists);
  REQUIRE(f.c->Delete(std::vector<PointId>{std::uint64_t{1}}).ok());
  REQUIRE(f.db->SetOwnerState(R"({"aliases":{"x":"c"}})").ok());
  const auto copy = f.db->Import("copy of c", "/copy");
  REQUIRE(copy.ok());
  CHECK(copy.value()->Count(nullptr).value() == 4);
  f.PowerLoss();
  CHECK(f.db->owner_state() == R"({"aliases":{"x":"c"}})");
  const auto again = f.db->Get("copy of c").value();
  CHECK(again->Count(nullptr).value() == 4);
  CHECK(again->PayloadIndexes().size() == 1);
  const auto names = f.vfs.List("/copy").value();
  for (const auto& name : names) {
    if (!name.starts_with("seg-")) continue;
    auto file = f.vfs.Open("/copy/" + name, os::OpenMode::kReadWrite).value();
    std::string byte;
    REQUIRE(file->Read(40, 1, &byte).ok());
    byte[0] = static_cast<char>(byte[0] ^ 1);
    REQUIRE(file->Write(40, byte).ok());
  }
  CHECK(f.db->Import("damaged", "/copy").error().code() == Code::kCorruption);
  CHECK(f.db->List().size() == 2);
}

TEST_CASE("a write that does not wait is visible at once and survives the end of the process") {
  Fixture f;
  f.Do({Payload(PayloadOp::Kind::kSet, 1, R"({"t":1})")}, false);
  CHECK(f.Count(R"({"must":[{"key":"t","match":{"value":1}}]})") == 1);
  // A write that waits makes those before it durable too.
  f.Do({Payload(PayloadOp::Kind::kSet, 2, R"({"t":1})")}, true);
  f.PowerLoss();
  CHECK(f.Count(R"({"must":[{"key":"t","match":{"value":1}}]})") == 2);
}

TEST_CASE("points in columns are the same bytes in the log, and the same errors") {
  for (const Datatype datatype : {Datatype::kFloat32, Datatype::kFloat16, Datatype::kUint8}) {
    for (const Distance distance : {Distance::kCosine, Distance::kEuclid}) {
      CollectionConfig config;
      config.dense["a"] = {.dim = 3, .distance = Distance::kDot};
      config.dense["d"] = {.dim = 3, .distance = distance, .datatype = datatype};
      config.dense["m"] = {.dim = 3, .distance = Distance::kDot, .multivector = true};
      config.sparse["s"] = {};
      const Schema schema(config);
      PointColumns columns{.vector_name = "d", .dim = 3};
      for (const std::string_view payload : {"", "{}", R"({"n":1,"k":"a\n"})", "[1]", "{"}) {
        columns.ids.emplace_back(std::uint64_t{columns.ids.size()});
        for (const float x : {0.5f, -1.25f, 7.0f}) columns.rows.push_back(x);
        columns.payloads += payload;
        columns.payload_ends.push_back(columns.payloads.size());
        const auto mine = EncodeColumns(schema, columns);
        const auto theirs = EncodePoints(schema, ToPoints(columns));
        REQUIRE(mine.ok() == theirs.ok());
        CHECK(mine.ok() == (columns.ids.size() <= 3));
        if (mine.ok()) CHECK(mine.value() == theirs.value());
        if (!mine.ok()) CHECK(mine.error().message() == theirs.error().message());
      }
      for (const char* name : {"m", "s", "none", "a"}) {  // Only the last is a dense vector.
        PointColumns other{.vector_name = name, .dim = 2, .ids = {std::uint64_t{1}}};
        other.rows = {1, 2};
        other.payload_ends = {0};
        const auto mine = EncodeColumns(schema, other);
        const auto theirs = EncodePoints(schema, ToPoints(other));
        REQUIRE_FALSE(mine.ok());
        CHECK(mine.error().message() == theirs.error().message());
      }
    }
  }
}

TEST_CASE("an upsert in columns is there, also after a power loss") {
  Fixture f;
  CollectionConfig config;
  config.dense[""] = {.dim = 2, .distance = Distance::kDot};
  const auto c = f.db->Create("columns", config).value();
  PointColumns columns{.dim = 2, .ids = {std::uint64_t{7}, std::uint64_t{8}}};
  columns.rows = {1, 2, 3, 4};
  columns.payloads = R"({"k":"v"})";
  columns.payload_ends = {0, columns.payloads.size()};
  const auto outcome = c->Upsert(columns);
  REQUIRE(outcome.ok());
  CHECK(outcome.value().changed == 2);
  f.PowerLoss();
  const std::vector<PointId> ids = {std::uint64_t{8}};
  const auto points = f.db->Get("columns").value()->Retrieve(ids, true);
  REQUIRE(points.ok());
  REQUIRE(points.value().size() == 1);
  CHECK(points.value()[0].payload == R"({"k":"v"})");
  CHECK(points.value()[0].vectors.dense.at("") == std::vector<float>{3, 4});
}

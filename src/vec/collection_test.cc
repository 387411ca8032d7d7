// Goal: a collection keeps what it was given, over writes, checkpoints and reopening.
// Method: small hand-made cases on a scratch folder.
#include "vec/collection.h"

#include <doctest/doctest.h>

#include <cmath>

#include "os/scratch_dir.h"
#include "os/vfs.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

CollectionConfig Config() {
  CollectionConfig config;
  config.dense["d"] = {.dim = 2, .distance = Distance::kDot};
  config.dense["e"] = {.dim = 1, .distance = Distance::kEuclid};
  config.sparse["s"] = {.idf = true};
  return config;
}

Point MakePoint(std::uint64_t id, std::vector<float> dense, SparseVector sparse = {},
                std::string payload = "{}") {
  Point p;
  p.id = id;
  p.vectors.dense["d"] = std::move(dense);
  p.vectors.sparse["s"] = std::move(sparse);
  p.payload = std::move(payload);
  return p;
}

std::vector<std::uint64_t> Ids(const Result<QueryOutcome>& outcome) {
  REQUIRE(outcome.ok());
  std::vector<std::uint64_t> ids;
  for (const auto& hit : outcome.value().hits) ids.push_back(std::get<std::uint64_t>(hit.id));
  return ids;
}

using List = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("points survive reopening, before and after a checkpoint") {
  const os::ScratchDir dir;
  for (int round = 0; round < 4; ++round) {
    CAPTURE(round);
    auto db = Database::Open(os::PosixVfs(), dir.path(), 2);
    REQUIRE(db.ok());
    if (round == 0) {
      const auto created = db.value()->Create("docs", Config());
      if (!created.ok()) FAIL(created.error().message());
    }
    const auto c = db.value()->Get("docs").value();
    if (round == 0) {
      const std::vector<Point> points = {
          MakePoint(1, {1, 0}, {{3, 7}, {1, 1}}, R"({"lang":"ko","page":1})"),
          MakePoint(2, {0, 1}, {{7}, {2}}, R"({"lang":"en","page":2})"),
          MakePoint(3, {1, 1}, {{9}, {1}}, R"({"lang":"ko","tags":["a","b"]})")};
      REQUIRE(c->Upsert(points).ok());
      REQUIRE(c->SetMetadata(R"({"k":1})").ok());
    }
    if (round == 2) REQUIRE(c->Checkpoint().ok());
    CHECK(c->config().metadata == R"({"k":1})");
    CHECK(c->Count(nullptr).value() == 3);
    VectorQuery q{.using_vector = "d", .vector = std::vector<float>{2, 1}};
    CHECK(Ids(c->Query(q)) == List{3, 1, 2});
    q.limit = 1;
    CHECK(c->Query(q).value().hits[0].payload == R"({"lang":"ko","tags":["a","b"]})");
    CHECK(c->Query(q).value().hits[0].score == 3);
    q = {.using_vector = "s", .vector = SparseVector{{7, 9}, {1, 1}}};
    CHECK(Ids(c->Query(q)) == List{3, 2, 1});  // 9 is rarer than 7; 2 has twice 7.
    Filter filter;
    filter.must.push_back({FieldCondition{"lang", MatchAny{{std::string("ko")}}}});
    q.filter = &filter;
    CHECK(Ids(c->Query(q)) == List{3, 1});
    CHECK(c->Count(&filter).value() == 2);
    Filter by_id;
    by_id.must.push_back({HasId{{PointId(std::uint64_t{2}), PointId(std::uint64_t{5})}}});
    q.filter = &by_id;
    CHECK(Ids(c->Query(q)) == List{2});
    const std::vector<PointId> ids = {std::uint64_t{2}, std::uint64_t{9}, std::uint64_t{1}};
    const auto points = c->Retrieve(ids, true);
    REQUIRE(points.value().size() == 2);
    CHECK(points.value()[0].vectors.dense.at("d") == std::vector<float>{0, 1});
    CHECK(points.value()[1].vectors.sparse.at("s").indices == std::vector<std::uint32_t>{3, 7});
    const auto page = c->Scroll(std::nullopt, 2, nullptr, false);
    REQUIRE(page.value().next.has_value());
    CHECK(std::get<std::uint64_t>(*page.value().next) == 3);
  }
}

TEST_CASE("replacing, updating and deleting") {
  const os::ScratchDir dir;
  auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
  const auto c = db->Create("docs", Config()).value();
  for (const bool checkpoint : {false, true}) {
    CAPTURE(checkpoint);
    const std::vector<Point> points = {MakePoint(1, {1, 0}), MakePoint(2, {2, 0}),
                                       MakePoint(1, {5, 0}, {{1}, {1}}, R"({"x":[]})")};
    REQUIRE(c->Upsert(points).ok());
    if (checkpoint) REQUIRE(c->Checkpoint().ok());
    CHECK(c->Count(nullptr).value() == 2);
    std::vector<Collection::VectorUpdate> updates(2);
    updates[0].id = std::uint64_t{2};
    updates[0].vectors.dense["e"] = {4};
    updates[1].id = std::uint64_t{77};
    updates[1].vectors.dense["e"] = {4};
    REQUIRE(c->UpdateVectors(updates).ok());
    VectorQuery q{.using_vector = "e", .vector = std::vector<float>{1}};
    CHECK(Ids(c->Query(q)) == List{2});
    CHECK(c->Query(q).value().hits[0].score == 3);
    q = {.using_vector = "d", .vector = std::vector<float>{1, 0}};
    CHECK(Ids(c->Query(q)) == List{1, 2});
    Filter filter;
    filter.must.push_back({FieldCondition{"x", IsEmpty{}}});
    CHECK(c->Count(&filter).value() == 2);
    const std::vector<PointId> gone = {std::uint64_t{1}, std::uint64_t{1}, std::uint64_t{4}};
    REQUIRE(c->Delete(gone).ok());
    CHECK(Ids(c->Query(q)) == List{2});
    CHECK(c->DeleteWhere(filter).value() == 1);
    CHECK(c->Info().points == 0);
    CHECK(c->Info().with_vector.at("e") == 0);
  }
}

TEST_CASE("updating one vector leaves the bits of the others") {
  const os::ScratchDir dir;
  auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
  CollectionConfig config;
  config.dense["c"] = {.dim = 7, .distance = Distance::kCosine};
  config.sparse["s"] = {};
  const auto c = db->Create("docs", config).value();
  const auto bits = [&](std::uint64_t id) {
    const std::vector<PointId> ids = {id};
    return c->Retrieve(ids, true).value().at(0).vectors.dense.at("c");
  };
  for (std::uint64_t id = 0; id < 50; ++id) {
    Point p;
    p.id = id;
    for (int i = 0; i < 7; ++i) {
      p.vectors.dense["c"].push_back(static_cast<float>((id * 31 + i * 17) % 101) - 50.5f);
    }
    REQUIRE(c->Upsert({&p, 1}).ok());
    const auto before = bits(id);
    for (int round = 0; round < 3; ++round) {
      Collection::VectorUpdate update;
      update.id = id;
      update.vectors.sparse["s"] = {{1}, {static_cast<float>(round)}};
      REQUIRE(c->UpdateVectors({&update, 1}).ok());
    }
    CHECK(bits(id) == before);
  }
}

TEST_CASE("wrong input is refused by code") {
  const os::ScratchDir dir;
  auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
  CHECK(db->Create("a/b", Config()).error().code() == Code::kInvalidArgument);
  const auto c = db->Create("docs", Config()).value();
  CHECK(db->Create("docs", Config()).error().code() == Code::kAlreadyExists);
  CHECK(db->Get("other").error().code() == Code::kNotFound);
  const auto refused = [&](const Point& p) { return c->Upsert(std::span(&p, 1)).error().code(); };
  CHECK(refused(MakePoint(1, {1, 2, 3})) == Code::kInvalidArgument);
  CHECK(refused(MakePoint(1, {1, NAN})) == Code::kInvalidArgument);
  CHECK(refused(MakePoint(1, {1, 1}, {{3, 3}, {1, 1}})) == Code::kInvalidArgument);
  CHECK(refused(MakePoint(1, {1, 1}, {{3}, {}})) == Code::kInvalidArgument);
  CHECK(refused(MakePoint(1, {1, 1}, {}, "[]")) == Code::kInvalidArgument);
  CHECK(refused(MakePoint(1, {1, 1}, {}, "{")) == Code::kInvalidArgument);
  Point unknown = MakePoint(1, {1, 1});
  unknown.vectors.dense["nope"] = {1};
  CHECK(refused(unknown) == Code::kInvalidArgument);
  CHECK(c->Query({.using_vector = "x"}).error().code() == Code::kInvalidArgument);
  CHECK(c->SetMetadata("1").error().code() == Code::kInvalidArgument);
  CHECK(c->Count(nullptr).value() == 0);
}

TEST_CASE("create, drop and rename are kept") {
  const os::ScratchDir dir;
  {
    auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
    for (const char* name : {"a", "b", "c"}) {
      const auto c = db->Create(name, Config()).value();
      const Point p = MakePoint(static_cast<std::uint64_t>(name[0]), {1, 1});
      REQUIRE(c->Upsert(std::span(&p, 1)).ok());
    }
    const auto old = db->Get("b").value();
    REQUIRE(db->Rename("a", "b").ok());
    REQUIRE(db->Drop("c").ok());
    const Point p = MakePoint(1, {1, 1});
    CHECK(old->Upsert(std::span(&p, 1)).error().code() == Code::kNotFound);
    CHECK(old->Count(nullptr).value() == 1);
    CHECK(db->Get("b").value()->name() == "b");
  }
  auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
  CHECK(db->List() == std::vector<std::string>{"b"});
  const auto page = db->Get("b").value()->Scroll(std::nullopt, 9, nullptr, false);
  REQUIRE(page.value().points.size() == 1);
  CHECK(std::get<std::uint64_t>(page.value().points[0].id) == 'a');
}

// Goal: a collection on a server answers as the embedded one does, and a database there keeps to
// its own collections. Method: this program's server over loopback; the same random points and
// reads on both sides.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "remote/qdrant_database.h"
#include "serve/qdrant/scratch_store.h"
#include "serve/qdrant/store_server.h"

using namespace malmoi;

namespace {

constexpr std::uint32_t kDim = 12;

struct RunningStore : serve::ScratchStore {
  std::unique_ptr<serve::StoreServer> server =
      serve::StoreServer::Start(*service, *snapshots, settings).value();

  ~RunningStore() { server->Stop(5); }

  remote::StoreAddress address() const {
    return {"http://127.0.0.1:" + std::to_string(server->port()), settings.api_key};
  }
  std::unique_ptr<vec::Database> Database(const std::string& owner) const {
    return remote::OpenQdrant(address(), os::PosixVfs(), folder.At(owner)).value();
  }
};

vec::CollectionConfig Config() {
  vec::CollectionConfig config;
  config.dense["dense"] = {.dim = kDim, .distance = vec::Distance::kCosine};
  config.sparse["bm25"] = {.idf = true};
  config.metadata = R"({"kind":"test","n":1})";
  return config;
}

vec::PointId IdOf(std::uint32_t i) {
  if (i % 3 != 0) return std::uint64_t{i};
  return UuidV5(Uuid{}, std::to_string(i));
}

vec::Point MakePoint(std::uint32_t i, std::mt19937* random) {
  std::uniform_real_distribution<float> number(-1, 1);
  vec::Point point{.id = IdOf(i)};
  if (i % 7 != 0) {
    auto& dense = point.vectors.dense["dense"];
    for (std::uint32_t d = 0; d < kDim; ++d) dense.push_back(number(*random));
  }
  auto& sparse = point.vectors.sparse["bm25"];
  for (std::uint32_t term = 0; term < 40; ++term) {
    if ((*random)() % (term + 2) != 0) continue;
    sparse.indices.push_back(term * 1'000'003u);
    sparse.values.push_back(0.25f + static_cast<float>((*random)() % 64) / 64.0f);
  }
  point.payload = R"({"text":"글 )" + std::to_string(i) + R"(","metadata":{"path":"guide/)" +
                  std::to_string(i % 5) + R"(.md","line":)" + std::to_string(i) + "}}";
  return point;
}

void CheckSameHits(const vec::QueryOutcome& a, const vec::QueryOutcome& b) {
  REQUIRE(a.hits.size() == b.hits.size());
  for (std::size_t i = 0; i < a.hits.size(); ++i) {
    CHECK(a.hits[i].id == b.hits[i].id);
    CHECK(a.hits[i].score == doctest::Approx(b.hits[i].score).epsilon(1e-6));
    CHECK(a.hits[i].payload == b.hits[i].payload);
  }
}

void CheckSamePoints(const std::vector<vec::Point>& a, const std::vector<vec::Point>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].id == b[i].id);
    CHECK(a[i].payload == b[i].payload);
    CHECK(a[i].vectors.dense == b[i].vectors.dense);
    REQUIRE(a[i].vectors.sparse.size() == b[i].vectors.sparse.size());
    for (const auto& [name, sparse] : a[i].vectors.sparse) {
      CHECK(sparse.indices == b[i].vectors.sparse.at(name).indices);
      CHECK(sparse.values == b[i].vectors.sparse.at(name).values);
    }
  }
}

vec::Filter PathFilter() {
  vec::Filter filter;
  filter.must.push_back({vec::FieldCondition{
      "metadata.path", vec::MatchAny{{std::string("guide/1.md"), std::string("guide/2.md")}}}});
  filter.must_not.push_back({vec::FieldCondition{"metadata.line", vec::Range{.lt = 50.0}}});
  return filter;
}

void CheckQueries(vec::Collection& here, vec::Collection& there, std::mt19937* random) {
  const vec::Filter filter = PathFilter();
  std::vector<vec::VectorQuery> queries;
  for (int i = 0; i < 6; ++i) {
    vec::VectorQuery query{.using_vector = "dense", .limit = 7};
    const vec::Point like = MakePoint(1, random);
    query.vector = like.vectors.dense.at("dense");
    if (i >= 3) {
      query.using_vector = "bm25";
      query.vector = like.vectors.sparse.at("bm25");
    }
    query.params.exact = true;
    if (i % 3 == 1) query.filter = &filter;
    if (i % 3 == 2) query.with_payload = false;
    queries.push_back(std::move(query));
  }
  const auto a = here.QueryBatch(queries);
  const auto b = there.QueryBatch(queries);
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  for (std::size_t i = 0; i < queries.size(); ++i) CheckSameHits(a.value()[i], b.value()[i]);
}

void CheckReads(vec::Collection& here, vec::Collection& there) {
  const vec::Filter filter = PathFilter();
  CHECK(here.Count(nullptr).value() == there.Count(nullptr).value());
  CHECK(here.Count(&filter).value() == there.Count(&filter).value());
  std::optional<vec::PointId> from;
  do {
    const auto a = here.Scroll(from, 64, &filter, true);
    const auto b = there.Scroll(from, 64, &filter, true);
    REQUIRE(a.ok());
    REQUIRE(b.ok());
    CheckSamePoints(a.value().points, b.value().points);
    CHECK(a.value().next == b.value().next);
    from = a.value().next;
  } while (from);
  const std::vector<vec::PointId> ids = {IdOf(9), IdOf(4), std::uint64_t{999'999}, IdOf(7)};
  CheckSamePoints(here.Retrieve(ids, true).value(), there.Retrieve(ids, true).value());
  CHECK(here.Test(ids, filter).value() == there.Test(ids, filter).value());
  std::vector<std::uint32_t> terms;
  for (std::uint32_t term = 0; term < 45; ++term) terms.push_back(term * 1'000'003u);
  CHECK(here.CountTerms("bm25", terms).value() == there.CountTerms("bm25", terms).value());
  CHECK(here.Info().points == there.Info().points);
  CHECK(here.Info().with_vector == there.Info().with_vector);
}

}  // namespace

TEST_CASE("a collection on a server answers as the embedded one") {
  RunningStore running;
  const auto remote = running.Database("owner");
  os::ScratchDir folder;
  const auto local = vec::Database::Open(os::PosixVfs(), folder.At("vec"), 2).value();
  const auto there = remote->Create("notes", Config()).value();
  const auto here = local->Create("notes", Config()).value();
  std::mt19937 random(7);
  std::vector<vec::Point> points;
  for (std::uint32_t i = 1; i <= 300; ++i) points.push_back(MakePoint(i, &random));
  for (vec::Collection* each : {here.get(), there.get()}) {
    REQUIRE(each->Upsert(points).ok());
    std::vector<vec::VectorUpdate> updates(2);
    updates[0].id = IdOf(7);
    updates[0].vectors.dense["dense"].assign(kDim, 0.5f);
    updates[1].id = std::uint64_t{123'456};  // Not there: skipped.
    updates[1].vectors.dense["dense"].assign(kDim, 0.5f);
    REQUIRE(each->UpdateVectors(updates).ok());
    const std::vector<vec::PointId> gone = {IdOf(5), IdOf(6)};
    REQUIRE(each->Delete(gone).ok());
    vec::Filter last;
    last.must.push_back({vec::FieldCondition{"metadata.line", vec::Range{.gt = 290.0}}});
    CHECK(each->DeleteWhere(last).value() == 10);
    const vec::Operation clear =
        vec::PayloadOp{.kind = vec::PayloadOp::Kind::kClear, .points = {.ids = {IdOf(8)}}};
    REQUIRE(each->Write({&clear, 1}).ok());
    REQUIRE(each->SetMetadata(R"({"kind":"other"})").ok());
  }
  CheckQueries(*here, *there, &random);
  CheckReads(*here, *there);
  // Another process finds the same.
  const auto again = running.Database("owner");
  CHECK(again->List() == std::vector<std::string>{"notes"});
  const auto reopened = again->Get("notes").value();
  CHECK(reopened->config().metadata == R"({"kind":"other"})");
  CHECK(reopened->config().dense.at("dense").dim == kDim);
  CHECK(reopened->config().sparse.at("bm25").idf);
  CheckReads(*here, *reopened);
}

TEST_CASE("an upsert larger than a request is sent in several") {
  RunningStore running;
  const auto database = running.Database("owner");
  const auto store = database->Create("large", Config()).value();
  std::vector<vec::Point> points(40);
  for (std::uint32_t i = 0; i < points.size(); ++i) {
    points[i].id = std::uint64_t{i};
    points[i].payload = R"({"text":")" + std::string(1'000'000, 'x') + "\"}";
  }
  REQUIRE(store->Upsert(points).ok());  // 40 MB; a request may have 32.
  CHECK(store->Count(nullptr).value() == 40);
}

TEST_CASE("a database on a server keeps to its own collections, and renames in one step") {
  RunningStore running;
  const auto mine = running.Database("mine");
  const auto other = running.Database("other");
  REQUIRE(mine->Create("notes", Config()).ok());
  CHECK(other->List().empty());
  CHECK(other->Get("notes").error().code() == Code::kNotFound);
  CHECK(other->Create("notes", Config()).error().code() == Code::kAlreadyExists);
  CHECK(other->Drop("notes").error().code() == Code::kNotFound);
  std::mt19937 random(1);
  const std::vector<vec::Point> point = {MakePoint(1, &random)};
  const auto shadow = mine->Create("notes.new", Config()).value();
  REQUIRE(shadow->Upsert(point).ok());
  const auto held = mine->Get("notes").value();
  CHECK(held->Count(nullptr).value() == 0);
  REQUIRE(mine->Rename("notes.new", "notes").ok());
  CHECK(held->Count(nullptr).value() == 1);  // The name leads to the new one.
  CHECK(mine->List() == std::vector<std::string>{"notes"});
  // What a crash between making and naming leaves is removed by the owner, and by no other.
  const remote::QdrantClient client(running.address());
  const auto names = [&] {
    std::vector<std::string> out;
    const auto list = client.Call("GET", "/collections").value();
    for (const auto& one : list.Find("collections")->items()) {
      out.emplace_back(one.GetString("name"));
    }
    return out;
  };
  const std::vector<std::string> before = names();
  REQUIRE(before.size() == 1);
  const std::string orphan = before[0].substr(0, before[0].rfind('-')) + "-00000000";
  REQUIRE(client.Call("PUT", "/collections/" + orphan, "{}").ok());
  (void)running.Database("other");
  CHECK(names().size() == 2);
  (void)running.Database("mine");
  CHECK(names() == before);
  REQUIRE(mine->Drop("notes").ok());
  CHECK(names().empty());
}

TEST_CASE("a store that is not there, or refuses the key, says so") {
  os::ScratchDir folder;
  const auto nobody =
      remote::OpenQdrant({"http://127.0.0.1:1", ""}, os::PosixVfs(), folder.At("owner"));
  REQUIRE_FALSE(nobody.ok());
  CHECK(nobody.error().code() == Code::kUnavailable);
  RunningStore running;
  remote::StoreAddress wrong = running.address();
  wrong.key = "other";
  const auto refused = remote::OpenQdrant(wrong, os::PosixVfs(), folder.At("owner"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kPermissionDenied);
  CHECK(remote::StoreUrl("qdrant://h").value() == "http://h:6333");
  CHECK(remote::StoreUrl("qdrants://h:1/").value() == "https://h:1");
  CHECK(remote::StoreUrl("ftp://h").error().code() == Code::kInvalidArgument);
}

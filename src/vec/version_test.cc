// Goal: a point's version is the number of the operation that last changed it, on every path of
// reading, and outlives segments, merges and reopening.
// Method: a model that notes the operation of each write; random writes of every kind.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <thread>

#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

CollectionConfig Config() {
  CollectionConfig config;
  config.dense[""] = {.dim = 2, .distance = Distance::kDot};
  return config;
}

Point P(std::uint64_t id) {
  Point p;
  p.id = id;
  p.vectors.dense[""] = {static_cast<float>(id), 1.0f};
  return p;
}

std::map<PointId, std::uint64_t> Scrolled(const Collection& c) {
  std::map<PointId, std::uint64_t> out;
  const auto page = c.Scroll(std::nullopt, 1000, nullptr, false);
  REQUIRE(page.ok());
  for (const Point& p : page.value().points) out[p.id] = p.version;
  return out;
}

std::map<PointId, std::uint64_t> Found(const Collection& c) {
  VectorQuery query{.using_vector = "", .vector = std::vector<float>{1, 0}, .limit = 1000};
  const auto outcome = c.Query(query);
  REQUIRE(outcome.ok());
  std::map<PointId, std::uint64_t> out;
  for (const Hit& hit : outcome.value().hits) out[hit.id] = hit.version;
  return out;
}

}  // namespace

TEST_CASE("versions are those of the last operation") {
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/db").ok());
  auto db = Database::Open(vfs, "/db", 1).value();
  auto c = db->Create("c", Config()).value();
  std::map<PointId, std::uint64_t> model;
  std::mt19937 random(4);
  std::uint64_t before = 0;
  for (int i = 0; i < 400; ++i) {
    const std::uint64_t id = random() % 40;
    Operation op;
    switch (random() % 6) {
      case 0:
        op = DeletePointsOp{.points = {.ids = {id}}};
        break;
      case 1:
        op = PayloadOp{.points = {.ids = {id}}, .payload = R"({"a":1})"};
        break;
      case 2:
        op = UpdateVectorsOp{.updates = {{.id = id, .vectors = {.dense = {{"", {1, 2}}}}}}};
        break;
      default:
        op = UpsertOp{.points = {P(id)}};
    }
    const auto written = c->Write({&op, 1}, {.wait = i % 3 == 0});
    REQUIRE(written.ok());
    const std::uint64_t number = written.value().operation_id;
    if (std::holds_alternative<DeletePointsOp>(op)) {
      model.erase(id);
    } else if (std::holds_alternative<UpsertOp>(op) || model.contains(id)) {
      model[id] = number;
      CHECK(number > before);
    }
    before = number;
    if (i % 57 == 0) REQUIRE(c->Checkpoint().ok());
    if (i % 101 == 0) {
      c.reset();
      db.reset();
      db = Database::Open(vfs, "/db", 1).value();
      c = db->Get("c").value();
    }
    if (i % 10 == 0) {
      CHECK(Scrolled(*c) == model);
      CHECK(Found(*c) == model);
    }
  }
}

TEST_CASE("writers of one group have numbers of their own") {
  os::FaultVfs vfs(1);
  REQUIRE(vfs.MakeDirs("/db").ok());
  const auto db = Database::Open(vfs, "/db", 1).value();
  const auto c = db->Create("c", Config()).value();
  constexpr std::uint64_t kWriters = 8, kEach = 50;
  std::vector<std::map<PointId, std::uint64_t>> numbers(kWriters);
  std::vector<std::thread> writers;
  for (std::uint64_t w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const Operation op = UpsertOp{.points = {P(w * kEach + i)}};
        const auto written = c->Write({&op, 1});
        numbers[w][w * kEach + i] = written.ok() ? written.value().operation_id : 0;
      }
    });
  }
  for (auto& writer : writers) writer.join();
  std::map<PointId, std::uint64_t> all;
  std::map<std::uint64_t, int> times;
  for (const auto& own : numbers) {
    for (const auto& [id, number] : own) {
      all[id] = number;
      ++times[number];
    }
  }
  CHECK(times.size() == kWriters * kEach);
  CHECK(Scrolled(*c) == all);
}

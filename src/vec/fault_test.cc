// Goal: no crash of the machine, full disk or I/O error at any moment loses an acknowledged write,
// shows part of one, or leaves a collection that does not open.
// Method: a workload on FaultVfs, its n-th changing call made to fail, for every n until none
// fires. The oracle is the list of states after each write: what is found afterwards is the last
// acknowledged state or, if a write was under way, the one it led to.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "os/fault_vfs.h"
#include "os/paths.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;
using os::Fault;
using os::FaultVfs;

namespace {

using State = std::map<std::uint64_t, std::string>;  // Id to payload.

CollectionConfig Config() {
  CollectionConfig config;
  config.dense["d"] = {.dim = 4};
  config.sparse["s"] = {.idf = true};
  return config;
}

Point MakePoint(std::uint64_t id, int version) {
  Point p;
  p.id = id;
  const auto x = static_cast<float>(id + 1);
  p.vectors.dense["d"] = {x, static_cast<float>(version + 1), 1, -x};
  p.vectors.sparse["s"] = {{static_cast<std::uint32_t>(id % 3), 7}, {x, 1}};
  // Long enough that a write covers several sectors.
  p.payload = R"({"v":)" + std::to_string(version) + R"(,"fill":")" +
              std::string(300 + id * 40, 'x') + "\"}";
  return p;
}

// The payload after "w" is set in it.
std::string WithW(const std::string& payload, int w) {
  const std::size_t at = std::min(payload.find(",\"w\":"), payload.size() - 1);
  return payload.substr(0, at) + ",\"w\":" + std::to_string(w) + "}";
}

// Several operations as one unit: by filter, by id, of vectors, of the collection.
Result<WriteOutcome> Mixed(Collection& c, int step, State* next) {
  auto since = std::make_shared<Filter>();
  since->must.push_back({FieldCondition{"v", Range{.gte = step - 4.0}}});
  VectorUpdate update{.id = std::uint64_t{3}, .vectors = {.dense = {{"d", {1, 2, 3, 4}}}}};
  const std::vector<Operation> operations = {
      PayloadOp{.points = {.filter = since}, .payload = R"({"w":)" + std::to_string(step) + "}"},
      DeletePointsOp{.points = {.ids = {std::uint64_t{5}}}}, UpdateVectorsOp{.updates = {update}},
      CreateIndexOp{.key = "v", .params = {.kind = IndexKind::kInteger}}};
  for (auto& [id, payload] : *next) {
    if (std::stoi(payload.substr(5)) >= step - 4) payload = WithW(payload, step);
  }
  next->erase(5);
  return c.Write(operations);
}

struct Run {
  State acknowledged;
  std::optional<State> pending;  // Led to by a write that failed.
  int failures = 0;
};

// Writes number `step` of the workload; false if it failed.
bool Step(Collection& c, int step, Run* run) {
  State next = run->acknowledged;
  Status status = Ok();
  if (step % 7 == 6) {
    auto outcome = Mixed(c, step, &next);
    if (!outcome.ok()) status = std::move(outcome.error());
  } else if (step % 5 == 4) {
    status = c.Checkpoint();
  } else if (step % 5 == 3) {
    const std::vector<PointId> ids = {static_cast<std::uint64_t>(step % 7), std::uint64_t{1}};
    next.erase(static_cast<std::uint64_t>(step % 7));
    next.erase(1);
    status = c.Delete(ids);
  } else {
    std::vector<Point> points;
    for (int i = 0; i < 3; ++i) {
      points.push_back(MakePoint(static_cast<std::uint64_t>((step * 3 + i) % 7), step));
      next[std::get<std::uint64_t>(points.back().id)] = points.back().payload;
    }
    status = c.Upsert(points);
  }
  if (status.ok()) {
    run->acknowledged = std::move(next);
  } else {
    // Of several failed writes none after the first may have touched the log.
    if (!run->pending) run->pending = std::move(next);
    ++run->failures;
  }
  return status.ok();
}

State Contents(const Collection& c) {
  const auto page = c.Scroll(std::nullopt, 1000, nullptr, true);
  REQUIRE(page.ok());
  State state;
  for (const auto& p : page.value().points) {
    state[std::get<std::uint64_t>(p.id)] = p.payload;
    CHECK(p.vectors.dense.at("d").size() == 4);
    CHECK(p.vectors.sparse.at("s").indices.size() == 2);
  }
  CHECK(c.Count(nullptr).value() == state.size());
  return state;
}

constexpr int kSteps = 17;

// One run with the fault at call `n`; false once the workload ends before it strikes.
bool RunWithFault(std::uint64_t n, Fault fault, std::uint64_t seed) {
  FaultVfs vfs(seed * 100'003 + n);
  REQUIRE(vfs.MakeDirs("/data").ok());
  REQUIRE(vfs.SyncDir("/").ok());
  Run run;
  bool created = false;
  vfs.FailAfter(n, fault);
  {
    auto db = Database::Open(vfs, "/data/db", 1);
    if (db.ok()) {
      auto c = db.value()->Create("c", Config());
      created = c.ok();
      for (int step = 0; created && step < kSteps; ++step) {
        const bool ok = Step(*c.value(), step, &run);
        if (!ok && fault == Fault::kPowerLoss) break;
        CHECK(Contents(*c.value()) == run.acknowledged);  // Reads go on, and show no more.
      }
    }
  }  // Closing checkpoints, if it can.
  const bool fired = vfs.fired();
  vfs.Restart();
  for (int reopening = 0; reopening < 2; ++reopening) {
    CAPTURE(reopening);
    auto db = Database::Open(vfs, "/data/db", 1);
    if (!db.ok()) FAIL(db.error().message());
    const auto damaged = db.value()->damaged();
    for (const auto& [name, why] : damaged) FAIL(why);
    auto c = db.value()->Get("c");
    if (!c.ok()) {
      CHECK_FALSE(created);
      REQUIRE(db.value()->Create("c", Config()).ok());
      return fired;
    }
    const State found = Contents(*c.value());
    const bool expected = found == run.acknowledged || (run.pending && found == *run.pending);
    CHECK(expected);
    run.acknowledged = found;
    run.pending.reset();
    REQUIRE(Step(*c.value(), 1, &run));  // And it works on.
  }
  return fired;
}

// MALMOI_FULL=1 runs 20 times as many seeds.
void RunAll(Fault fault, std::uint64_t seeds) {
  if (os::GetEnv("MALMOI_FULL")) seeds *= 20;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    std::uint64_t n = 0;
    for (; n < 2000; ++n) {
      CAPTURE(seed);
      CAPTURE(n);
      if (!RunWithFault(n, fault, seed)) break;
    }
    CHECK(n > 50);
    CHECK(n < 2000);
  }
}

}  // namespace

TEST_CASE("power loss at every call") {
  RunAll(Fault::kPowerLoss, 4);
}
TEST_CASE("an I/O error at every call") {
  RunAll(Fault::kIoError, 2);
}
TEST_CASE("a full disk at every call") {
  RunAll(Fault::kNoSpace, 1);
}

TEST_CASE("of writes that do not wait a power loss takes some from the end, and none in between") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    FaultVfs vfs(seed);
    REQUIRE(vfs.MakeDirs("/data").ok());
    REQUIRE(vfs.SyncDir("/").ok());
    std::vector<State> states = {{}};  // After each write.
    std::size_t durable = 0;           // States that a later write which waited has made safe.
    {
      auto db = Database::Open(vfs, "/data/db", 1).value();
      auto c = db->Create("c", Config()).value();
      for (int i = 0; i < 12; ++i) {
        const Point p = MakePoint(static_cast<std::uint64_t>(i), i);
        const bool wait = (seed + static_cast<std::uint64_t>(i)) % 5 == 0;
        REQUIRE(c->Upsert({&p, 1}, {.wait = wait}).ok());
        states.push_back(states.back());
        states.back()[static_cast<std::uint64_t>(i)] = p.payload;
        if (wait) durable = states.size() - 1;
      }
      vfs.FailAfter(0, Fault::kPowerLoss);
    }
    vfs.Restart();
    auto db = Database::Open(vfs, "/data/db", 1);
    REQUIRE(db.ok());
    const auto damaged = db.value()->damaged();
    for (const auto& [name, why] : damaged) FAIL(why);
    const State found = Contents(*db.value()->Get("c").value());
    const auto at = std::find(states.begin(), states.end(), found) - states.begin();
    CHECK(static_cast<std::size_t>(at) < states.size());
    CHECK(static_cast<std::size_t>(at) >= durable);
  }
}

TEST_CASE("a failed log makes the collection read-only until it is reopened") {
  FaultVfs vfs(3);
  REQUIRE(vfs.MakeDirs("/db").ok());
  {
    auto db = Database::Open(vfs, "/db", 1).value();
    const auto c = db->Create("c", Config()).value();
    const Point p = MakePoint(1, 0);
    REQUIRE(c->Upsert(std::span(&p, 1)).ok());
    vfs.FailAfter(1, Fault::kIoError);  // The write passes, the sync does not.
    CHECK(c->Upsert(std::span(&p, 1)).error().code() == Code::kIo);
    const auto again = c->Upsert(std::span(&p, 1));
    CHECK(again.error().message().starts_with("the collection is read-only until it is reopened"));
    CHECK(c->Count(nullptr).value() == 1);
  }
  auto db = Database::Open(vfs, "/db", 1).value();
  const Point p = MakePoint(2, 0);
  CHECK(db->Get("c").value()->Upsert(std::span(&p, 1)).ok());
}

TEST_CASE("a full disk can be told to drop a collection") {
  for (const std::uint64_t call : {0, 1, 2}) {  // Open, write and sync of the new catalogue.
    CAPTURE(call);
    FaultVfs vfs(5);
    REQUIRE(vfs.MakeDirs("/db").ok());
    {
      auto db = Database::Open(vfs, "/db", 1).value();
      REQUIRE(db->Create("a", Config()).ok());
      REQUIRE(db->Create("b", Config()).ok());
      vfs.FailAfter(call, Fault::kNoSpace);
      CHECK(db->Drop("a").ok());
      CHECK(vfs.fired());
      CHECK(db->Rename("b", "c").ok());
    }
    vfs.Restart();
    CHECK(Database::Open(vfs, "/db", 1).value()->List() == std::vector<std::string>{"c"});
  }
}

TEST_CASE("flipped bits at rest are found or harmless") {
  int found_damaged = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    FaultVfs vfs(seed);
    REQUIRE(vfs.MakeDirs("/db").ok());
    Run run;
    {
      auto db = Database::Open(vfs, "/db", 1).value();
      const auto c = db->Create("c", Config()).value();
      for (int step = 0; step < kSteps; ++step) REQUIRE(Step(*c, step, &run));
    }
    std::vector<std::string> files = {"/db/COLLECTIONS"};
    const auto names = vfs.List("/db/c-0000000000000001");
    for (const auto& name : names.value()) {
      files.push_back("/db/c-0000000000000001/" + name);
    }
    const std::string& path = files[seed % files.size()];
    std::string bytes = os::ReadFile(vfs, path).value();
    REQUIRE_FALSE(bytes.empty());
    bytes[seed * 2654435761u % bytes.size()] ^= static_cast<char>(1 << (seed % 8));
    auto file = vfs.Open(path, os::OpenMode::kReadWrite).value();
    REQUIRE(file->Write(0, bytes).ok());
    auto db = Database::Open(vfs, "/db", 1);
    auto c =
        db.ok() ? db.value()->Get("c") : Result<std::shared_ptr<Collection>>(db.error().Clone());
    auto page = c.ok() ? c.value()->Scroll(std::nullopt, 99, nullptr, true)
                       : Result<Page>(c.error().Clone());
    if (!page.ok()) {
      const Code code = page.error().code();
      const bool clear = code == Code::kCorruption || code == Code::kUnsupported;
      CHECK(clear);
      ++found_damaged;
    } else {
      CHECK(Contents(*c.value()) == run.acknowledged);
    }
  }
  CHECK(found_damaged > 100);
}

TEST_CASE("a damaged record before valid ones is corruption, and other collections run") {
  FaultVfs vfs(5);
  REQUIRE(vfs.MakeDirs("/db").ok());
  std::string log;
  const std::string path = "/db/c-0000000000000001/wal-0000000000000000";
  {
    auto db = Database::Open(vfs, "/db", 1).value();
    const auto c = db->Create("c", Config()).value();
    REQUIRE(db->Create("other", Config()).ok());
    for (int i = 0; i < 3; ++i) {
      const Point p = MakePoint(1, i);
      REQUIRE(c->Upsert(std::span(&p, 1)).ok());
    }
    log = os::ReadFile(vfs, path).value();
    vfs.FailAfter(0, Fault::kPowerLoss);
    CHECK_FALSE(c->Checkpoint().ok());
  }
  vfs.Restart();
  for (const std::size_t at : {40, 44, 60, 400}) {  // Length, type, contents of the first records.
    CAPTURE(at);
    std::string bytes = log;
    bytes[at] ^= 1;
    REQUIRE(vfs.Open(path, os::OpenMode::kReadWrite).value()->Write(0, bytes).ok());
    auto db = Database::Open(vfs, "/db", 1).value();
    REQUIRE(db->damaged().size() == 1);
    CHECK(db->damaged()[0].first == "c");
    CHECK(db->Get("c").error().code() == Code::kCorruption);
    CHECK(db->Get("other").ok());
  }
}

TEST_CASE("a log cut or spoiled anywhere never crashes, and never shows part of a write") {
  FaultVfs vfs(6);
  REQUIRE(vfs.MakeDirs("/db").ok());
  const std::string path = "/db/c-0000000000000001/wal-0000000000000000";
  std::vector<State> states = {{}};
  {
    auto db = Database::Open(vfs, "/db", 1).value();
    const auto c = db->Create("c", Config()).value();
    Run run;
    for (int step = 0; step < 4; ++step) {
      REQUIRE(Step(*c, step, &run));
      states.push_back(run.acknowledged);
    }
    vfs.FailAfter(0, Fault::kPowerLoss);
  }
  vfs.Restart();
  const std::string log = os::ReadFile(vfs, path).value();
  for (std::size_t i = 0; i < 400; ++i) {
    CAPTURE(i);
    std::string bytes = log.substr(0, 12'000);
    const std::size_t at = i * 7919 % bytes.size();
    if (i % 2 == 0) bytes.resize(at);
    if (i % 2 == 1) bytes[at] = static_cast<char>(bytes[at] + 1 + static_cast<char>(i % 250));
    auto file = vfs.Open(path, os::OpenMode::kTruncate).value();
    REQUIRE(file->Write(0, bytes).ok());
    {
      auto db = Database::Open(vfs, "/db", 1).value();
      const auto c = db->Get("c");
      if (c.ok()) {
        const State found = Contents(*c.value());
        const bool known = std::count(states.begin(), states.end(), found) > 0;
        CHECK(known);
      } else {
        CHECK(c.error().code() == Code::kCorruption);
      }
      vfs.FailAfter(0, Fault::kPowerLoss);  // Closing must not checkpoint.
    }
    vfs.Restart();
  }
}

TEST_CASE("a database that opens collections at their first use reads none at its start") {
  FaultVfs vfs(1);
  {
    auto db = Database::Open(vfs, "/db", 1).value();
    for (const char* name : {"a", "b", "c", "d"}) REQUIRE(db->Create(name, Config()).ok());
    const Point p = MakePoint(1, 1);
    REQUIRE(db->Get("a").value()->Upsert(std::span(&p, 1)).ok());
  }
  const std::string damaged = "/db/c-0000000000000002/MANIFEST";  // Of "b".
  const std::string whole = os::ReadFile(vfs, damaged).value();
  REQUIRE(vfs.Open(damaged, os::OpenMode::kTruncate).value()->Write(0, "none").ok());
  auto db = Database::Open(vfs, "/db", 1, 0, Opening::kAtFirstUse).value();
  CHECK(db->damaged().empty());
  CHECK(db->List() == std::vector<std::string>{"a", "b", "c", "d"});
  const Glance glance = db->GlanceAt("a").value();
  CHECK(!glance.open);
  CHECK(glance.info.points == 1);
  CHECK(glance.config.dense.size() == Config().dense.size());
  REQUIRE(db->Rename("c", "e").ok());  // Not opened yet; nor is what is dropped.
  REQUIRE(db->Drop("d").ok());
  CHECK(db->Get("b").error().code() == Code::kCorruption);
  CHECK(db->damaged().size() == 1);
  CHECK(db->List() == std::vector<std::string>{"a", "e"});
  CHECK(db->Get("e").value()->name() == "e");
  CHECK(db->Get("a").value()->Count(nullptr).value() == 1);
  CHECK(db->Get("a").value() == db->Get("a").value());
  CHECK(db->Get("d").error().code() == Code::kNotFound);
  // What was mended is tried again.
  CHECK(db->GlanceAt("b").error().code() == Code::kCorruption);
  REQUIRE(vfs.Open(damaged, os::OpenMode::kTruncate).value()->Write(0, whole).ok());
  CHECK(db->Get("b").value()->Count(nullptr).value() == 0);
  CHECK(db->damaged().empty());
}

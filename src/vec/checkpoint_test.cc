// Goal: writes made while a segment is built are neither lost nor shown twice, whether the new
// segment comes to be used, the power fails, or building it fails; and they do not wait for it.
// Method: a Vfs that runs a function when a segment's file is begun, from which the test writes,
// reads and cuts the power; a std::map as the model. Threads for the part about waiting.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

// A FaultVfs that calls a hook, once, before a new segment's file is made. Files are also opened in
// the background.
class HookVfs : public os::Vfs {
 public:
  explicit HookVfs(std::uint64_t seed) : inner(seed) {}

  Result<std::unique_ptr<os::File>> Open(const std::string& path, os::OpenMode mode) override {
    if (mode == os::OpenMode::kTruncate && path.find("/seg-") != std::string::npos) {
      if (const auto hook = OnSegment(nullptr)) MALMOI_TRY(hook());
    }
    return inner.Open(path, mode);
  }
  Status Rename(const std::string& a, const std::string& b) override { return inner.Rename(a, b); }
  Status Remove(const std::string& path) override { return inner.Remove(path); }
  Status MakeDirs(const std::string& path) override { return inner.MakeDirs(path); }
  Status RemoveAll(const std::string& path) override { return inner.RemoveAll(path); }
  Status SyncDir(const std::string& path) override { return inner.SyncDir(path); }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return inner.List(path);
  }
  Result<os::FileInfo> Stat(const std::string& path) override { return inner.Stat(path); }

  // The hook until now.
  std::function<Status()> OnSegment(std::function<Status()> hook) {
    const std::lock_guard lock(mutex_);
    return std::exchange(on_segment_, std::move(hook));
  }

  os::FaultVfs inner;

 private:
  std::mutex mutex_;  // guards: on_segment_
  std::function<Status()> on_segment_;
};

using Model = std::map<std::uint64_t, std::string>;

struct Fixture {
  explicit Fixture(std::uint64_t seed) : vfs(seed), random(seed) {
    REQUIRE(vfs.MakeDirs("/db").ok());
    Open();
    CollectionConfig config;
    config.dense["d"] = {.dim = 3, .distance = Distance::kDot};
    config.sparse["s"] = {};
    c = db->Create("c", config).value();
  }
  void Open() {
    c.reset();
    db.reset();
    db = Database::Open(vfs, "/db", 1).value();
    if (db->List().empty()) return;
    REQUIRE(db->damaged().empty());
    c = db->Get("c").value();
  }
  void PowerLoss() {
    vfs.OnSegment(nullptr);
    vfs.inner.FailAfter(0, os::Fault::kPowerLoss);
    c.reset();
    db.reset();
    vfs.inner.Restart();
    Open();
  }

  void Upsert(std::uint64_t id) {
    const std::string payload = R"({"v":)" + std::to_string(++version) + "}";
    Point p{.id = id, .vectors = {}, .payload = payload};
    p.vectors.dense["d"] = {static_cast<float>(id), static_cast<float>(version), 1};
    if (id % 2 == 0) p.vectors.sparse["s"] = {{static_cast<std::uint32_t>(id)}, {1}};
    REQUIRE(c->Upsert({&p, 1}, {.wait = version % 3 != 0}).ok());
    model[id] = payload;
  }
  void Patch(std::uint64_t id) {
    const std::string payload = R"({"v":)" + std::to_string(++version) + "}";
    const Operation patch = PayloadOp{.kind = PayloadOp::Kind::kOverwrite,
                                      .points = {.ids = {id}, .filter = nullptr},
                                      .payload = payload};
    REQUIRE(c->Write({&patch, 1}).ok());
    if (model.contains(id)) model[id] = payload;
  }
  void Delete(std::uint64_t id) {
    const std::vector<PointId> ids = {id};
    REQUIRE(c->Delete(ids).ok());
    model.erase(id);
  }
  void WriteSome(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t id = random() % 40;
      const auto kind = random() % 4;
      if (kind < 2) {
        Upsert(id);
      } else if (kind == 2) {
        Patch(id);
      } else {
        Delete(id);
      }
    }
  }

  void Check() const {
    const auto page = c->Scroll(std::nullopt, 1000, nullptr, true);
    REQUIRE(page.ok());
    Model found;
    std::uint64_t with_sparse = 0;
    for (const auto& p : page.value().points) {
      const auto id = std::get<std::uint64_t>(p.id);
      found[id] = p.payload;
      CHECK(p.vectors.dense.at("d")[0] == static_cast<float>(id));
      CHECK(p.vectors.sparse.contains("s") == (id % 2 == 0));
      with_sparse += p.vectors.sparse.size();
      const std::vector<PointId> one = {p.id};
      CHECK(c->Retrieve(one, false).value().size() == 1);
    }
    CHECK(found == model);
    CHECK(page.value().points.size() == model.size());
    CHECK(c->Count(nullptr).value() == model.size());
    CHECK(c->Info().points == model.size());
    CHECK(c->Info().with_vector.at("d") == model.size());
    CHECK(c->Info().with_vector.at("s") == with_sparse);
    const VectorQuery all{.using_vector = "d", .vector = std::vector<float>{1, 0, 0}, .limit = 99};
    CHECK(c->Query(all).value().hits.size() == model.size());
  }

  HookVfs vfs;
  std::mt19937_64 random;
  std::unique_ptr<Database> db;
  std::shared_ptr<Collection> c;
  Model model;
  int version = 0;
};

}  // namespace

TEST_CASE("writes during a checkpoint") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Fixture f(seed);
    for (int round = 0; round < 12; ++round) {
      CAPTURE(round);
      f.WriteSome(1 + f.random() % 30);
      const auto kind = f.random() % 8;
      f.vfs.OnSegment([&]() -> Status {
        f.WriteSome(f.random() % 30);
        f.Check();
        const auto reader = f.c->View();
        const std::uint64_t before = f.model.size();
        f.WriteSome(3);
        CHECK(reader->Count(nullptr).value() == before);
        if (kind == 0) f.vfs.inner.FailAfter(f.random() % 3, os::Fault::kNoSpace);
        return Ok();
      });
      (void)f.c->Checkpoint().ok();  // Fails where the disk is full: all is there still.
      f.vfs.OnSegment(nullptr);
      f.Check();
      if (kind == 1) {
        f.Delete(99);  // Waits for the disk: all before it is durable.
        f.PowerLoss();
      }
      if (kind == 2) f.Open();
      f.Check();
    }
    f.Open();
    f.Check();
  }
}

TEST_CASE("the power fails while a segment is built") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    Fixture f(1000 + seed);
    for (int round = 0; round < 6; ++round) {
      f.WriteSome(20);
      if (round % 2 == 0) CHECK(f.c->Checkpoint().ok());
      f.WriteSome(20);
      f.vfs.OnSegment([&]() -> Status {
        f.WriteSome(20);
        f.Delete(7);  // Waits for the disk: all before it is durable.
        f.vfs.inner.FailAfter(f.random() % 6, os::Fault::kPowerLoss);
        return Ok();
      });
      (void)f.c->Checkpoint().ok();
      f.PowerLoss();
      f.Check();
    }
  }
}

TEST_CASE("an exported state is whole, with writes meanwhile") {
  Fixture f(5);
  f.WriteSome(50);
  const Model before = f.model;
  f.vfs.OnSegment([&]() -> Status {
    f.WriteSome(50);
    return Ok();
  });
  REQUIRE(f.c->Export("/copy").ok());
  f.Check();
  const auto copy = f.db->Import("copy", "/copy");
  REQUIRE(copy.ok());
  CHECK(copy.value()->Info().points == before.size());
}

TEST_CASE("many small segments become few, and deleted points leave the disk") {
  Fixture f(6);
  for (int round = 0; round < 40; ++round) {
    f.WriteSome(10);
    REQUIRE(f.c->Checkpoint().ok());
    CHECK(f.c->Info().segments <= 12);
  }
  f.Check();
  for (std::uint64_t id = 0; id < 40; ++id) f.Delete(id);
  REQUIRE(f.c->Checkpoint().ok());
  f.Check();
  CHECK(f.c->Info().segments == 0);
}

TEST_CASE("writers, readers and checkpoints at once") {
  Fixture f(7);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> failures{0};
  std::thread checkpoints([&] {
    while (!stop) failures += f.c->Checkpoint().ok() ? 0 : 1;
  });
  std::thread reads([&] {
    while (!stop) {
      const auto view = f.c->View();
      const auto count = view->Count(nullptr);
      const auto page = view->Scroll(std::nullopt, 1000, nullptr, false);
      failures += page.ok() && page.value().points.size() == count.value() ? 0 : 1;
    }
  });
  f.WriteSome(3000);
  stop = true;
  checkpoints.join();
  reads.join();
  CHECK(failures == 0);
  f.Check();
  f.Open();
  f.Check();
}

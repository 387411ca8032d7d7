// Goal: kill -9 at any moment loses no acknowledged write and leaves no part of another.
// Method: a child process writes a sequence that depends on its number alone and reports each
// acknowledged step over a pipe; the parent kills it after a random number of reports and a random
// further moment, reopens, and compares with the state after the last reported step or the next.
// 20 kills; 200 with MALMOI_FULL=1. MALMOI_SEED=N makes other random choices, for long runs by
// hand.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <random>

#include "base/clock.h"
#include "os/paths.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

using State = std::map<std::uint64_t, std::string>;

CollectionConfig Config() {
  CollectionConfig config;
  config.dense["d"] = {.dim = 32};
  config.sparse["s"] = {.idf = true};
  return config;
}

std::string Payload(std::uint64_t step, std::uint64_t id) {
  return R"({"step":)" + std::to_string(step) + R"(,"text":")" + std::string(200 + id % 1000, 'x') +
         "\"}";
}

// Ids that step number `step` writes or deletes.
std::vector<std::uint64_t> Touched(std::uint64_t step) {
  std::mt19937_64 random(step);
  std::vector<std::uint64_t> ids(random() % 40 + 1);
  for (auto& id : ids) id = random() % 1500;
  return ids;
}
bool Deletes(std::uint64_t step) {
  return step % 4 == 3;
}

// Steps that change payloads and vectors of points that are there, in one call of many operations;
// every other one does not wait for the disk, which a killed process does not need.
bool Patches(std::uint64_t step) {
  return step % 4 == 1;
}

void Advance(State& state, std::uint64_t step) {
  for (const auto id : Touched(step)) {
    if (Deletes(step)) {
      state.erase(id);
    } else if (!Patches(step) || state.contains(id)) {
      state[id] = Payload(step, id);
    }
  }
}

Status DoStep(Collection& c, std::uint64_t step) {
  if (step % 13 == 0) MALMOI_TRY(c.Checkpoint());
  if (Deletes(step)) {
    std::vector<PointId> ids;
    for (const auto id : Touched(step)) ids.emplace_back(id);
    return c.Delete(ids);
  }
  if (Patches(step)) {
    std::vector<Operation> operations;
    UpdateVectorsOp update;
    for (const auto id : Touched(step)) {
      operations.push_back(PayloadOp{.kind = PayloadOp::Kind::kOverwrite,
                                     .points = {.ids = {id}},
                                     .payload = Payload(step, id)});
      VectorUpdate& v = update.updates.emplace_back();
      v.id = id;
      v.vectors.dense["d"].assign(32, static_cast<float>(step));
    }
    operations.push_back(std::move(update));
    MALMOI_TRY(c.Write(operations, {.wait = step % 8 == 1}));
    return Ok();
  }
  std::vector<Point> points;
  for (const auto id : Touched(step)) {
    Point p{.id = id, .vectors = {}, .payload = Payload(step, id)};
    p.vectors.dense["d"].assign(32, static_cast<float>(id + 1));
    p.vectors.sparse["s"] = {{static_cast<std::uint32_t>(id), 5000}, {1, 2}};
    points.push_back(std::move(p));
  }
  return c.Upsert(points);
}

// The child: steps from `step` on until it is killed.
[[noreturn]] void Write(const std::string& directory, std::uint64_t step, int acks) {
  auto db = Database::Open(os::PosixVfs(), directory, 1);
  if (!db.ok()) ::_exit(2);
  auto c = db.value()->Get("c");
  if (!c.ok()) ::_exit(3);
  for (;; ++step) {
    if (!DoStep(*c.value(), step).ok()) ::_exit(4);
    if (::write(acks, &step, sizeof step) != sizeof step) ::_exit(5);
  }
}

// Steps acknowledged by a child that was killed: the number of the step after the last.
std::uint64_t RunAndKill(const std::string& directory, std::uint64_t step,
                         std::mt19937_64& random) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    Write(directory, step, ends[1]);
  }
  ::close(ends[1]);
  std::uint64_t next = step;
  std::uint64_t ack = 0;
  for (std::uint64_t n = random() % 30; n > 0; --n) {
    REQUIRE(::read(ends[0], &ack, sizeof ack) == sizeof ack);
    next = ack + 1;
  }
  const std::int64_t start = MonotonicNs();
  const auto moment = static_cast<std::int64_t>(random() % 3'000'000);
  while (MonotonicNs() - start < moment) {
  }
  REQUIRE(::kill(child, SIGKILL) == 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  while (::read(ends[0], &ack, sizeof ack) == sizeof ack) next = ack + 1;
  ::close(ends[0]);
  return next;
}

}  // namespace

TEST_CASE("kill -9 loses nothing that was acknowledged") {
  const os::ScratchDir dir;
  const auto seed = os::GetEnv("MALMOI_SEED");
  std::mt19937_64 random(seed ? std::strtoull(seed->c_str(), nullptr, 10) : 11);
  {
    auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
    REQUIRE(db->Create("c", Config()).ok());
  }
  State state;
  std::uint64_t step = 1;
  const int kills = os::GetEnv("MALMOI_FULL") ? 200 : 20;
  for (int kill = 0; kill < kills; ++kill) {
    CAPTURE(kill);
    const std::uint64_t next = RunAndKill(dir.path(), step, random);
    for (; step < next; ++step) Advance(state, step);
    State after = state;
    Advance(after, step);
    auto db = Database::Open(os::PosixVfs(), dir.path(), 1).value();
    auto c = db->Get("c");
    if (!c.ok()) FAIL(c.error().message());
    const auto page = c.value()->Scroll(std::nullopt, 10'000, nullptr, true);
    REQUIRE(page.ok());
    State found;
    for (const auto& p : page.value().points) {
      found[std::get<std::uint64_t>(p.id)] = p.payload;
      CHECK(p.vectors.dense.at("d").size() == 32);
    }
    const bool kept = found == state;
    const bool one_more = found == after;
    // A step that changes nothing (deletes what is not there) gives both.
    const bool explained = kept || one_more;
    CHECK(explained);
    if (one_more && !kept) {
      state = std::move(after);
      ++step;
    }
    const auto hits = c.value()->Query(
        {.using_vector = "s", .vector = SparseVector{{5000}, {1}}, .limit = 100'000});
    CHECK(hits.value().hits.size() == state.size());
  }
  CHECK(step > static_cast<std::uint64_t>(kills));
}

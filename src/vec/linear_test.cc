// Goal: each point behaves as one register whatever threads do at once: every call seems to happen
// at one moment between its beginning and its end (linearizability), checkpoints included.
// Method: threads write, insert, delete and read few points and note the clock before and after
// each call; then for each point an order of its calls is searched (Wing and Gong 1993, with the
// visited states remembered as in Lowe 2017) that a register would answer in the same way. Checked
// itself on histories that have no such order.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "base/clock.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

struct Call {
  enum class Kind { kWrite, kInsert, kDelete, kRead };
  Kind kind = Kind::kRead;
  int value = 0;  // Written, or read (0: there is no such point).
  bool changed = false;
  std::int64_t begin = 0, end = 0;
};

// What the call makes of the register, or nothing where the register would have answered otherwise.
std::optional<int> After(const Call& call, int state) {
  switch (call.kind) {
    case Call::Kind::kWrite:
      return call.value;
    case Call::Kind::kDelete:
      return 0;
    case Call::Kind::kInsert:
      if (call.changed != (state == 0)) return std::nullopt;
      return state == 0 ? call.value : state;
    case Call::Kind::kRead:
      if (call.value != state) return std::nullopt;
      return state;
  }
  return std::nullopt;
}

class Checker {
 public:
  explicit Checker(const std::vector<Call>& calls) : calls_(calls) { REQUIRE(calls.size() <= 64); }
  bool HasOrder() { return Try(0, 0); }

 private:
  bool Try(std::uint64_t done, int state) {
    if (done == (calls_.size() == 64 ? ~0ull : (1ull << calls_.size()) - 1)) return true;
    if (!visited_.insert({done, state}).second) return false;
    std::int64_t first_end = std::numeric_limits<std::int64_t>::max();
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if ((done >> i & 1) == 0) first_end = std::min(first_end, calls_[i].end);
    }
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if ((done >> i & 1) != 0 || calls_[i].begin > first_end) continue;
      const auto next = After(calls_[i], state);
      if (next && Try(done | 1ull << i, *next)) return true;
    }
    return false;
  }

  const std::vector<Call>& calls_;
  std::set<std::pair<std::uint64_t, int>> visited_;
};

Call Do(Collection& c, std::uint64_t id, int value, std::uint64_t choice) {
  Call call;
  call.value = value;
  Point p{.id = id, .vectors = {}, .payload = R"({"v":)" + std::to_string(value) + "}"};
  p.vectors.dense["d"] = {1, static_cast<float>(value)};
  const std::vector<PointId> ids = {id};
  call.begin = MonotonicNs();
  if (choice < 3) {
    call.kind = Call::Kind::kWrite;
    REQUIRE(c.Upsert({&p, 1}, {.wait = choice != 0}).ok());
  } else if (choice < 4) {
    call.kind = Call::Kind::kInsert;
    const Operation insert = UpsertOp{.points = {p}, .mode = UpdateMode::kInsertOnly};
    const auto outcome = c.Write({&insert, 1});
    REQUIRE(outcome.ok());
    call.changed = outcome.value().changed > 0;
  } else if (choice < 5) {
    call.kind = Call::Kind::kDelete;
    REQUIRE(c.Delete(ids).ok());
  } else {
    call.kind = Call::Kind::kRead;
    const auto found = c.Retrieve(ids, false);
    REQUIRE(found.ok());
    call.value = found.value().empty() ? 0 : std::atoi(found.value()[0].payload.c_str() + 5);
  }
  call.end = MonotonicNs();
  return call;
}

}  // namespace

TEST_CASE("the checker tells orders from none") {
  using K = Call::Kind;
  const std::vector<Call> overlap = {{K::kWrite, 1, false, 0, 10}, {K::kRead, 0, false, 2, 3}};
  CHECK(Checker(overlap).HasOrder());
  const std::vector<Call> late = {{K::kWrite, 1, false, 0, 1}, {K::kRead, 0, false, 2, 3}};
  CHECK_FALSE(Checker(late).HasOrder());
  const std::vector<Call> back = {
      {K::kWrite, 1, false, 0, 9}, {K::kRead, 1, false, 1, 2}, {K::kRead, 0, false, 3, 4}};
  CHECK_FALSE(Checker(back).HasOrder());
  const std::vector<Call> twice = {{K::kInsert, 1, true, 0, 9}, {K::kInsert, 2, true, 0, 9}};
  CHECK_FALSE(Checker(twice).HasOrder());
}

TEST_CASE("points are linearizable under concurrent clients and checkpoints") {
  constexpr std::size_t kThreads = 4, kPoints = 5, kCalls = 64;  // Gives no point more than 64.
  for (std::uint64_t round = 0; round < 6; ++round) {
    CAPTURE(round);
    os::FaultVfs vfs(round);
    REQUIRE(vfs.MakeDirs("/db").ok());
    const auto db = Database::Open(vfs, "/db", 1).value();
    CollectionConfig config;
    config.dense["d"] = {.dim = 2};
    const auto c = db->Create("c", config).value();
    std::vector<std::vector<std::pair<std::uint64_t, Call>>> histories(kThreads);
    std::atomic<std::size_t> running{kThreads};
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937_64 random(round * 100 + t);
        for (std::size_t i = 0; i < kCalls; ++i) {
          const std::uint64_t id = random() % kPoints;
          const int value = static_cast<int>(t * 1000 + i + 1);
          histories[t].emplace_back(id, Do(*c, id, value, random() % 10));
        }
        --running;
      });
    }
    while (running > 0) CHECK(c->Checkpoint().ok());
    for (auto& thread : threads) thread.join();
    for (std::uint64_t id = 0; id < kPoints; ++id) {
      std::vector<Call> calls;
      for (const auto& history : histories) {
        for (const auto& [point, call] : history) {
          if (point == id) calls.push_back(call);
        }
      }
      CAPTURE(id);
      // All of them: a call that is left out may have been seen by one that stays.
      CHECK(calls.size() > 30);
      CHECK(Checker(calls).HasOrder());
    }
  }
}

// Goal: file access, locking, paths and the pool keep what their headers promise.
// Method: a scratch folder; partitions compared with a single-threaded run.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "os/cpu_info.h"
#include "os/crowd_internal.h"
#include "os/mmap.h"
#include "os/paths.h"
#include "os/scratch_dir.h"
#include "os/thread_pool.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {}  // namespace

TEST_CASE("files: write, read, rename, list, map") {
  const os::ScratchDir dir;
  os::Vfs& vfs = os::PosixVfs();
  const std::string a = os::JoinPath(dir.path(), "x/y/a");
  REQUIRE(vfs.MakeDirs(std::string(os::DirName(a))).ok());
  REQUIRE(os::WriteAtomically(vfs, a, "hello").ok());
  CHECK(os::ReadFile(vfs, a).value() == "hello");
  auto file = vfs.Open(a, os::OpenMode::kReadWrite);
  REQUIRE(file.ok());
  REQUIRE(file.value()->Write(5, " world").ok());
  std::string part;
  REQUIRE(file.value()->Read(3, 100, &part).ok());
  CHECK(part == "lo world");
  REQUIRE(file.value()->Allocate(4096).ok());
  CHECK(file.value()->Size().value() == 4096);
  REQUIRE(file.value()->Truncate(5).ok());
  CHECK(os::Mmap::Open(a).value().bytes() == "hello");
  CHECK(vfs.List(std::string(os::DirName(a))).value() == std::vector<std::string>{"a"});
  CHECK(vfs.Open(a + "missing", os::OpenMode::kRead).error().code() == Code::kNotFound);
  REQUIRE(vfs.RemoveAll(os::JoinPath(dir.path(), "x")).ok());
  CHECK_FALSE(vfs.Stat(a).ok());
}

TEST_CASE("RemoveAll does not follow links out of the tree") {
  const os::ScratchDir dir;
  const os::ScratchDir outside;
  os::Vfs& vfs = os::PosixVfs();
  REQUIRE(os::WriteAtomically(vfs, os::JoinPath(outside.path(), "kept"), "1").ok());
  REQUIRE(vfs.MakeDirs(os::JoinPath(dir.path(), "d")).ok());
  REQUIRE(::symlink(outside.path().c_str(), os::JoinPath(dir.path(), "d/link").c_str()) == 0);
  REQUIRE(vfs.RemoveAll(os::JoinPath(dir.path(), "d")).ok());
  CHECK(vfs.Stat(os::JoinPath(outside.path(), "kept")).ok());
}

TEST_CASE("a lock is exclusive until it is let go") {
  const os::ScratchDir dir;
  const std::string path = os::JoinPath(dir.path(), "lock");
  {
    auto first = os::FileLock::Acquire(path);
    REQUIRE(first.ok());
    CHECK(os::FileLock::Acquire(path).error().code() == Code::kAlreadyExists);
  }
  auto held = os::FileLock::Acquire(path);
  REQUIRE(held.ok());
  std::atomic<bool> asked{false}, got{false};
  std::thread other([&] {
    asked = true;
    got = os::FileLock::Acquire(path).ok();
  });
  while (!asked) std::this_thread::yield();
  { const os::FileLock released = std::move(held).value(); }
  other.join();
  CHECK(got);
}

TEST_CASE("ParallelFor visits every index once, also when nested") {
  for (const std::size_t threads : {1, 2, 5}) {
    os::ThreadPool pool(threads, "test");
    for (const std::size_t count : {0, 1, 2, 3, 100}) {
      std::vector<int> seen(count, 0);
      pool.ParallelFor(count, [&](std::size_t, std::size_t begin, std::size_t end) {
        pool.ParallelFor(end - begin, [&](std::size_t, std::size_t b, std::size_t e) {
          for (std::size_t i = b; i < e; ++i) ++seen[begin + i];
        });
      });
      CHECK(std::accumulate(seen.begin(), seen.end(), 0) == static_cast<int>(count));
      for (const int n : seen) CHECK(n == 1);
    }
  }
}

TEST_CASE("paths") {
  CHECK(os::JoinPath("a/", "b") == "a/b");
  CHECK(os::JoinPath("a", "/b") == "/b");
  CHECK(os::BaseName("a/b") == "b");
  CHECK(os::DirName("b") == ".");
  CHECK(os::AbsolutePath("/a/./b/../c") == "/a/c");
  CHECK_FALSE(os::ExecutablePath().empty());
}

TEST_CASE("ThreadPool: threads that work together meet at each step") {
  for (const std::size_t threads : {1u, 2u, 5u}) {
    os::ThreadPool pool(threads, "team");
    std::vector<int> at(threads, 0);
    std::atomic<int> behind{0}, runs{0};
    const auto steps = [&](std::size_t part, std::size_t parts, os::Barrier& barrier) {
      ++runs;
      for (int step = 1; step <= 200; ++step) {
        at[part] = step;
        barrier.Wait();
        for (std::size_t other = 0; other < parts; ++other) behind += at[other] != step;
        barrier.Wait();
      }
    };
    pool.Together(steps);
    CHECK(behind == 0);
    CHECK(runs == static_cast<int>(threads));
    // A nested call has no other threads to wait for.
    runs = 0;
    pool.ParallelFor(threads, [&](std::size_t part, std::size_t, std::size_t) {
      if (part == 0) {
        pool.Together([&](std::size_t, std::size_t parts, os::Barrier& barrier) {
          runs += static_cast<int>(parts);
          barrier.Wait();
        });
      }
    });
    CHECK(runs == 1);
  }
}

TEST_CASE("a crowd: runs that mostly waited make the next ones run alone, longer each time") {
  constexpr std::int64_t kFirst = os::Crowd::kFirstPauseNs, kLongest = os::Crowd::kLongestPauseNs;
  os::Crowd crowd;
  CHECK(!crowd.Crowded(0));
  crowd.Saw(1000, 299, 100);  // Less than three times.
  CHECK(!crowd.Crowded(1000));
  std::int64_t now = 1000;
  for (std::int64_t pause = kFirst; pause < 4 * kLongest; pause *= 2) {
    crowd.Saw(now, 300, 100);
    const std::int64_t until = now + std::min(pause, kLongest);
    CHECK(crowd.Crowded(until - 1));
    CHECK(!crowd.Crowded(until));
    now = until;
  }
  crowd.Saw(now, 100, 100);  // Alone again: the next pause is a first one.
  CHECK(!crowd.Crowded(now));
  crowd.Saw(now, 1000, 1);
  CHECK(!crowd.Crowded(now + kFirst));
}

TEST_CASE("CPU levels: names round-trip and the active one is available") {
  CHECK(os::AvailableCpuLevels().front() == os::CpuLevel::kScalar);
  CHECK(os::ActiveCpuLevel() <= os::DetectedCpuLevel());
  CHECK(os::CpuLevelName(os::CpuLevel::kAvx2) == "avx2");
  CHECK(os::CpuLevelName(os::CpuLevel::kAvx512Vnni) == "avx512-vnni");
  CHECK(os::BaseCpuLevel(os::CpuLevel::kAvx2) == os::CpuLevel::kAvx2);
  CHECK(os::BaseCpuLevel(os::CpuLevel::kAmx) == os::CpuLevel::kAvx512);
  CHECK(os::AvailableCpuLevels().back() == os::DetectedCpuLevel());
  CHECK(os::UsableCores() >= 1);
}

// Goal: jobs of many callers share batches, none is refused wrongly, starved, lost or harmed by
// another, and a single query does not wait behind a long run.
// Method: a run function that records what it is given and may block on a gate, so that the order
// of events is decided by the test and not by the clock.
#include "embed/scheduler.h"

#include <doctest/doctest.h>

#include <atomic>
#include <latch>
#include <thread>

namespace malmoi::embed {
namespace {

Job JobOf(std::size_t tokens, std::int32_t mark, Output output = Output::kPooled) {
  Job job;
  job.encoding.ids.assign(tokens, mark);
  job.output = output;
  return job;
}

// Of tokens and mark.
std::vector<Job> JobsOf(std::initializer_list<std::pair<std::size_t, std::int32_t>> list) {
  std::vector<Job> out;
  for (const auto& [tokens, mark] : list) out.push_back(JobOf(tokens, mark));
  return out;
}

// A model that answers a job with its mark, and keeps the marks of each batch.
class Recorder {
 public:
  Status Run(std::span<Job* const> batch) {
    {
      std::unique_lock lock(mutex_);
      std::vector<std::int32_t> marks;
      for (const Job* job : batch) marks.push_back(job->encoding.ids.front());
      batches_.push_back(marks);
      ++started_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_; });
    }
    for (Job* job : batch) {
      if (job->encoding.ids.front() < 0) return Error(Code::kInternal, "bad job");
    }
    for (Job* job : batch) job->values = {static_cast<float>(job->encoding.ids.front())};
    return Ok();
  }
  void Close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitStarted(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_ >= n; });
  }
  std::vector<std::vector<std::int32_t>> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<std::int32_t>> batches_;
  int started_ = 0;
  bool open_ = true;
};

// Batches are not cut by time unless a test asks for it: a held batch counts as slow work.
SchedulerOptions Untimed(SchedulerOptions options) {
  if (options.batch_ns == SchedulerOptions{}.batch_ns) options.batch_ns = 1'000'000'000'000'000;
  return options;
}

struct Fixture {
  explicit Fixture(const SchedulerOptions& options = {})
      : scheduler(Untimed(options),
                  [this](std::span<Job* const> batch) { return recorder.Run(batch); }) {}

  // Starts a caller and waits until its jobs are queued behind the batch that is running.
  void Queue(std::vector<Job>* jobs, const Cancel* cancel = nullptr) {
    const std::size_t before = scheduler.waiting();
    threads.emplace_back([this, jobs, cancel] {
      if (!scheduler.Submit(*jobs, cancel).ok()) ++refused;
    });
    while (scheduler.waiting() < before + jobs->size()) std::this_thread::yield();
  }
  void Join() {
    for (auto& thread : threads) thread.join();
    threads.clear();
  }

  Recorder recorder;
  Scheduler scheduler;
  std::vector<std::thread> threads;
  std::atomic<int> refused{0};
};

// Holds the scheduler in a batch of its own until Open().
struct Held {
  explicit Held(Fixture* fixture) : f(fixture) {
    f->recorder.Close();
    f->threads.emplace_back([this] { REQUIRE(f->scheduler.Submit(first, nullptr).ok()); });
    f->recorder.AwaitStarted(1);
  }
  Fixture* f;
  std::vector<Job> first = JobsOf({{1, 1000}});
};

TEST_CASE("jobs of several callers share a batch, and each gets its own result") {
  Fixture f;
  Held held(&f);
  std::vector<Job> a = JobsOf({{100, 1}, {100, 2}}), b = JobsOf({{100, 3}});
  f.Queue(&a);
  f.Queue(&b);
  f.recorder.Open();
  f.Join();
  CHECK(f.recorder.batches() == std::vector<std::vector<std::int32_t>>{{1000}, {1, 2, 3}});
  CHECK(a[0].values == std::vector<float>{1});
  CHECK(a[1].values == std::vector<float>{2});
  CHECK(b[0].values == std::vector<float>{3});
}

TEST_CASE("a single short query goes before a long run that came first") {
  Fixture f;
  Held held(&f);
  std::vector<Job> run = JobsOf({{200, 1}, {200, 2}}), query = JobsOf({{12, 3}});
  f.Queue(&run);
  f.Queue(&query);
  f.recorder.Open();
  f.Join();
  CHECK(f.recorder.batches() == std::vector<std::vector<std::int32_t>>{{1000}, {3}, {1, 2}});
}

TEST_CASE("quick jobs pass others kQuickInRow times and no more") {
  Fixture f({.batch_tokens_max = 1024, .batch_jobs_max = 1});
  Held held(&f);
  std::vector<Job> slow = JobsOf({{200, 1}});
  f.Queue(&slow);
  std::vector<std::vector<Job>> quick;
  for (int i = 0; i < 12; ++i) quick.push_back(JobsOf({{5, 100 + i}}));
  for (auto& jobs : quick) f.Queue(&jobs);
  f.recorder.Open();
  f.Join();
  const auto batches = f.recorder.batches();
  REQUIRE(batches.size() == 14);
  CHECK(batches[1 + Scheduler::kQuickInRow] == std::vector<std::int32_t>{1});
}

TEST_CASE("a batch keeps to its tokens, and is filled with what fits") {
  Fixture f({.batch_tokens_max = 600});
  Held held(&f);
  std::vector<Job> jobs = JobsOf({{500, 1}, {500, 2}, {100, 3}, {700, 4}});
  f.Queue(&jobs);
  f.recorder.Open();
  f.Join();
  CHECK(f.recorder.batches() == std::vector<std::vector<std::int32_t>>{{1000}, {1, 3}, {2}, {4}});
}

TEST_CASE("kinds of output do not share a batch") {
  Fixture f;
  Held held(&f);
  std::vector<Job> jobs = JobsOf({{100, 1}, {100, 2}, {100, 3}});
  jobs[1].output = Output::kTokens;
  f.Queue(&jobs);
  f.recorder.Open();
  f.Join();
  CHECK(f.recorder.batches() == std::vector<std::vector<std::int32_t>>{{1000}, {1, 3}, {2}});
}

TEST_CASE("what is over the limit is refused at once, and room comes back") {
  Fixture f({.jobs_max = 3, .tokens_max = 1000});
  Held held(&f);
  std::vector<Job> two = JobsOf({{100, 1}, {100, 2}}), one = JobsOf({{100, 3}});
  f.Queue(&two);
  CHECK(f.scheduler.Submit(one, nullptr).error().code() == Code::kOverloaded);
  f.recorder.Open();
  f.Join();
  CHECK(f.scheduler.Submit(one, nullptr).ok());
  std::vector<Job> long_jobs = JobsOf({{900, 4}, {900, 5}, {1, 6}, {1, 7}});
  CHECK(f.scheduler.Submit(long_jobs, nullptr).ok());  // An idle model takes any one call.
}

TEST_CASE("the jobs of a caller that went away are dropped, others run") {
  Fixture f;
  Held held(&f);
  Cancel gone;
  std::vector<Job> lost = JobsOf({{100, 1}, {100, 2}}), kept = JobsOf({{100, 3}});
  f.Queue(&lost, &gone);
  f.Queue(&kept);
  gone.Set();
  f.recorder.Open();
  f.Join();
  CHECK(f.recorder.batches() == std::vector<std::vector<std::int32_t>>{{1000}, {3}});
  for (const Job& job : lost) {
    REQUIRE(job.error);
    CHECK(job.error->code() == Code::kCancelled);
  }
}

TEST_CASE("a job that fails does not fail its neighbours") {
  Fixture f;
  Held held(&f);
  std::vector<Job> bad = JobsOf({{100, -1}}), good = JobsOf({{100, 2}, {100, 3}});
  f.Queue(&bad);
  f.Queue(&good);
  f.recorder.Open();
  f.Join();
  CHECK(bad[0].error->message() == "bad job");
  CHECK(!good[0].error);
  CHECK(good[0].values == std::vector<float>{2});
  CHECK(good[1].values == std::vector<float>{3});
}

TEST_CASE("many callers at once all finish with their own results") {
  Fixture f({.batch_tokens_max = 512, .jobs_max = 10000, .tokens_max = 1 << 24});
  std::atomic<int> wrong{0};
  constexpr int kCallers = 16, kRounds = 200;
  std::latch start(kCallers);
  for (int c = 0; c < kCallers; ++c) {
    f.threads.emplace_back([&, c] {
      start.arrive_and_wait();
      for (int i = 0; i < kRounds; ++i) {
        std::vector<Job> jobs;
        for (int k = 0; k <= (c + i) % 3; ++k) {
          jobs.push_back(JobOf(static_cast<std::size_t>(1 + (i * 37) % 200), c * 1000 + i + k));
        }
        if (!f.scheduler.Submit(jobs, nullptr).ok()) ++wrong;
        for (int k = 0; k <= (c + i) % 3; ++k) {
          const Job& job = jobs[static_cast<std::size_t>(k)];
          if (job.values != std::vector<float>{static_cast<float>(c * 1000 + i + k)}) ++wrong;
        }
      }
    });
  }
  f.Join();
  CHECK(wrong == 0);
  CHECK(f.scheduler.waiting() == 0);
}

}  // namespace
}  // namespace malmoi::embed

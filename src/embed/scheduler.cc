#include "embed/scheduler.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/clock.h"

namespace malmoi::embed {
namespace {

constexpr std::size_t kBudgetMin = 512;     // Tokens: a chunk of the encoder for one thread.
constexpr std::size_t kBudgetStart = 2048;  // Before the speed is known.
constexpr double kNewShare = 0.2;           // Of the latest batch in the average.

bool IsCancelled(const Cancel* cancel) {
  return cancel != nullptr && cancel->IsSet();
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, Run run, OnBatch on_batch)
    : options_(options), run_(std::move(run)), on_batch_(std::move(on_batch)) {}

std::size_t Scheduler::waiting() const {
  const std::lock_guard lock(mutex_);
  return quick_.size() + bulk_.size();
}

bool Scheduler::Admit(std::span<const Job> jobs) {
  std::size_t tokens = 0;
  for (const Job& job : jobs) tokens += job.tokens();
  const bool fits =
      jobs_ + jobs.size() <= options_.jobs_max && tokens_ + tokens <= options_.tokens_max;
  if (!fits && jobs_ > 0) return false;
  jobs_ += jobs.size();
  tokens_ += tokens;
  return true;
}

Status Scheduler::Submit(std::span<Job> jobs, const Cancel* cancel) {
  if (jobs.empty()) return Ok();
  Call call;
  call.left = jobs.size();
  call.cancel = cancel;
  std::unique_lock lock(mutex_);
  if (!Admit(jobs)) return Error(Code::kOverloaded, "Model is overloaded");
  const bool quick = jobs.size() == 1 && jobs.front().tokens() <= options_.quick_tokens;
  const std::int64_t now = MonotonicNs();
  for (Job& job : jobs) (quick ? quick_ : bulk_).push_back({&job, &call, now});
  if (!led_) {
    led_ = true;
    call.leads = true;
  }
  while (call.left > 0) {
    if (call.leads) {
      RunNext(&lock);
    } else {
      call.wake.wait(lock);
    }
  }
  if (call.leads) PassOn(&call);
  return Ok();
}

// Hands the lead to the caller whose job has waited longest.
void Scheduler::PassOn(Call* call) {
  call->leads = false;
  std::deque<Entry>* lane = &bulk_;
  if (bulk_.empty() || (!quick_.empty() && quick_.front().since_ns < bulk_.front().since_ns)) {
    lane = &quick_;
  }
  if (lane->empty()) {
    led_ = false;
    return;
  }
  Call* next = lane->front().call;
  next->leads = true;
  next->wake.notify_one();
}

std::size_t Scheduler::Budget() const {
  if (tokens_per_ns_ == 0) return std::min(kBudgetStart, options_.batch_tokens_max);
  const double tokens = tokens_per_ns_ * static_cast<double>(options_.batch_ns);
  const auto budget = static_cast<std::size_t>(std::min(tokens, 1e9));
  return std::min(std::max(budget, kBudgetMin), options_.batch_tokens_max);
}

// Moves jobs from the lane's front to the batch: the first, and those of the window that fit.
void Scheduler::Take(std::deque<Entry>* lane, std::size_t window, std::vector<Entry>* batch) {
  const std::size_t budget = Budget();
  std::size_t tokens = 0;
  std::deque<Entry> passed;
  while (!lane->empty() && passed.size() < window && (batch->empty() || tokens < budget)) {
    if (options_.batch_jobs_max != 0 && batch->size() >= options_.batch_jobs_max) break;
    Entry entry = lane->front();
    lane->pop_front();
    const bool first = batch->empty();
    const bool same = first || entry.job->output == batch->front().job->output;
    if (IsCancelled(entry.call->cancel)) {
      entry.job->error = Error(Code::kCancelled, "the caller went away");
      --entry.call->left;
      --jobs_;
      tokens_ -= entry.job->tokens();
      entry.call->wake.notify_one();
    } else if (first || (same && tokens + entry.job->tokens() <= budget)) {
      tokens += entry.job->tokens();
      batch->push_back(entry);
    } else {
      passed.push_back(entry);
    }
  }
  lane->insert(lane->begin(), passed.begin(), passed.end());
}

std::vector<Scheduler::Entry> Scheduler::Choose() {
  std::vector<Entry> batch;
  if (!quick_.empty() && (bulk_.empty() || quick_in_row_ < kQuickInRow)) {
    quick_in_row_ = bulk_.empty() ? 0 : quick_in_row_ + 1;
    Take(&quick_, kWindow, &batch);
  } else {
    quick_in_row_ = 0;
    Take(&bulk_, kWindow, &batch);
  }
  return batch;
}

void Scheduler::RunNext(std::unique_lock<std::mutex>* lock) {
  const std::vector<Entry> batch = Choose();
  if (batch.empty()) return;  // All that were looked at had been cancelled.
  const std::size_t waiting = quick_.size() + bulk_.size();
  lock->unlock();
  std::size_t tokens = 0;
  for (const Entry& entry : batch) tokens += entry.job->tokens();
  if (on_batch_) on_batch_(batch.size(), tokens, waiting);
  const std::int64_t start = MonotonicNs();
  RunAll(batch);
  const std::int64_t took = std::max<std::int64_t>(MonotonicNs() - start, 1);
  lock->lock();
  const double speed = static_cast<double>(tokens) / static_cast<double>(took);
  tokens_per_ns_ =
      tokens_per_ns_ == 0 ? speed : (1 - kNewShare) * tokens_per_ns_ + kNewShare * speed;
  for (const Entry& entry : batch) {
    entry.job->queue_ns = start - entry.since_ns;
    entry.job->inference_ns = took;
    --jobs_;
    tokens_ -= entry.job->tokens();
    if (--entry.call->left == 0) entry.call->wake.notify_one();
  }
}

// A lead that ended by an exception would leave every other caller waiting.
Status Scheduler::RunGuarded(std::span<Job* const> jobs) {
  try {
    return run_(jobs);
  } catch (const std::exception& e) {
    return Error(Code::kInternal, e.what());
  }
}

void Scheduler::RunAll(std::span<const Entry> batch) {
  std::vector<Job*> jobs;
  for (const Entry& entry : batch) jobs.push_back(entry.job);
  Status status = RunGuarded(jobs);
  if (status.ok()) return;
  if (jobs.size() == 1) {
    jobs.front()->error = std::move(status.error());
    return;
  }
  for (Job* job : jobs) {
    Status alone = RunGuarded(std::span(&job, 1));
    if (!alone.ok()) job->error = std::move(alone.error());
  }
}

}  // namespace malmoi::embed

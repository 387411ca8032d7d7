#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "text/tokenizer.h"

namespace malmoi::embed {

// What is wanted of a sequence.
enum class Output : std::uint8_t {
  kPooled,  // One vector as the pooling gives it, not normalised.
  kTokens,  // A vector for each token, special ones included, not normalised.
  kSparse,  // Weights by vocabulary id.
  kScores,  // The classification head's logits.
};

struct SparseWeight {
  std::uint32_t index = 0;
  float value = 0;
};

// One sequence to take through a model.
struct Job {
  text::Encoding encoding;
  std::uint32_t prompt_tokens = 0;  // As model::PackedBatch's.
  Output output = Output::kPooled;

  std::vector<float> values = {};         // Row-major [rows, width] for all outputs but kSparse.
  std::vector<SparseWeight> sparse = {};  // By rising index.
  std::size_t width = 0;
  std::int64_t queue_ns = 0;
  std::int64_t inference_ns = 0;  // Of the batch that it was in.
  std::optional<Error> error = std::nullopt;

  std::size_t tokens() const { return encoding.size(); }
};

struct SchedulerOptions {
  std::size_t batch_tokens_max = 16384;  // Of one batch; a longer sequence goes alone.
  std::size_t batch_jobs_max = 0;        // 0: no limit.
  std::size_t jobs_max = 512;            // Admitted and not finished; more are refused.
  std::size_t tokens_max = 512 * 512;    // The same in tokens, which is what memory follows.
  // A batch is cut to about this much work, measured as it goes, so that a short query that
  // arrives behind a long run does not wait longer than this.
  std::int64_t batch_ns = 50'000'000;
  std::size_t quick_tokens = 64;  // A request of one job up to this long takes the quick lane.
};

// Puts the jobs of concurrent callers into shared batches for one model, which runs one batch at a
// time.
//
// There is no thread of its own: of the callers that wait, one runs the next batch, in which other
// callers' jobs may be, and passes that duty on when its own jobs are done. An idle model so starts
// a single query without a thread switch.
//
// Order: the quick lane (single short queries) goes first, but at most kQuickInRow batches in a row
// while others wait. Otherwise first come, first served: a batch starts with the oldest job and
// takes on whatever of the next kWindow jobs still fits its budget of tokens, so that no job is
// passed over by more batches than there were jobs before it. A job of a caller whose `cancel` is
// set is dropped when its turn comes. A batch that fails is run again job by job, so that one
// caller's sequence cannot fail another's.
//
// Thread-safe.
class Scheduler {
 public:
  static constexpr int kQuickInRow = 8;
  static constexpr std::size_t kWindow = 256;

  // Runs jobs of one kind of output: fills `values` or `sparse`, and `width`.
  using Run = std::function<Status(std::span<Job* const> batch)>;
  // Told after each batch was chosen.
  using OnBatch = std::function<void(std::size_t jobs, std::size_t tokens, std::size_t waiting)>;

  Scheduler(const SchedulerOptions& options, Run run, OnBatch on_batch = nullptr);

  // Blocks until every job is done; each then has its result or its `error`. Errors: kOverloaded at
  // once, with nothing run, when the limits leave no room (a model without work admits any one
  // call).
  Status Submit(std::span<Job> jobs, const Cancel* cancel);

  std::size_t waiting() const;  // Jobs not yet in a batch.

 private:
  struct Call {
    std::size_t left = 0;
    const Cancel* cancel = nullptr;
    std::condition_variable wake;
    bool leads = false;
  };
  struct Entry {
    Job* job;
    Call* call;
    std::int64_t since_ns;
  };

  bool Admit(std::span<const Job> jobs);
  std::vector<Entry> Choose();
  void Take(std::deque<Entry>* lane, std::size_t window, std::vector<Entry>* batch);
  void RunNext(std::unique_lock<std::mutex>* lock);
  void RunAll(std::span<const Entry> batch);
  Status RunGuarded(std::span<Job* const> jobs);
  void PassOn(Call* call);
  std::size_t Budget() const;

  const SchedulerOptions options_;
  const Run run_;
  const OnBatch on_batch_;
  mutable std::mutex mutex_;  // guards: all below, and every Call
  std::deque<Entry> quick_, bulk_;
  std::size_t jobs_ = 0, tokens_ = 0;  // Admitted and not finished.
  int quick_in_row_ = 0;
  bool led_ = false;
  double tokens_per_ns_ = 0;  // Moving average; 0: not measured yet.
};

}  // namespace malmoi::embed

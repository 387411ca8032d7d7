#pragma once

#include <cstdint>

#include "obs/metrics.h"

namespace malmoi::serve::tei {

// The metrics that text-embeddings-inference exposes, by its names. References into the process's
// registry, looked up once: a look-up takes a lock.
struct Metrics {
  Metrics();

  // Of the four times of a thing: "te_request" + "_duration", "_tokenization_duration", ...
  struct Times {
    explicit Times(const char* prefix);
    void Observe(std::int64_t total_ns, std::int64_t tokenization_ns, std::int64_t queue_ns,
                 std::int64_t inference_ns) const;
    obs::Histogram &total, &tokenization, &queue, &inference;
  };

  obs::Counter &single_count, &batch_count, &single_success, &batch_success;
  obs::Counter &embed_count, &embed_success, &predict_count, &predict_success;
  Times request, embed, predict;
  obs::Histogram &input_length, &batch_size, &batch_tokens;
  obs::Gauge& queue_size;

  // te_request_failure{err=...}: "validation", "batch_size", "overloaded", "tokenization",
  // "model_type", "inference", "dropped".
  void Failure(const char* err) const;
};

}  // namespace malmoi::serve::tei

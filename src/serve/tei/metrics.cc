#include "serve/tei/metrics.h"

#include <string>
#include <vector>

namespace malmoi::serve::tei {
namespace {

constexpr const char* kHelp = "As text-embeddings-inference names it.";

std::vector<double> DurationBounds() {
  std::vector<double> out;
  double value = 0.00001;
  for (int i = 0; i < 35; ++i) out.push_back(value *= 1.5);
  return out;
}

std::vector<double> PowersOfTwo(int count) {
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(static_cast<double>(1u << i));
  return out;
}

obs::Counter& CounterOf(const char* name, const char* labels = "") {
  return obs::Metrics().GetCounter(name, kHelp, labels);
}

obs::Histogram& HistogramOf(const std::string& name, std::vector<double> bounds) {
  return obs::Metrics().GetHistogram(name, kHelp, std::move(bounds));
}

}  // namespace

Metrics::Times::Times(const char* prefix)
    : total(HistogramOf(std::string(prefix) + "_duration", DurationBounds())),
      tokenization(HistogramOf(std::string(prefix) + "_tokenization_duration", DurationBounds())),
      queue(HistogramOf(std::string(prefix) + "_queue_duration", DurationBounds())),
      inference(HistogramOf(std::string(prefix) + "_inference_duration", DurationBounds())) {}

void Metrics::Times::Observe(std::int64_t total_ns, std::int64_t tokenization_ns,
                             std::int64_t queue_ns, std::int64_t inference_ns) const {
  total.Observe(static_cast<double>(total_ns) * 1e-9);
  tokenization.Observe(static_cast<double>(tokenization_ns) * 1e-9);
  queue.Observe(static_cast<double>(queue_ns) * 1e-9);
  inference.Observe(static_cast<double>(inference_ns) * 1e-9);
}

Metrics::Metrics()
    : single_count(CounterOf("te_request_count", "method=\"single\"")),
      batch_count(CounterOf("te_request_count", "method=\"batch\"")),
      single_success(CounterOf("te_request_success", "method=\"single\"")),
      batch_success(CounterOf("te_request_success", "method=\"batch\"")),
      embed_count(CounterOf("te_embed_count")),
      embed_success(CounterOf("te_embed_success")),
      predict_count(CounterOf("te_predict_count")),
      predict_success(CounterOf("te_predict_success")),
      request("te_request"),
      embed("te_embed"),
      predict("te_predict"),
      input_length(HistogramOf("te_request_input_length", PowersOfTwo(20))),
      batch_size(HistogramOf("te_batch_next_size", PowersOfTwo(13))),
      batch_tokens(HistogramOf("te_batch_next_tokens", PowersOfTwo(21))),
      queue_size(obs::Metrics().GetGauge("te_queue_size", kHelp)) {}

void Metrics::Failure(const char* err) const {
  CounterOf("te_request_failure", ("err=\"" + std::string(err) + "\"").c_str()).Add();
}

}  // namespace malmoi::serve::tei

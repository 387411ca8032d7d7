#include "obs/metrics.h"

#include <algorithm>
#include <charconv>

namespace malmoi::obs {
namespace {

std::string Number(double value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

std::string Line(const std::string& name, const std::string& labels, const std::string& value) {
  return name + (labels.empty() ? "" : "{" + labels + "}") + " " + value + "\n";
}

std::string ExposeHistogram(const std::string& name, const std::string& labels,
                            const Histogram& histogram) {
  const std::string prefix = labels.empty() ? "" : labels + ",";
  const auto counts = histogram.Counts();
  std::string out;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const bool last = i == histogram.bounds().size();
    const std::string bound = last ? "+Inf" : Number(histogram.bounds()[i]);
    out += Line(name + "_bucket", prefix + "le=\"" + bound + "\"", std::to_string(total));
  }
  out += Line(name + "_sum", labels, Number(histogram.Sum()));
  return out + Line(name + "_count", labels, std::to_string(total));
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(new std::atomic<std::uint64_t>[bounds_.size() + 1]) {
  for (std::size_t i = 0; i <= bounds_.size(); ++i) counts_[i] = 0;
}

void Histogram::Observe(double value) {
  const auto it = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<std::size_t>(it - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::Counts() const {
  std::vector<std::uint64_t> out(bounds_.size() + 1);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = counts_[i].load(std::memory_order_relaxed);
  return out;
}

Registry::Family& Registry::FamilyOf(const std::string& name, const std::string& help) {
  Family& family = families_[name];
  if (family.help.empty()) family.help = help;
  return family;
}

Counter& Registry::GetCounter(const std::string& name, const std::string& help,
                              const std::string& labels) {
  const std::lock_guard lock(mutex_);
  auto& slot = FamilyOf(name, help).counters[labels];
  if (!slot) slot = std::make_unique<Counter>();
  return *slot;
}
Gauge& Registry::GetGauge(const std::string& name, const std::string& help,
                          const std::string& labels) {
  const std::lock_guard lock(mutex_);
  auto& slot = FamilyOf(name, help).gauges[labels];
  if (!slot) slot = std::make_unique<Gauge>();
  return *slot;
}
Histogram& Registry::GetHistogram(const std::string& name, const std::string& help,
                                  std::vector<double> bounds, const std::string& labels) {
  const std::lock_guard lock(mutex_);
  auto& slot = FamilyOf(name, help).histograms[labels];
  if (!slot) slot = std::make_unique<Histogram>(std::move(bounds));
  return *slot;
}

std::string Registry::Expose() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    const char* type = !family.counters.empty() ? "counter"
                       : !family.gauges.empty() ? "gauge"
                                                : "histogram";
    out += "# HELP " + name + " " + family.help + "\n# TYPE " + name + " " + type + "\n";
    for (const auto& [labels, c] : family.counters) {
      out += Line(name, labels, std::to_string(c->value()));
    }
    for (const auto& [labels, g] : family.gauges) {
      out += Line(name, labels, std::to_string(g->value()));
    }
    for (const auto& [labels, h] : family.histograms) out += ExposeHistogram(name, labels, *h);
  }
  return out;
}

Registry& Metrics() {
  static Registry registry;
  return registry;
}

std::vector<double> LatencyBounds() {
  return {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10};
}

}  // namespace malmoi::obs

#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "json/writer.h"
#include "qdrant/fields.h"
#include "qdrant/point_requests.h"

namespace malmoi::qdrant {

// Limits of the whole node, as Qdrant's GET and PUT /quotas have them. Percents of the memory that
// the process may have (the cgroup's limit, else the machine's) and of the storage's file system.
// Memory is what the process holds beside mapped files, as the budget (vec::MemoryBudget) measures
// it; Qdrant's is its allocator's, which has no mapped files either.
struct QuotaConfig {
  bool enabled = false;
  std::optional<std::uint64_t> max_resident_memory_percent = {};  // 1 to 100
  std::optional<std::uint64_t> max_disk_usage_percent = {};       // 1 to 100
  std::optional<std::uint64_t> release_margin_percent = {};       // 0 to 100
};
bool ReadQuotas(const json::Value& value, QuotaConfig* out, Why* why);
void Validate(const QuotaConfig& config, Checks* checks);
void PrintQuotas(const QuotaConfig& config, json::Writer* writer);

struct QuotaUsage {
  std::optional<unsigned> resident_memory_percent;
  std::optional<unsigned> disk_usage_percent;
};

// Refuses updates that take memory or disk while a limit is reached. What reached its limit is
// refused until it has fallen `release_margin_percent` (here 3 where it is not said) below.
// Deletions are never refused. Thread-safe.
class Quotas {
 public:
  explicit Quotas(std::string storage) : storage_(std::move(storage)) {}

  QuotaConfig config() const;
  void Set(const QuotaConfig& config);
  QuotaUsage Usage() const;  // Measured, at most every 50 ms.
  // Errors: InsufficientStorage. `memory_percent`: a collection's own limit (strict mode), which
  // holds beside the node's.
  Status Check(std::optional<double> memory_percent);

 private:
  QuotaUsage Measured() const;  // Under mutex_.

  const std::string storage_;
  mutable std::mutex mutex_;  // guards: all below
  QuotaConfig config_;
  mutable QuotaUsage usage_;
  mutable std::int64_t measured_at_ = 0;  // MonotonicNs; 0: never.
  bool memory_exceeded_ = false;
  bool disk_exceeded_ = false;
};

// Whether the operation takes memory or disk: what deletes or clears does not.
bool TakesRoom(const UpdateOperation& operation);

}  // namespace malmoi::qdrant

#include "qdrant/quotas.h"

#include "base/clock.h"
#include "os/usage.h"
#include "qdrant/errors.h"

namespace malmoi::qdrant {
namespace {

constexpr std::uint64_t kMargin = 3;
constexpr double kMeasuredSeconds = 0.05;

// Whether a resource is over its limit, given whether it was.
bool Exceeds(std::optional<unsigned> used, std::optional<std::uint64_t> limit, std::uint64_t margin,
             bool before) {
  if (!used || !limit) return false;
  return *used >= (before && *limit > margin ? *limit - margin : *limit);
}

Error Refused(const char* what, std::optional<unsigned> used, std::uint64_t limit) {
  return InsufficientStorage(std::string(what) + " is at " + std::to_string(used.value_or(0)) +
                             "%, the limit is " + std::to_string(limit) +
                             "%. Delete points or raise the limit");
}

}  // namespace

bool ReadQuotas(const json::Value& value, QuotaConfig* out, Why* why) {
  Fields fields(value, "struct QuotaConfig", why);
  fields.Optional("enabled", &out->enabled);
  fields.Optional("max_resident_memory_percent", &out->max_resident_memory_percent);
  fields.Optional("max_disk_usage_percent", &out->max_disk_usage_percent);
  fields.Optional("release_margin_percent", &out->release_margin_percent);
  return fields.ok();
}

void Validate(const QuotaConfig& config, Checks* checks) {
  const auto within = [&](const char* name, std::optional<std::uint64_t> value, double least) {
    if (value) checks->Within(name, static_cast<double>(*value), least, 100);
  };
  within("max_resident_memory_percent", config.max_resident_memory_percent, 1);
  within("max_disk_usage_percent", config.max_disk_usage_percent, 1);
  within("release_margin_percent", config.release_margin_percent, 0);
}

void PrintQuotas(const QuotaConfig& config, json::Writer* writer) {
  writer->BeginObject().Field("enabled", config.enabled);
  const auto put = [&](const char* name, std::optional<std::uint64_t> value) {
    if (value) writer->Field(name, *value);
  };
  put("max_resident_memory_percent", config.max_resident_memory_percent);
  put("max_disk_usage_percent", config.max_disk_usage_percent);
  put("release_margin_percent", config.release_margin_percent);
  writer->EndObject();
}

QuotaConfig Quotas::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

void Quotas::Set(const QuotaConfig& config) {
  const std::lock_guard lock(mutex_);
  config_ = config;
  memory_exceeded_ = disk_exceeded_ = false;
}

QuotaUsage Quotas::Measured() const {
  if (measured_at_ != 0 && SecondsSince(measured_at_) < kMeasuredSeconds) return usage_;
  const os::MemoryUsage memory = os::ReadMemoryUsage();
  usage_ = {};
  if (memory.anonymous > 0 && memory.available > 0) {
    usage_.resident_memory_percent = static_cast<unsigned>(
        static_cast<double>(memory.anonymous) / static_cast<double>(memory.available) * 100);
  }
  usage_.disk_usage_percent = os::DiskUsedPercent(storage_);
  measured_at_ = MonotonicNs();
  return usage_;
}

QuotaUsage Quotas::Usage() const {
  const std::lock_guard lock(mutex_);
  return Measured();
}

Status Quotas::Check(std::optional<double> memory_percent) {
  const std::lock_guard lock(mutex_);
  if (!config_.enabled && !memory_percent) return Ok();
  const QuotaUsage usage = Measured();
  if (memory_percent && usage.resident_memory_percent &&
      *usage.resident_memory_percent >= *memory_percent) {
    return Refused("Resident memory", usage.resident_memory_percent,
                   static_cast<std::uint64_t>(*memory_percent));
  }
  if (!config_.enabled) return Ok();
  const std::uint64_t margin = config_.release_margin_percent.value_or(kMargin);
  memory_exceeded_ = Exceeds(usage.resident_memory_percent, config_.max_resident_memory_percent,
                             margin, memory_exceeded_);
  disk_exceeded_ =
      Exceeds(usage.disk_usage_percent, config_.max_disk_usage_percent, margin, disk_exceeded_);
  if (memory_exceeded_) {
    return Refused("Resident memory", usage.resident_memory_percent,
                   *config_.max_resident_memory_percent);
  }
  if (disk_exceeded_) {
    return Refused("Disk usage", usage.disk_usage_percent, *config_.max_disk_usage_percent);
  }
  return Ok();
}

bool TakesRoom(const UpdateOperation& operation) {
  return std::holds_alternative<UpsertPoints>(operation) ||
         std::holds_alternative<UpdateVectors>(operation) ||
         std::holds_alternative<SetPayload>(operation) ||
         std::holds_alternative<OverwritePayload>(operation);
}

}  // namespace malmoi::qdrant

#include <array>
#include <span>

#include "json/writer.h"
#include "qdrant/collection_requests.h"

// The configuration objects of a collection: members, types, bounds and defaults, in one place.
namespace malmoi::qdrant {
namespace {

using json::Value;

enum class Type : std::uint8_t { kBool, kUint, kFloat, kName, kThreads, kMap };

struct Member {
  std::string_view name;
  Type type = Type::kUint;
  std::optional<double> min = {};
  std::optional<double> max = {};
  std::string_view choices = {};  // Separated by '|'.
  std::string_view child = {};    // kMap: the member of each entry, an integer of at least 1.
};

constexpr std::string_view kMemory = "cold|cached|pinned";

constexpr Member kHnsw[] = {
    {"m"},
    {.name = "ef_construct", .min = 4},
    {.name = "full_scan_threshold", .min = 10},
    {"max_indexing_threads"},
    {"on_disk", Type::kBool},
    {.name = "memory", .type = Type::kName, .choices = kMemory},
    {"payload_m"},
    {"inline_storage", Type::kBool},
};
constexpr Member kOptimizers[] = {
    {.name = "deleted_threshold", .type = Type::kFloat, .min = 0, .max = 1},
    {.name = "vacuum_min_vector_number", .min = 100},
    {"default_segment_number"},
    {.name = "max_segment_size", .min = 1},
    {"memmap_threshold"},
    {"indexing_threshold"},
    {"flush_interval_sec"},
    {"max_optimization_threads", Type::kThreads},
    {"prevent_unoptimized", Type::kBool},
};
constexpr Member kWal[] = {
    {.name = "wal_capacity_mb", .min = 1},
    {"wal_segments_ahead"},
    {"wal_retain_closed"},
};
constexpr Member kStrictMode[] = {
    {"enabled", Type::kBool},
    {.name = "max_query_limit", .min = 1},
    {.name = "max_timeout", .min = 1},
    {"unindexed_filtering_retrieve", Type::kBool},
    {"unindexed_filtering_update", Type::kBool},
    {"search_max_hnsw_ef"},
    {"search_allow_exact", Type::kBool},
    {"search_max_oversampling", Type::kFloat},
    {"upsert_max_batchsize"},
    {"search_max_batchsize"},
    {"max_collection_vector_size_bytes"},
    {.name = "read_rate_limit", .min = 1},
    {.name = "write_rate_limit", .min = 1},
    {"max_collection_payload_size_bytes"},
    {.name = "max_points_count", .min = 1},
    {"filter_max_conditions"},
    {"condition_max_size"},
    {.name = "multivector_config", .type = Type::kMap, .child = "max_vectors"},
    {.name = "sparse_config", .type = Type::kMap, .child = "max_length"},
    {"max_payload_index_count"},
    {.name = "max_resident_memory_percent", .min = 1, .max = 100},
};
// Of payloads and of the point ids.
constexpr Member kPlacement[] = {
    {.name = "memory", .type = Type::kName, .choices = kMemory},
};
constexpr Member kSparseIndex[] = {
    {"full_scan_threshold"},
    {"on_disk", Type::kBool},
    {.name = "memory", .type = Type::kName, .choices = kMemory},
    {.name = "datatype",
     .type = Type::kName,
     .choices = "float32|uint8|float16|turbo4|turbo8|turbo16"},
};
constexpr Member kCollectionParams[] = {
    {.name = "replication_factor", .min = 1},
    {.name = "write_consistency_factor", .min = 1},
    {"read_fan_out_factor"},
    {"read_fan_out_delay_ms"},
    {"on_disk_payload", Type::kBool},
};
constexpr Member kScalar[] = {
    {.name = "type", .type = Type::kName, .choices = "int8"},
    {.name = "quantile", .type = Type::kFloat, .min = 0.5, .max = 1},
    {"always_ram", Type::kBool},
    {.name = "memory", .type = Type::kName, .choices = kMemory},
};
constexpr Member kProduct[] = {
    {.name = "compression", .type = Type::kName, .choices = "x4|x8|x16|x32|x64"},
    {"always_ram", Type::kBool},
    {.name = "memory", .type = Type::kName, .choices = kMemory},
};
constexpr Member kBinary[] = {
    {"always_ram", Type::kBool},
    {.name = "memory", .type = Type::kName, .choices = kMemory},
    {.name = "encoding", .type = Type::kName, .choices = "one_bit|two_bits|one_and_half_bits"},
    {.name = "query_encoding",
     .type = Type::kName,
     .choices = "default|binary|scalar4bits|scalar8bits"},
};
constexpr Member kTurbo[] = {
    {"always_ram", Type::kBool},
    {.name = "memory", .type = Type::kName, .choices = kMemory},
    {.name = "bits", .type = Type::kName, .choices = "bits1|bits1_5|bits2|bits4|bits8"},
};
struct Quantizer {
  std::string_view name;
  std::span<const Member> members;
  std::string_view required;
};
constexpr Quantizer kQuantizers[] = {
    {"scalar", kScalar, "type"},
    {"product", kProduct, "compression"},
    {"binary", kBinary, {}},
    {"turbo", kTurbo, {}},
};

std::span<const Member> MembersOf(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::kHnsw:
      return kHnsw;
    case ConfigKind::kOptimizers:
      return kOptimizers;
    case ConfigKind::kWal:
      return kWal;
    case ConfigKind::kStrictMode:
      return kStrictMode;
    case ConfigKind::kPayloadStorage:
    case ConfigKind::kIdTracker:
      return kPlacement;
    case ConfigKind::kSparseIndex:
      return kSparseIndex;
    case ConfigKind::kCollectionParams:
      return kCollectionParams;
    case ConfigKind::kQuantization:
      return {};
  }
  return {};
}

bool IsChoice(std::string_view choices, std::string_view text) {
  while (true) {
    const std::size_t bar = choices.find('|');
    if (choices.substr(0, bar) == text) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

bool ReadMap(const Member& member, const Value& value, Value* out, Why* why) {
  if (!value.is_object()) {
    *why = WrongType(value, "a map");
    return false;
  }
  std::vector<Value::Member> entries;
  for (const auto& [name, entry] : value.members()) {
    std::vector<Value::Member> inner;
    const Value* limit = entry.Find(member.child);
    if (limit != nullptr && !limit->is_null()) {
      std::uint64_t number = 0;
      if (!Read(*limit, &number, why)) return false;
      inner.emplace_back(std::string(member.child), Value::Uint(number));
    }
    entries.emplace_back(name, Value::Object(std::move(inner)));
  }
  *out = Value::Object(std::move(entries));
  return true;
}

bool ReadMember(const Member& member, const Value& value, Value* out, Why* why) {
  switch (member.type) {
    case Type::kBool: {
      bool flag = false;
      if (!Read(value, &flag, why)) return false;
      *out = Value::Bool(flag);
      return true;
    }
    case Type::kUint: {
      std::uint64_t number = 0;
      if (!Read(value, &number, why)) return false;
      *out = Value::Uint(number);
      return true;
    }
    case Type::kFloat: {
      double number = 0;
      if (!Read(value, &number, why)) return false;
      *out = Value::Double(number);
      return true;
    }
    case Type::kName: {
      std::string text;
      if (!Read(value, &text, why)) return false;
      if (!IsChoice(member.choices, text)) {
        *why = "unknown variant `" + text + "`, expected one of " + std::string(member.choices);
        return false;
      }
      *out = Value::String(text);
      return true;
    }
    case Type::kThreads:
      *out = value;
      if (value.is_number() ? value.AsUint().has_value() : value.AsString() == "auto") return true;
      *why = "data did not match any variant of untagged enum MaxOptimizationThreads";
      return false;
    case Type::kMap:
      return ReadMap(member, value, out, why);
  }
  return false;
}

bool ReadMembers(std::span<const Member> members, const Value& value, Value* out, Why* why) {
  if (!value.is_object()) {
    *why = WrongType(value, "struct");
    return false;
  }
  std::vector<Value::Member> kept;
  for (const Member& member : members) {
    const Value* given = value.Find(member.name);
    if (given == nullptr || given->is_null()) continue;
    if (!ReadMember(member, *given, &kept.emplace_back(std::string(member.name), Value()).second,
                    why)) {
      return false;
    }
  }
  *out = Value::Object(std::move(kept));
  return true;
}

bool ReadQuantization(const Value& value, Value* out, Why* why) {
  for (const Quantizer& quantizer : kQuantizers) {
    const Value* given = value.Find(quantizer.name);
    if (given == nullptr) continue;
    Value inner;
    if (!ReadMembers(quantizer.members, *given, &inner, why)) break;
    if (!quantizer.required.empty() && inner.Find(quantizer.required) == nullptr) break;
    *out = Value::Object({{std::string(quantizer.name), std::move(inner)}});
    return true;
  }
  *why = "data did not match any variant of untagged enum QuantizationConfig";
  return false;
}

void CheckMembers(std::span<const Member> members, const Value& config, const std::string& path,
                  Checks* checks) {
  for (const Member& member : members) {
    const Value* value = config.Find(member.name);
    if (value == nullptr) continue;
    const std::string at = path + "." + std::string(member.name);
    if (member.type == Type::kMap) {
      for (const auto& [name, entry] : value->members()) {
        if (const Value* limit = entry.Find(member.child)) {
          checks->AtLeast(at + ".?." + std::string(member.child), *limit->AsDouble(), 1);
        }
      }
    }
    if (!value->is_number() || !member.min) continue;
    if (member.max) {
      checks->Within(at, *value->AsDouble(), *member.min, *member.max);
    } else {
      checks->AtLeast(at, *value->AsDouble(), *member.min);
    }
  }
}

Value ParseDefaults(std::string_view text) {
  auto parsed = json::Parse(text);
  return parsed.ok() ? std::move(parsed).value() : Value::Object({});
}

}  // namespace

bool ReadConfig(ConfigKind kind, const Value& value, ConfigObject* out, Why* why) {
  if (kind == ConfigKind::kQuantization) return ReadQuantization(value, out, why);
  if (!ReadMembers(MembersOf(kind), value, out, why)) return false;
  if (kind != ConfigKind::kCollectionParams) return true;
  for (const std::string_view name : {"payload", "id_tracker"}) {
    const Value* part = value.Find(name);
    if (part == nullptr || part->is_null()) continue;
    Value inner;
    if (!ReadMembers(kPlacement, *part, &inner, why)) return false;
    *out = Merge(*out, Value::Object({{std::string(name), std::move(inner)}}));
  }
  return true;
}

void Validate(ConfigKind kind, const ConfigObject& config, const std::string& path,
              Checks* checks) {
  if (kind == ConfigKind::kQuantization) {
    for (const Quantizer& quantizer : kQuantizers) {
      if (const Value* inner = config.Find(quantizer.name)) {
        CheckMembers(quantizer.members, *inner, path + "." + std::string(quantizer.name), checks);
      }
    }
    return;
  }
  CheckMembers(MembersOf(kind), config, path, checks);
  const Value* memory = config.Find("memory");
  if (kind == ConfigKind::kPayloadStorage && memory != nullptr && memory->AsString() == "pinned") {
    checks->Add(path + ".memory", "`pinned` memory placement is not supported for payload storage");
  }
  const Value* datatype = config.Find("datatype");
  if (kind == ConfigKind::kSparseIndex && datatype != nullptr &&
      datatype->AsString()->starts_with("turbo")) {
    checks->Add(path + ".datatype", "sparse vectors do not support the `" +
                                        std::string(*datatype->AsString()) + "` datatype");
  }
}

ConfigObject Merge(const ConfigObject& base, const ConfigObject& change) {
  std::vector<Value::Member> members = base.members();
  for (const auto& [name, value] : change.members()) {
    bool replaced = false;
    for (auto& member : members) {
      if (member.first != name) continue;
      member.second = value;
      replaced = true;
    }
    if (!replaced) members.emplace_back(name, value);
  }
  return Value::Object(std::move(members));
}

const ConfigObject& ConfigDefaults(ConfigKind kind) {
  static const Value hnsw = ParseDefaults(
      R"({"m":16,"ef_construct":100,"full_scan_threshold":10000,"max_indexing_threads":0,)"
      R"("on_disk":false})");
  static const Value optimizers = ParseDefaults(
      R"({"deleted_threshold":0.2,"vacuum_min_vector_number":1000,"default_segment_number":0,)"
      R"("max_segment_size":null,"memmap_threshold":null,"indexing_threshold":10000,)"
      R"("flush_interval_sec":5,"max_optimization_threads":null,"prevent_unoptimized":null})");
  static const Value wal =
      ParseDefaults(R"({"wal_capacity_mb":32,"wal_segments_ahead":0,"wal_retain_closed":1})");
  static const Value none = Value::Object({});
  switch (kind) {
    case ConfigKind::kHnsw:
      return hnsw;
    case ConfigKind::kOptimizers:
      return optimizers;
    case ConfigKind::kWal:
      return wal;
    default:
      return none;
  }
}

}  // namespace malmoi::qdrant

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "json/value.h"
#include "qdrant/errors.h"
#include "qdrant/fields.h"
#include "vec/collection.h"

namespace malmoi::qdrant {

// Configuration objects (hnsw_config, optimizers_config, ...) are JSON objects whose members,
// types and bounds are in one table, config_tables.cc; so they are parsed, checked, merged and
// echoed by the same code, and a wire other than JSON builds them from names and values.
enum class ConfigKind : std::uint8_t {
  kHnsw,
  kOptimizers,
  kWal,
  kQuantization,
  kStrictMode,
  kPayloadStorage,
  kIdTracker,
  kSparseIndex,
  kCollectionParams
};
using ConfigObject = json::Value;

// Checks types (FormatError texts in `why`) and drops unknown members and nulls.
bool ReadConfig(ConfigKind kind, const json::Value& value, ConfigObject* out, Why* why);
// Checks bounds.
void Validate(ConfigKind kind, const ConfigObject& config, const std::string& path, Checks* checks);
// Members of `change` over those of `base`.
ConfigObject Merge(const ConfigObject& base, const ConfigObject& change);
// Qdrant's defaults for the kind, as CollectionInfo shows them.
const ConfigObject& ConfigDefaults(ConfigKind kind);

struct VectorParams {
  std::uint64_t size = 0;
  vec::Distance distance = vec::Distance::kCosine;
  std::optional<std::string> datatype;
  bool multivector = false;
  std::optional<ConfigObject> hnsw_config;
  std::optional<ConfigObject> quantization_config;
  std::optional<bool> on_disk;
  std::optional<std::string> memory;
};
struct SparseVectorParams {
  std::optional<ConfigObject> index;
  std::optional<std::string> modifier;
};

struct CreateCollection {
  std::map<std::string, VectorParams> vectors;  // "" is the unnamed one.
  std::map<std::string, SparseVectorParams> sparse_vectors;
  std::optional<std::uint32_t> shard_number;
  std::optional<std::string> sharding_method;
  std::optional<std::uint32_t> replication_factor;
  std::optional<std::uint32_t> write_consistency_factor;
  std::optional<bool> on_disk_payload;
  std::optional<ConfigObject> payload;
  std::optional<ConfigObject> id_tracker;
  std::optional<ConfigObject> hnsw_config;
  std::optional<ConfigObject> wal_config;
  std::optional<ConfigObject> optimizers_config;
  std::optional<ConfigObject> quantization_config;
  std::optional<ConfigObject> strict_mode_config;
  std::optional<std::string> metadata;  // JSON object text.
};

struct UpdateCollection {
  struct VectorChange {
    std::optional<ConfigObject> hnsw_config;
    std::optional<ConfigObject> quantization_config;  // The string "Disabled" removes it.
    std::optional<bool> on_disk;
    std::optional<std::string> memory;
  };
  std::map<std::string, VectorChange> vectors;
  std::map<std::string, SparseVectorParams> sparse_vectors;
  std::optional<ConfigObject> optimizers_config;
  std::optional<ConfigObject> params;
  std::optional<ConfigObject> hnsw_config;
  std::optional<ConfigObject> quantization_config;
  std::optional<ConfigObject> strict_mode_config;
  std::optional<std::string> metadata;
};

struct AliasAction {
  enum class Kind : std::uint8_t { kCreate, kDelete, kRename };
  Kind kind = Kind::kCreate;
  std::string collection;  // kCreate.
  std::string alias;       // The (old) alias.
  std::string new_alias;   // kRename.
};

struct CreateFieldIndex {
  std::string field_name;
  std::optional<vec::PayloadIndexParams> field_schema;
};

struct CreateVectorName {
  std::string name;
  std::variant<VectorParams, SparseVectorParams> params;
};

void Validate(const CreateCollection& request, const std::string& path, Checks* checks);
void Validate(const UpdateCollection& request, const std::string& path, Checks* checks);
void Validate(const CreateFieldIndex& request, const std::string& path, Checks* checks);
void Validate(const VectorParams& params, const std::string& path, Checks* checks);
void ValidateCollectionName(const std::string& name, const std::string& path, Checks* checks);
void ValidateVectorName(const std::string& name, const std::string& path, Checks* checks);

// The field schema in its JSON form: a type's name, or an object with "type".
bool Read(const json::Value& value, vec::PayloadIndexParams* out, Why* why);
std::string_view IndexKindName(vec::IndexKind kind);

}  // namespace malmoi::qdrant

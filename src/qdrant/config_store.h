#pragma once

#include <optional>
#include <string>

#include "json/value.h"
#include "qdrant/collection_requests.h"
#include "vec/collection.h"

// A collection's configuration between the interface's requests, what vec stores and the form in
// which it is shown. What vec does not use itself is kept as JSON in CollectionConfig::settings:
// {"params": {shard_number, ...}, "hnsw_config", "optimizer_config", "wal_config",
// "quantization_config", "strict_mode_config"}, and by vector {hnsw_config, quantization_config,
// on_disk, memory, datatype}. "created_at" is the time of creation, as RFC 3339.
namespace malmoi::qdrant {

vec::DenseParams ToDenseParams(const VectorParams& params);
vec::SparseParams ToSparseParams(const SparseVectorParams& params);
vec::CollectionConfig ToStoredConfig(const CreateCollection& request);

void SetCreatedAt(const std::string& time, vec::CollectionConfig* config);
// Nothing for collections of older builds and of the library's own interface.
std::optional<std::string> CreatedAt(const vec::CollectionConfig& config);

// The change as one operation of vec. Errors: VectorNameMissing.
Result<vec::SetSettingsOp> ToStoredChange(const vec::CollectionConfig& config,
                                          const UpdateCollection& request);

// The `config` of GET /collections/{name}.
json::Value ShownConfig(const vec::CollectionConfig& config);

json::Value ParseObject(const std::string& text);  // {} where it is no object.

}  // namespace malmoi::qdrant

#include "qdrant/config_store.h"

#include <algorithm>

namespace malmoi::qdrant {
namespace {

using json::Value;
using Members = std::vector<Value::Member>;

constexpr std::string_view kDistances[] = {"Cosine", "Dot", "Euclid", "Manhattan"};

void Put(Members* members, std::string_view name, const std::optional<ConfigObject>& value) {
  if (value) members->emplace_back(std::string(name), *value);
}
void Put(Members* members, std::string_view name, const std::optional<std::string>& value) {
  if (value) members->emplace_back(std::string(name), Value::String(*value));
}
void Put(Members* members, std::string_view name, const std::optional<bool>& value) {
  if (value) members->emplace_back(std::string(name), Value::Bool(*value));
}

Value OrEmpty(const Value* value) {
  return value == nullptr ? Value::Object({}) : *value;
}

Value With(const Value& object, std::string_view name, Value value) {
  return Merge(object, Value::Object({{std::string(name), std::move(value)}}));
}

Value Without(const Value& object, std::string_view name) {
  Members members;
  for (const auto& member : object.members()) {
    if (member.first != name) members.push_back(member);
  }
  return Value::Object(std::move(members));
}

// A diff of a quantisation: another one, or none.
Value Requantized(const Value& object, const std::optional<ConfigObject>& change) {
  if (!change) return object;
  if (change->is_string()) return Without(object, "quantization_config");
  return With(object, "quantization_config", *change);
}

Value ShownDense(const vec::DenseParams& params) {
  Members members;
  members.emplace_back("size", Value::Uint(params.dim));
  members.emplace_back(
      "distance",
      Value::String(std::string(kDistances[static_cast<std::size_t>(params.distance)])));
  if (params.multivector) {
    members.emplace_back("multivector_config",
                         Value::Object({{"comparator", Value::String("max_sim")}}));
  }
  return Merge(Value::Object(std::move(members)), ParseObject(params.settings));
}

Value ShownSparse(const vec::SparseParams& params) {
  const Value settings = ParseObject(params.settings);
  // Collections that were not made over this interface have the switch alone.
  if (!params.idf || settings.Find("modifier") != nullptr) return settings;
  return With(settings, "modifier", Value::String("idf"));
}

// "auto" is no number of threads, also where there was one: shown as null.
Value WithoutAuto(const Value& optimizer) {
  if (optimizer.GetString("max_optimization_threads") != "auto") return optimizer;
  return With(optimizer, "max_optimization_threads", Value());
}

vec::Datatype DatatypeOf(std::string_view name) {
  if (name == "float16") return vec::Datatype::kFloat16;
  if (name == "uint8") return vec::Datatype::kUint8;
  if (name == "turbo4") return vec::Datatype::kTurbo4;
  if (name == "turbo8") return vec::Datatype::kTurbo8;
  if (name == "turbo16") return vec::Datatype::kTurbo16;
  return vec::Datatype::kFloat32;
}

}  // namespace

Value ParseObject(const std::string& text) {
  auto parsed = json::Parse(text);
  if (!parsed.ok() || !parsed.value().is_object()) return Value::Object({});
  return std::move(parsed).value();
}

vec::DenseParams ToDenseParams(const VectorParams& params) {
  vec::DenseParams stored;
  stored.dim = static_cast<std::uint32_t>(params.size);
  stored.distance = params.distance;
  stored.multivector = params.multivector;
  if (params.datatype) stored.datatype = DatatypeOf(*params.datatype);
  Members settings;
  Put(&settings, "hnsw_config", params.hnsw_config);
  Put(&settings, "quantization_config", params.quantization_config);
  Put(&settings, "on_disk", params.on_disk);
  Put(&settings, "memory", params.memory);
  Put(&settings, "datatype", params.datatype);
  stored.settings = Value::Object(std::move(settings)).Dump();
  return stored;
}

vec::SparseParams ToSparseParams(const SparseVectorParams& params) {
  vec::SparseParams stored;
  stored.idf = params.modifier == "idf";
  Members settings;
  Put(&settings, "index", params.index);
  Put(&settings, "modifier", params.modifier);
  stored.settings = Value::Object(std::move(settings)).Dump();
  return stored;
}

vec::CollectionConfig ToStoredConfig(const CreateCollection& request) {
  vec::CollectionConfig config;
  for (const auto& [name, params] : request.vectors) config.dense[name] = ToDenseParams(params);
  for (const auto& [name, params] : request.sparse_vectors) {
    config.sparse[name] = ToSparseParams(params);
  }
  if (request.metadata) config.metadata = *request.metadata;
  Members params;
  params.emplace_back("shard_number", Value::Uint(request.shard_number.value_or(1)));
  Put(&params, "sharding_method", request.sharding_method);
  params.emplace_back("replication_factor", Value::Uint(request.replication_factor.value_or(1)));
  params.emplace_back("write_consistency_factor",
                      Value::Uint(request.write_consistency_factor.value_or(1)));
  params.emplace_back("on_disk_payload", Value::Bool(request.on_disk_payload.value_or(true)));
  Put(&params, "payload", request.payload);
  Put(&params, "id_tracker", request.id_tracker);
  Members settings;
  settings.emplace_back("params", Value::Object(std::move(params)));
  settings.emplace_back("hnsw_config", Merge(ConfigDefaults(ConfigKind::kHnsw),
                                             request.hnsw_config.value_or(Value::Object({}))));
  settings.emplace_back("optimizer_config",
                        WithoutAuto(Merge(ConfigDefaults(ConfigKind::kOptimizers),
                                          request.optimizers_config.value_or(Value::Object({})))));
  settings.emplace_back("wal_config", Merge(ConfigDefaults(ConfigKind::kWal),
                                            request.wal_config.value_or(Value::Object({}))));
  Put(&settings, "quantization_config", request.quantization_config);
  Put(&settings, "strict_mode_config", request.strict_mode_config);
  config.settings = Value::Object(std::move(settings)).Dump();
  return config;
}

void SetCreatedAt(const std::string& time, vec::CollectionConfig* config) {
  config->settings = With(ParseObject(config->settings), "created_at", Value::String(time)).Dump();
}

std::optional<std::string> CreatedAt(const vec::CollectionConfig& config) {
  const Value settings = ParseObject(config.settings);
  const Value* time = settings.Find("created_at");
  if (time == nullptr || !time->is_string()) return std::nullopt;
  return std::string(*time->AsString());
}

Result<vec::SetSettingsOp> ToStoredChange(const vec::CollectionConfig& config,
                                          const UpdateCollection& request) {
  vec::SetSettingsOp op;
  Value settings = ParseObject(config.settings);
  const auto merge = [&](std::string_view name, const std::optional<ConfigObject>& change) {
    if (change) settings = With(settings, name, Merge(OrEmpty(settings.Find(name)), *change));
  };
  merge("params", request.params);
  merge("hnsw_config", request.hnsw_config);
  merge("optimizer_config", request.optimizers_config);
  merge("strict_mode_config", request.strict_mode_config);
  if (const Value* optimizer = settings.Find("optimizer_config"); optimizer != nullptr) {
    settings = With(settings, "optimizer_config", WithoutAuto(*optimizer));
  }
  settings = Requantized(settings, request.quantization_config);
  op.settings = settings.Dump();
  for (const auto& [name, change] : request.vectors) {
    const auto found = config.dense.find(name);
    if (found == config.dense.end()) return VectorNameMissing(name);
    Value vector = ParseObject(found->second.settings);
    if (change.hnsw_config) {
      vector = With(vector, "hnsw_config",
                    Merge(OrEmpty(vector.Find("hnsw_config")), *change.hnsw_config));
    }
    vector = Requantized(vector, change.quantization_config);
    if (change.on_disk) vector = With(vector, "on_disk", Value::Bool(*change.on_disk));
    if (change.memory) vector = With(vector, "memory", Value::String(*change.memory));
    op.vector_settings.emplace_back(name, vector.Dump());
  }
  for (const auto& [name, change] : request.sparse_vectors) {
    const auto found = config.sparse.find(name);
    if (found == config.sparse.end()) return VectorNameMissing(name);
    Value vector = ParseObject(found->second.settings);
    if (change.index) {
      vector = With(vector, "index", Merge(OrEmpty(vector.Find("index")), *change.index));
    }
    if (change.modifier) vector = With(vector, "modifier", Value::String(*change.modifier));
    op.vector_settings.emplace_back(name, vector.Dump());
  }
  if (request.metadata) {
    // Members are merged; null removes one.
    Value metadata = ParseObject(config.metadata);
    const Value change = ParseObject(*request.metadata);
    for (const auto& [name, value] : change.members()) {
      metadata = value.is_null() ? Without(metadata, name) : With(metadata, name, value);
    }
    op.metadata = metadata.Dump();
  }
  return op;
}

Value ShownConfig(const vec::CollectionConfig& config) {
  const Value settings = ParseObject(config.settings);
  Members params;
  if (config.dense.size() == 1 && config.dense.begin()->first.empty()) {
    params.emplace_back("vectors", ShownDense(config.dense.begin()->second));
  } else {
    Members vectors;
    for (const auto& [name, dense] : config.dense) vectors.emplace_back(name, ShownDense(dense));
    params.emplace_back("vectors", Value::Object(std::move(vectors)));
  }
  const Value stored_params = OrEmpty(settings.Find("params"));
  for (const auto& member : stored_params.members()) params.push_back(member);
  if (!config.sparse.empty()) {
    Members vectors;
    for (const auto& [name, sparse] : config.sparse) {
      vectors.emplace_back(name, ShownSparse(sparse));
    }
    params.emplace_back("sparse_vectors", Value::Object(std::move(vectors)));
  }
  Members shown;
  shown.emplace_back("params", Value::Object(std::move(params)));
  for (const auto& [name, kind] : {std::pair{"hnsw_config", ConfigKind::kHnsw},
                                   std::pair{"optimizer_config", ConfigKind::kOptimizers},
                                   std::pair{"wal_config", ConfigKind::kWal}}) {
    shown.emplace_back(name, Merge(ConfigDefaults(kind), OrEmpty(settings.Find(name))));
  }
  const Value* quantization = settings.Find("quantization_config");
  shown.emplace_back("quantization_config", quantization == nullptr ? Value() : *quantization);
  if (const Value* strict = settings.Find("strict_mode_config")) {
    shown.emplace_back("strict_mode_config", strict->Find("enabled") == nullptr
                                                 ? With(*strict, "enabled", Value::Bool(false))
                                                 : *strict);
  }
  if (config.metadata != "{}") shown.emplace_back("metadata", ParseObject(config.metadata));
  return Value::Object(std::move(shown));
}

}  // namespace malmoi::qdrant

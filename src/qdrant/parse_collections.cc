#include <algorithm>

#include "qdrant/parse.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

struct Slot {
  ConfigKind kind;
  std::optional<ConfigObject>* out;
};
bool Read(const Value& value, Slot* slot, Why* why) {
  return ReadConfig(slot->kind, value, &slot->out->emplace(), why);
}

void OptionalConfig(Fields* fields, std::string_view key, ConfigKind kind,
                    std::optional<ConfigObject>* out) {
  Slot slot{kind, out};
  fields->Optional(key, &slot);
}

// A quantization to set, or the word that takes it away.
struct DiffSlot {
  std::optional<ConfigObject>* out;
};
bool Read(const Value& value, DiffSlot* slot, Why* why) {
  if (value.AsString() == "Disabled") {
    *slot->out = value;
    return true;
  }
  return ReadConfig(ConfigKind::kQuantization, value, &slot->out->emplace(), why);
}

struct ObjectText {
  std::optional<std::string>* out;
};
bool Read(const Value& value, ObjectText* slot, Why* why) {
  return ReadPayload(value, &slot->out->emplace(), why);
}

bool ReadMemory(Fields* fields, std::optional<std::string>* out, Why* why) {
  const Value* memory = fields->Member("memory");
  if (memory == nullptr || memory->is_null()) return fields->ok();
  std::size_t ignored = 0;
  if (!ReadName(*memory, {"cold", "cached", "pinned"}, &ignored, why)) return false;
  *out = std::string(*memory->AsString());
  return fields->ok();
}

constexpr std::string_view kKinds[] = {"keyword", "integer",  "float", "bool",
                                       "geo",     "datetime", "uuid",  "text"};

bool ReadKind(std::string_view name, vec::IndexKind* out) {
  for (std::size_t i = 0; i < std::size(kKinds); ++i) {
    if (kKinds[i] == name) {
      *out = static_cast<vec::IndexKind>(i);
      return true;
    }
  }
  return false;
}

bool ReadStopwords(const Value& value, vec::TextParams* out, Why* why) {
  if (value.is_string()) return Read(value, &out->stopword_languages.emplace_back(), why);
  Fields fields(value, "struct StopwordsSet", why);
  fields.Optional("languages", &out->stopword_languages);
  fields.Optional("custom", &out->stopwords);
  return fields.ok();
}

bool ReadStemmer(const Value& value, vec::TextParams* out, Why* why) {
  const std::string_view type = value.GetString("type");
  if (type == "none") return true;
  if (type != "snowball") {
    *why = "data did not match any variant of untagged enum StemmingAlgorithm";
    return false;
  }
  Fields fields(value, "struct SnowballParams", why);
  fields.Required("language", &out->stemmer);
  return fields.ok();
}

bool ReadTextParams(const Value& value, vec::TextParams* out, Why* why) {
  Fields fields(value, "struct TextIndexParams", why);
  const Value* tokenizer = fields.Member("tokenizer");
  if (tokenizer != nullptr && !tokenizer->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*tokenizer, {"word", "whitespace", "prefix", "multilingual", "code"}, &i, why)) {
      return false;
    }
    out->tokenizer = static_cast<vec::Tokenizer>(i);
  }
  fields.Optional("min_token_len", &out->min_token_len);
  fields.Optional("max_token_len", &out->max_token_len);
  fields.Optional("lowercase", &out->lowercase);
  fields.Optional("ascii_folding", &out->ascii_folding);
  fields.Optional("phrase_matching", &out->phrase_matching);
  const Value* stopwords = fields.Member("stopwords");
  if (stopwords != nullptr && !stopwords->is_null() && !ReadStopwords(*stopwords, out, why)) {
    return false;
  }
  const Value* stemmer = fields.Member("stemmer");
  if (stemmer != nullptr && !stemmer->is_null() && !ReadStemmer(*stemmer, out, why)) return false;
  return fields.ok();
}

bool CheckIndexMembers(const Value& value, Why* why) {
  Fields fields(value, "struct IndexParams", why);
  bool flag = false;
  for (const std::string_view key :
       {"is_tenant", "is_principal", "on_disk", "enable_hnsw", "prefix", "lookup", "range"}) {
    fields.Optional(key, &flag);
  }
  std::optional<std::string> nested;
  fields.Optional("nested", &nested);
  if (nested && !vec::ParsePath(*nested).ok()) fields.Fail("Invalid json path: '" + *nested + "'");
  if (const Value* scoring = fields.Member("scoring"); scoring != nullptr && !scoring->is_null() &&
                                                       !scoring->is_bool() &&
                                                       scoring->GetString("type") != "bm25") {
    *why = "data did not match any variant of untagged enum TextScoringInterface";
    return false;
  }
  std::optional<std::string> memory;
  return ReadMemory(&fields, &memory, why);
}

bool ReadVectorsConfig(const Value& value, std::map<std::string, VectorParams>* out, Why* why) {
  if (value.Find("size") != nullptr && !value.Find("size")->is_object()) {
    return Read(value, &(*out)[""], why);
  }
  if (!Read(value, out, why)) {
    *why = "data did not match any variant of untagged enum VectorsConfig";
    return false;
  }
  return true;
}

void CheckMemory(const std::optional<std::string>& memory, const std::string& path,
                 Checks* checks) {
  if (memory == "pinned") {
    checks->Add(path + ".memory",
                "`pinned` memory placement is not supported for dense vector storage");
  }
}

void CheckConfig(ConfigKind kind, const std::optional<ConfigObject>& config,
                 const std::string& path, Checks* checks) {
  if (config && config->is_object()) Validate(kind, *config, path, checks);
}

std::string Joined(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

}  // namespace

bool Read(const Value& value, UpdateCollection::VectorChange* out, Why* why) {
  Fields fields(value, "struct VectorParamsDiff", why);
  OptionalConfig(&fields, "hnsw_config", ConfigKind::kHnsw, &out->hnsw_config);
  DiffSlot quantization{&out->quantization_config};
  fields.Optional("quantization_config", &quantization);
  fields.Optional("on_disk", &out->on_disk);
  return ReadMemory(&fields, &out->memory, why);
}

std::string_view IndexKindName(vec::IndexKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

bool Read(const Value& value, vec::PayloadIndexParams* out, Why* why) {
  *why = "data did not match any variant of untagged enum PayloadFieldSchema";
  if (const auto name = value.AsString()) return ReadKind(*name, &out->kind);
  if (!value.is_object()) return false;
  const Value* type = value.Find("type");
  if (type == nullptr || !type->is_string() || !ReadKind(*type->AsString(), &out->kind)) {
    return false;
  }
  out->settings = value.Dump();
  Why reason;
  return CheckIndexMembers(value, &reason) &&
         (out->kind != vec::IndexKind::kText || ReadTextParams(value, &out->text, &reason));
}

bool Read(const Value& value, VectorParams* out, Why* why) {
  Fields fields(value, "struct VectorParams", why);
  fields.Required("size", &out->size);
  Value distance;
  fields.Required("distance", &distance);
  if (!fields.ok()) return false;
  std::size_t i = 0;
  if (!ReadName(distance, {"Cosine", "Dot", "Euclid", "Manhattan"}, &i, why)) return false;
  out->distance = static_cast<vec::Distance>(i);
  OptionalConfig(&fields, "hnsw_config", ConfigKind::kHnsw, &out->hnsw_config);
  OptionalConfig(&fields, "quantization_config", ConfigKind::kQuantization,
                 &out->quantization_config);
  fields.Optional("on_disk", &out->on_disk);
  if (const Value* type = fields.Member("datatype"); type != nullptr && !type->is_null()) {
    if (!ReadName(*type, {"float32", "uint8", "float16", "turbo4", "turbo8", "turbo16"}, &i, why)) {
      return false;
    }
    out->datatype = std::string(*type->AsString());
  }
  if (const Value* multi = fields.Member("multivector_config");
      multi != nullptr && !multi->is_null()) {
    Value comparator;
    Fields inner(*multi, "struct MultiVectorConfig", why);
    inner.Required("comparator", &comparator);
    if (!inner.ok() || !ReadName(comparator, {"max_sim"}, &i, why)) return false;
    out->multivector = true;
  }
  return ReadMemory(&fields, &out->memory, why);
}

bool Read(const Value& value, SparseVectorParams* out, Why* why) {
  Fields fields(value, "struct SparseVectorParams", why);
  OptionalConfig(&fields, "index", ConfigKind::kSparseIndex, &out->index);
  if (const Value* modifier = fields.Member("modifier");
      modifier != nullptr && !modifier->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*modifier, {"none", "idf"}, &i, why)) return false;
    out->modifier = std::string(*modifier->AsString());
  }
  return fields.ok();
}

bool Read(const Value& value, CreateCollection* out, Why* why) {
  Fields fields(value, "struct CreateCollection", why);
  const Value* vectors = fields.Member("vectors");
  if (vectors != nullptr && !vectors->is_null() &&
      !ReadVectorsConfig(*vectors, &out->vectors, why)) {
    return false;
  }
  fields.Optional("sparse_vectors", &out->sparse_vectors);
  fields.Optional("shard_number", &out->shard_number);
  fields.Optional("replication_factor", &out->replication_factor);
  fields.Optional("write_consistency_factor", &out->write_consistency_factor);
  fields.Optional("on_disk_payload", &out->on_disk_payload);
  if (const Value* method = fields.Member("sharding_method");
      method != nullptr && !method->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*method, {"auto", "custom"}, &i, why)) return false;
    out->sharding_method = std::string(*method->AsString());
  }
  OptionalConfig(&fields, "payload", ConfigKind::kPayloadStorage, &out->payload);
  OptionalConfig(&fields, "id_tracker", ConfigKind::kIdTracker, &out->id_tracker);
  OptionalConfig(&fields, "hnsw_config", ConfigKind::kHnsw, &out->hnsw_config);
  OptionalConfig(&fields, "wal_config", ConfigKind::kWal, &out->wal_config);
  OptionalConfig(&fields, "optimizers_config", ConfigKind::kOptimizers, &out->optimizers_config);
  OptionalConfig(&fields, "quantization_config", ConfigKind::kQuantization,
                 &out->quantization_config);
  OptionalConfig(&fields, "strict_mode_config", ConfigKind::kStrictMode, &out->strict_mode_config);
  ObjectText metadata{&out->metadata};
  fields.Optional("metadata", &metadata);
  return fields.ok();
}

bool Read(const Value& value, UpdateCollection* out, Why* why) {
  Fields fields(value, "struct UpdateCollection", why);
  fields.Optional("vectors", &out->vectors);
  fields.Optional("sparse_vectors", &out->sparse_vectors);
  OptionalConfig(&fields, "optimizers_config", ConfigKind::kOptimizers, &out->optimizers_config);
  OptionalConfig(&fields, "params", ConfigKind::kCollectionParams, &out->params);
  OptionalConfig(&fields, "hnsw_config", ConfigKind::kHnsw, &out->hnsw_config);
  DiffSlot quantization{&out->quantization_config};
  fields.Optional("quantization_config", &quantization);
  OptionalConfig(&fields, "strict_mode_config", ConfigKind::kStrictMode, &out->strict_mode_config);
  ObjectText metadata{&out->metadata};
  fields.Optional("metadata", &metadata);
  return fields.ok();
}

bool Read(const Value& value, AliasAction* out, Why* why) {
  *why = "data did not match any variant of untagged enum AliasOperations";
  Why reason;
  if (const Value* create = value.Find("create_alias")) {
    out->kind = AliasAction::Kind::kCreate;
    Fields fields(*create, "struct CreateAlias", &reason);
    fields.Required("collection_name", &out->collection);
    fields.Required("alias_name", &out->alias);
    return fields.ok();
  }
  if (const Value* drop = value.Find("delete_alias")) {
    out->kind = AliasAction::Kind::kDelete;
    Fields fields(*drop, "struct DeleteAlias", &reason);
    fields.Required("alias_name", &out->alias);
    return fields.ok();
  }
  if (const Value* rename = value.Find("rename_alias")) {
    out->kind = AliasAction::Kind::kRename;
    Fields fields(*rename, "struct RenameAlias", &reason);
    fields.Required("old_alias_name", &out->alias);
    fields.Required("new_alias_name", &out->new_alias);
    return fields.ok();
  }
  return false;
}

bool Read(const Value& value, CreateFieldIndex* out, Why* why) {
  Fields fields(value, "struct CreateFieldIndex", why);
  fields.Required("field_name", &out->field_name);
  const bool typed = fields.Member("field_schema") != nullptr;
  fields.Optional(typed ? "field_schema" : "field_type", &out->field_schema);
  if (fields.ok() && !vec::ParsePath(out->field_name).ok()) {
    fields.Fail("Invalid json path: '" + out->field_name + "'");
  }
  return fields.ok();
}

bool Read(const Value& value, CreateVectorName* out, Why* why) {
  if (const Value* dense = value.Find("dense")) {
    return Read(*dense, &out->params.emplace<VectorParams>(), why);
  }
  if (const Value* sparse = value.Find("sparse")) {
    // `datatype` stands beside `modifier` here, not in `index`; it is read as that says.
    const Value* datatype = sparse->Find("datatype");
    std::size_t i = 0;
    if (datatype != nullptr && !datatype->is_null() &&
        !ReadName(*datatype, {"float32", "uint8", "float16", "turbo4", "turbo8", "turbo16"}, &i,
                  why)) {
      return false;
    }
    return Read(*sparse, &out->params.emplace<SparseVectorParams>(), why);
  }
  *why = "data did not match any variant of untagged enum VectorNameConfig";
  return false;
}

void ValidateCollectionName(const std::string& name, const std::string& path, Checks* checks) {
  if (name.empty() || name.size() > 255) {
    checks->Add(
        path, "value " + Value::String(name).Dump() + " invalid, must be from 1 to 255 characters");
  }
  const std::string_view forbidden("<>:\"/\\|?*\0\x1f", 11);
  for (const char c : forbidden) {
    if (name.find(c) == std::string::npos) continue;
    checks->Add(path, "collection name cannot contain \"" + std::string(1, c) + "\" char");
    return;
  }
}

void ValidateVectorName(const std::string& name, const std::string& path, Checks* checks) {
  if (name.size() > 200) {
    checks->Add(path, "vector name must be at most 200 bytes long");
    return;
  }
  const std::string_view forbidden("<>:\"/\\|?*\0\x1f", 11);
  for (const char c : forbidden) {
    if (name.find(c) == std::string::npos) continue;
    checks->Add(path, "vector name cannot contain \"" + std::string(1, c) + "\" char");
    return;
  }
}

void Validate(const VectorParams& params, const std::string& path, Checks* checks) {
  checks->Within(path + ".size", static_cast<double>(params.size), 1, 65536);
  CheckConfig(ConfigKind::kHnsw, params.hnsw_config, path + ".hnsw_config", checks);
  CheckConfig(ConfigKind::kQuantization, params.quantization_config, path + ".quantization_config",
              checks);
  CheckMemory(params.memory, path, checks);
}

void Validate(const CreateCollection& request, const std::string& path, Checks* checks) {
  for (const auto& [name, params] : request.vectors) {
    Validate(params, Joined(path, "vectors") + (name.empty() ? "" : "." + name), checks);
  }
  for (const auto& [name, params] : request.sparse_vectors) {
    CheckConfig(ConfigKind::kSparseIndex, params.index,
                Joined(path, "sparse_vectors." + name + ".index"), checks);
  }
  const auto at_least_one = [&](std::string_view name, const std::optional<std::uint32_t>& value) {
    if (value) checks->AtLeast(Joined(path, name), *value, 1);
  };
  at_least_one("shard_number", request.shard_number);
  at_least_one("replication_factor", request.replication_factor);
  at_least_one("write_consistency_factor", request.write_consistency_factor);
  CheckConfig(ConfigKind::kPayloadStorage, request.payload, Joined(path, "payload"), checks);
  CheckConfig(ConfigKind::kHnsw, request.hnsw_config, Joined(path, "hnsw_config"), checks);
  CheckConfig(ConfigKind::kWal, request.wal_config, Joined(path, "wal_config"), checks);
  CheckConfig(ConfigKind::kOptimizers, request.optimizers_config, Joined(path, "optimizers_config"),
              checks);
  CheckConfig(ConfigKind::kQuantization, request.quantization_config,
              Joined(path, "quantization_config"), checks);
  CheckConfig(ConfigKind::kStrictMode, request.strict_mode_config,
              Joined(path, "strict_mode_config"), checks);
}

void Validate(const UpdateCollection& request, const std::string& path, Checks* checks) {
  for (const auto& [name, change] : request.vectors) {
    const std::string at = Joined(path, "vectors." + name);
    CheckConfig(ConfigKind::kHnsw, change.hnsw_config, at + ".hnsw_config", checks);
    CheckConfig(ConfigKind::kQuantization, change.quantization_config, at + ".quantization_config",
                checks);
    CheckMemory(change.memory, at, checks);
  }
  for (const auto& [name, params] : request.sparse_vectors) {
    CheckConfig(ConfigKind::kSparseIndex, params.index,
                Joined(path, "sparse_vectors." + name + ".index"), checks);
  }
  CheckConfig(ConfigKind::kOptimizers, request.optimizers_config, Joined(path, "optimizers_config"),
              checks);
  CheckConfig(ConfigKind::kCollectionParams, request.params, Joined(path, "params"), checks);
  CheckConfig(ConfigKind::kHnsw, request.hnsw_config, Joined(path, "hnsw_config"), checks);
  CheckConfig(ConfigKind::kQuantization, request.quantization_config,
              Joined(path, "quantization_config"), checks);
  CheckConfig(ConfigKind::kStrictMode, request.strict_mode_config,
              Joined(path, "strict_mode_config"), checks);
}

void Validate(const CreateFieldIndex& request, const std::string& path, Checks* checks) {
  if (!request.field_schema || request.field_schema->kind != vec::IndexKind::kInteger) return;
  auto settings = json::Parse(request.field_schema->settings);
  if (!settings.ok() || !settings.value().is_object()) return;
  const Value* lookup = settings.value().Find("lookup");
  const Value* range = settings.value().Find("range");
  if (lookup != nullptr && range != nullptr && lookup->AsBool() == false &&
      range->AsBool() == false) {
    checks->Add(Joined(path, "field_schema.__all__"),
                "the 'lookup' and 'range' capabilities can't be both disabled");
  }
}

}  // namespace malmoi::qdrant

#include <charconv>

#include "base/strings.h"
#include "qdrant/parse.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

bool IsNumberArray(const Value& value) {
  for (const Value& item : value.items()) {
    if (!item.is_number()) return false;
  }
  return value.is_array();
}

bool IsNestedArray(const Value& value) {
  if (!value.is_array() || value.items().empty()) return false;
  for (const Value& item : value.items()) {
    if (!IsNumberArray(item)) return false;
  }
  return true;
}

bool ReadInference(const Value& value, VectorData* out, Why* why) {
  if (value.Find("model") == nullptr) return false;
  const Value* options = value.Find("options");
  if (options != nullptr && !options->is_object() && !options->is_null()) {
    *why = WrongType(*options, "a map");
    return false;
  }
  if (value.Find("text") != nullptr) {
    Document document;
    Fields fields(value, "struct Document", why);
    fields.Required("text", &document.text);
    fields.Required("model", &document.model);
    if (options != nullptr) document.options = *options;
    *out = std::move(document);
    return fields.ok();
  }
  const Value* object = value.Find("image");
  if (object == nullptr) object = value.Find("object");
  if (object == nullptr) return false;
  InferenceObject inference;
  inference.object = *object;
  Fields fields(value, "struct InferenceObject", why);
  fields.Required("model", &inference.model);
  if (options != nullptr) inference.options = *options;
  *out = std::move(inference);
  return fields.ok();
}

// What stands under `vector`: one vector, or vectors by name.
bool ReadVectorStruct(const Value& value, VectorMap* out, Why* why) {
  out->clear();
  if (value.is_array()) {
    if (Read(value, &(*out)[""], why)) return true;
  } else if (value.is_object()) {
    Why ignored;
    bool named = true;
    for (const auto& [name, member] : value.members()) {
      if (!Read(member, &(*out)[name], &ignored)) {
        named = false;
        break;
      }
    }
    if (named) return true;
    out->clear();
    if (ReadInference(value, &(*out)[""], &ignored)) return true;
  }
  *why = "data did not match any variant of untagged enum VectorStruct";
  return false;
}

// Members that stand under either name.
template <class T>
void RequiredEither(Fields* fields, std::string_view key, std::string_view alias, T* out) {
  if (fields->Member(key) == nullptr && fields->Member(alias) != nullptr) {
    fields->Required(alias, out);
  } else {
    fields->Required(key, out);
  }
}

struct VectorStructSlot {
  VectorMap* map;
};
bool Read(const Value& value, VectorStructSlot* slot, Why* why) {
  return ReadVectorStruct(value, slot->map, why);
}

struct PayloadSlot {
  std::string text;
};
bool Read(const Value& value, PayloadSlot* slot, Why* why) {
  return ReadPayload(value, &slot->text, why);
}

struct UpdateModeSlot {
  vec::UpdateMode* mode;
};
bool Read(const Value& value, UpdateModeSlot* slot, Why* why) {
  std::size_t i = 0;
  if (!ReadName(value, {"upsert", "insert_only", "update_only"}, &i, why)) return false;
  *slot->mode = static_cast<vec::UpdateMode>(i);
  return true;
}

std::string CountMismatch(std::string_view what, std::size_t ids, std::size_t other) {
  return "!batch: number of ids and " + std::string(what) + " must be equal (" +
         std::to_string(ids) + " != " + std::to_string(other) + ")";
}

bool ReadBatchVectors(const Value& vectors, std::vector<PointStruct>* points, Why* why) {
  if (vectors.is_array()) {
    if (vectors.items().size() != points->size()) {
      *why = CountMismatch("vectors", points->size(), vectors.items().size());
      return false;
    }
    for (std::size_t i = 0; i < points->size(); ++i) {
      const Value& item = vectors.items()[i];
      if (!item.is_array() && item.Find("model") == nullptr) {
        *why = "data did not match any variant of untagged enum BatchVectorStruct";
        return false;
      }
      if (!Read(item, &(*points)[i].vectors[""], why)) return false;
    }
    return true;
  }
  if (!vectors.is_object()) {
    *why = "data did not match any variant of untagged enum BatchVectorStruct";
    return false;
  }
  for (const auto& [name, column] : vectors.members()) {
    if (!column.is_array()) {
      *why = "data did not match any variant of untagged enum BatchVectorStruct";
      return false;
    }
    if (column.items().size() != points->size()) {
      *why = CountMismatch("vectors", points->size(), column.items().size());
      return false;
    }
    for (std::size_t i = 0; i < points->size(); ++i) {
      if (!Read(column.items()[i], &(*points)[i].vectors[name], why)) return false;
    }
  }
  return true;
}

bool ReadBatch(const Value& batch, std::vector<PointStruct>* points, Why* why) {
  std::vector<PointId> ids;
  Value vectors;
  std::optional<std::vector<std::optional<PayloadSlot>>> payloads;
  Fields fields(batch, "struct Batch", why);
  fields.Required("ids", &ids);
  fields.Required("vectors", &vectors);
  fields.Optional("payloads", &payloads);
  if (!fields.ok()) return false;
  points->resize(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) (*points)[i].id = ids[i];
  if (!ReadBatchVectors(vectors, points, why)) return false;
  if (!payloads) return true;
  if (payloads->size() != ids.size()) {
    *why = CountMismatch("payloads", ids.size(), payloads->size());
    return false;
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if ((*payloads)[i]) (*points)[i].payload = std::move((*payloads)[i]->text);
  }
  return true;
}

}  // namespace

bool ParsePointId(std::string_view text, vec::PointId* out) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) {
    *out = number;
    return true;
  }
  if (text.starts_with("urn:uuid:")) text.remove_prefix(9);
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  Uuid uuid;
  if (!ParseUuid(text, &uuid)) return false;
  *out = uuid;
  return true;
}

bool ReadPointId(const Value& value, vec::PointId* out, Why* why) {
  if (value.kind() == Value::Kind::kInt || value.kind() == Value::Kind::kUint) {
    if (const auto number = value.AsUint()) {
      *out = *number;
      return true;
    }
  } else if (const auto text = value.AsString()) {
    // A number in quotation marks is no id.
    if (!text->empty() && text->size() >= 32 && ParsePointId(*text, out)) return true;
  }
  *why = "value " + (value.is_string() ? std::string(*value.AsString()) : value.Dump()) +
         " is not a valid point ID, valid values are either an unsigned integer or a UUID";
  return false;
}

bool Read(const Value& value, vec::PointId* out, Why* why) {
  return ReadPointId(value, out, why);
}

bool ReadPath(const Value& value, std::string* out, Why* why) {
  if (!Read(value, out, why)) return false;
  if (auto path = vec::ParsePath(*out); !path.ok()) {
    *why = "Invalid json path: '" + *out + "'";
    return false;
  }
  return true;
}

bool ReadPayload(const Value& value, std::string* out, Why* why) {
  if (!value.is_object()) {
    *why = WrongType(value, "a map");
    return false;
  }
  *out = value.Dump();
  return true;
}

bool Read(const Value& value, vec::SparseVector* out, Why* why) {
  Fields fields(value, "struct SparseVector", why);
  fields.Required("indices", &out->indices);
  fields.Required("values", &out->values);
  return fields.ok();
}

bool Read(const Value& value, VectorData* out, Why* why) {
  Why ignored;
  if (IsNumberArray(value)) {
    DenseVector dense;
    dense.reserve(value.items().size());
    for (const Value& item : value.items()) dense.push_back(static_cast<float>(*item.AsDouble()));
    *out = std::move(dense);
    return true;
  }
  if (IsNestedArray(value)) {
    return Read(value, &out->emplace<RawMultiVector>(), why);
  }
  if (value.is_object()) {
    if (value.Find("indices") != nullptr &&
        Read(value, &out->emplace<vec::SparseVector>(), &ignored)) {
      return true;
    }
    if (ReadInference(value, out, &ignored)) return true;
  }
  *why = "data did not match any variant of untagged enum Vector";
  return false;
}

bool Read(const Value& value, vec::PayloadSelector* out, Why* why) {
  *out = {};
  if (const auto enabled = value.AsBool()) {
    out->enabled = *enabled;
    return true;
  }
  const Value* include = &value;
  if (value.is_object() && value.members().size() == 1) {
    include = value.Find("include");
    if (const Value* exclude = value.Find("exclude"); exclude != nullptr && exclude->is_array()) {
      for (const Value& item : exclude->items()) {
        if (!ReadPath(item, &out->exclude.emplace_back(), why)) return false;
      }
      return true;
    }
  }
  if (include == nullptr || !include->is_array()) {
    *why = "Expected a boolean, an array of strings, or an object with an include/exclude field";
    return false;
  }
  for (const Value& item : include->items()) {
    if (!ReadPath(item, &out->include.emplace_back(), why)) return false;
  }
  // An empty list of members keeps none.
  if (out->include.empty()) out->include.emplace_back("\"\"");
  return true;
}

bool Read(const Value& value, vec::VectorSelector* out, Why* why) {
  *out = {};
  if (const auto enabled = value.AsBool()) {
    out->enabled = *enabled;
    return true;
  }
  if (!value.is_array() || !Read(value, &out->names.emplace(), why)) {
    *why = "Expected a boolean, or an array of strings";
    return false;
  }
  out->enabled = true;
  return true;
}

bool Read(const Value& value, PointStruct* out, Why* why) {
  Fields fields(value, "struct PointStruct", why);
  fields.Required("id", &out->id);
  VectorStructSlot slot{&out->vectors};
  RequiredEither(&fields, "vector", "vectors", &slot);
  PayloadSlot payload;
  if (fields.ok() && fields.Member("payload") != nullptr && !fields.Member("payload")->is_null()) {
    fields.Optional("payload", &payload);
    out->payload = std::move(payload.text);
  }
  return fields.ok();
}

bool Read(const Value& value, PointVectors* out, Why* why) {
  Fields fields(value, "struct PointVectors", why);
  fields.Required("id", &out->id);
  VectorStructSlot slot{&out->vectors};
  RequiredEither(&fields, "vector", "vectors", &slot);
  return fields.ok();
}

bool Read(const Value& value, UpsertPoints* out, Why* why) {
  Fields fields(value, "struct PointsList", why);
  if (!fields.ok()) {
    *why = "Invalid PointInsertOperations format";
    return false;
  }
  if (const Value* batch = value.Find("batch")) {
    if (!ReadBatch(*batch, &out->points, why)) return false;
  } else if (value.Find("points") != nullptr) {
    fields.Required("points", &out->points);
  } else {
    *why = "Invalid PointInsertOperations format";
    return false;
  }
  fields.Optional("update_filter", &out->update_filter);
  UpdateModeSlot mode{&out->update_mode};
  fields.Optional("update_mode", &mode);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, PointsSelector* out, Why* why) {
  Why reason;
  const Value* filter = value.Find("filter");
  if (const Value* points = value.Find("points"); points != nullptr && points->is_array()) {
    if (Read(*points, &out->ids, &reason)) return ReadShardKeys(value, &out->shard_key, why);
  } else if (filter != nullptr && filter->is_object()) {
    if (Read(*filter, &out->filter, &reason)) return ReadShardKeys(value, &out->shard_key, why);
    if (reason.starts_with("!")) {
      *why = reason;
      return false;
    }
  }
  *why = "data did not match any variant of untagged enum PointsSelector";
  return false;
}

bool Read(const Value& value, UpdateVectors* out, Why* why) {
  Fields fields(value, "struct UpdateVectors", why);
  fields.Required("points", &out->points);
  fields.Optional("update_filter", &out->update_filter);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, DeleteVectors* out, Why* why) {
  Fields fields(value, "struct DeleteVectors", why);
  fields.Optional("points", &out->points);
  fields.Optional("filter", &out->filter);
  RequiredEither(&fields, "vector", "vectors", &out->vectors);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, SetPayload* out, Why* why) {
  Fields fields(value, "struct SetPayloadShadow", why);
  PayloadSlot payload;
  fields.Required("payload", &payload);
  fields.Optional("points", &out->points);
  fields.Optional("filter", &out->filter);
  if (!fields.ok()) return false;
  out->payload = std::move(payload.text);
  const Value* key = value.Find("key");
  if (key != nullptr && !key->is_null() && !ReadPath(*key, &out->key.emplace(), why)) return false;
  if (!out->points && out->filter == nullptr) {
    *why = "Either list of point ids or filter must be provided";
    return false;
  }
  return ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, DeletePayload* out, Why* why) {
  Fields fields(value, "struct DeletePayloadShadow", why);
  fields.Required("keys", &out->keys);
  fields.Optional("points", &out->points);
  fields.Optional("filter", &out->filter);
  if (!fields.ok()) return false;
  for (const std::string& key : out->keys) {
    if (!vec::ParsePath(key).ok()) {
      *why = "Invalid json path: '" + key + "'";
      return false;
    }
  }
  if (!out->points && out->filter == nullptr) {
    *why = "Either list of point ids or filter must be provided";
    return false;
  }
  return ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, UpdateOperation* out, Why* why) {
  if (value.is_object() && value.members().size() >= 1) {
    const auto& [name, body] = value.members().front();
    if (name == "upsert") return Read(body, &out->emplace<UpsertPoints>(), why);
    if (name == "delete") {
      return Read(body, static_cast<PointsSelector*>(&out->emplace<DeletePoints>()), why);
    }
    if (name == "set_payload") return Read(body, &out->emplace<SetPayload>(), why);
    if (name == "overwrite_payload") {
      return Read(body, static_cast<SetPayload*>(&out->emplace<OverwritePayload>()), why);
    }
    if (name == "delete_payload") return Read(body, &out->emplace<DeletePayload>(), why);
    if (name == "clear_payload") {
      return Read(body, static_cast<PointsSelector*>(&out->emplace<ClearPayload>()), why);
    }
    if (name == "update_vectors") return Read(body, &out->emplace<UpdateVectors>(), why);
    if (name == "delete_vectors") return Read(body, &out->emplace<DeleteVectors>(), why);
  }
  *why = "data did not match any variant of untagged enum UpdateOperation";
  return false;
}

bool Read(const Value& value, GetPoints* out, Why* why) {
  Fields fields(value, "struct PointRequest", why);
  fields.Required("ids", &out->ids);
  fields.Optional("with_payload", &out->with_payload);
  fields.Optional("with_vectors", &out->with_vector);
  fields.Optional("with_vector", &out->with_vector);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, OrderBy* out, Why* why) {
  if (value.is_string()) return ReadPath(value, &out->key, why);
  if (!value.is_object() || value.Find("key") == nullptr ||
      !ReadPath(*value.Find("key"), &out->key, why)) {
    *why = "Expected a string, or an object with a key, direction and/or start_from";
    return false;
  }
  const Value* direction = value.Find("direction");
  if (direction != nullptr && !direction->is_null()) {
    std::size_t i = 0;
    if (!ReadName(*direction, {"asc", "desc"}, &i, why)) {
      *why = "Expected a string, or an object with a key, direction and/or start_from";
      return false;
    }
    out->direction = i == 0 ? Direction::kAsc : Direction::kDesc;
  }
  const Value* start = value.Find("start_from");
  if (start == nullptr || start->is_null()) return true;
  if (start->kind() == Value::Kind::kInt) {
    out->start_from = StartFrom{.value = *start->AsInt()};
  } else if (const auto number = start->AsDouble()) {
    out->start_from = StartFrom{.value = *number};
  } else if (start->is_string() && vec::ParseDatetime(*start->AsString())) {
    out->start_from =
        StartFrom{.value = *vec::ParseDatetime(*start->AsString()), .is_datetime = true};
  } else {
    *why = "Expected a string, or an object with a key, direction and/or start_from";
    return false;
  }
  return true;
}

bool Read(const Value& value, ScrollPoints* out, Why* why) {
  Fields fields(value, "struct ScrollRequest", why);
  fields.Optional("offset", &out->offset);
  fields.Optional("limit", &out->limit);
  fields.Optional("filter", &out->filter);
  fields.Optional("with_payload", &out->with_payload);
  fields.Optional("with_vectors", &out->with_vector);
  fields.Optional("with_vector", &out->with_vector);
  fields.Optional("order_by", &out->order_by);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, CountPoints* out, Why* why) {
  Fields fields(value, "struct CountRequest", why);
  fields.Optional("filter", &out->filter);
  fields.Optional("exact", &out->exact);
  return fields.ok() && ReadShardKeys(value, &out->shard_key, why);
}

bool Read(const Value& value, FacetRequest* out, Why* why) {
  Fields fields(value, "struct FacetRequest", why);
  fields.Required("key", &out->key);
  fields.Optional("limit", &out->limit);
  fields.Optional("filter", &out->filter);
  fields.Optional("exact", &out->exact);
  if (!fields.ok() || !ReadShardKeys(value, &out->shard_key, why)) return false;
  if (!vec::ParsePath(out->key).ok()) {
    *why = "Invalid json path: '" + out->key + "'";
    return false;
  }
  return true;
}

}  // namespace malmoi::qdrant

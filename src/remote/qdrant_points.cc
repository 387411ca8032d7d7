#include "qdrant/parse.h"
#include "qdrant/print.h"
#include "remote/qdrant_collection_internal.h"

namespace malmoi::remote {

void PrintId(const vec::PointId& id, json::Writer* w) {
  qdrant::PrintId(id, w);
}

void PrintIds(std::span<const vec::PointId> ids, json::Writer* w) {
  w->BeginArray();
  for (const vec::PointId& id : ids) PrintId(id, w);
  w->EndArray();
}

void PrintVectors(const vec::NamedVectors& vectors, json::Writer* w) {
  qdrant::PrintVectors(vectors, w);
}

Result<vec::PointId> ReadId(const json::Value* json) {
  vec::PointId id;
  qdrant::Why why;
  if (json == nullptr || !qdrant::ReadPointId(*json, &id, &why)) {
    return Error(Code::kCorruption, "the store answered a point without an id: " + why);
  }
  return id;
}

Result<vec::Point> ReadPoint(const json::Value& json, const vec::CollectionConfig& config) {
  vec::Point point;
  MALMOI_TRY(point.id, ReadId(json.Find("id")));
  const json::Value* payload = json.Find("payload");
  if (payload != nullptr && payload->is_object()) point.payload = payload->Dump();
  point.version = static_cast<std::uint64_t>(json.GetInt("version"));
  const json::Value* vectors = json.Find("vector");
  if (vectors == nullptr || vectors->is_null()) return point;
  const auto take = [&](const std::string& name, const json::Value& value) -> Status {
    qdrant::VectorData data;
    qdrant::Why why;
    if (!qdrant::Read(value, &data, &why)) {
      return Error(Code::kCorruption, "the store answered an unreadable vector: " + why);
    }
    MALMOI_TRY(auto vector, qdrant::ConvertQueryVector(config, name, data,
                                                       qdrant::Inference(nullptr, false, nullptr)));
    if (auto* dense = std::get_if<std::vector<float>>(&vector)) {
      point.vectors.dense[name] = std::move(*dense);
    } else if (auto* sparse = std::get_if<vec::SparseVector>(&vector)) {
      point.vectors.sparse[name] = std::move(*sparse);
    } else {
      point.vectors.multi[name] = std::move(std::get<vec::MultiVector>(vector));
    }
    return Ok();
  };
  if (!vectors->is_object()) {
    MALMOI_TRY(take("", *vectors));
    return point;
  }
  for (const auto& [name, value] : vectors->members()) MALMOI_TRY(take(name, value));
  return point;
}

}  // namespace malmoi::remote

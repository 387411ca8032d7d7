#ifdef MALMOI_GRPC
#include "qdrant/parse.h"
#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/convert_internal.h"

namespace malmoi::rpc::store {
namespace {

Error Invalid(std::string text) {
  return Error(Code::kInvalidArgument, std::move(text));
}

qdrant::DenseVector Floats(const google::protobuf::RepeatedField<float>& data) {
  return {data.begin(), data.end()};
}

vec::SparseVector ToSparse(const pb::SparseVector& sparse) {
  return {.indices = {sparse.indices().begin(), sparse.indices().end()},
          .values = Floats(sparse.values())};
}

qdrant::RawMultiVector ToMulti(const pb::MultiDenseVector& multi) {
  qdrant::RawMultiVector rows;
  for (const pb::DenseVector& row : multi.vectors()) rows.push_back(Floats(row.data()));
  return rows;
}

// `data` with `indices` or `vectors_count`: the form before the oneof.
Result<qdrant::VectorData> ToOldVector(const pb::Vector& vector) {
  if (vector.has_indices()) {
    const auto& indices = vector.indices().data();
    return qdrant::VectorData(vec::SparseVector{.indices = {indices.begin(), indices.end()},
                                                .values = Floats(vector.data())});
  }
  if (!vector.has_vectors_count()) return qdrant::VectorData(Floats(vector.data()));
  const auto count = static_cast<int>(vector.vectors_count());
  if (count <= 0 || vector.data_size() % count != 0) {
    return qdrant::BadInput("Unable to convert a multivector of " +
                            std::to_string(vector.data_size()) + " numbers to " +
                            std::to_string(vector.vectors_count()) + " vectors");
  }
  const int dim = vector.data_size() / count;
  qdrant::RawMultiVector rows;
  for (int i = 0; i < count; ++i) {
    const float* row = vector.data().data() + i * dim;
    rows.emplace_back(row, row + dim);
  }
  return qdrant::VectorData(std::move(rows));
}

template <class M>
qdrant::InferenceObject ToObject(const M& message, const pb::Value& object) {
  return {.object = ToJson(static_cast<const google::protobuf::Message&>(object)),
          .model = message.model(),
          .options = ToJson(message.options())};
}

}  // namespace

Result<vec::PointId> ToId(const pb::PointId& id) {
  if (id.has_num()) return vec::PointId(id.num());
  if (!id.has_uuid()) return Invalid("No ID options provided for PointId");
  // Its digits alone would pass for a number elsewhere; here they are said to be a UUID.
  vec::PointId out;
  if (!qdrant::ParsePointId(id.uuid(), &out) || !std::holds_alternative<Uuid>(out)) {
    return Invalid("Unable to parse UUID: " + id.uuid());
  }
  return out;
}

Result<std::vector<vec::PointId>> ToIds(const Many<pb::PointId>& ids) {
  std::vector<vec::PointId> out;
  out.reserve(static_cast<std::size_t>(ids.size()));
  for (const pb::PointId& id : ids) {
    MALMOI_TRY(out.emplace_back(), ToId(id));
  }
  return out;
}

qdrant::Document ToDocument(const pb::Document& document) {
  return {.text = document.text(),
          .model = document.model(),
          .options = document.options().empty() ? json::Value() : ToJson(document.options())};
}

Result<qdrant::VectorData> ToVector(const pb::Vector& vector) {
  switch (vector.vector_case()) {
    case pb::Vector::kDense:
      return qdrant::VectorData(Floats(vector.dense().data()));
    case pb::Vector::kSparse:
      return qdrant::VectorData(ToSparse(vector.sparse()));
    case pb::Vector::kMultiDense:
      return qdrant::VectorData(ToMulti(vector.multi_dense()));
    case pb::Vector::kDocument:
      return qdrant::VectorData(ToDocument(vector.document()));
    case pb::Vector::kImage:
      return qdrant::VectorData(ToObject(vector.image(), vector.image().image()));
    case pb::Vector::kObject:
      return qdrant::VectorData(ToObject(vector.object(), vector.object().object()));
    default:
      return ToOldVector(vector);
  }
}

Result<qdrant::VectorMap> ToVectors(const pb::Vectors& vectors) {
  qdrant::VectorMap out;
  if (vectors.has_vector()) {
    MALMOI_TRY(out[""], ToVector(vectors.vector()));
    return out;
  }
  if (!vectors.has_vectors()) return Invalid("No Provided vectors");
  for (const auto& [name, vector] : vectors.vectors().vectors()) {
    MALMOI_TRY(out[name], ToVector(vector));
  }
  return out;
}

Result<qdrant::VectorInput> ToInput(const pb::VectorInput& input) {
  switch (input.variant_case()) {
    case pb::VectorInput::kId: {
      MALMOI_TRY(const auto id, ToId(input.id()));
      return qdrant::VectorInput(id);
    }
    case pb::VectorInput::kDense:
      return qdrant::VectorInput(Floats(input.dense().data()));
    case pb::VectorInput::kSparse:
      return qdrant::VectorInput(ToSparse(input.sparse()));
    case pb::VectorInput::kMultiDense:
      return qdrant::VectorInput(ToMulti(input.multi_dense()));
    case pb::VectorInput::kDocument:
      return qdrant::VectorInput(ToDocument(input.document()));
    case pb::VectorInput::kImage:
      return qdrant::VectorInput(ToObject(input.image(), input.image().image()));
    case pb::VectorInput::kObject:
      return qdrant::VectorInput(ToObject(input.object(), input.object().object()));
    default:
      return Invalid("VectorInput variant is empty");
  }
}

Result<qdrant::FilterPtr> ToFilter(const pb::Filter& filter) {
  return ReadForm<qdrant::FilterPtr>(ToJson(static_cast<const Message&>(filter)));
}

namespace {

// The numbers of the only vector, where it is a dense one; else null.
const google::protobuf::RepeatedField<float>* OnlyDense(const pb::Vectors& vectors,
                                                        std::string_view* name) {
  const pb::Vector* vector = nullptr;
  if (vectors.has_vector()) {
    vector = &vectors.vector();
  } else if (vectors.has_vectors() && vectors.vectors().vectors().size() == 1) {
    const auto& [key, value] = *vectors.vectors().vectors().begin();
    *name = key;
    vector = &value;
  }
  if (vector == nullptr) return nullptr;
  if (vector->vector_case() == pb::Vector::kDense) return &vector->dense().data();
  const bool old = vector->vector_case() == pb::Vector::VECTOR_NOT_SET;
  return old && !vector->has_indices() && !vector->has_vectors_count() ? &vector->data() : nullptr;
}

}  // namespace

bool ToColumns(const Many<pb::PointStruct>& points, vec::PointColumns* out) {
  for (const pb::PointStruct& point : points) {
    auto id = ToId(point.id());
    std::string_view name;
    const auto* row = OnlyDense(point.vectors(), &name);
    if (!id.ok() || row == nullptr || row->empty()) return false;
    if (out->ids.empty()) {
      out->vector_name = name;
      out->dim = static_cast<std::uint32_t>(row->size());
      out->ids.reserve(static_cast<std::size_t>(points.size()));
      out->rows.reserve(static_cast<std::size_t>(points.size()) * out->dim);
    }
    if (name != out->vector_name || static_cast<std::uint32_t>(row->size()) != out->dim) {
      return false;
    }
    out->ids.push_back(id.value());
    out->rows.insert(out->rows.end(), row->begin(), row->end());
    if (!point.payload().empty()) out->payloads += PackedPayload(point.payload());
    out->payload_ends.push_back(out->payloads.size());
  }
  return !out->ids.empty();
}

Result<std::vector<qdrant::PointStruct>> ToPoints(const Many<pb::PointStruct>& points) {
  std::vector<qdrant::PointStruct> out;
  out.reserve(static_cast<std::size_t>(points.size()));
  for (const pb::PointStruct& point : points) {
    if (!point.has_id()) return Invalid("Empty ID is not allowed");
    if (!point.has_vectors()) return Invalid("Expected some vectors");
    qdrant::PointStruct& to = out.emplace_back();
    MALMOI_TRY(to.id, ToId(point.id()));
    MALMOI_TRY(to.vectors, ToVectors(point.vectors()));
    if (!point.payload().empty()) to.payload = PackedPayload(point.payload());
  }
  return out;
}

Result<std::vector<qdrant::PointVectors>> ToUpdates(const Many<pb::PointVectors>& points) {
  std::vector<qdrant::PointVectors> out;
  for (const pb::PointVectors& point : points) {
    if (!point.has_id()) return Invalid("Empty ID is not allowed");
    qdrant::PointVectors& to = out.emplace_back();
    MALMOI_TRY(to.id, ToId(point.id()));
    if (!point.has_vectors()) continue;
    MALMOI_TRY(to.vectors, ToVectors(point.vectors()));
  }
  return out;
}

std::vector<qdrant::ShardKey> ToShardKeys(const pb::ShardKeySelector& selector) {
  std::vector<qdrant::ShardKey> keys;
  for (const pb::ShardKey& key : selector.shard_keys()) {
    if (key.has_number()) {
      keys.emplace_back(key.number());
    } else {
      keys.emplace_back(key.keyword());
    }
  }
  return keys;
}

vec::PayloadSelector ToPayloadSelector(const pb::WithPayloadSelector& selector) {
  vec::PayloadSelector out{.enabled = true};
  if (selector.has_include()) {
    const auto& fields = selector.include().fields();
    out.include.assign(fields.begin(), fields.end());
    out.enabled = !out.include.empty();
  } else if (selector.has_exclude()) {
    const auto& fields = selector.exclude().fields();
    out.exclude.assign(fields.begin(), fields.end());
  } else {
    out.enabled = selector.enable();
  }
  return out;
}

vec::VectorSelector ToVectorSelector(const pb::WithVectorsSelector& selector) {
  vec::VectorSelector out;
  if (selector.has_include()) {
    const auto& names = selector.include().names();
    out.enabled = true;
    out.names.emplace(names.begin(), names.end());
  } else {
    out.enabled = selector.enable();
  }
  return out;
}

}  // namespace malmoi::rpc::store
#endif

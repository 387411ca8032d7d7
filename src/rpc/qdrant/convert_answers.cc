#ifdef MALMOI_GRPC
#include "rpc/qdrant/convert_internal.h"

namespace malmoi::rpc::store {
namespace {

void FromFloats(const float* data, std::size_t n, google::protobuf::RepeatedField<float>* out) {
  out->Add(data, data + n);
}

// Both forms: `data`, which all clients read, and the oneof, which newer ones prefer.
void FromDense(const std::vector<float>& dense, pb::VectorOutput* out) {
  FromFloats(dense.data(), dense.size(), out->mutable_data());
  FromFloats(dense.data(), dense.size(), out->mutable_dense()->mutable_data());
}

void FromSparse(const vec::SparseVector& sparse, pb::VectorOutput* out) {
  FromFloats(sparse.values.data(), sparse.values.size(), out->mutable_data());
  const auto indices = std::pair(sparse.indices.begin(), sparse.indices.end());
  out->mutable_indices()->mutable_data()->Add(indices.first, indices.second);
  pb::SparseVector* to = out->mutable_sparse();
  FromFloats(sparse.values.data(), sparse.values.size(), to->mutable_values());
  to->mutable_indices()->Add(indices.first, indices.second);
}

void FromMulti(const vec::MultiVector& multi, pb::VectorOutput* out) {
  FromFloats(multi.data.data(), multi.data.size(), out->mutable_data());
  out->set_vectors_count(static_cast<std::uint32_t>(multi.rows()));
  pb::MultiDenseVector* to = out->mutable_multi_dense();
  for (std::size_t i = 0; i < multi.rows(); ++i) {
    FromFloats(multi.data.data() + i * multi.dim, multi.dim, to->add_vectors()->mutable_data());
  }
}

// The unnamed vector alone stands without a name, as in src/qdrant/print.cc.
void FromVectors(const vec::NamedVectors& vectors, pb::VectorsOutput* out) {
  const std::size_t count = vectors.dense.size() + vectors.sparse.size() + vectors.multi.size();
  if (count == 1) {
    if (const auto dense = vectors.dense.find(""); dense != vectors.dense.end()) {
      FromDense(dense->second, out->mutable_vector());
      return;
    }
    if (const auto multi = vectors.multi.find(""); multi != vectors.multi.end()) {
      FromMulti(multi->second, out->mutable_vector());
      return;
    }
  }
  auto* named = out->mutable_vectors()->mutable_vectors();
  for (const auto& [name, dense] : vectors.dense) FromDense(dense, &(*named)[name]);
  for (const auto& [name, sparse] : vectors.sparse) FromSparse(sparse, &(*named)[name]);
  for (const auto& [name, multi] : vectors.multi) FromMulti(multi, &(*named)[name]);
}

template <class P, class M>
void FromParts(const P& point, M* out) {
  FromId(point.id, out->mutable_id());
  if (point.payload) {
    const auto payload = json::Parse(*point.payload);
    if (payload.ok()) FromJson(payload.value(), out->mutable_payload());
  }
  if (point.vectors) FromVectors(*point.vectors, out->mutable_vectors());
  if (!point.order_value) return;
  if (const auto* whole = std::get_if<std::int64_t>(&*point.order_value)) {
    out->mutable_order_value()->set_int_(*whole);
  } else {
    out->mutable_order_value()->set_float_(std::get<double>(*point.order_value));
  }
}

}  // namespace

void FromId(const vec::PointId& id, pb::PointId* out) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    out->set_num(*number);
  } else {
    out->set_uuid(std::get<Uuid>(id).ToString());
  }
}

void FromRecord(const qdrant::Record& record, pb::RetrievedPoint* out) {
  FromParts(record, out);
}

void FromScored(const std::vector<qdrant::ScoredPoint>& points, Many<pb::ScoredPoint>* out) {
  out->Reserve(static_cast<int>(points.size()));
  for (const qdrant::ScoredPoint& point : points) {
    pb::ScoredPoint* to = out->Add();
    FromParts(point, to);
    to->set_score(point.score);
    to->set_version(point.version);
  }
}

void FromGroups(const std::vector<qdrant::PointGroup>& groups, pb::GroupsResult* out) {
  for (const qdrant::PointGroup& group : groups) {
    pb::PointGroup* to = out->add_groups();
    if (const auto* text = std::get_if<std::string>(&group.id)) {
      to->mutable_id()->set_string_value(*text);
    } else if (const auto* whole = std::get_if<std::int64_t>(&group.id)) {
      to->mutable_id()->set_integer_value(*whole);
    } else {
      to->mutable_id()->set_unsigned_value(std::get<std::uint64_t>(group.id));
    }
    FromScored(group.hits, to->mutable_hits());
    if (group.lookup) FromRecord(*group.lookup, to->mutable_lookup());
  }
}

void FromUpdate(const qdrant::UpdateResult& result, pb::UpdateResult* out) {
  out->set_operation_id(result.operation_id);
  out->set_status(result.completed ? pb::Completed : pb::Acknowledged);
}

void FromUsage(const qdrant::InferenceUsage& usage, pb::Usage* out) {
  auto* models = out->mutable_inference()->mutable_models();
  for (const auto& [model, tokens] : usage) (*models)[model].set_tokens(tokens);
}

}  // namespace malmoi::rpc::store
#endif

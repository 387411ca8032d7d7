#include <algorithm>
#include <numeric>

#include "base/strings.h"
#include "json/value.h"
#include "qdrant/bm25.h"
#include "qdrant/config_store.h"
#include "qdrant/service.h"

namespace malmoi::qdrant {
namespace {

constexpr std::string_view kNotSparse = "Conversion between sparse and regular vectors failed";
constexpr std::string_view kNotMulti = "Conversion between multi and regular vectors failed";

vec::SparseVector Sorted(const vec::SparseVector& vector) {
  if (std::ranges::is_sorted(vector.indices)) return vector;
  std::vector<std::size_t> order(vector.indices.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, {}, [&](std::size_t i) { return vector.indices[i]; });
  vec::SparseVector sorted;
  for (const std::size_t i : order) {
    sorted.indices.push_back(vector.indices[i]);
    sorted.values.push_back(vector.values[i]);
  }
  return sorted;
}

Result<vec::MultiVector> ToMulti(const vec::DenseParams& params, const VectorData& data) {
  vec::MultiVector multi{.dim = params.dim, .data = {}};
  if (const auto* dense = std::get_if<DenseVector>(&data)) {
    if (dense->size() != params.dim) return WrongDimension(params.dim, dense->size());
    multi.data = *dense;
    return multi;
  }
  const auto* rows = std::get_if<RawMultiVector>(&data);
  if (rows == nullptr) return BadInput(kNotSparse);
  for (const DenseVector& row : *rows) {
    if (row.size() != params.dim) return WrongDimension(params.dim, row.size());
    multi.data.insert(multi.data.end(), row.begin(), row.end());
  }
  return multi;
}

// The vector itself, after the model where one is named.
Result<VectorData> Inferred(const VectorData& data, bool sparse, const Inference& inference) {
  if (const auto* document = std::get_if<Document>(&data))
    return inference.Infer(*document, sparse);
  if (const auto* object = std::get_if<InferenceObject>(&data)) {
    if (AsciiLower(object->model) == kBm25Model) {
      return BadInput("Only text input is supported for " + object->model + ".");
    }
    return InferenceFailed("Inference error: model `" + object->model +
                           "` is not served: only texts are turned into vectors here");
  }
  return data;
}

}  // namespace

Result<vec::QueryVector> ConvertQueryVector(const vec::CollectionConfig& config,
                                            const std::string& name, const VectorData& data,
                                            const Inference& inference) {
  if (const auto sparse = config.sparse.find(name); sparse != config.sparse.end()) {
    MALMOI_TRY(const auto vector, Inferred(data, true, inference));
    const auto* terms = std::get_if<vec::SparseVector>(&vector);
    if (terms == nullptr) return BadInput(kNotSparse);
    return vec::QueryVector(Sorted(*terms));
  }
  const auto dense = config.dense.find(name);
  if (dense == config.dense.end()) return VectorNameMissing(name);
  MALMOI_TRY(const auto vector, Inferred(data, false, inference));
  if (std::holds_alternative<vec::SparseVector>(vector)) return BadInput(kNotSparse);
  if (dense->second.multivector) {
    MALMOI_TRY(auto multi, ToMulti(dense->second, vector));
    return vec::QueryVector(std::move(multi));
  }
  const auto* row = std::get_if<DenseVector>(&vector);
  if (row == nullptr) return BadInput(kNotMulti);
  if (row->size() != dense->second.dim) return WrongDimension(dense->second.dim, row->size());
  return vec::QueryVector(*row);
}

Result<vec::NamedVectors> ConvertVectors(const vec::CollectionConfig& config, VectorMap vectors,
                                         const Inference& inference) {
  vec::NamedVectors named;
  for (auto& [name, data] : vectors) {
    const auto* document = std::get_if<Document>(&data);
    if (name.empty() && document != nullptr && AsciiLower(document->model) == kBm25Model) {
      return BadRequest("Sparse vector from document inference should be named");
    }
    // What most points have is not copied.
    auto* floats = std::get_if<DenseVector>(&data);
    const auto params = config.dense.find(name);
    if (floats != nullptr && params != config.dense.end() && !params->second.multivector) {
      if (floats->size() != params->second.dim) {
        return WrongDimension(params->second.dim, floats->size());
      }
      named.dense[name] = std::move(*floats);
      continue;
    }
    MALMOI_TRY(auto vector, ConvertQueryVector(config, name, data, inference));
    if (auto* dense = std::get_if<DenseVector>(&vector)) {
      named.dense[name] = std::move(*dense);
    } else if (auto* sparse = std::get_if<vec::SparseVector>(&vector)) {
      named.sparse[name] = std::move(*sparse);
    } else {
      named.multi[name] = std::move(std::get<vec::MultiVector>(vector));
    }
  }
  return named;
}

namespace {

// As JSON; null where it is not said.
json::Value IndexDatatype(const vec::SparseParams& params) {
  const auto settings = json::Parse(params.settings);
  const json::Value* index = settings.ok() ? settings.value().Find("index") : nullptr;
  const json::Value* datatype = index != nullptr ? index->Find("datatype") : nullptr;
  return datatype != nullptr ? *datatype : json::Value();
}

// A vector that is there may be made again as it is; what was tuned since stays.
Status KeepOld(const vec::CollectionConfig& config, vec::CreateVectorOp* op) {
  const auto dense = config.dense.find(op->name);
  const auto sparse = config.sparse.find(op->name);
  const std::string there = "ector `" + op->name + "` already exists ";
  if (const auto* fresh = std::get_if<vec::DenseParams>(&op->params)) {
    if (sparse != config.sparse.end()) return BadInput("V" + there + "as a sparse vector");
    if (dense == config.dense.end()) return Ok();
    const vec::DenseParams& old = dense->second;
    if (old.dim != fresh->dim || old.distance != fresh->distance ||
        old.datatype != fresh->datatype || old.multivector != fresh->multivector) {
      return BadInput("V" + there + "with a different configuration");
    }
    op->params = old;
    return Ok();
  }
  const auto& fresh = std::get<vec::SparseParams>(op->params);
  if (dense != config.dense.end()) return BadInput("V" + there + "as a dense vector");
  if (sparse == config.sparse.end()) return Ok();
  if (sparse->second.idf != fresh.idf ||
      IndexDatatype(sparse->second).Dump() != IndexDatatype(fresh).Dump()) {
    return BadInput("Sparse v" + there + "with a different configuration");
  }
  op->params = sparse->second;
  return Ok();
}

}  // namespace

Result<UpdateResult> Service::CreateVectorName(const std::string& collection,
                                               const qdrant::CreateVectorName& request,
                                               const UpdateParams& params) {
  MALMOI_TRY(const auto open, Find(collection));
  vec::CreateVectorOp op{.name = request.name, .params = vec::SparseParams{}};
  if (const auto* dense = std::get_if<VectorParams>(&request.params)) {
    op.params = ToDenseParams(*dense);
  } else {
    op.params = ToSparseParams(std::get<SparseVectorParams>(request.params));
  }
  MALMOI_TRY(KeepOld(open->store->config(), &op));
  MALMOI_TRY(const auto outcome, WriteOne(*open, std::move(op), params));
  return UpdateResult{.operation_id = outcome.operation_id, .completed = params.wait};
}

Result<UpdateResult> Service::DeleteVectorName(const std::string& collection,
                                               const std::string& name,
                                               const UpdateParams& params) {
  MALMOI_TRY(const auto open, Find(collection));
  const vec::CollectionConfig config = open->store->config();
  if (!config.dense.contains(name) && !config.sparse.contains(name)) {
    return VectorNameMissing(name);
  }
  MALMOI_TRY(const auto outcome, WriteOne(*open, vec::DropVectorOp{.name = name}, params));
  return UpdateResult{.operation_id = outcome.operation_id, .completed = params.wait};
}

}  // namespace malmoi::qdrant

#ifdef MALMOI_GRPC
#include "qdrant/parse.h"
#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/convert_internal.h"

// Writes of points, payload indexes and named vectors.
namespace malmoi::rpc::store {
namespace {

using qdrant::UpdateOperation;
using serve::Access;

template <class M>
qdrant::UpdateParams ParamsOf(const M& request) {
  qdrant::UpdateParams params{.wait = request.wait(), .timeout_seconds = {}};
  if (request.has_timeout()) params.timeout_seconds = request.timeout();
  return params;
}

template <class M>
std::vector<qdrant::ShardKey> KeysOf(const M& request) {
  return ToShardKeys(request.shard_key_selector());
}

// Ids or a filter into a request that has `points` and `filter` apart.
template <class Operation>
Status Select(const pb::PointsSelector& selector, Operation* out) {
  if (selector.has_filter()) {
    MALMOI_TRY(out->filter, ToFilter(selector.filter()));
    return Ok();
  }
  if (!selector.has_points()) {
    return Error(Code::kInvalidArgument, "Malformed PointsSelector type");
  }
  MALMOI_TRY(auto ids, ToIds(selector.points().ids()));
  if constexpr (requires { out->ids; }) {
    out->ids = std::move(ids);
  } else {
    out->points = std::move(ids);
  }
  return Ok();
}

template <class M, class Operation>
Status SelectIn(const M& request, Operation* out) {
  if (request.has_points_selector()) return Select(request.points_selector(), out);
  return Error(Code::kInvalidArgument, "points_selector is expected");
}

// One function a kind of operation, for its own call and for the batch.
template <class M>
Result<UpdateOperation> Upsert(const M& request) {
  qdrant::UpsertPoints out;
  MALMOI_TRY(out.points, ToPoints(request.points()));
  if (request.has_update_filter()) {
    MALMOI_TRY(out.update_filter, ToFilter(request.update_filter()));
  }
  if (request.has_update_mode()) {
    out.update_mode = static_cast<vec::UpdateMode>(request.update_mode());
  }
  out.shard_key = KeysOf(request);
  return UpdateOperation(std::move(out));
}

template <class Operation, class M>
Result<UpdateOperation> Selected(const M& request) {
  if (!request.has_points()) return Error(Code::kInvalidArgument, "PointSelector is missing");
  Operation out;
  MALMOI_TRY(Select(request.points(), &out));
  out.shard_key = KeysOf(request);
  return UpdateOperation(std::move(out));
}

template <class Operation, class M>
Result<UpdateOperation> Set(const M& request) {
  Operation out;
  out.payload = PayloadText(request.payload());
  MALMOI_TRY(SelectIn(request, &out));
  if (request.has_key()) {
    if (!vec::ParsePath(request.key()).ok()) {
      return Error(Code::kInvalidArgument, "Invalid json path: '" + request.key() + "'");
    }
    out.key = request.key();
  }
  out.shard_key = KeysOf(request);
  return UpdateOperation(std::move(out));
}

template <class M>
Result<UpdateOperation> DeleteKeys(const M& request) {
  qdrant::DeletePayload out;
  for (const std::string& key : request.keys()) {
    if (!vec::ParsePath(key).ok()) {
      return Error(Code::kInvalidArgument, "Invalid json path: '" + key + "'");
    }
    out.keys.push_back(key);
  }
  MALMOI_TRY(SelectIn(request, &out));
  out.shard_key = KeysOf(request);
  return UpdateOperation(std::move(out));
}

template <class M>
Result<UpdateOperation> SetVectors(const M& request) {
  qdrant::UpdateVectors out;
  MALMOI_TRY(out.points, ToUpdates(request.points()));
  if (request.has_update_filter()) {
    MALMOI_TRY(out.update_filter, ToFilter(request.update_filter()));
  }
  out.shard_key = KeysOf(request);
  return UpdateOperation(std::move(out));
}

template <class M>
Result<UpdateOperation> DropVectors(const M& request) {
  qdrant::DeleteVectors out;
  MALMOI_TRY(SelectIn(request, &out));
  out.vectors.assign(request.vectors().names().begin(), request.vectors().names().end());
  out.shard_key = KeysOf(request);
  return UpdateOperation(std::move(out));
}

Result<UpdateOperation> OfBatch(const pb::PointsUpdateOperation& operation) {
  using Case = pb::PointsUpdateOperation;
  switch (operation.operation_case()) {
    case Case::kUpsert:
      return Upsert(operation.upsert());
    case Case::kDeleteDeprecated: {
      qdrant::DeletePoints out;
      MALMOI_TRY(Select(operation.delete_deprecated(), &out));
      return UpdateOperation(std::move(out));
    }
    case Case::kSetPayload:
      return Set<qdrant::SetPayload>(operation.set_payload());
    case Case::kOverwritePayload:
      return Set<qdrant::OverwritePayload>(operation.overwrite_payload());
    case Case::kDeletePayload:
      return DeleteKeys(operation.delete_payload());
    case Case::kClearPayloadDeprecated: {
      qdrant::ClearPayload out;
      MALMOI_TRY(Select(operation.clear_payload_deprecated(), &out));
      return UpdateOperation(std::move(out));
    }
    case Case::kUpdateVectors:
      return SetVectors(operation.update_vectors());
    case Case::kDeleteVectors:
      return DropVectors(operation.delete_vectors());
    case Case::kDeletePoints:
      return Selected<qdrant::DeletePoints>(operation.delete_points());
    case Case::kClearPayload:
      return Selected<qdrant::ClearPayload>(operation.clear_payload());
    default:
      return Error(Code::kInvalidArgument, "Operation is missing");
  }
}

template <class M, Result<UpdateOperation> (*convert)(const M&)>
Status Apply(Call& call, const M& request, pb::PointsOperationResponse* answer) {
  MALMOI_TRY(auto operation, convert(request));
  qdrant::Checks checks;
  Validate(operation, "", &checks);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto result,
             call.service().Update(request.collection_name(), std::move(operation),
                                   ParamsOf(request), &call.usage));
  FromUpdate(result, answer->mutable_result());
  return Ok();
}

// Batches mostly need no more than columns (Service::UpsertColumns).
Status UpsertCall(Call& call, const pb::UpsertPoints& request,
                  pb::PointsOperationResponse* answer) {
  const bool plain = !request.has_update_filter() && !request.has_update_mode() &&
                     request.shard_key_selector().shard_keys().empty();
  if (vec::PointColumns columns; plain && ToColumns(request.points(), &columns)) {
    MALMOI_TRY(const auto done,
               call.service().UpsertColumns(request.collection_name(), columns, ParamsOf(request)));
    if (done) {
      FromUpdate(*done, answer->mutable_result());
      return Ok();
    }
  }
  return Apply<pb::UpsertPoints, Upsert<pb::UpsertPoints>>(call, request, answer);
}

Status UpdateBatch(Call& call, const pb::UpdateBatchPoints& request,
                   pb::UpdateBatchResponse* answer) {
  std::vector<UpdateOperation> operations;
  qdrant::Checks checks;
  for (const pb::PointsUpdateOperation& operation : request.operations()) {
    MALMOI_TRY(operations.emplace_back(), OfBatch(operation));
    Validate(operations.back(), "operations[" + std::to_string(operations.size() - 1) + "]",
             &checks);
  }
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto results, call.service().UpdateBatch(request.collection_name(), operations,
                                                            ParamsOf(request), &call.usage));
  for (const auto& result : results) FromUpdate(result, answer->add_result());
  return Ok();
}

// A type alone, or the parameters, which have a type of their own.
json::Value SchemaForm(const pb::CreateFieldIndexCollection& request) {
  if (request.has_field_index_params()) {
    const json::Value params = ToJson(static_cast<const Message&>(request.field_index_params()));
    if (!params.is_null()) return params;
  }
  if (!request.has_field_type()) return {};
  const std::string name = pb::FieldType_Name(request.field_type());
  if (name.empty()) return json::Value::String(std::to_string(request.field_type()));  // Refused.
  return json::Value::String(SnakeCase(name.substr(std::string_view("FieldType").size())));
}

Status CreateFieldIndex(Call& call, const pb::CreateFieldIndexCollection& request,
                        pb::PointsOperationResponse* answer) {
  const json::Value form =
      json::Value::Object({{"field_name", json::Value::String(request.field_name())},
                           {"field_schema", SchemaForm(request)}});
  MALMOI_TRY(const auto wanted, ReadForm<qdrant::CreateFieldIndex>(form));
  qdrant::Checks checks;
  Validate(wanted, "", &checks);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto result,
             call.service().CreateFieldIndex(request.collection_name(), wanted, ParamsOf(request)));
  FromUpdate(result, answer->mutable_result());
  return Ok();
}

Status DeleteFieldIndex(Call& call, const pb::DeleteFieldIndexCollection& request,
                        pb::PointsOperationResponse* answer) {
  MALMOI_TRY(const auto result,
             call.service().DeleteFieldIndex(request.collection_name(), request.field_name(),
                                             ParamsOf(request)));
  FromUpdate(result, answer->mutable_result());
  return Ok();
}

Status CreateVectorName(Call& call, const pb::CreateVectorNameRequest& request,
                        pb::PointsOperationResponse* answer) {
  qdrant::Checks checks;
  qdrant::ValidateVectorName(request.vector_name(), "vector_name", &checks);
  MALMOI_TRY(Checked(checks));
  qdrant::CreateVectorName wanted;
  wanted.name = request.vector_name();
  if (request.has_sparse_config()) {
    MALMOI_TRY(wanted.params, ReadForm<qdrant::SparseVectorParams>(
                                  ToJson(static_cast<const Message&>(request.sparse_config()))));
  } else {
    MALMOI_TRY(auto params, ReadForm<qdrant::VectorParams>(
                                ToJson(static_cast<const Message&>(request.dense_config()))));
    Validate(params, "dense", &checks);
    MALMOI_TRY(Checked(checks));
    wanted.params = std::move(params);
  }
  MALMOI_TRY(const auto result,
             call.service().CreateVectorName(request.collection_name(), wanted, ParamsOf(request)));
  FromUpdate(result, answer->mutable_result());
  return Ok();
}

Status DeleteVectorName(Call& call, const pb::DeleteVectorNameRequest& request,
                        pb::PointsOperationResponse* answer) {
  MALMOI_TRY(const auto result,
             call.service().DeleteVectorName(request.collection_name(), request.vector_name(),
                                             ParamsOf(request)));
  FromUpdate(result, answer->mutable_result());
  return Ok();
}

}  // namespace

std::vector<Method> WriteMethods() {
  const std::string at = "/qdrant.Points/";
  constexpr auto kPoints = Access::kPoints;
  constexpr auto kWrite = Access::kWrite;
  constexpr auto kManage = Access::kManage;
  using SetPoints = pb::SetPayloadPoints;
  return {
      Of<&UpsertCall>(at + "Upsert", kPoints),
      Of<&Apply<pb::DeletePoints, Selected<qdrant::DeletePoints, pb::DeletePoints>>>(at + "Delete",
                                                                                     kPoints),
      Of<&Apply<pb::UpdatePointVectors, SetVectors<pb::UpdatePointVectors>>>(at + "UpdateVectors",
                                                                             kPoints),
      Of<&Apply<pb::DeletePointVectors, DropVectors<pb::DeletePointVectors>>>(at + "DeleteVectors",
                                                                              kPoints),
      Of<&Apply<SetPoints, Set<qdrant::SetPayload, SetPoints>>>(at + "SetPayload", kPoints),
      Of<&Apply<SetPoints, Set<qdrant::OverwritePayload, SetPoints>>>(at + "OverwritePayload",
                                                                      kPoints),
      Of<&Apply<pb::DeletePayloadPoints, DeleteKeys<pb::DeletePayloadPoints>>>(at + "DeletePayload",
                                                                               kPoints),
      Of<&Apply<pb::ClearPayloadPoints, Selected<qdrant::ClearPayload, pb::ClearPayloadPoints>>>(
          at + "ClearPayload", kPoints),
      Of<&UpdateBatch>(at + "UpdateBatch", kPoints),
      Of<&CreateFieldIndex>(at + "CreateFieldIndex", kWrite),
      Of<&DeleteFieldIndex>(at + "DeleteFieldIndex", kWrite),
      Of<&CreateVectorName>(at + "CreateVectorName", kManage),
      Of<&DeleteVectorName>(at + "DeleteVectorName", kManage),
  };
}

}  // namespace malmoi::rpc::store
#endif

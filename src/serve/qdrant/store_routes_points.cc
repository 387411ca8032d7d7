#include "qdrant/parse_upsert.h"
#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;

Result<Reply> Apply(Front& front, Call& call, qdrant::UpdateOperation operation,
                    const std::string& prefix = "") {
  MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
  qdrant::Checks checks;
  Validate(operation, prefix, &checks);
  MALMOI_TRY(checks.Finish("JSON body"));
  MALMOI_TRY(const auto result,
             front.service.Update(call.collection(), std::move(operation), params, &call.usage));
  Writer writer;
  qdrant::PrintUpdate(result, &writer);
  return ReplyOf(std::move(writer));
}

Result<Reply> Upsert(Front& front, Call& call) {
  if (vec::PointColumns columns; qdrant::ReadColumns(call.request.body, &columns)) {
    MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
    MALMOI_TRY(const auto done, front.service.UpsertColumns(call.collection(), columns, params));
    if (!done) return Apply(front, call, qdrant::ToUpsert(columns));
    Writer writer;
    qdrant::PrintUpdate(*done, &writer);
    return ReplyOf(std::move(writer));
  }
  if (qdrant::UpsertPoints plain; qdrant::ReadPlainUpsert(call.request.body, &plain)) {
    return Apply(front, call, std::move(plain));
  }
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::UpsertPoints>(body));
  return Apply(front, call, std::move(request));
}

// Requests of one form stand for two operations.
template <class Operation, class Form>
Result<Reply> ApplyAs(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto form, qdrant::ReadAs<Form>(body));
  Operation operation;
  static_cast<Form&>(operation) = std::move(form);
  return Apply(front, call, std::move(operation));
}

Result<Reply> UpdateVectors(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::UpdateVectors>(body));
  return Apply(front, call, std::move(request));
}
Result<Reply> DeleteVectors(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::DeleteVectors>(body));
  return Apply(front, call, std::move(request));
}
Result<Reply> SetPayload(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::SetPayload>(body));
  return Apply(front, call, std::move(request));
}
Result<Reply> DeletePayload(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::DeletePayload>(body));
  return Apply(front, call, std::move(request));
}

Result<Reply> Batch(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
  MALMOI_TRY(const Value body, StoreBody(call.request));
  std::vector<qdrant::UpdateOperation> operations;
  qdrant::Why why;
  qdrant::Fields fields(body, "struct UpdateOperations", &why);
  fields.Required("operations", &operations);
  if (!fields.ok()) return qdrant::FormatError(why);
  qdrant::Checks checks;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    Validate(operations[i], "operations[" + std::to_string(i) + "]", &checks);
  }
  MALMOI_TRY(checks.Finish("JSON body"));
  MALMOI_TRY(const auto results,
             front.service.UpdateBatch(call.collection(), operations, params, &call.usage));
  Writer writer;
  writer.BeginArray();
  for (const auto& result : results) qdrant::PrintUpdate(result, &writer);
  writer.EndArray();
  return ReplyOf(std::move(writer));
}

Result<Reply> GetOne(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  qdrant::GetPoints request;
  request.with_vector.enabled = true;
  vec::PointId id;
  if (!qdrant::ParsePointId(call.args[1], &id)) {
    return qdrant::BadInput("Can not recognize \"" + call.args[1] + "\" as point id");
  }
  request.ids.push_back(id);
  MALMOI_TRY(const auto records, front.service.Get(call.collection(), request, params));
  if (records.empty()) {
    return qdrant::NotFound("Point with id " + call.args[1] + " does not exists!");
  }
  Writer writer;
  qdrant::PrintRecord(records.front(), &writer);
  return ReplyOf(std::move(writer));
}

Result<Reply> GetMany(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(const auto request, qdrant::ReadAs<qdrant::GetPoints>(body));
  MALMOI_TRY(const auto records, front.service.Get(call.collection(), request, params));
  Writer writer;
  writer.BeginArray();
  for (const auto& record : records) qdrant::PrintRecord(record, &writer);
  writer.EndArray();
  return ReplyOf(std::move(writer));
}

Result<Reply> Scroll(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const auto request, ParsedBody<qdrant::ScrollPoints>(call.request, "scroll_request"));
  MALMOI_TRY(const auto result, front.service.Scroll(call.collection(), request, params));
  Writer writer;
  qdrant::PrintScroll(result, &writer);
  return ReplyOf(std::move(writer));
}

Result<Reply> Count(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const auto request, ParsedBody<qdrant::CountPoints>(call.request, "count_request"));
  MALMOI_TRY(const auto count, front.service.Count(call.collection(), request, params));
  Writer writer;
  writer.BeginObject().Field("count", count).EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> Facet(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadReadParams(call.request));
  MALMOI_TRY(const auto request, ParsedBody<qdrant::FacetRequest>(call.request, "facet_request"));
  MALMOI_TRY(const auto counts, front.service.Facet(call.collection(), request, params));
  Writer writer;
  qdrant::PrintFacet(counts, &writer);
  return ReplyOf(std::move(writer));
}

}  // namespace

std::vector<RouteEntry> PointRoutes() {
  const std::string_view points = "/collections/{}/points";
  return {
      {"PUT", points, Access::kPoints, Upsert, "upsert_points"},
      {"POST", points, Access::kRead, GetMany, "get_points"},
      {"POST", "/collections/{}/points/delete", Access::kPoints,
       ApplyAs<qdrant::DeletePoints, qdrant::PointsSelector>, "delete_points"},
      {"PUT", "/collections/{}/points/vectors", Access::kPoints, UpdateVectors, "update_vectors"},
      {"POST", "/collections/{}/points/vectors/delete", Access::kPoints, DeleteVectors,
       "delete_vectors"},
      {"POST", "/collections/{}/points/payload", Access::kPoints, SetPayload, "set_payload"},
      {"PUT", "/collections/{}/points/payload", Access::kPoints,
       ApplyAs<qdrant::OverwritePayload, qdrant::SetPayload>, "overwrite_payload"},
      {"POST", "/collections/{}/points/payload/delete", Access::kPoints, DeletePayload,
       "delete_payload"},
      {"POST", "/collections/{}/points/payload/clear", Access::kPoints,
       ApplyAs<qdrant::ClearPayload, qdrant::PointsSelector>, "clear_payload"},
      {"POST", "/collections/{}/points/batch", Access::kPoints, Batch, "batch_update"},
      {"POST", "/collections/{}/points/scroll", Access::kRead, Scroll, "scroll_points"},
      {"POST", "/collections/{}/points/count", Access::kRead, Count, "count_points"},
      {"POST", "/collections/{}/facet", Access::kRead, Facet, "facet"},
      {"GET", "/collections/{}/points/{}", Access::kRead, GetOne, "get_point"},
  };
}

}  // namespace malmoi::serve

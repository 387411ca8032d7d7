#ifdef MALMOI_GRPC
#include <algorithm>

#include "base/strings.h"
#include "net/http.h"
#include "rpc/qdrant/collections.pb.h"
#include "rpc/qdrant/fill_internal.h"
#include "rpc/qdrant/forms_internal.h"
#include "rpc/qdrant/link_internal.h"
#include "rpc/qdrant/queries.pb.h"
#include "rpc/qdrant/snapshots.pb.h"

// Requests of REST as calls of gRPC, for a client.
namespace malmoi::rpc::store {
namespace {

using google::protobuf::Message;
using json::Value;

Value One(const char* name, Value value) {
  return Value::Object({{name, std::move(value)}});
}

template <class Out>
Result<Out> Do(Asked& asked, const char* path, const Message& request) {
  Out answer;
  MALMOI_TRY(asked.channel.Call(path, request, &answer, asked.cancel));
  return answer;
}

// A request about the collection of the path, filled from the body by `fill`.
template <class In>
Result<In> Request(const Asked& asked, bool lenient = false) {
  In request;
  if (lenient) {
    FromJson(asked.body, &request);
  } else if (asked.body.is_object()) {
    MALMOI_TRY(Fill(asked.body, &request));
  }
  if (!asked.args.empty()) request.set_collection_name(asked.args[0]);
  return request;
}

template <class In>
void SetWait(const Asked& asked, In* request) {
  const auto wait = asked.parameters.find("wait");
  request->set_wait(wait != asked.parameters.end() && wait->second == "true");
}

Value ShownUpdate(const pb::UpdateResult& result) {
  Value status = Value::String(result.status() == pb::Completed ? "completed" : "acknowledged");
  if (!result.has_operation_id()) return One("status", std::move(status));
  return Value::Object(
      {{"operation_id", Value::Uint(result.operation_id())}, {"status", std::move(status)}});
}

template <class P>
Value ShownPoints(const google::protobuf::RepeatedPtrField<P>& points) {
  std::vector<Value> shown;
  for (const P& point : points) shown.push_back(Shown(point));
  return Value::Array(std::move(shown));
}

// Collections and aliases. Their bodies are descriptions that a server gave, so members that this
// version does not know are dropped, as Qdrant's REST does.

Result<Value> ListCollections(Asked& asked) {
  MALMOI_TRY(const auto answer, Do<pb::ListCollectionsResponse>(asked, "/qdrant.Collections/List",
                                                                pb::ListCollectionsRequest()));
  std::vector<Value> names;
  for (const auto& one : answer.collections()) {
    names.push_back(One("name", Value::String(one.name())));
  }
  return One("collections", Value::Array(std::move(names)));
}

Result<Value> ListAliases(Asked& asked) {
  MALMOI_TRY(const auto answer,
             Do<pb::ListAliasesResponse>(asked, "/qdrant.Collections/ListAliases",
                                         pb::ListAliasesRequest()));
  std::vector<Value> aliases;
  for (const auto& one : answer.aliases()) {
    aliases.push_back(Value::Object({{"alias_name", Value::String(one.alias_name())},
                                     {"collection_name", Value::String(one.collection_name())}}));
  }
  return One("aliases", Value::Array(std::move(aliases)));
}

template <class In>
Result<Value> Change(Asked& asked, const char* path) {
  MALMOI_TRY(const auto request, Request<In>(asked, /*lenient=*/true));
  MALMOI_TRY(const auto answer, Do<pb::CollectionOperationResponse>(asked, path, request));
  return Value::Bool(answer.result());
}
Result<Value> CreateCollection(Asked& asked) {
  return Change<pb::CreateCollection>(asked, "/qdrant.Collections/Create");
}
Result<Value> UpdateCollection(Asked& asked) {
  return Change<pb::UpdateCollection>(asked, "/qdrant.Collections/Update");
}
Result<Value> DeleteCollection(Asked& asked) {
  return Change<pb::DeleteCollection>(asked, "/qdrant.Collections/Delete");
}

Result<Value> ChangeAliases(Asked& asked) {
  pb::ChangeAliases request;
  MALMOI_TRY(Fill(asked.body, &request));
  MALMOI_TRY(const auto answer, Do<pb::CollectionOperationResponse>(
                                    asked, "/qdrant.Collections/UpdateAliases", request));
  return Value::Bool(answer.result());
}

Result<Value> Exists(Asked& asked) {
  pb::CollectionExistsRequest request;
  request.set_collection_name(asked.args[0]);
  MALMOI_TRY(const auto answer, Do<pb::CollectionExistsResponse>(
                                    asked, "/qdrant.Collections/CollectionExists", request));
  return One("exists", Value::Bool(answer.result().exists()));
}

Result<Value> Describe(Asked& asked) {
  pb::GetCollectionInfoRequest request;
  request.set_collection_name(asked.args[0]);
  MALMOI_TRY(const auto answer,
             Do<pb::GetCollectionInfoResponse>(asked, "/qdrant.Collections/Get", request));
  return ToJson(static_cast<const Message&>(answer.result()));
}

Result<Value> CreateIndex(Asked& asked) {
  pb::CreateFieldIndexCollection request;
  request.set_collection_name(asked.args[0]);
  request.set_field_name(std::string(asked.body.GetString("field_name")));
  SetWait(asked, &request);
  const Value* schema = asked.body.Find("field_schema");
  const bool params = schema != nullptr && schema->is_object();
  const std::string type(params ? schema->GetString("type") : asked.body.GetString("field_schema"));
  bool known = false;
  for (int i = 0; i < pb::FieldType_descriptor()->value_count(); ++i) {
    const auto* value = pb::FieldType_descriptor()->value(i);
    if (AsciiLower(value->name()) != "fieldtype" + type) continue;
    request.set_field_type(static_cast<pb::FieldType>(value->number()));
    known = true;
  }
  if (!known) return Error(Code::kInvalidArgument, "'" + type + "' is no type of a payload index");
  if (params) FromJson(*schema, request.mutable_field_index_params());
  MALMOI_TRY(const auto answer,
             Do<pb::PointsOperationResponse>(asked, "/qdrant.Points/CreateFieldIndex", request));
  return ShownUpdate(answer.result());
}

Result<Value> DeleteIndex(Asked& asked) {
  pb::DeleteFieldIndexCollection request;
  request.set_collection_name(asked.args[0]);
  request.set_field_name(asked.args[1]);
  SetWait(asked, &request);
  MALMOI_TRY(const auto answer,
             Do<pb::PointsOperationResponse>(asked, "/qdrant.Points/DeleteFieldIndex", request));
  return ShownUpdate(answer.result());
}

// Writes.

// The members of a selection ("points" or "filter") under the field that the message has for it.
Value WithoutSelection(const Value& body) {
  std::vector<Value::Member> members;
  for (const auto& member : body.members()) {
    if (member.first != "points" && member.first != "filter") members.push_back(member);
  }
  return Value::Object(std::move(members));
}

// A list of names is a message of its own in one place.
Value WithNames(const Value& body) {
  std::vector<Value::Member> members;
  for (const auto& [name, value] : body.members()) {
    members.emplace_back(name == "vector" ? "vectors" : name, value);
  }
  return Value::Object(std::move(members));
}

template <class M>
Status FillWrite(const Value& body, M* message) {
  if constexpr (requires { message->mutable_points_selector(); }) {
    MALMOI_TRY(Fill(WithNames(WithoutSelection(body)), message));
    return FillSelector(body, message->mutable_points_selector());
  } else if constexpr (requires { message->mutable_points()->mutable_filter(); }) {
    if (body.is_array()) return Fill(body, message->mutable_points()->mutable_points());
    MALMOI_TRY(Fill(WithoutSelection(body), message));
    return FillSelector(body, message->mutable_points());
  } else {
    return Fill(body, message);
  }
}

template <class In>
Result<Value> Write(Asked& asked, const char* path) {
  In request;
  MALMOI_TRY(FillWrite(asked.body, &request));
  request.set_collection_name(asked.args[0]);
  SetWait(asked, &request);
  MALMOI_TRY(const auto answer, Do<pb::PointsOperationResponse>(asked, path, request));
  return ShownUpdate(answer.result());
}

Result<Value> UpsertPoints(Asked& asked) {
  return Write<pb::UpsertPoints>(asked, "/qdrant.Points/Upsert");
}
Result<Value> DeletePoints(Asked& asked) {
  return Write<pb::DeletePoints>(asked, "/qdrant.Points/Delete");
}
Result<Value> UpdateVectors(Asked& asked) {
  return Write<pb::UpdatePointVectors>(asked, "/qdrant.Points/UpdateVectors");
}
Result<Value> DeleteVectors(Asked& asked) {
  return Write<pb::DeletePointVectors>(asked, "/qdrant.Points/DeleteVectors");
}
Result<Value> SetPayload(Asked& asked) {
  return Write<pb::SetPayloadPoints>(asked, "/qdrant.Points/SetPayload");
}
Result<Value> OverwritePayload(Asked& asked) {
  return Write<pb::SetPayloadPoints>(asked, "/qdrant.Points/OverwritePayload");
}
Result<Value> DeletePayload(Asked& asked) {
  return Write<pb::DeletePayloadPoints>(asked, "/qdrant.Points/DeletePayload");
}
Result<Value> ClearPayload(Asked& asked) {
  return Write<pb::ClearPayloadPoints>(asked, "/qdrant.Points/ClearPayload");
}

Status FillOperation(const std::string& name, const Value& body, pb::PointsUpdateOperation* out) {
  if (name == "upsert") return FillWrite(body, out->mutable_upsert());
  if (name == "delete") return FillWrite(body, out->mutable_delete_points());
  if (name == "set_payload") return FillWrite(body, out->mutable_set_payload());
  if (name == "overwrite_payload") return FillWrite(body, out->mutable_overwrite_payload());
  if (name == "delete_payload") return FillWrite(body, out->mutable_delete_payload());
  if (name == "clear_payload") return FillWrite(body, out->mutable_clear_payload());
  if (name == "update_vectors") return FillWrite(body, out->mutable_update_vectors());
  if (name == "delete_vectors") return FillWrite(body, out->mutable_delete_vectors());
  return Error(Code::kInvalidArgument, "'" + name + "' is no operation on points");
}

Result<Value> Batch(Asked& asked) {
  pb::UpdateBatchPoints request;
  request.set_collection_name(asked.args[0]);
  SetWait(asked, &request);
  const Value* operations = asked.body.Find("operations");
  for (const Value& operation : (operations == nullptr ? asked.body : *operations).items()) {
    auto* to = request.add_operations();
    for (const auto& [name, body] : operation.members()) {
      MALMOI_TRY(FillOperation(name, body, to));
    }
  }
  MALMOI_TRY(const auto answer,
             Do<pb::UpdateBatchResponse>(asked, "/qdrant.Points/UpdateBatch", request));
  std::vector<Value> results;
  for (const auto& result : answer.result()) results.push_back(ShownUpdate(result));
  return Value::Array(std::move(results));
}

// Reads.

Result<Value> Retrieve(Asked& asked) {
  MALMOI_TRY(auto request, Request<pb::GetPoints>(asked));
  if (!request.has_with_payload()) request.mutable_with_payload()->set_enable(true);
  MALMOI_TRY(const auto answer, Do<pb::GetResponse>(asked, "/qdrant.Points/Get", request));
  return ShownPoints(answer.result());
}

Result<Value> Scroll(Asked& asked) {
  MALMOI_TRY(auto request, Request<pb::ScrollPoints>(asked));
  if (!request.has_with_payload()) request.mutable_with_payload()->set_enable(true);
  MALMOI_TRY(const auto answer, Do<pb::ScrollResponse>(asked, "/qdrant.Points/Scroll", request));
  Value next;
  if (answer.has_next_page_offset()) {
    next = ToJson(static_cast<const Message&>(answer.next_page_offset()));
  }
  return Value::Object(
      {{"points", ShownPoints(answer.result())}, {"next_page_offset", std::move(next)}});
}

Result<Value> Count(Asked& asked) {
  MALMOI_TRY(const auto request, Request<pb::CountPoints>(asked));
  MALMOI_TRY(const auto answer, Do<pb::CountResponse>(asked, "/qdrant.Points/Count", request));
  return One("count", Value::Uint(answer.result().count()));
}

Result<Value> Facet(Asked& asked) {
  MALMOI_TRY(const auto request, Request<pb::FacetCounts>(asked));
  MALMOI_TRY(const auto answer, Do<pb::FacetResponse>(asked, "/qdrant.Points/Facet", request));
  std::vector<Value> hits;
  for (const auto& hit : answer.hits()) {
    const pb::FacetValue& value = hit.value();
    hits.push_back(
        Value::Object({{"value", value.has_string_value()    ? Value::String(value.string_value())
                                 : value.has_integer_value() ? Value::Int(value.integer_value())
                                                             : Value::Bool(value.bool_value())},
                       {"count", Value::Uint(hit.count())}}));
  }
  return One("hits", Value::Array(std::move(hits)));
}

Result<Value> Query(Asked& asked) {
  MALMOI_TRY(const auto request, Request<pb::QueryPoints>(asked));
  MALMOI_TRY(const auto answer, Do<pb::QueryResponse>(asked, "/qdrant.Points/Query", request));
  return One("points", ShownPoints(answer.result()));
}

Result<Value> QueryBatch(Asked& asked) {
  pb::QueryBatchPoints request;
  request.set_collection_name(asked.args[0]);
  const Value* searches = asked.body.Find("searches");
  if (searches == nullptr) return Error(Code::kInvalidArgument, "a batch without 'searches'");
  for (const Value& search : searches->items()) {
    auto* query = request.add_query_points();
    MALMOI_TRY(Fill(search, query));
    query->set_collection_name(asked.args[0]);
  }
  MALMOI_TRY(const auto answer,
             Do<pb::QueryBatchResponse>(asked, "/qdrant.Points/QueryBatch", request));
  std::vector<Value> results;
  for (const auto& one : answer.result()) {
    results.push_back(One("points", ShownPoints(one.result())));
  }
  return Value::Array(std::move(results));
}

Result<Value> QueryGroups(Asked& asked) {
  MALMOI_TRY(const auto request, Request<pb::QueryPointGroups>(asked));
  MALMOI_TRY(const auto answer,
             Do<pb::QueryGroupsResponse>(asked, "/qdrant.Points/QueryGroups", request));
  std::vector<Value> groups;
  for (const auto& group : answer.result().groups()) {
    const pb::GroupId& id = group.id();
    std::vector<Value::Member> members = {
        {"id", id.has_string_value()    ? Value::String(id.string_value())
               : id.has_integer_value() ? Value::Int(id.integer_value())
                                        : Value::Uint(id.unsigned_value())},
        {"hits", ShownPoints(group.hits())}};
    if (group.has_lookup()) members.emplace_back("lookup", Shown(group.lookup()));
    groups.push_back(Value::Object(std::move(members)));
  }
  return One("groups", Value::Array(std::move(groups)));
}

// Snapshots.

Value ShownSnapshot(const pb::SnapshotDescription& one) {
  const Value form = ToJson(static_cast<const Message&>(one));
  std::vector<Value::Member> members;
  for (const auto& [name, value] : form.members()) {
    const bool time = name == "creation_time";  // REST has it to the second, without a zone.
    members.emplace_back(
        name, time ? Value::String(std::string(value.AsString()->substr(0, 19))) : value);
  }
  return Value::Object(std::move(members));
}

template <class In, class Out>
Result<Out> Snapshot(Asked& asked, const char* path, const std::string* name = nullptr) {
  In request;
  if constexpr (requires { request.set_collection_name(""); }) {
    request.set_collection_name(asked.args[0]);
  }
  if constexpr (requires { request.set_snapshot_name(""); }) request.set_snapshot_name(*name);
  return Do<Out>(asked, path, request);
}

template <class In>
Result<Value> CreateAs(Asked& asked, const char* path) {
  MALMOI_TRY(const auto answer, (Snapshot<In, pb::CreateSnapshotResponse>(asked, path)));
  return ShownSnapshot(answer.snapshot_description());
}
template <class In>
Result<Value> ListAs(Asked& asked, const char* path) {
  MALMOI_TRY(const auto answer, (Snapshot<In, pb::ListSnapshotsResponse>(asked, path)));
  std::vector<Value> list;
  for (const auto& one : answer.snapshot_descriptions()) list.push_back(ShownSnapshot(one));
  return Value::Array(std::move(list));
}
template <class In>
Result<Value> DeleteAs(Asked& asked, const char* path) {
  MALMOI_TRY((Snapshot<In, pb::DeleteSnapshotResponse>(asked, path, &asked.args.back())));
  return Value::Bool(true);
}

Result<Value> CreateSnapshot(Asked& asked) {
  return CreateAs<pb::CreateSnapshotRequest>(asked, "/qdrant.Snapshots/Create");
}
Result<Value> ListSnapshots(Asked& asked) {
  return ListAs<pb::ListSnapshotsRequest>(asked, "/qdrant.Snapshots/List");
}
Result<Value> DeleteSnapshot(Asked& asked) {
  return DeleteAs<pb::DeleteSnapshotRequest>(asked, "/qdrant.Snapshots/Delete");
}
Result<Value> CreateFull(Asked& asked) {
  return CreateAs<pb::CreateFullSnapshotRequest>(asked, "/qdrant.Snapshots/CreateFull");
}
Result<Value> ListFull(Asked& asked) {
  return ListAs<pb::ListFullSnapshotsRequest>(asked, "/qdrant.Snapshots/ListFull");
}
Result<Value> DeleteFull(Asked& asked) {
  return DeleteAs<pb::DeleteFullSnapshotRequest>(asked, "/qdrant.Snapshots/DeleteFull");
}

struct Route {
  const char* method;
  const char* path;
  Result<Value> (*answer)(Asked&);
};
constexpr Route kRoutes[] = {
    {"GET", "/collections", ListCollections},
    {"GET", "/aliases", ListAliases},
    {"POST", "/collections/aliases", ChangeAliases},
    {"GET", "/collections/{}", Describe},
    {"GET", "/collections/{}/exists", Exists},
    {"PUT", "/collections/{}", CreateCollection},
    {"PATCH", "/collections/{}", UpdateCollection},
    {"DELETE", "/collections/{}", DeleteCollection},
    {"PUT", "/collections/{}/index", CreateIndex},
    {"DELETE", "/collections/{}/index/{}", DeleteIndex},
    {"PUT", "/collections/{}/points", UpsertPoints},
    {"POST", "/collections/{}/points", Retrieve},
    {"POST", "/collections/{}/points/delete", DeletePoints},
    {"PUT", "/collections/{}/points/vectors", UpdateVectors},
    {"POST", "/collections/{}/points/vectors/delete", DeleteVectors},
    {"POST", "/collections/{}/points/payload", SetPayload},
    {"PUT", "/collections/{}/points/payload", OverwritePayload},
    {"POST", "/collections/{}/points/payload/delete", DeletePayload},
    {"POST", "/collections/{}/points/payload/clear", ClearPayload},
    {"POST", "/collections/{}/points/batch", Batch},
    {"POST", "/collections/{}/points/scroll", Scroll},
    {"POST", "/collections/{}/points/count", Count},
    {"POST", "/collections/{}/points/query", Query},
    {"POST", "/collections/{}/points/query/batch", QueryBatch},
    {"POST", "/collections/{}/points/query/groups", QueryGroups},
    {"POST", "/collections/{}/facet", Facet},
    {"POST", "/collections/{}/snapshots", CreateSnapshot},
    {"GET", "/collections/{}/snapshots", ListSnapshots},
    {"DELETE", "/collections/{}/snapshots/{}", DeleteSnapshot},
    {"POST", "/snapshots", CreateFull},
    {"GET", "/snapshots", ListFull},
    {"DELETE", "/snapshots/{}", DeleteFull},
};

bool Matches(std::string_view pattern, std::string_view path, std::vector<std::string>* args) {
  const auto wanted = Split(pattern, '/'), given = Split(path, '/');
  args->clear();
  if (wanted.size() != given.size()) return false;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (wanted[i] == "{}") {
      args->push_back(net::PathDecode(given[i]));
    } else if (wanted[i] != given[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<Value> Answer(Asked& asked) {
  const std::string_view whole = asked.path;
  const std::size_t mark = std::min(whole.find('?'), whole.size());
  for (const std::string_view one : Split(whole.substr(std::min(mark + 1, whole.size())), '&')) {
    const std::size_t equals = std::min(one.find('='), one.size());
    const std::string name(one.substr(0, equals));
    if (!name.empty() && name != "wait") {  // As of bodies: nothing is left out on the way.
      return Error(Code::kUnsupported, "the parameter '" + name + "' of " + asked.path +
                                           " is not sent over gRPC; leave it out, or give the "
                                           "store's REST address");
    }
    asked.parameters[name] = equals == one.size() ? "" : std::string(one.substr(equals + 1));
  }
  for (const Route& route : kRoutes) {
    if (asked.method != route.method) continue;
    if (!Matches(route.path, whole.substr(0, mark), &asked.args)) continue;
    return route.answer(asked);
  }
  return Error(Code::kUnsupported, asked.method + " " + asked.path +
                                       " has no call over gRPC; give the store's REST address");
}

}  // namespace malmoi::rpc::store
#endif

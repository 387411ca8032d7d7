#include "serve/qdrant/store_front_internal.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;

Result<Reply> List(Front& front, Call& call) {
  Writer writer;
  writer.BeginObject().Key("collections").BeginArray();
  for (const std::string& name : front.service.ListCollections()) {
    if (!MaySee(front.settings, KeyOf(call.request), name)) continue;
    writer.BeginObject().Field("name", name).EndObject();
  }
  writer.EndArray().EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> Describe(Front& front, Call& call) {
  MALMOI_TRY(const auto description, front.service.DescribeCollection(call.collection()));
  Writer writer;
  qdrant::PrintCollection(description, &writer);
  return ReplyOf(std::move(writer));
}

Result<Reply> Exists(Front& front, Call& call) {
  Writer writer;
  writer.BeginObject()
      .Field("exists", front.service.CollectionExists(call.collection()))
      .EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> Create(Front& front, Call& call) {
  qdrant::Checks checks;
  qdrant::ValidateCollectionName(call.collection(), "collection_name", &checks);
  MALMOI_TRY(checks.Finish("path parameters"));
  MALMOI_TRY(const auto request, ParsedBody<qdrant::CreateCollection>(call.request));
  MALMOI_TRY(TimeoutParameter(call.request));
  MALMOI_TRY(front.service.CreateCollection(call.collection(), request));
  return ReplyOf(true);
}

Result<Reply> Update(Front& front, Call& call) {
  MALMOI_TRY(const auto request, ParsedBody<qdrant::UpdateCollection>(call.request));
  MALMOI_TRY(TimeoutParameter(call.request));
  MALMOI_TRY(front.service.UpdateCollection(call.collection(), request));
  return ReplyOf(true);
}

Result<Reply> Delete(Front& front, Call& call) {
  MALMOI_TRY(TimeoutParameter(call.request));
  MALMOI_TRY(const bool existed, front.service.DeleteCollection(call.collection()));
  return ReplyOf(existed);
}

Result<Reply> ChangeAliases(Front& front, Call& call) {
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(TimeoutParameter(call.request));
  std::vector<qdrant::AliasAction> actions;
  qdrant::Why why;
  qdrant::Fields fields(body, "struct ChangeAliasesOperation", &why);
  fields.Required("actions", &actions);
  if (!fields.ok()) return qdrant::FormatError(why);
  MALMOI_TRY(front.service.UpdateAliases(actions));
  return ReplyOf(true);
}

Result<Reply> Aliases(Front& front, const Call& call,
                      const std::optional<std::string>& collection) {
  MALMOI_TRY(const auto aliases, front.service.ListAliases(collection));
  Writer writer;
  writer.BeginObject().Key("aliases").BeginArray();
  for (const auto& [alias, target] : aliases) {
    if (!MaySee(front.settings, KeyOf(call.request), target)) continue;
    writer.BeginObject().Field("alias_name", alias).Field("collection_name", target).EndObject();
  }
  writer.EndArray().EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> AllAliases(Front& front, Call& call) {
  return Aliases(front, call, std::nullopt);
}
Result<Reply> CollectionAliases(Front& front, Call& call) {
  return Aliases(front, call, call.collection());
}

Reply UpdateReply(const qdrant::UpdateResult& result) {
  Writer writer;
  qdrant::PrintUpdate(result, &writer);
  return ReplyOf(std::move(writer));
}

Result<Reply> CreateIndex(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
  MALMOI_TRY(const auto request, ParsedBody<qdrant::CreateFieldIndex>(call.request));
  MALMOI_TRY(const auto result, front.service.CreateFieldIndex(call.collection(), request, params));
  return UpdateReply(result);
}

Result<Reply> DeleteIndex(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
  MALMOI_TRY(const auto result,
             front.service.DeleteFieldIndex(call.collection(), call.args[1], params));
  return UpdateReply(result);
}

Result<Reply> CreateVector(Front& front, Call& call) {
  qdrant::Checks checks;
  qdrant::ValidateVectorName(call.args[1], "vector_name", &checks);
  MALMOI_TRY(checks.Finish("path parameters"));
  MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
  MALMOI_TRY(const Value body, StoreBody(call.request));
  MALMOI_TRY(auto request, qdrant::ReadAs<qdrant::CreateVectorName>(body));
  if (const auto* dense = std::get_if<qdrant::VectorParams>(&request.params)) {
    Validate(*dense, "dense", &checks);
    MALMOI_TRY(checks.Finish("JSON body"));
  }
  request.name = call.args[1];
  MALMOI_TRY(const auto result, front.service.CreateVectorName(call.collection(), request, params));
  return UpdateReply(result);
}

Result<Reply> DeleteVector(Front& front, Call& call) {
  MALMOI_TRY(const auto params, ReadUpdateParams(call.request));
  MALMOI_TRY(const auto result,
             front.service.DeleteVectorName(call.collection(), call.args[1], params));
  return UpdateReply(result);
}

Result<Reply> Optimizations(Front& front, Call& call) {
  MALMOI_TRY(const auto description, front.service.DescribeCollection(call.collection()));
  const std::string with = call.request.Parameter("with").value_or("");
  const auto segments = std::max<std::uint64_t>(description.info.segments, 1);
  Writer writer;
  writer.BeginObject().Key("summary").BeginObject();
  writer.Field("queued_optimizations", 0).Field("queued_segments", 0).Field("queued_points", 0);
  writer.Field("idle_segments", segments).EndObject();
  writer.Key("running").BeginArray().EndArray();
  if (with.find("queued") != std::string::npos) writer.Key("queued").BeginArray().EndArray();
  if (with.find("completed") != std::string::npos) writer.Key("completed").BeginArray().EndArray();
  writer.EndObject();
  return ReplyOf(std::move(writer));
}

Result<Reply> ClusterInfo(Front& front, Call& call) {
  MALMOI_TRY(const auto description, front.service.DescribeCollection(call.collection()));
  Writer writer;
  writer.BeginObject().Field("peer_id", 1).Field("shard_count", 1);
  writer.Key("local_shards").BeginArray().BeginObject();
  writer.Field("shard_id", 0).Field("points_count", description.info.points);
  writer.Field("state", "Active").EndObject().EndArray();
  writer.Key("remote_shards").BeginArray().EndArray();
  writer.Key("shard_transfers").BeginArray().EndArray().EndObject();
  return ReplyOf(std::move(writer));
}

template <bool (*kCheck)(const json::Value&, qdrant::Why*)>
Result<Reply> NeedsCluster(Front& front, Call& call) {
  MALMOI_TRY(const auto body, StoreBody(call.request));
  qdrant::Why why;
  if (!kCheck(body, &why)) return qdrant::FormatError(why);
  MALMOI_TRY(front.service.Find(call.collection()));
  return qdrant::BadRequest("Distributed mode disabled");
}

Result<Reply> ShardKeys(Front& front, Call& call) {
  MALMOI_TRY(front.service.Find(call.collection()));
  return Reply{.result = R"({"shard_keys":null})"};
}

}  // namespace

std::vector<RouteEntry> CollectionRoutes() {
  return {
      {"GET", "/collections", Access::kRead, List},
      {"POST", "/collections/aliases", Access::kManage, ChangeAliases},
      {"GET", "/aliases", Access::kRead, AllAliases},
      {"GET", "/collections/{}", Access::kRead, Describe},
      {"PUT", "/collections/{}", Access::kManage, Create},
      {"PATCH", "/collections/{}", Access::kManage, Update},
      {"DELETE", "/collections/{}", Access::kManage, Delete},
      {"GET", "/collections/{}/exists", Access::kRead, Exists},
      {"GET", "/collections/{}/aliases", Access::kRead, CollectionAliases},
      {"PUT", "/collections/{}/index", Access::kWrite, CreateIndex},
      {"DELETE", "/collections/{}/index/{}", Access::kWrite, DeleteIndex},
      {"PUT", "/collections/{}/vectors/{}", Access::kManage, CreateVector},
      {"DELETE", "/collections/{}/vectors/{}", Access::kManage, DeleteVector},
      {"GET", "/collections/{}/optimizations", Access::kRead, Optimizations},
      {"GET", "/collections/{}/cluster", Access::kRead, ClusterInfo},
      {"POST", "/collections/{}/cluster", Access::kManage,
       NeedsCluster<qdrant::CheckClusterOperation>},
      {"GET", "/collections/{}/shards", Access::kRead, ShardKeys},
      {"PUT", "/collections/{}/shards", Access::kManage, NeedsCluster<qdrant::CheckCreateShardKey>},
      {"POST", "/collections/{}/shards/delete", Access::kManage,
       NeedsCluster<qdrant::CheckDropShardKey>},
  };
}

}  // namespace malmoi::serve

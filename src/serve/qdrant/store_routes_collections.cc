#include <algorithm>
#include <iterator>

#include "base/strings.h"
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
  for (const std::string_view field : Split(with, ',')) {
    const std::string_view known[] = {"", "queued", "completed", "idle_segments"};
    if (std::ranges::find(known, Trim(field)) != std::end(known)) continue;
    return qdrant::BadInput("Unknown field in 'with' parameter: " + std::string(field));
  }
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

void PrintMemory(std::string_view key, std::uint64_t disk, std::uint64_t ram, Writer* writer) {
  writer->Key(key).BeginObject().Field("disk_bytes", disk).Field("ram_bytes", ram);
  writer->Field("cached_bytes", 0).Field("expected_cache_bytes", disk).EndObject();
}

// As Qdrant's undocumented route. Files are counted whole, memory as one sum: the parts of either
// are not told apart but for the vectors' own rows, and what of the files is resident is not asked.
Result<Reply> Memory(Front& front, Call& call) {
  MALMOI_TRY(const auto description, front.service.DescribeCollection(call.collection()));
  const vec::CollectionInfo& info = description.info;
  Writer writer;
  writer.BeginObject();
  PrintMemory("total", info.disk_bytes, info.memory_bytes, &writer);
  writer.Key("vectors").BeginArray();
  for (const auto& [name, params] : description.config.dense) {
    const auto count = info.with_vector.find(name);
    const std::uint64_t points = count == info.with_vector.end() ? 0 : count->second;
    writer.BeginObject().Field("name", name);
    PrintMemory("storage", points * vec::RowBytes(params), 0, &writer);
    PrintMemory("index", 0, 0, &writer);
    writer.EndObject();
  }
  writer.EndArray().Key("sparse_vectors").BeginArray().EndArray();
  PrintMemory("payload", 0, 0, &writer);
  writer.Key("payload_index").BeginArray().EndArray().Key("other").BeginObject();
  PrintMemory("id_tracker", 0, 0, &writer);
  writer.EndObject().EndObject();
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
      {"GET", "/collections", Access::kRead, List, "get_collections"},
      {"POST", "/collections/aliases", Access::kManage, ChangeAliases, "update_aliases"},
      {"GET", "/aliases", Access::kRead, AllAliases, "get_collections_aliases"},
      {"GET", "/collections/{}", Access::kRead, Describe, "get_collection"},
      {"PUT", "/collections/{}", Access::kManage, Create, "create_collection"},
      {"PATCH", "/collections/{}", Access::kManage, Update, "update_collection"},
      {"DELETE", "/collections/{}", Access::kManage, Delete, "delete_collection"},
      {"GET", "/collections/{}/exists", Access::kRead, Exists, "collection_exists"},
      {"GET", "/collections/{}/aliases", Access::kRead, CollectionAliases,
       "get_collection_aliases"},
      {"PUT", "/collections/{}/index", Access::kWrite, CreateIndex, "create_field_index"},
      {"DELETE", "/collections/{}/index/{}", Access::kWrite, DeleteIndex, "delete_field_index"},
      {"PUT", "/collections/{}/vectors/{}", Access::kManage, CreateVector, "create_vector_name"},
      {"DELETE", "/collections/{}/vectors/{}", Access::kManage, DeleteVector, "delete_vector_name"},
      {"GET", "/collections/{}/optimizations", Access::kRead, Optimizations, "get_optimizations"},
      {"GET", "/collections/{}/memory", Access::kRead, Memory, "get_collection_memory"},
      {"GET", "/collections/{}/cluster", Access::kRead, ClusterInfo, "collection_cluster_info"},
      {"POST", "/collections/{}/cluster", Access::kManage,
       NeedsCluster<qdrant::CheckClusterOperation>, "update_collection_cluster"},
      {"GET", "/collections/{}/shards", Access::kRead, ShardKeys, "list_shard_keys"},
      {"PUT", "/collections/{}/shards", Access::kManage, NeedsCluster<qdrant::CheckCreateShardKey>,
       "create_shard_key"},
      {"POST", "/collections/{}/shards/delete", Access::kManage,
       NeedsCluster<qdrant::CheckDropShardKey>, "delete_shard_key"},
  };
}

}  // namespace malmoi::serve

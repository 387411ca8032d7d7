#ifdef MALMOI_GRPC
#include "json/writer.h"
#include "qdrant/parse.h"
#include "qdrant/print.h"
#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/collections.pb.h"
#include "rpc/qdrant/convert_internal.h"

namespace malmoi::rpc::store {
namespace {

using serve::Access;

template <class T, class M>
Result<T> Request(const M& message) {
  MALMOI_TRY(auto request, ReadForm<T>(ToJson(static_cast<const Message&>(message))));
  qdrant::Checks checks;
  Validate(request, "", &checks);
  MALMOI_TRY(Checked(checks));
  return request;
}

Status Get(Call& call, const pb::GetCollectionInfoRequest& request,
           pb::GetCollectionInfoResponse* answer) {
  MALMOI_TRY(const auto description, call.service().DescribeCollection(request.collection_name()));
  json::Writer writer;
  qdrant::PrintCollection(description, &writer);
  const auto shown = json::Parse(writer.text());
  if (!shown.ok()) return shown.error().Clone();
  pb::CollectionInfo* info = answer->mutable_result();
  FromJson(shown.value(), info);
  const json::Value* status = shown.value().Find("optimizer_status");
  info->mutable_optimizer_status()->set_ok(status != nullptr && status->is_string());
  return Ok();
}

Status List(Call& call, const pb::ListCollectionsRequest&, pb::ListCollectionsResponse* answer) {
  for (const std::string& name : call.service().ListCollections()) {
    if (!serve::MaySee(call.backend.settings, call.key, name)) continue;
    answer->add_collections()->set_name(name);
  }
  return Ok();
}

Status Exists(Call& call, const pb::CollectionExistsRequest& request,
              pb::CollectionExistsResponse* answer) {
  answer->mutable_result()->set_exists(call.service().CollectionExists(request.collection_name()));
  return Ok();
}

Status Create(Call& call, const pb::CreateCollection& request,
              pb::CollectionOperationResponse* answer) {
  qdrant::Checks checks;
  qdrant::ValidateCollectionName(request.collection_name(), "collection_name", &checks);
  MALMOI_TRY(Checked(checks));
  MALMOI_TRY(const auto wanted, Request<qdrant::CreateCollection>(request));
  MALMOI_TRY(call.service().CreateCollection(request.collection_name(), wanted));
  answer->set_result(true);
  return Ok();
}

Status Update(Call& call, const pb::UpdateCollection& request,
              pb::CollectionOperationResponse* answer) {
  MALMOI_TRY(const auto change, Request<qdrant::UpdateCollection>(request));
  MALMOI_TRY(call.service().UpdateCollection(request.collection_name(), change));
  answer->set_result(true);
  return Ok();
}

Status Delete(Call& call, const pb::DeleteCollection& request,
              pb::CollectionOperationResponse* answer) {
  MALMOI_TRY(const bool existed, call.service().DeleteCollection(request.collection_name()));
  answer->set_result(existed);
  return Ok();
}

Status UpdateAliases(Call& call, const pb::ChangeAliases& request,
                     pb::CollectionOperationResponse* answer) {
  std::vector<qdrant::AliasAction> actions;
  for (const pb::AliasOperations& action : request.actions()) {
    MALMOI_TRY(actions.emplace_back(),
               ReadForm<qdrant::AliasAction>(ToJson(static_cast<const Message&>(action))));
  }
  MALMOI_TRY(call.service().UpdateAliases(actions));
  answer->set_result(true);
  return Ok();
}

Status Aliases(Call& call, const std::optional<std::string>& collection,
               pb::ListAliasesResponse* answer) {
  MALMOI_TRY(const auto aliases, call.service().ListAliases(collection));
  for (const auto& [alias, target] : aliases) {
    if (!serve::MaySee(call.backend.settings, call.key, target)) continue;
    auto* description = answer->add_aliases();
    description->set_alias_name(alias);
    description->set_collection_name(target);
  }
  return Ok();
}

Status AllAliases(Call& call, const pb::ListAliasesRequest&, pb::ListAliasesResponse* answer) {
  return Aliases(call, std::nullopt, answer);
}
Status CollectionAliases(Call& call, const pb::ListCollectionAliasesRequest& request,
                         pb::ListAliasesResponse* answer) {
  return Aliases(call, request.collection_name(), answer);
}

Status ClusterInfo(Call& call, const pb::CollectionClusterInfoRequest& request,
                   pb::CollectionClusterInfoResponse* answer) {
  MALMOI_TRY(const auto description, call.service().DescribeCollection(request.collection_name()));
  answer->set_peer_id(1);
  answer->set_shard_count(1);
  auto* shard = answer->add_local_shards();
  shard->set_points_count(description.info.points);
  shard->set_state(pb::Active);
  return Ok();
}

// What a single node answers to the cluster's calls, as over REST.
template <class In, class Out>
Status NeedsCluster(Call& call, const In& request, Out*) {
  MALMOI_TRY(call.service().Find(request.collection_name()));
  return qdrant::BadRequest("Distributed mode disabled");
}

Status ShardKeys(Call& call, const pb::ListShardKeysRequest& request, pb::ListShardKeysResponse*) {
  MALMOI_TRY(call.service().Find(request.collection_name()));
  return Ok();
}

}  // namespace

std::vector<Method> CollectionMethods() {
  const std::string at = "/qdrant.Collections/";
  constexpr auto kManage = Access::kManage;
  constexpr auto kRead = Access::kRead;
  return {
      Of<&Get>(at + "Get", kRead),
      Of<&List>(at + "List", kRead),
      Of<&Create>(at + "Create", kManage),
      Of<&Update>(at + "Update", kManage),
      Of<&Delete>(at + "Delete", kManage),
      Of<&UpdateAliases>(at + "UpdateAliases", kManage),
      Of<&CollectionAliases>(at + "ListCollectionAliases", kRead),
      Of<&AllAliases>(at + "ListAliases", kRead),
      Of<&ClusterInfo>(at + "CollectionClusterInfo", kRead),
      Of<&Exists>(at + "CollectionExists", kRead),
      Of<&NeedsCluster<pb::UpdateCollectionClusterSetupRequest,
                       pb::UpdateCollectionClusterSetupResponse>>(
          at + "UpdateCollectionClusterSetup", kManage),
      Of<&NeedsCluster<pb::CreateShardKeyRequest, pb::CreateShardKeyResponse>>(
          at + "CreateShardKey", kManage),
      Of<&NeedsCluster<pb::DeleteShardKeyRequest, pb::DeleteShardKeyResponse>>(
          at + "DeleteShardKey", kManage),
      Of<&ShardKeys>(at + "ListShardKeys", kRead),
  };
}

}  // namespace malmoi::rpc::store
#endif

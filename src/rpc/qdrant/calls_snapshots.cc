#ifdef MALMOI_GRPC
#include <ctime>

#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/health.pb.h"
#include "rpc/qdrant/snapshots.pb.h"
#include "serve/qdrant/store_server.h"

namespace malmoi::rpc::store {
namespace {

using serve::Access;

void FromSnapshot(const qdrant::SnapshotDescription& snapshot, pb::SnapshotDescription* out) {
  out->set_name(snapshot.name);
  out->set_size(static_cast<std::int64_t>(snapshot.size));
  out->set_checksum(snapshot.checksum);
  std::tm parts{};
  if (::strptime(snapshot.creation_time.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return;
  out->mutable_creation_time()->set_seconds(::timegm(&parts));
}

void FromList(const std::vector<qdrant::SnapshotDescription>& list,
              pb::ListSnapshotsResponse* out) {
  for (const auto& snapshot : list) FromSnapshot(snapshot, out->add_snapshot_descriptions());
}

Status Create(Call& call, const pb::CreateSnapshotRequest& request,
              pb::CreateSnapshotResponse* answer) {
  MALMOI_TRY(const auto made, call.backend.snapshots.Create(request.collection_name()));
  FromSnapshot(made, answer->mutable_snapshot_description());
  return Ok();
}
Status List(Call& call, const pb::ListSnapshotsRequest& request,
            pb::ListSnapshotsResponse* answer) {
  MALMOI_TRY(const auto list, call.backend.snapshots.List(request.collection_name()));
  FromList(list, answer);
  return Ok();
}
Status Delete(Call& call, const pb::DeleteSnapshotRequest& request, pb::DeleteSnapshotResponse*) {
  return call.backend.snapshots.Delete(request.collection_name(), request.snapshot_name());
}

Status CreateFull(Call& call, const pb::CreateFullSnapshotRequest&,
                  pb::CreateSnapshotResponse* answer) {
  MALMOI_TRY(const auto made, call.backend.snapshots.CreateFull());
  FromSnapshot(made, answer->mutable_snapshot_description());
  return Ok();
}
Status ListFull(Call& call, const pb::ListFullSnapshotsRequest&,
                pb::ListSnapshotsResponse* answer) {
  MALMOI_TRY(const auto list, call.backend.snapshots.ListFull());
  FromList(list, answer);
  return Ok();
}
Status DeleteFull(Call& call, const pb::DeleteFullSnapshotRequest& request,
                  pb::DeleteSnapshotResponse*) {
  return call.backend.snapshots.DeleteFull(request.snapshot_name());
}

Status HealthCheck(Call&, const pb::HealthCheckRequest&, pb::HealthCheckReply* answer) {
  answer->set_title(std::string(serve::kStoreTitle));
  answer->set_version(std::string(serve::kStoreVersion));
  return Ok();
}

}  // namespace

std::vector<Method> SnapshotMethods() {
  const std::string at = "/qdrant.Snapshots/";
  return {
      Of<&Create>(at + "Create", Access::kWrite),
      Of<&List>(at + "List", Access::kRead),
      Of<&Delete>(at + "Delete", Access::kWrite),
      Of<&CreateFull>(at + "CreateFull", Access::kManage),
      Of<&ListFull>(at + "ListFull", Access::kGlobal),
      Of<&DeleteFull>(at + "DeleteFull", Access::kManage),
      Of<&HealthCheck>("/qdrant.Qdrant/HealthCheck", Access::kPublic),
  };
}

}  // namespace malmoi::rpc::store
#endif

#include "qdrant/foreign_snapshot.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "qdrant/parse.h"
#include "qdrant/service.h"
#include "qdrant/shard_log_internal.h"
#include "qdrant/shard_segment_internal.h"
#include "qdrant/snapshots.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

constexpr std::size_t kBatchPoints = 1000, kBatchBytes = 8u << 20;
constexpr const char* kName = "imported";

bool IsFolder(os::Vfs& vfs, const std::string& path) {
  const auto info = vfs.Stat(path);
  return info.ok() && info.value().is_directory;
}

// Folders of shards: numbers under a collection's, or the folder itself.
Result<std::vector<std::string>> ShardFolders(os::Vfs& vfs, const std::string& directory) {
  if (IsFolder(vfs, os::JoinPath(directory, "segments"))) return std::vector{directory};
  std::vector<std::string> shards;
  MALMOI_TRY(const auto names, vfs.List(directory));
  for (const std::string& name : names) {
    const std::string path = os::JoinPath(directory, name);
    if (ParseInt(name) && IsFolder(vfs, os::JoinPath(path, "segments"))) shards.push_back(path);
  }
  return shards;
}

// Where a segment's files are: in its folder, or where the two forms of snapshots put them.
std::string FilesOf(os::Vfs& vfs, const std::string& segment) {
  for (const char* inside : {"files", "snapshot/files"}) {
    const std::string path = os::JoinPath(segment, inside);
    if (vfs.Stat(os::JoinPath(path, "segment.json")).ok()) return path;
  }
  return segment;
}

struct Shard {
  std::vector<std::unique_ptr<Segment>> segments;
  std::uint64_t version = 0;  // The last operation that a segment or a point has seen.
};

Result<Shard> OpenShard(os::Vfs& vfs, const std::string& folder) {
  Shard shard;
  const std::string segments = os::JoinPath(folder, "segments");
  MALMOI_TRY(const auto names, vfs.List(segments));
  for (const std::string& name : names) {
    std::string path = os::JoinPath(segments, name);
    if (name.ends_with(".tar")) {
      const std::string unpacked = path + ".unpacked";
      MALMOI_TRY(ReadTar(vfs, path, unpacked).With("segment '" + name + "'"));
      path = unpacked;
    } else if (!IsFolder(vfs, path) || name.ends_with(".tar.unpacked")) {
      continue;
    }
    path = FilesOf(vfs, path);
    if (!vfs.Stat(os::JoinPath(path, "segment.json")).ok()) {
      return Error(Code::kUnsupported, "segment '" + name +
                                           "' has no segment.json: it was made by a version of "
                                           "Qdrant that is not read here (before 0.11)");
    }
    MALMOI_TRY(auto segment, Segment::Open(vfs, path));
    shard.version = std::max(shard.version, segment->version());
    for (const SegmentPoint& point : segment->points()) {
      shard.version = std::max(shard.version, point.version);
    }
    shard.segments.push_back(std::move(segment));
  }
  return shard;
}

// The body that makes the collection: its own description, else what its segments tell.
Result<Value> Creation(os::Vfs& vfs, const std::string& directory,
                       const std::vector<Shard>& shards) {
  const std::string path = os::JoinPath(directory, "config.json");
  const std::string edge = os::JoinPath(directory, "edge_config.json");
  for (const std::string& file : {path, edge}) {
    if (!vfs.Stat(file).ok()) continue;
    MALMOI_TRY(const std::string text, os::ReadFile(vfs, file));
    MALMOI_TRY(const Value config, json::Parse(text).With("'" + file + "'"));
    const Value* params = config.Find("params");
    std::vector<Value::Member> members;
    const auto put = [&](const Value& from, const char* name, const char* as) {
      const Value* member = from.Find(name);
      if (member != nullptr && !member->is_null()) members.emplace_back(as, *member);
    };
    const Value& made = params == nullptr ? config : *params;
    put(made, "vectors", "vectors");
    put(made, "sparse_vectors", "sparse_vectors");
    put(made, "on_disk_payload", "on_disk_payload");
    put(config, "hnsw_config", "hnsw_config");
    put(config, "quantization_config", "quantization_config");
    if (params != nullptr) {
      put(config, "optimizer_config", "optimizers_config");
      put(config, "wal_config", "wal_config");
      put(config, "strict_mode_config", "strict_mode_config");
      put(config, "metadata", "metadata");
    }
    return Value::Object(std::move(members));
  }
  for (const Shard& shard : shards) {
    if (!shard.segments.empty()) return shard.segments.front()->params();
  }
  return Error(Code::kUnsupported, "the snapshot describes no collection");
}

// One node of a cluster has its own shards alone.
Status CheckShards(os::Vfs& vfs, const std::string& directory, std::size_t there) {
  const auto text = os::ReadFile(vfs, os::JoinPath(directory, "config.json"));
  if (!text.ok()) return Ok();
  MALMOI_TRY(const Value config, json::Parse(text.value()).With("config.json"));
  const Value* params = config.Find("params");
  if (params == nullptr || params->GetString("sharding_method") == "custom") return Ok();
  const std::int64_t wanted = params->GetInt("shard_number", 1);
  if (static_cast<std::int64_t>(there) == wanted) return Ok();
  return Error(Code::kUnsupported,
               "the snapshot has " + std::to_string(there) + " of the collection's " +
                   std::to_string(wanted) +
                   " shards: it was made on one node of a cluster; copy the collection from the "
                   "cluster with 'malmoi store copy'");
}

std::map<std::string, Value> IndexesOf(os::Vfs& vfs, const std::string& directory,
                                       const std::vector<Shard>& shards) {
  std::map<std::string, Value> indexes;
  for (const Shard& shard : shards) {
    for (const auto& segment : shard.segments) {
      for (const auto& [field, schema] : segment->indexes()) indexes[field] = schema;
    }
  }
  const auto text = os::ReadFile(vfs, os::JoinPath(directory, "payload_index_schema.json"));
  if (!text.ok()) return indexes;
  const auto parsed = json::Parse(text.value());
  const Value* schema = parsed.ok() ? parsed.value().Find("schema") : nullptr;
  if (schema == nullptr) return indexes;
  for (const auto& [field, params] : schema->members()) indexes[field] = params;
  return indexes;
}

// The newest state of each point, in the order of segments and offsets.
struct Place {
  const SegmentPoint* point = nullptr;
  std::uint32_t segment = 0;
};
std::vector<Place> Newest(const std::vector<const Segment*>& segments) {
  std::vector<Place> places;
  for (std::uint32_t i = 0; i < segments.size(); ++i) {
    for (const SegmentPoint& point : segments[i]->points()) places.push_back({&point, i});
  }
  std::ranges::sort(places, [](const Place& a, const Place& b) {
    if (a.point->id != b.point->id) return a.point->id < b.point->id;
    return a.point->version > b.point->version;
  });
  const auto same = [](const Place& a, const Place& b) { return a.point->id == b.point->id; };
  places.erase(std::unique(places.begin(), places.end(), same), places.end());
  std::ranges::sort(places, [](const Place& a, const Place& b) {
    return std::tuple(a.segment, a.point->offset) < std::tuple(b.segment, b.point->offset);
  });
  return places;
}

Status CopyPoints(const Shard& shard, vec::Collection& store) {
  std::vector<const Segment*> segments;
  for (const auto& segment : shard.segments) segments.push_back(segment.get());
  std::vector<vec::Point> batch;
  std::size_t bytes = 0;
  const auto flush = [&]() -> Status {
    if (!batch.empty()) MALMOI_TRY(store.Upsert(batch));
    batch.clear();
    bytes = 0;
    return Ok();
  };
  for (const Place& place : Newest(segments)) {
    MALMOI_TRY(auto point, segments[place.segment]->Read(*place.point));
    bytes += point.payload.size() + 64;
    for (const auto& [name, row] : point.vectors.dense) bytes += row.size() * 4;
    for (const auto& [name, rows] : point.vectors.multi) bytes += rows.data.size() * 4;
    for (const auto& [name, row] : point.vectors.sparse) bytes += row.values.size() * 8;
    batch.push_back(std::move(point));
    if (batch.size() >= kBatchPoints || bytes >= kBatchBytes) MALMOI_TRY(flush());
  }
  return flush();
}

// Operations that no segment has seen. One that the collection refuses was refused there too.
Status ApplyLog(os::Vfs& vfs, const std::string& shard_folder, std::uint64_t after,
                Service& service) {
  const UpdateParams wait{.wait = true, .timeout_seconds = {}};
  return ReadShardLog(
      vfs, os::JoinPath(shard_folder, "wal"), after,
      [&](std::uint64_t, const Value& logged) -> Status {
        MALMOI_TRY(const Value operation, OperationOfLog(logged));
        if (operation.Find("field_name") != nullptr) {
          MALMOI_TRY(const auto request, ReadAs<CreateFieldIndex>(operation));
          (void)service.CreateFieldIndex(kName, request, wait);
        } else if (const Value* field = operation.Find("drop")) {
          (void)service.DeleteFieldIndex(kName, std::string(field->AsString().value_or("")), wait);
        } else {
          MALMOI_TRY(auto request, ReadAs<UpdateOperation>(operation));
          const auto done = service.Update(kName, std::move(request), wait, nullptr);
          if (!done.ok() && done.error().code() == Code::kIo) return done.error().Clone();
        }
        return Ok();
      });
}

}  // namespace

bool IsForeignSnapshot(os::Vfs& vfs, const std::string& directory) {
  const auto has = [&](const char* name) { return vfs.Stat(os::JoinPath(directory, name)).ok(); };
  if (IsFolder(vfs, os::JoinPath(directory, "segments"))) {
    return has("edge_config.json") || has("shard_config.json") || has("wal") ||
           has("applied_seq") || has("replica_state.json");
  }
  if (!has("config.json")) return false;
  const auto shards = ShardFolders(vfs, directory);
  return shards.ok() && !shards.value().empty();
}

Status ImportForeignSnapshot(os::Vfs& vfs, const std::string& directory, const std::string& scratch,
                             const std::string& target) {
  MALMOI_TRY(const auto folders, ShardFolders(vfs, directory));
  MALMOI_TRY(CheckShards(vfs, directory, folders.size()));
  std::vector<Shard> shards;
  for (const std::string& folder : folders) {
    MALMOI_TRY(auto shard, OpenShard(vfs, folder));
    shards.push_back(std::move(shard));
  }
  MALMOI_TRY(const Value body, Creation(vfs, directory, shards));
  MALMOI_TRY(const auto request, ReadAs<CreateCollection>(body).With("its configuration"));
  ServiceOptions options;
  options.vfs = &vfs;
  options.directory = scratch;
  MALMOI_TRY(const auto service, Service::Open(options));
  MALMOI_TRY(service->CreateCollection(kName, request));
  const UpdateParams wait{.wait = true, .timeout_seconds = {}};
  MALMOI_TRY(const auto collection, service->Find(kName));
  for (const Shard& shard : shards) MALMOI_TRY(CopyPoints(shard, *collection->store));
  for (const auto& [field, schema] : IndexesOf(vfs, directory, shards)) {
    const Value form =
        Value::Object({{"field_name", Value::String(field)}, {"field_schema", schema}});
    MALMOI_TRY(const auto index, ReadAs<CreateFieldIndex>(form).With("index of '" + field + "'"));
    MALMOI_TRY(service->CreateFieldIndex(kName, index, wait));
  }
  for (std::size_t i = 0; i < folders.size(); ++i) {
    MALMOI_TRY(ApplyLog(vfs, folders[i], shards[i].version, *service));
  }
  return collection->store->Export(target);
}

}  // namespace malmoi::qdrant

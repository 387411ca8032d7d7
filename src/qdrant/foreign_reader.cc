#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "qdrant/foreign_reader_internal.h"
#include "qdrant/shard_log_internal.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

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

// The newest state of each point, in the order of segments and offsets.
std::vector<ForeignReader::Place> NewestOf(const std::vector<std::unique_ptr<Segment>>& segments) {
  using Place = ForeignReader::Place;
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

Result<ForeignReader::Shard> OpenShard(os::Vfs& vfs, const std::string& folder) {
  ForeignReader::Shard shard;
  shard.folder = folder;
  const std::string segments = os::JoinPath(folder, "segments");
  MALMOI_TRY(const auto names, vfs.List(segments));
  for (const std::string& name : names) {
    std::string path = os::JoinPath(segments, name);
    if (!IsFolder(vfs, path)) continue;
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
  shard.places = NewestOf(shard.segments);
  return shard;
}

// The body that makes the collection: its own description, else what its segments tell.
Result<Value> Creation(os::Vfs& vfs, const std::string& directory,
                       const std::vector<ForeignReader::Shard>& shards) {
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
  for (const ForeignReader::Shard& shard : shards) {
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
                                       const std::vector<ForeignReader::Shard>& shards) {
  std::map<std::string, Value> indexes;
  for (const ForeignReader::Shard& shard : shards) {
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

// About what it takes in memory.
std::size_t BytesOf(const vec::Point& point) {
  std::size_t bytes = point.payload.size() + 64;
  for (const auto& [name, row] : point.vectors.dense) bytes += row.size() * 4;
  for (const auto& [name, rows] : point.vectors.multi) bytes += rows.data.size() * 4;
  for (const auto& [name, row] : point.vectors.sparse) bytes += row.values.size() * 8;
  return bytes;
}

}  // namespace

Result<std::unique_ptr<ForeignReader>> ForeignReader::Open(os::Vfs& vfs,
                                                           const std::string& directory) {
  MALMOI_TRY(const auto folders, ShardFolders(vfs, directory));
  MALMOI_TRY(CheckShards(vfs, directory, folders.size()));
  auto self = std::make_unique<ForeignReader>(vfs);
  for (const std::string& folder : folders) {
    MALMOI_TRY(auto shard, OpenShard(vfs, folder));
    self->head_.points += shard.places.size();
    self->shards_.push_back(std::move(shard));
  }
  MALMOI_TRY(self->head_.creation, Creation(vfs, directory, self->shards_));
  self->head_.indexes = IndexesOf(vfs, directory, self->shards_);
  return self;
}

Result<std::vector<vec::Point>> ForeignReader::NextPoints() {
  std::vector<vec::Point> batch;
  std::size_t bytes = 0;
  while (point_shard_ < shards_.size() && batch.size() < kForeignBatch &&
         bytes < kForeignBatchBytes) {
    const Shard& shard = shards_[point_shard_];
    if (place_ == shard.places.size()) {
      ++point_shard_;
      place_ = 0;
      continue;
    }
    const Place& place = shard.places[place_++];
    MALMOI_TRY(auto point, shard.segments[place.segment]->Read(*place.point));
    bytes += BytesOf(point);
    batch.push_back(std::move(point));
  }
  return batch;
}

Result<std::vector<Value>> ForeignReader::NextOperations() {
  std::vector<Value> batch;
  std::size_t bytes = 0;
  for (; log_shard_ < shards_.size(); ++log_shard_, log_seen_ = 0) {
    const Shard& shard = shards_[log_shard_];
    bool full = false;
    const auto take = [&](std::uint64_t number, const Value& logged) -> Status {
      full = bytes >= kForeignBatchBytes || batch.size() >= kForeignBatch;
      if (full) return Error(Code::kCancelled, "the batch is full");
      MALMOI_TRY(auto operation, OperationOfLog(logged));
      bytes += operation.Dump().size();
      batch.push_back(std::move(operation));
      log_seen_ = number;
      return Ok();
    };
    const auto read = ReadShardLog(vfs_, os::JoinPath(shard.folder, "wal"),
                                   std::max(shard.version, log_seen_), take);
    if (full) return batch;
    if (!read.ok()) return read.error().Clone();
  }
  return batch;
}

}  // namespace malmoi::qdrant

#include "qdrant/foreign_snapshot.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "qdrant/parse.h"
#include "qdrant/service.h"
#include "qdrant/snapshot_child_internal.h"
#include "qdrant/tar_internal.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

constexpr const char* kName = "imported";

// By the paths of two levels; those of folders end in '/'.
bool IsForeign(const std::set<std::string>& paths) {
  const auto has = [&](const char* path) { return paths.contains(path); };
  if (has("segments/")) {
    return has("edge_config.json") || has("shard_config.json") || has("wal/") ||
           has("applied_seq") || has("replica_state.json");
  }
  return has("config.json") && std::ranges::any_of(paths, [](const std::string& path) {
           const std::string_view shard = std::string_view(path).substr(0, path.find('/'));
           return ParseInt(shard) && path.substr(shard.size()) == "/segments/";
         });
}

Status CopyPoints(SnapshotChild& source, std::uint64_t total, vec::Collection& store,
                  const PointsDone& progress) {
  for (std::uint64_t done = 0;;) {
    MALMOI_TRY(const auto batch, source.NextPoints());
    if (batch.empty()) return Ok();
    MALMOI_TRY(store.Upsert(batch));
    done += batch.size();
    if (progress) progress(done, std::max(done, total));
  }
}

Status MakeIndexes(const ForeignHead& head, Service& service, const UpdateParams& wait) {
  for (const auto& [field, schema] : head.indexes) {
    const Value form =
        Value::Object({{"field_name", Value::String(field)}, {"field_schema", schema}});
    MALMOI_TRY(const auto index, ReadAs<CreateFieldIndex>(form).With("index of '" + field + "'"));
    MALMOI_TRY(service.CreateFieldIndex(kName, index, wait));
  }
  return Ok();
}

// One that the collection refuses was refused there too; a disk that fails is another matter.
Status UnlessRefused(const Result<UpdateResult>& done) {
  if (!done.ok() && done.error().code() == Code::kIo) return done.error().Clone();
  return Ok();
}

Status Apply(const Value& operation, Service& service, const UpdateParams& wait) {
  if (operation.Find("field_name") != nullptr) {
    MALMOI_TRY(const auto request, ReadAs<CreateFieldIndex>(operation));
    return UnlessRefused(service.CreateFieldIndex(kName, request, wait));
  } else if (const Value* field = operation.Find("drop")) {
    return UnlessRefused(
        service.DeleteFieldIndex(kName, std::string(field->AsString().value_or("")), wait));
  } else {
    MALMOI_TRY(auto request, ReadAs<UpdateOperation>(operation));
    return UnlessRefused(service.Update(kName, std::move(request), wait, nullptr));
  }
}

Status ApplyLog(SnapshotChild& source, Service& service, const UpdateParams& wait) {
  for (;;) {
    MALMOI_TRY(const auto operations, source.NextOperations());
    if (operations.empty()) return Ok();
    for (const Value& operation : operations) MALMOI_TRY(Apply(operation, service, wait));
  }
}

}  // namespace

Result<bool> IsForeignArchive(os::Vfs& vfs, const std::string& path) {
  MALMOI_TRY(const auto file, vfs.Open(path, os::OpenMode::kRead));
  MALMOI_TRY(const auto entries, ListTar(*file));
  std::set<std::string> paths;
  for (const TarEntry& entry : entries) {
    const std::size_t first = entry.name.find('/');
    const std::size_t second = first == std::string::npos ? first : entry.name.find('/', first + 1);
    paths.insert(entry.name.substr(0, first == std::string::npos ? first : first + 1));
    paths.insert(entry.name.substr(0, second == std::string::npos ? second : second + 1));
  }
  return IsForeign(paths);
}

bool IsForeignSnapshot(os::Vfs& vfs, const std::string& directory) {
  std::set<std::string> paths;
  const auto add = [&](const std::string& inside) {
    const auto names = vfs.List(os::JoinPath(directory, inside));
    if (!names.ok()) return;
    for (const std::string& name : names.value()) {
      const auto info = vfs.Stat(os::JoinPath(os::JoinPath(directory, inside), name));
      const bool folder = info.ok() && info.value().is_directory;
      paths.insert(inside + name + (folder ? "/" : ""));
    }
  };
  add("");
  for (const std::string& path : std::set<std::string>(paths)) {
    if (path.ends_with('/')) add(path);
  }
  return IsForeign(paths);
}

Status ImportForeignArchive(os::Vfs& vfs, const std::string& path, const std::string& scratch,
                            const std::string& target, const PointsDone& progress) {
  MALMOI_TRY(const auto source, SnapshotChild::Start(path));
  MALMOI_TRY(const ForeignHead head, source->Open());
  MALMOI_TRY(const auto request, ReadAs<CreateCollection>(head.creation).With("its configuration"));
  ServiceOptions options;
  options.vfs = &vfs;
  options.directory = scratch;
  MALMOI_TRY(const auto service, Service::Open(options));
  MALMOI_TRY(service->CreateCollection(kName, request));
  const UpdateParams wait{.wait = true, .timeout_seconds = {}};
  MALMOI_TRY(const auto collection, service->Find(kName));
  MALMOI_TRY(CopyPoints(*source, head.points, *collection->store, progress));
  MALMOI_TRY(MakeIndexes(head, *service, wait));
  MALMOI_TRY(ApplyLog(*source, *service, wait));
  return collection->store->Export(target);
}

}  // namespace malmoi::qdrant

#include "embed/model_store.h"

#include <algorithm>
#include <set>

#include "base/strings.h"
#include "embed/hub_cache_internal.h"
#include "json/value.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::embed {
namespace {

bool IsModelFolder(const std::string& path) {
  return os::PosixVfs().Stat(os::JoinPath(path, "config.json")).ok();
}

ModelInfo Describe(const std::string& id, const std::string& directory, const std::string& source) {
  ModelInfo info;
  info.id = id;
  info.directory = directory;
  info.source = source;
  os::Vfs& vfs = os::PosixVfs();
  if (const auto text = os::ReadFile(vfs, os::JoinPath(directory, "malmoi.json")); text.ok()) {
    if (const auto json = json::Parse(text.value()); json.ok()) {
      info.label = json.value().GetString("label");
    }
  }
  if (const auto names = vfs.List(directory); names.ok()) {
    for (const std::string& name : names.value()) {
      const auto stat = vfs.Stat(os::JoinPath(directory, name));
      if (stat.ok() && !stat.value().is_directory) info.bytes += stat.value().size;
    }
  }
  return info;
}

}  // namespace

std::string HubHome() {
  if (const auto home = os::GetEnv("HF_HOME")) return *home;
  return os::JoinPath(os::GetEnv("HOME").value_or("."), ".cache/huggingface");
}

std::string HubCache() {
  if (const auto cache = os::GetEnv("HF_HUB_CACHE")) return *cache;
  return os::JoinPath(HubHome(), "hub");
}

std::string RepoFolder(std::string_view id) {
  return os::JoinPath(HubCache(), "models--" + ReplaceAll(id, "/", "--"));
}

bool IsModelId(std::string_view id) {
  const auto parts = Split(id, '/');
  if (parts.size() > 2) return false;
  return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
    return !part.empty() && part.front() != '.' && part.size() <= 96 &&
           part.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               std::string_view::npos;
  });
}

bool IsSafePath(std::string_view path) {
  if (path.empty() || path.size() > 512) return false;
  for (const std::string_view part : Split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return std::none_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == 0x7f;
  });
}

Result<std::string> CachedSnapshot(std::string_view id, const std::string& revision) {
  const std::string folder = RepoFolder(id);
  std::string commit = revision;
  const auto ref = os::ReadFile(os::PosixVfs(), os::JoinPath(folder, "refs/" + revision));
  if (ref.ok()) commit = std::string(Trim(ref.value()));
  const std::string snapshot = os::JoinPath(folder, "snapshots/" + commit);
  if (IsSafePath(commit) && IsModelFolder(snapshot)) return snapshot;
  return Error(Code::kNotFound, "no snapshot '" + revision + "' in " + folder);
}

Result<std::string> FindModel(const std::string& id) {
  if (IsModelFolder(id)) return os::AbsolutePath(id);
  std::string looked = "'" + id + "' as a directory";
  if (IsModelId(id)) {
    const std::string last(os::BaseName(id));
    for (const std::string& name : {"models/" + id, "models/" + last}) {
      const auto asset = os::FindAsset(name);
      if (asset && IsModelFolder(*asset)) return *asset;
    }
    auto snapshot = CachedSnapshot(id, "main");
    if (snapshot.ok()) return snapshot;
    looked += ", assets models/" + last + ", " + RepoFolder(id);
  }
  const auto stat = os::PosixVfs().Stat(id);
  if (stat.ok() && stat.value().is_directory) {
    return Error(Code::kNotFound, "model folder '" + id + "' has no config.json");
  }
  if (!IsModelId(id)) {
    return Error(Code::kNotFound, "model folder '" + id +
                                      "' does not exist; give a folder, or ORG/NAME for a model "
                                      "of the hub");
  }
  return Error(Code::kNotFound, "model '" + id + "' was not found (" + looked +
                                    "); get it with: malmoi models pull ORG/NAME");
}

std::vector<ModelInfo> ListModels() {
  std::vector<ModelInfo> models;
  std::set<std::string> seen;
  os::Vfs& vfs = os::PosixVfs();
  for (const std::string& root : os::AssetRoots()) {
    const std::string folder = os::JoinPath(root, "models");
    const auto names = vfs.List(folder);
    if (!names.ok()) continue;
    for (const std::string& name : names.value()) {
      const std::string path = os::JoinPath(folder, name);
      if (IsModelFolder(path) && seen.insert(name).second) {
        models.push_back(Describe(name, path, "package"));
      }
    }
  }
  const auto cached = vfs.List(HubCache());
  if (!cached.ok()) return models;
  for (const std::string& name : cached.value()) {
    if (!name.starts_with("models--")) continue;
    const std::string id = ReplaceAll(name.substr(8), "--", "/");
    const auto snapshot = CachedSnapshot(id, "main");
    if (snapshot.ok()) models.push_back(Describe(id, snapshot.value(), "hub"));
  }
  return models;
}

}  // namespace malmoi::embed

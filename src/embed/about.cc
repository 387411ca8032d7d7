#include <string_view>
#include <utility>

#include "base/strings.h"
#include "embed/about_internal.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::embed {

Result<json::Value> ReadModelJson(const std::string& directory, const char* name) {
  const std::string path = os::JoinPath(directory, name);
  auto text = os::ReadFile(os::PosixVfs(), path);
  if (!text.ok() && text.error().code() == Code::kNotFound) return json::Value();
  if (!text.ok()) return std::move(text.error());
  auto value = json::Parse(text.value());
  if (!value.ok()) return Error(Code::kCorruption, path + ": " + value.error().message());
  return value;
}

// A hub cache's folder is models--ORG--NAME/snapshots/REVISION.
std::string ModelIdOf(const std::string& directory, const json::Value& about) {
  if (const std::string_view id = about.GetString("id"); !id.empty()) return std::string(id);
  const std::string path = os::AbsolutePath(directory);
  const std::string_view snapshots = os::DirName(path);
  const std::string_view repository = os::BaseName(os::DirName(snapshots));
  constexpr std::string_view kPrefix = "models--";
  if (os::BaseName(snapshots) == "snapshots" && repository.starts_with(kPrefix)) {
    return ReplaceAll(repository.substr(kPrefix.size()), "--", "/");
  }
  return std::string(os::BaseName(path));
}

}  // namespace malmoi::embed

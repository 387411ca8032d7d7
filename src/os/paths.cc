#include "os/paths.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "base/strings.h"
#include "os/vfs.h"

namespace malmoi::os {

std::optional<std::string> GetEnv(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

std::string DataHome() {
  if (const auto xdg = GetEnv("XDG_DATA_HOME")) return *xdg;
  return JoinPath(GetEnv("HOME").value_or("."), ".local/share");
}

std::string CacheHome() {
  if (const auto xdg = GetEnv("XDG_CACHE_HOME")) return *xdg;
  return JoinPath(GetEnv("HOME").value_or("."), ".cache");
}

std::string ExecutablePath() {
  char path[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof(path));
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : std::string();
}

std::string AbsolutePath(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) != nullptr) return resolved;
  std::string full = path;
  if (!path.starts_with('/')) {
    char cwd[PATH_MAX];
    full = JoinPath(::getcwd(cwd, sizeof(cwd)) != nullptr ? cwd : "/", path);
  }
  std::vector<std::string> parts;
  for (const std::string_view part : Split(full, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return "/" + Join(parts, "/");
}

std::vector<std::string> AssetRoots() {
  std::vector<std::string> roots;
  if (const auto set = GetEnv("MALMOI_ASSETS")) roots.push_back(*set);
  roots.push_back(JoinPath(DataHome(), "malmoi/assets"));
  const std::string folder(DirName(ExecutablePath()));
  roots.push_back(JoinPath(folder, "../assets"));
  roots.push_back(JoinPath(folder, "../share/malmoi"));
  roots.push_back(JoinPath(folder, "assets"));
  return roots;
}

std::optional<std::string> FindAsset(std::string_view relative) {
  for (const std::string& root : AssetRoots()) {
    const std::string path = JoinPath(root, relative);
    if (::access(path.c_str(), R_OK) == 0) return AbsolutePath(path);
  }
  return std::nullopt;
}

}  // namespace malmoi::os

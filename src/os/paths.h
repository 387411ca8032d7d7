#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::os {

// The variable's value, or nothing where it is unset or empty.
std::optional<std::string> GetEnv(const char* name);
// $XDG_DATA_HOME, else $HOME/.local/share, else the current directory's .local/share.
std::string DataHome();
// $XDG_CACHE_HOME, else $HOME/.cache, else the current directory's .cache.
std::string CacheHome();
// The running binary, links resolved.
std::string ExecutablePath();
// `path` made absolute and without "." and ".."; links are resolved where the path exists.
std::string AbsolutePath(const std::string& path);

// Folders where assets (models, dictionary, loadable libraries) are looked for, first match wins:
// $MALMOI_ASSETS; $XDG_DATA_HOME/malmoi/assets; ../assets and ../share/malmoi beside the binary's
// folder; assets in it.
std::vector<std::string> AssetRoots();
// The existing file or folder `relative` under the first root that has it.
std::optional<std::string> FindAsset(std::string_view relative);

}  // namespace malmoi::os

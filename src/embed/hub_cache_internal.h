#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace malmoi::embed {

// Where things lie in the Hugging Face cache: ROOT/models--ORG--NAME/{blobs,refs,snapshots}.
std::string HubHome();   // $HF_HOME, else ~/.cache/huggingface.
std::string HubCache();  // $HF_HUB_CACHE, else HubHome()/hub.
std::string RepoFolder(std::string_view id);
// The snapshot that refs/REVISION names. kNotFound where there is none with a config.json.
Result<std::string> CachedSnapshot(std::string_view id, const std::string& revision);

// A relative path without empty, "." or ".." parts, backslashes and control characters.
bool IsSafePath(std::string_view path);

}  // namespace malmoi::embed

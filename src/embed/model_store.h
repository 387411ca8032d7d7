#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace malmoi::embed {

inline constexpr const char* kDefaultModel = "multilingual-e5-small";

struct ModelInfo {
  std::string id;  // "multilingual-e5-small", or "ORG/NAME" for one from the hub.
  std::string directory;
  std::string label;   // malmoi.json's, such as "dequantised 4-bit"; empty where there is none.
  std::string source;  // "package", "hub", "directory".
  std::uint64_t bytes = 0;
};

// ORG/NAME or NAME of letters, digits, '-', '_' and '.': anything else can only be a path.
bool IsModelId(std::string_view id);

// Finds a model: an existing directory; then an asset (models/ID, the part after '/' too); then
// the hub cache ($HF_HOME/hub or ~/.cache/huggingface/hub, revision "main"). Never downloads.
// Errors: kNotFound naming the places looked at and the command that gets the model, or saying
// that the folder does not exist or holds no model.
Result<std::string> FindModel(const std::string& id);
std::vector<ModelInfo> ListModels();

struct PullOptions {
  std::string revision = "main";
  // Empty: config.json, tokenizer files, pooling, modules, *.safetensors (and shards).
  std::vector<std::string> files = {};
  bool offline = false;  // HF_HUB_OFFLINE=1: use the cache only.
  std::function<void(const std::string& file, std::uint64_t done, std::uint64_t total)> progress =
      {};
};
// Downloads ORG/NAME from the Hugging Face hub into the standard cache layout
// (models--ORG--NAME/{blobs,refs,snapshots}), so that other tools share it: HF_ENDPOINT, HF_TOKEN,
// redirects, X-Repo-Commit, X-Linked-Etag (sha256 of LFS files, verified), resume with Range.
// Returns the snapshot's directory. Errors: kUnavailable (no network, hub down), kNotFound,
// kPermissionDenied (gated or private: set HF_TOKEN), kCorruption (checksum).
Result<std::string> PullModel(const std::string& id, const PullOptions& options);

}  // namespace malmoi::embed

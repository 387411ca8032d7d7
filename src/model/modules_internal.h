#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json/value.h"
#include "model/encoder.h"
#include "model/heads_internal.h"

namespace malmoi::model {

// What sentence-transformers' files of a directory say about the time after the transformer.
struct ModuleFiles {
  bool present = false;           // There is a modules.json.
  std::string transformer;        // Folder of config.json and weights; "" for the directory itself.
  std::vector<Pooling> poolings;  // Empty: no Pooling module.
  bool include_prompt = true;
  bool normalize = true;         // Where there is no modules.json: ours. Else what it says.
  std::vector<PostModule> post;  // After pooling, in order; the final normalisation is left out.
  Linear token_layer;            // A Dense before any pooling: ColBERT's.
  bool splade = false, splade_sum = false, splade_twice_log = false;
  bool static_embedding = false;
  std::string static_folder;
  std::optional<std::int64_t> yes_id, no_id;  // LogitScore's.
  std::int64_t max_tokens = 0;                // max_seq_length; 0: not said.
  std::size_t truncate_dim = 0;
  std::string identity;  // Names and first bytes of the modules' tensors, for the fingerprint.
};

// Errors: kUnsupported naming the module or its setting, kCorruption.
Result<ModuleFiles> ReadModules(const std::string& directory);

}  // namespace malmoi::model

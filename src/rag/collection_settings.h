#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace malmoi::rag {

// What a collection's metadata says about how its points were made (docs/formats/payload.md).
struct CollectionSettings {
  std::string analyzer;       // Fingerprint of the text::Analyzer.
  double average_bucket = 0;  // BM25's average length inside the stored values; 0: no point yet.
  double rewriting_to = 0;    // The bucket that a rewrite in progress goes to; 0: none.
  std::string model;          // Id of the embedding model; empty: no dense vectors.
  std::string model_fingerprint;
  bool indexing = false;  // An index run began and has not ended: chunks may need a sweep.

  // The bucket that new points are written with.
  double write_bucket() const { return rewriting_to > 0 ? rewriting_to : average_bucket; }
};

// The store's settings for dense vectors of `dim` numbers: no graphs below kExactVectors.
std::string StoreSettings(std::size_t dim);

std::string SettingsToJson(const CollectionSettings& settings);
// Errors: kCorruption when this is not the metadata of a malmoi library's collection.
Result<CollectionSettings> SettingsFromJson(std::string_view json);

}  // namespace malmoi::rag

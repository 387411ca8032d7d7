#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "ingest/document.h"
#include "rag/answer.h"
#include "text/language.h"
#include "vec/point.h"

namespace malmoi::rag {

// A chunk as a point of the store: its id, its payload and the way back (docs/formats/payload.md).

// The version's id: one of collection, root, path, file hash and fingerprint.
Uuid VersionOf(const catalog::DocumentRow& row);
vec::PointId ChunkId(const Uuid& version, std::uint32_t ordinal);
// Ids of all chunks of the row's version; none for a row without one.
std::vector<vec::PointId> ChunkIds(const catalog::DocumentRow& row);

// Payloads of the chunks of one document, in order. `row` has all but the counts.
std::vector<std::string> ChunkPayloads(const catalog::DocumentRow& row,
                                       const ingest::Document& document,
                                       const std::vector<ingest::Chunk>& chunks);

struct StoredChunk {
  Passage passage;  // Without scores.
  text::Language language = text::Language::kOther;
};
// Errors: kCorruption.
Result<StoredChunk> ChunkFromPayload(std::string_view payload);

// What the embedding model reads for a chunk: its headings, then its text, in NFC.
std::string EmbeddedText(const Passage& passage);

}  // namespace malmoi::rag

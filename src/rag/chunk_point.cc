#include "rag/chunk_point.h"

#include <algorithm>
#include <utility>

#include "json/value.h"
#include "json/writer.h"
#include "text/unicode.h"

namespace malmoi::rag {
namespace {

// Name space of version ids, made once at random (RFC 9562 version 4).
constexpr Uuid kVersionSpace{{0x8e, 0x2b, 0x6d, 0x51, 0x0c, 0x94, 0x4f, 0x3a, 0x9b, 0x17, 0x5a,
                              0xe0, 0x43, 0xd8, 0x7c, 0x26}};

void PutOrNull(json::Writer* w, std::string_view key, std::uint32_t value) {
  w->Key(key);
  if (value == 0) {
    w->PutNull();
  } else {
    w->Put(value);
  }
}

}  // namespace

Uuid VersionOf(const catalog::DocumentRow& row) {
  std::string name;
  // NUL cannot be in a path, so the joined name cannot be read in two ways.
  for (const std::string* part :
       {&row.collection, &row.root, &row.path, &row.file_hash, &row.fingerprint}) {
    name += *part;
    name += '\0';
  }
  return UuidV5(kVersionSpace, name);
}

vec::PointId ChunkId(const Uuid& version, std::uint32_t ordinal) {
  return UuidV5(version, std::to_string(ordinal));
}

std::vector<vec::PointId> ChunkIds(const catalog::DocumentRow& row) {
  std::vector<vec::PointId> ids;
  Uuid version;
  if (!ParseUuid(row.version, &version)) return ids;
  ids.reserve(row.chunks);
  for (std::uint32_t i = 0; i < row.chunks; ++i) ids.push_back(ChunkId(version, i));
  return ids;
}

std::vector<std::string> ChunkPayloads(const catalog::DocumentRow& row,
                                       const ingest::Document& document,
                                       const std::vector<ingest::Chunk>& chunks) {
  std::vector<std::string> payloads;
  payloads.reserve(chunks.size());
  const std::string_view text = document.text;
  // Counted on from chunk to chunk: LineAt from the start each time would be quadratic.
  std::uint32_t line = 1;
  std::uint64_t counted = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const ingest::Chunk& chunk = chunks[i];
    line += static_cast<std::uint32_t>(
        std::count(text.begin() + static_cast<std::ptrdiff_t>(counted),
                   text.begin() + static_cast<std::ptrdiff_t>(chunk.begin), '\n'));
    counted = chunk.begin;
    json::Writer w;
    w.BeginObject();
    w.Field("text", text.substr(chunk.begin, chunk.end - chunk.begin));
    w.Key("metadata").BeginObject();
    w.Field("title", row.title).Field("source", row.path);
    w.Field("root", row.root).Field("path", row.path).Field("version", row.version);
    PutOrNull(&w, "page", ingest::PageAt(document, chunk.begin));
    w.Field("line", line);
    w.Field("start", chunk.begin).Field("end", chunk.end);
    w.Field("heading", chunk.heading_path).Field("language", row.language);
    w.Field("format", row.format).Field("chunk", i);
    w.EndObject().EndObject();
    payloads.push_back(std::move(w).Take());
  }
  return payloads;
}

Result<StoredChunk> ChunkFromPayload(std::string_view payload) {
  MALMOI_TRY(const json::Value value, json::Parse(payload).With("chunk payload"));
  const json::Value* metadata = value.Find("metadata");
  if (metadata == nullptr || metadata->Find("version") == nullptr) {
    return Error(Code::kCorruption, "chunk payload has no metadata.version");
  }
  StoredChunk out;
  Passage& p = out.passage;
  p.text = value.GetString("text");
  p.root = metadata->GetString("root");
  p.path = metadata->GetString("path");
  p.version = metadata->GetString("version");
  p.title = metadata->GetString("title");
  p.heading = metadata->GetString("heading");
  p.start = static_cast<std::uint64_t>(metadata->GetInt("start"));
  p.end = static_cast<std::uint64_t>(metadata->GetInt("end"));
  p.page = static_cast<std::uint32_t>(metadata->GetInt("page"));
  p.line = static_cast<std::uint32_t>(metadata->GetInt("line"));
  out.language = text::LanguageFromCode(metadata->GetString("language"));
  return out;
}

std::string EmbeddedText(const Passage& passage) {
  if (passage.heading.empty()) return text::Nfc(passage.text);
  return text::Nfc(passage.heading + "\n" + passage.text);
}

}  // namespace malmoi::rag

#include "rag/prepared_file.h"

#include <utility>

#include "base/clock.h"
#include "base/hash.h"
#include "base/strings.h"
#include "os/vfs.h"
#include "rag/chunk_point.h"
#include "text/language.h"

namespace malmoi::rag {
namespace {

// Raised whenever a reader gives another text for the same file: all files are read again.
constexpr int kExtractorVersion = 1;
constexpr int kChunkerVersion = 1;

// A file changed this recently may change again without its time moving on (the clock of a file
// system ticks in steps of up to 2 s on FAT): its time is not recorded, so it is hashed next time.
constexpr std::int64_t kYoungNs = 2'000'000'000;

// Enough for a file that is written while we read; one that never rests is taken as it is and
// found changed by the next run.
constexpr int kReadAttempts = 3;

Result<std::string> HashFile(const std::string& path) {
  MALMOI_TRY(const auto file, os::PosixVfs().Open(path, os::OpenMode::kRead));
  Sha256 hash;
  std::string piece;
  for (std::uint64_t offset = 0;; offset += piece.size()) {
    piece.clear();
    MALMOI_TRY(file->Read(offset, 1 << 20, &piece));
    if (piece.empty()) return hash.HexDigest();
    hash.Update(piece);
  }
}

}  // namespace

bool WorthRetrying(const catalog::DocumentRow& row) {
  return row.error_code == CodeName(Code::kUnavailable) || row.error_code == CodeName(Code::kIo);
}

std::string VersionFingerprint(const text::Analyzer& analyzer, const ingest::ChunkOptions& chunking,
                               const Bm25& bm25) {
  return "extract " + std::to_string(kExtractorVersion) + "; chunk " +
         std::to_string(kChunkerVersion) + " " + std::to_string(chunking.target) + " " +
         std::to_string(chunking.max) + "; bm25 " + FormatFixed(bm25.k1, 3) + " " +
         FormatFixed(bm25.b, 3) + " " + FormatFixed(bm25.title_weight, 3) + "; analyse " +
         analyzer.fingerprint();
}

PreparedFile FilePreparer::Prepare(const FileTask& task) const {
  PreparedFile out;
  out.old = task.old;
  out.row.collection = options_.collection;
  out.row.root = options_.root;
  out.row.path = task.file.path;
  out.row.fingerprint = options_.fingerprint;
  const std::string path = os::JoinPath(options_.root, task.file.path);
  for (int attempt = 1;; ++attempt) {
    const auto before = os::PosixVfs().Stat(path);
    if (!before.ok()) {
      Fail(before.error(), &out);
      return out;
    }
    auto hash = HashFile(path);
    if (!hash.ok()) {
      Fail(hash.error(), &out);
      return out;
    }
    out.row.file_hash = std::move(hash).value();
    out.row.size = before.value().size;
    const bool young = WallNs() - before.value().mtime_ns < kYoungNs;
    out.row.mtime_ns = young ? 0 : before.value().mtime_ns;
    if (task.old && task.old->file_hash == out.row.file_hash &&
        task.old->fingerprint == out.row.fingerprint && !WorthRetrying(*task.old)) {
      const bool same_time = task.old->mtime_ns == out.row.mtime_ns;
      const std::int64_t mtime_ns = out.row.mtime_ns;
      out.kind = same_time ? PreparedFile::Kind::kUnchanged : PreparedFile::Kind::kTouched;
      out.row = *task.old;
      out.row.mtime_ns = mtime_ns;
      return out;
    }
    const auto document = readers_.Read(path);
    const auto after = os::PosixVfs().Stat(path);
    const bool changed = !after.ok() || after.value().mtime_ns != before.value().mtime_ns ||
                         after.value().size != before.value().size;
    if (changed && attempt < kReadAttempts) continue;
    if (document.ok()) {
      Fill(document.value(), &out);
    } else {
      Fail(document.error(), &out);
    }
    return out;
  }
}

void FilePreparer::Fail(const Error& error, PreparedFile* out) const {
  out->kind = PreparedFile::Kind::kFailed;
  out->row.error_code = CodeName(error.code());
  out->row.error = error.message();
}

void FilePreparer::Fill(const ingest::Document& document, PreparedFile* out) const {
  catalog::DocumentRow& row = out->row;
  out->kind = PreparedFile::Kind::kRead;
  const Uuid version = VersionOf(row);
  row.version = version.ToString();
  row.format = document.format;
  row.encoding = document.encoding;
  row.title = document.title;
  const text::Language language = text::DetectLanguage(document.text);
  row.language = text::LanguageCode(language);
  const auto chunks = ingest::ChunkDocument(document, options_.chunking);
  row.chunks = static_cast<std::uint32_t>(chunks.size());
  auto payloads = ChunkPayloads(row, document, chunks);
  out->chunks.resize(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    PreparedFile::Chunk& chunk = out->chunks[i];
    chunk.id = ChunkId(version, static_cast<std::uint32_t>(i));
    chunk.payload = std::move(payloads[i]);
    const std::string_view text =
        std::string_view(document.text).substr(chunks[i].begin, chunks[i].end - chunks[i].begin);
    chunk.terms = AnalyzePassage(analyzer_, chunks[i].heading_path, text, language, options_.bm25);
    row.term_length += chunk.terms.length;
    out->bytes += chunk.payload.size() + chunk.terms.terms.size() * sizeof(text::Term);
  }
  out->content = ingest::Encode(document);
  out->bytes += out->content.size();
}

}  // namespace malmoi::rag

#include <optional>
#include <utility>

#include "rag/chunk_point.h"
#include "rag/indexer.h"

namespace malmoi::rag {
namespace {

constexpr std::size_t kUpsertPoints = 4096;  // One log record each: bounded memory.
constexpr std::size_t kRewritePoints = 2048;
constexpr std::uint64_t kRememberedBytes = 128ull << 20;

}  // namespace

// The bucket of a new collection is that of its first batch; CorrectAverage has the last word.
Status IndexRun::ChooseBucket(const std::vector<PreparedFile>& batch) {
  CollectionSettings settings = context_.collection.settings();
  if (settings.write_bucket() > 0) return Ok();
  double length = 0;
  std::uint64_t chunks = 0;
  for (const PreparedFile& file : batch) {
    length += file.row.term_length;
    chunks += file.row.chunks;
  }
  if (chunks == 0) return Ok();
  settings.average_bucket = AverageLengthBucket(length / static_cast<double>(chunks));
  return context_.collection.SetSettings(settings);
}

Status IndexRun::UpsertChunks(std::vector<PreparedFile>* batch) {
  const double bucket = context_.collection.settings().write_bucket();
  const auto store = context_.collection.store();
  std::vector<vec::Point> points;
  for (PreparedFile& file : *batch) {
    for (PreparedFile::Chunk& chunk : file.chunks) {
      vec::Point point{chunk.id, {}, std::move(chunk.payload)};
      point.vectors.sparse[kLexicalVector] = PassageVector(chunk.terms, bucket, bm25_);
      points.push_back(std::move(point));
      Remember(chunk.id, std::move(chunk.terms));
      if (points.size() < kUpsertPoints) continue;
      MALMOI_TRY(store->Upsert(points));
      points.clear();
    }
  }
  return points.empty() ? Ok() : store->Upsert(points);
}

void IndexRun::Remember(const vec::PointId& id, LexicalTerms&& terms) {
  const std::uint64_t bytes = terms.terms.size() * sizeof(text::Term) + 96;  // And the map's node.
  if (remembered_bytes_ + bytes > kRememberedBytes) return;
  remembered_bytes_ += bytes;
  remembered_.emplace(id, std::move(terms));
}

// Makes stored values what a fresh index of the same files would hold.
Status IndexRun::CorrectAverage() {
  MALMOI_TRY(const auto totals, context_.collection.Totals(context_.catalog));
  if (totals.chunks == 0) return Ok();
  const double bucket =
      AverageLengthBucket(totals.term_length / static_cast<double>(totals.chunks));
  CollectionSettings settings = context_.collection.settings();
  const bool stands = settings.average_bucket == bucket && settings.rewriting_to == 0;
  if (!stands) {
    // An unfinished rewrite to another bucket is covered too: every point is written again.
    settings.rewriting_to = bucket;
    MALMOI_TRY(context_.collection.SetSettings(settings));
    MALMOI_TRY(RewriteLexical(bucket));
    settings.average_bucket = bucket;
    settings.rewriting_to = 0;
    MALMOI_TRY(context_.collection.SetSettings(settings));
  }
  remembered_.clear();
  return Ok();
}

Status IndexRun::RewriteLexical(double bucket) {
  const auto store = context_.collection.store();
  std::optional<vec::PointId> from;
  do {
    Progress("average");
    if (Cancelled()) return Error(Code::kCancelled, "indexing was cancelled; run it again");
    MALMOI_TRY(const vec::Page page, store->Scroll(from, kRewritePoints, nullptr, false));
    std::vector<vec::Collection::VectorUpdate> updates(page.points.size());
    std::vector<std::optional<Error>> errors(context_.pool.threads());
    context_.pool.ParallelFor(
        page.points.size(), [&](std::size_t part, std::size_t begin, std::size_t end) {
          for (std::size_t i = begin; i < end; ++i) {
            const vec::Point& point = page.points[i];
            updates[i].id = point.id;
            auto& values = updates[i].vectors.sparse[kLexicalVector];
            if (const auto at = remembered_.find(point.id); at != remembered_.end()) {
              values = PassageVector(at->second, bucket, bm25_);
              continue;
            }
            const auto chunk = ChunkFromPayload(point.payload);
            if (!chunk.ok()) {
              errors[part] = chunk.error().Clone();
              return;
            }
            const Passage& p = chunk.value().passage;
            values = PassageVector(AnalyzePassage(*context_.analyzer, p.heading, p.text,
                                                  chunk.value().language, bm25_),
                                   bucket, bm25_);
          }
        });
    for (auto& error : errors) {
      if (error) return std::move(*error);
    }
    MALMOI_TRY(store->UpdateVectors(updates));
    from = page.next;
  } while (from.has_value());
  return Ok();
}

}  // namespace malmoi::rag

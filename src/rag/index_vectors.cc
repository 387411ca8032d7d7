#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "rag/chunk_point.h"
#include "rag/indexer.h"

namespace malmoi::rag {
namespace {

// Chunks whose vectors become durable together: work lost by an interruption.
constexpr std::size_t kGroupChunks = 256;
// Texts given to the model at once, between two reports of progress.
constexpr std::size_t kEmbedTexts = 32;
constexpr std::size_t kCopyPoints = 2048;

}  // namespace

vec::CollectionConfig ConfigFor(const embed::Embedder* embedder,
                                const CollectionSettings& settings) {
  vec::CollectionConfig config;
  config.sparse[kLexicalVector] = {.idf = true};
  if (embedder != nullptr) {
    config.dense[kDenseVector] = {.dim = static_cast<std::uint32_t>(embedder->dim()),
                                  .distance = vec::Distance::kCosine};
    config.settings = StoreSettings(embedder->dim());
  }
  config.metadata = SettingsToJson(settings);
  return config;
}

// Vectors of two models are never mixed: with another model the collection is copied beside itself
// without its dense vectors and put in its own place; the vector phase fills it.
Status IndexRun::MatchModel() {
  CollectionSettings settings = context_.collection.settings();
  if (settings.analyzer != context_.analyzer->fingerprint()) {
    settings.analyzer = context_.analyzer->fingerprint();
    MALMOI_TRY(context_.collection.SetSettings(settings));
  }
  if (context_.embedder == nullptr ||
      settings.model_fingerprint == context_.embedder->fingerprint()) {
    return Ok();
  }
  Progress("model");
  settings.model = context_.embedder->id();
  settings.model_fingerprint = context_.embedder->fingerprint();
  const std::string shadow = name() + kRebuildSuffix;
  if (Status dropped = context_.database.Drop(shadow);
      !dropped.ok() && dropped.error().code() != Code::kNotFound) {
    return std::move(dropped.error());
  }
  MALMOI_TRY(const auto to,
             context_.database.Create(shadow, ConfigFor(context_.embedder.get(), settings)));
  MALMOI_TRY(CopyWithoutDense(*context_.collection.store(), *to));
  // Before the switch: a row may lack its mark while its vectors are there, never the reverse.
  MALMOI_TRY(auto rows, context_.catalog.List(name(), ""));
  for (auto& row : rows) row.has_vectors = false;
  MALMOI_TRY(context_.catalog.Put(rows));
  MALMOI_TRY(context_.database.Rename(shadow, name()));
  MALMOI_TRY(auto store, context_.database.Get(name()));
  context_.collection.Replace(std::move(store), settings);
  return Ok();
}

Status IndexRun::CopyWithoutDense(vec::Collection& from, vec::Collection& to) {
  std::optional<vec::PointId> next;
  do {
    if (Cancelled()) return Error(Code::kCancelled, "indexing was cancelled; run it again");
    MALMOI_TRY(vec::Page page, from.Scroll(next, kCopyPoints, nullptr, true));
    for (vec::Point& point : page.points) point.vectors.dense.clear();
    if (!page.points.empty()) MALMOI_TRY(to.Upsert(page.points));
    next = page.next;
  } while (next.has_value());
  return Ok();
}

Status IndexRun::MakeVectors() {
  if (context_.embedder == nullptr) return Ok();
  MALMOI_TRY(auto rows, context_.catalog.List(name(), ""));
  std::erase_if(rows, [](const auto& row) { return row.has_vectors || row.chunks == 0; });
  state_.chunks_total = 0;
  state_.chunks_done = 0;
  for (const auto& row : rows) state_.chunks_total += row.chunks;
  std::vector<vec::PointId> ids;
  std::size_t first = 0;  // Of the rows whose chunks are in `ids` or embedded already.
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto of_row = ChunkIds(rows[i]);
    ids.insert(ids.end(), of_row.begin(), of_row.end());
    if (ids.size() < kGroupChunks && i + 1 < rows.size()) continue;
    MALMOI_TRY(EmbedChunks(ids));
    ids.clear();
    for (std::size_t k = first; k <= i; ++k) rows[k].has_vectors = true;
    MALMOI_TRY(context_.catalog.Put(std::span(rows).subspan(first, i + 1 - first)));
    context_.collection.Publish({}, {});
    first = i + 1;
  }
  return Ok();
}

Status IndexRun::EmbedChunks(const std::vector<vec::PointId>& ids) {
  const auto store = context_.collection.store();
  for (std::size_t begin = 0; begin < ids.size(); begin += kGroupChunks) {
    const std::size_t count = std::min(kGroupChunks, ids.size() - begin);
    MALMOI_TRY(auto points, store->Retrieve(std::span(ids).subspan(begin, count), true));
    // What an interrupted run finished is not done again.
    std::erase_if(points, [](const vec::Point& p) { return p.vectors.dense.count(kDenseVector); });
    state_.chunks_done += count - points.size();
    std::vector<std::pair<std::string, vec::PointId>> texts;
    for (const vec::Point& point : points) {
      MALMOI_TRY(const StoredChunk chunk, ChunkFromPayload(point.payload));
      texts.emplace_back(EmbeddedText(chunk.passage), point.id);
    }
    std::stable_sort(texts.begin(), texts.end(),
                     [](const auto& a, const auto& b) { return a.first.size() < b.first.size(); });
    std::vector<vec::Collection::VectorUpdate> updates;
    for (std::size_t at = 0; at < texts.size(); at += kEmbedTexts) {
      const std::size_t n = std::min(kEmbedTexts, texts.size() - at);
      std::vector<std::string_view> views;
      for (std::size_t i = at; i < at + n; ++i) views.push_back(texts[i].first);
      MALMOI_TRY(const auto made,
                 context_.embedder->Embed(views, embed::Prompt::kPassage, context_.cancel));
      for (std::size_t i = 0; i < n; ++i) {
        vec::Collection::VectorUpdate update{texts[at + i].second, {}};
        const auto row = made.row(i);
        update.vectors.dense[kDenseVector].assign(row.begin(), row.end());
        updates.push_back(std::move(update));
      }
      state_.chunks_done += n;
      Progress("vectors");
    }
    if (!updates.empty()) MALMOI_TRY(store->UpdateVectors(updates));
    report_.vectors_added += updates.size();
  }
  return Ok();
}

}  // namespace malmoi::rag

#include "rag/open_collection.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "rag/chunk_point.h"

namespace malmoi::rag {
namespace {

constexpr std::size_t kSweepPage = 4096;

OpenCollection::Versions SortedVersions(std::span<const std::string> texts) {
  OpenCollection::Versions versions;
  for (const std::string& text : texts) {
    Uuid version;
    if (ParseUuid(text, &version)) versions.push_back(version);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

}  // namespace

Result<std::shared_ptr<OpenCollection>> OpenCollection::Load(
    catalog::Catalog& catalog, std::shared_ptr<vec::Collection> store) {
  std::shared_ptr<OpenCollection> out(new OpenCollection());
  MALMOI_TRY(out->settings_, SettingsFromJson(store->config().metadata));
  out->store_ = std::move(store);
  if (out->settings_.indexing) MALMOI_TRY(out->Sweep(catalog));
  MALMOI_TRY(const auto rows, catalog.List(out->store_->name(), ""));
  std::vector<std::string> versions;
  for (const auto& row : rows) versions.push_back(row.version);
  out->Publish(versions, {});
  return out;
}

Status OpenCollection::Sweep(catalog::Catalog& catalog) {
  const auto points = store();
  std::vector<vec::PointId> wanted;
  MALMOI_TRY(const auto rows, catalog.List(points->name(), ""));
  for (const auto& row : rows) {
    const auto ids = ChunkIds(row);
    wanted.insert(wanted.end(), ids.begin(), ids.end());
  }
  std::sort(wanted.begin(), wanted.end());
  std::vector<vec::PointId> ghosts;
  std::optional<vec::PointId> from;
  do {
    MALMOI_TRY(vec::Page page, points->Scroll(from, kSweepPage, nullptr, false));
    for (const vec::Point& point : page.points) {
      if (!std::binary_search(wanted.begin(), wanted.end(), point.id)) ghosts.push_back(point.id);
    }
    from = page.next;
  } while (from.has_value());
  if (!ghosts.empty()) MALMOI_TRY(points->Delete(ghosts));
  CollectionSettings clean = settings();
  clean.indexing = false;
  return SetSettings(clean);
}

std::shared_ptr<vec::Collection> OpenCollection::store() const {
  const std::lock_guard lock(mutex_);
  return store_;
}
CollectionSettings OpenCollection::settings() const {
  const std::lock_guard lock(mutex_);
  return settings_;
}
Status OpenCollection::SetSettings(const CollectionSettings& settings) {
  MALMOI_TRY(store()->SetMetadata(SettingsToJson(settings)));
  const std::lock_guard lock(mutex_);
  settings_ = settings;
  return Ok();
}
void OpenCollection::Replace(std::shared_ptr<vec::Collection> store,
                             const CollectionSettings& settings) {
  const std::lock_guard lock(mutex_);
  store_ = std::move(store);
  settings_ = settings;
  totals_.reset();
}

std::shared_ptr<const OpenCollection::Versions> OpenCollection::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}
void OpenCollection::Publish(std::span<const std::string> now, std::span<const std::string> old) {
  const Versions added = SortedVersions(now);
  const Versions gone = SortedVersions(old);
  const std::lock_guard lock(mutex_);
  // Old ones first: a row put again with the same version stays current.
  Versions kept;
  std::set_difference(current_->begin(), current_->end(), gone.begin(), gone.end(),
                      std::back_inserter(kept));
  auto next = std::make_shared<Versions>();
  std::set_union(kept.begin(), kept.end(), added.begin(), added.end(), std::back_inserter(*next));
  current_ = std::move(next);
  totals_.reset();
}

Result<catalog::CollectionTotals> OpenCollection::Totals(catalog::Catalog& catalog) const {
  const std::lock_guard lock(mutex_);
  if (!totals_) {
    MALMOI_TRY(totals_, catalog.Totals(store_->name()));
  }
  return *totals_;
}

bool Contains(const OpenCollection::Versions& versions, std::string_view version) {
  Uuid id;
  return ParseUuid(version, &id) && std::binary_search(versions.begin(), versions.end(), id);
}

text::Language MajorityLanguage(const catalog::CollectionTotals& totals) {
  if (totals.languages.empty()) return text::Language::kOther;
  return text::LanguageFromCode(totals.languages.front().first);
}

}  // namespace malmoi::rag

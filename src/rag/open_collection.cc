#include "rag/open_collection.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "rag/chunk_point.h"

namespace malmoi::rag {
namespace {

constexpr std::size_t kSweepPage = 4096;

}  // namespace

Result<std::shared_ptr<OpenCollection>> OpenCollection::Load(
    catalog::Catalog& catalog, std::shared_ptr<vec::Collection> store) {
  std::shared_ptr<OpenCollection> out(new OpenCollection());
  MALMOI_TRY(out->settings_, SettingsFromJson(store->config().metadata));
  out->store_ = std::move(store);
  if (out->settings_.indexing) MALMOI_TRY(out->Sweep(catalog));
  MALMOI_TRY(const auto rows, catalog.List(out->store_->name(), ""));
  for (const auto& row : rows) {
    if (!row.version.empty()) out->current_.insert(row.version);
  }
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

bool OpenCollection::IsCurrent(const std::string& version) const {
  const std::lock_guard lock(mutex_);
  return current_.count(version) != 0;
}
void OpenCollection::Publish(std::span<const std::string> now, std::span<const std::string> old) {
  const std::lock_guard lock(mutex_);
  // Old ones first: a row put again with the same version stays current.
  for (const std::string& version : old) current_.erase(version);
  for (const std::string& version : now) {
    if (!version.empty()) current_.insert(version);
  }
  totals_.reset();
}

Result<catalog::CollectionTotals> OpenCollection::Totals(catalog::Catalog& catalog) const {
  const std::lock_guard lock(mutex_);
  if (!totals_) {
    MALMOI_TRY(totals_, catalog.Totals(store_->name()));
  }
  return *totals_;
}

text::Language MajorityLanguage(const catalog::CollectionTotals& totals) {
  if (totals.languages.empty()) return text::Language::kOther;
  return text::LanguageFromCode(totals.languages.front().first);
}

}  // namespace malmoi::rag

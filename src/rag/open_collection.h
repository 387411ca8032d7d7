#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>

#include "catalog/catalog.h"
#include "rag/collection_settings.h"
#include "text/language.h"
#include "vec/collection.h"

namespace malmoi::rag {

// One collection as searches and the index run share it: the store, its settings, and which
// versions are current. Thread-safe; no lock is held over a store's or catalogue's work except the
// refreshing of totals.
class OpenCollection {
 public:
  // Reads settings and current versions, and sweeps what an interrupted run left.
  static Result<std::shared_ptr<OpenCollection>> Load(catalog::Catalog& catalog,
                                                      std::shared_ptr<vec::Collection> store);

  std::shared_ptr<vec::Collection> store() const;
  CollectionSettings settings() const;
  // Durable first, then visible.
  Status SetSettings(const CollectionSettings& settings);
  // After a rebuild in shadow: the new store and its settings.
  void Replace(std::shared_ptr<vec::Collection> store, const CollectionSettings& settings);

  bool IsCurrent(const std::string& version) const;
  // Rows were put: `old` versions are no longer current, `now` ones are. Empty strings are skipped.
  void Publish(std::span<const std::string> now, std::span<const std::string> old);

  // Deletes points of versions that no row names: what an interrupted run left. Not beside a run.
  Status Sweep(catalog::Catalog& catalog);

  // Totals of the catalogue, cached until the next Publish.
  Result<catalog::CollectionTotals> Totals(catalog::Catalog& catalog) const;

 private:
  OpenCollection() = default;

  mutable std::mutex mutex_;  // guards: all below.
  std::shared_ptr<vec::Collection> store_;
  CollectionSettings settings_;
  std::unordered_set<std::string> current_;
  mutable std::optional<catalog::CollectionTotals> totals_;
};

// The language of most chunks; kOther without any.
text::Language MajorityLanguage(const catalog::CollectionTotals& totals);

}  // namespace malmoi::rag

#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
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

  // The versions that are current now. A search that takes it before and after it asks the store
  // knows what it may have seen.
  using Versions = std::vector<Uuid>;  // Sorted.
  std::shared_ptr<const Versions> current() const;
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
  std::shared_ptr<const Versions> current_ = std::make_shared<Versions>();
  mutable std::optional<catalog::CollectionTotals> totals_;
};

// False for what is not a version's text.
bool Contains(const OpenCollection::Versions& versions, std::string_view version);

// The language of most chunks; kOther without any.
text::Language MajorityLanguage(const catalog::CollectionTotals& totals);

}  // namespace malmoi::rag

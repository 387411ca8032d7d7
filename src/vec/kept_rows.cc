#include <algorithm>

#include "json/writer.h"
#include "vec/kept_rows_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kTextMax = 2'048;
constexpr std::size_t kConditionsMax = 32;  // Of a filter; a nested one counts as one.

}  // namespace

std::shared_ptr<const ann::CellBits> KeptRows::InCells(
    const std::shared_ptr<const ann::Index>& graph) const {
  {
    const std::lock_guard lock(mutex_);
    if (graph_.lock() == graph) return cells_;
  }
  auto cells = graph->InCells(rows_.words());
  const std::lock_guard lock(mutex_);
  graph_ = graph;
  cells_ = cells;
  return cells;
}

std::shared_ptr<const KeptRows> KeptSet::Get(const Key& key, std::uint32_t rows, bool* wanted) {
  *wanted = false;
  if (key.text.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  ++now_;
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
  if (found != entries_.end()) {
    found->used = now_;
    if (found->kept == nullptr) *wanted = budget_ == nullptr || budget_->Take(rows / 4);
    return found->kept;
  }
  Entry* out = nullptr;
  if (entries_.size() < kMost) {
    out = &entries_.emplace_back();
  } else {
    out = &*std::min_element(entries_.begin(), entries_.end(),
                             [](const Entry& a, const Entry& b) { return a.used < b.used; });
  }
  *out = {key, nullptr, now_};
  return nullptr;
}

void KeptSet::Put(const Key& key, std::shared_ptr<const KeptRows> kept) {
  const std::lock_guard lock(mutex_);
  for (Entry& e : entries_) {
    if (e.key == key) e.kept = kept;
  }
}

std::size_t KeptSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = 0;
  for (const Entry& e : entries_) {
    bytes += sizeof(Entry) + e.key.text.capacity();
    if (e.kept != nullptr) bytes += 2 * e.kept->rows().words().size() * sizeof(std::uint64_t);
  }
  return bytes;
}

void KeptSet::Clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::string KeptText(const Filter& filter) {
  const std::size_t conditions = filter.must.size() + filter.must_not.size() +
                                 filter.should.size() +
                                 (filter.min_should ? filter.min_should->conditions.size() : 0);
  if (conditions > kConditionsMax) return {};
  json::Writer w;
  PrintFilter(filter, &w);
  std::string text = std::move(w).Take();
  // What JSON cannot say (a bound that is no number, text that is not UTF-8) reads like others.
  const bool vague = text.find(":null") != text.npos || text.find("\xef\xbf\xbd") != text.npos;
  if (vague || text.size() > kTextMax) text.clear();
  return text;
}

}  // namespace malmoi::vec

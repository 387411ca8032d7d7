#include <algorithm>

#include "json/writer.h"
#include "vec/kept_rows_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::size_t kTextMax = 2'048;
constexpr std::size_t kConditionsMax = 32;  // Of a filter; a nested one counts as one.
constexpr std::uint64_t kAskedPerRow = 8;   // One question for so many rows earns an own graph.
constexpr std::uint64_t kIdle = 1'000;      // Questions of others after which one may be dropped.

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

std::uint64_t OwnGraph::Bytes(std::uint64_t kept, std::uint64_t rows,
                              const ann::IndexOptions& options) {
  if (!Copies(kept, rows)) return rows * options.degree * sizeof(std::uint32_t);
  ann::IndexOptions coarse = options;
  coarse.codes = ann::Codes::kFour;
  return kept * (sizeof(std::uint32_t) + ann::RowBytes(coarse, false));
}

// Where most rows are kept, a walk past the others costs little more.
bool KeptRows::MayHaveOwn() const {
  return count_ >= kOwnFrom && count_ * 4 <= std::uint64_t{rows_.rows()} * 3;
}

std::uint64_t KeptRows::OwnAfter() const {
  return std::max(kAskedLeast, count_ / kAskedPerRow);
}

KeptRows::Slot* KeptRows::SlotOf(const std::shared_ptr<const ann::Index>& graph) const {
  for (Slot& slot : slots_) {
    if (slot.graph.lock() == graph) return &slot;
  }
  return nullptr;
}

std::shared_ptr<const OwnGraph> KeptRows::Own(const std::shared_ptr<const ann::Index>& graph,
                                              bool* wanted) const {
  *wanted = false;
  if (!MayHaveOwn()) return nullptr;
  const std::lock_guard lock(mutex_);
  Slot* slot = SlotOf(graph);
  if (slot == nullptr) {
    std::erase_if(slots_, [](const Slot& s) { return s.graph.expired(); });
    slot = &slots_.emplace_back(Slot{.graph = graph, .own = nullptr});
  }
  if (slot->own != nullptr || slot->refused) return slot->own;
  // Again and again, should there be no room at first.
  *wanted = ++slot->asked % OwnAfter() == 0;
  return nullptr;
}

bool KeptRows::WantsOwn(const std::shared_ptr<const ann::Index>& graph) const {
  const std::lock_guard lock(mutex_);
  const Slot* slot = SlotOf(graph);
  return slot != nullptr && slot->own == nullptr && !slot->refused && slot->asked >= OwnAfter();
}

void KeptRows::PutOwn(const std::shared_ptr<const ann::Index>& graph,
                      std::shared_ptr<const OwnGraph> own) const {
  const std::lock_guard lock(mutex_);
  Slot* slot = SlotOf(graph);
  if (slot == nullptr) return;
  slot->refused = own == nullptr;
  slot->bytes = own != nullptr ? OwnGraph::Bytes(count_, rows_.rows(), graph->options()) : 0;
  slot->own = std::move(own);
}

void KeptRows::DropOwn() const {
  const std::lock_guard lock(mutex_);
  slots_.clear();
}

std::uint64_t KeptRows::own_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const Slot& slot : slots_) bytes += slot.bytes;
  return bytes;
}

std::uint64_t KeptRows::memory_bytes() const {
  return 2 * rows_.words().size() * sizeof(std::uint64_t) + own_bytes();
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

std::shared_ptr<const KeptRows> KeptSet::NextOwn(const std::shared_ptr<const ann::Index>& graph,
                                                 std::uint32_t rows) {
  const std::lock_guard lock(mutex_);
  ann::IndexOptions options = graph->options();
  options.codes = ann::Codes::kFour;
  const double most = kOwnShare * static_cast<double>(rows * ann::RowBytes(options, false));
  for (const Entry& wanting : entries_) {
    if (wanting.kept == nullptr || !wanting.kept->WantsOwn(graph)) continue;
    std::uint64_t sum = OwnGraph::Bytes(wanting.kept->count(), rows, options);
    for (const Entry& e : entries_) sum += e.kept != nullptr ? e.kept->own_bytes() : 0;
    for (const Entry& e : entries_) {
      if (static_cast<double>(sum) <= most) break;
      if (e.kept == nullptr || e.used + kIdle > now_) continue;
      sum -= e.kept->own_bytes();
      e.kept->DropOwn();
    }
    // For a while twice as much, and distances besides.
    const std::uint64_t meanwhile = 2 * OwnGraph::Bytes(wanting.kept->count(), rows, options);
    if (static_cast<double>(sum) > most || (budget_ != nullptr && !budget_->Take(meanwhile))) {
      continue;
    }
    return wanting.kept;
  }
  return nullptr;
}

std::size_t KeptSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t bytes = 0;
  for (const Entry& e : entries_) {
    bytes += sizeof(Entry) + e.key.text.capacity();
    if (e.kept != nullptr) bytes += e.kept->memory_bytes();
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

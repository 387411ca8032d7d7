#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "ann/graph_index_internal.h"
#include "base/hash.h"
#include "kernels/vector.h"

namespace malmoi::ann {
namespace {

constexpr std::size_t kTrainRows = 4096;
constexpr std::size_t kMaxBatch = 1024;
constexpr std::uint32_t kBatchShare = 16;  // A batch is at most this part of what is linked.
constexpr std::size_t kWaves = 5;          // Parts of a batch, of which each sees those before it.
constexpr std::size_t kPreparedAtOnce = 8;
constexpr std::size_t kShares = 16;  // Of targets that are offered links.
// A row of which so many neighbours are known and linked is looked for in two thirds of the window
// (docs/decisions/0006).
constexpr std::size_t kKnownEnough = 4;
constexpr std::uint32_t kAllRows = ~std::uint32_t{0};
constexpr std::size_t kMaxLandmarks = 512;
constexpr std::uint32_t kLandmarkShare = 64;  // At most this part of the rows are landmarks.

void Run(os::ThreadPool* pool, std::size_t count,
         const std::function<void(std::size_t, std::size_t, std::size_t)>& body) {
  if (pool == nullptr || count < 2) {
    if (count > 0) body(0, 0, count);
    return;
  }
  pool->ParallelFor(count, body);
}

// body(begin, end) over parts of [0, count), which threads take as they come to them: one that has
// to give way to others holds up what it has taken, not a fixed share of all.
void Share(os::ThreadPool* pool, std::size_t count, std::size_t part,
           const std::function<void(std::size_t, std::size_t)>& body) {
  std::atomic<std::size_t> next{0};
  Run(pool, pool == nullptr ? 1 : pool->threads(), [&](std::size_t, std::size_t, std::size_t) {
    for (;;) {
      const std::size_t at = next.fetch_add(part, std::memory_order_relaxed);
      if (at >= count) return;
      body(at, std::min(at + part, count));
    }
  });
}

Error BadId(std::uint32_t id, const std::string& why) {
  return Error(Code::kInvalidArgument, "insert id " + std::to_string(id) + ": " + why);
}

}  // namespace

struct GraphIndex::Item {
  std::uint32_t id = 0;
  std::uint32_t linked = 0;  // Rows that took a link to it.
  std::vector<float> rotated;
  std::vector<Near> links;
  Near fallback;
};

Status GraphIndex::CheckNew(std::span<const std::uint32_t> ids, const Rows& rows) const {
  std::vector<std::uint32_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::uint32_t id = sorted[i];
    if (id >= options_.capacity) {
      return BadId(id, "the index holds ids below " + std::to_string(options_.capacity));
    }
    if (i > 0 && sorted[i - 1] == id) return BadId(id, "given twice");
    if (TestBit(arrays_.present, id)) return BadId(id, "it is in the index");
    if (TestBit(arrays_.deleted, id)) return BadId(id, "it was deleted; ids are not used again");
  }
  for (const std::uint32_t id : ids) {
    const float* row = rows.Row(id);
    if (!std::isfinite(kernels::Dot({row, options_.dim}, {row, options_.dim}))) {
      return BadId(id, "a number of its vector is not finite, or its square is not");
    }
  }
  return Ok();
}

Status GraphIndex::Train(std::span<const std::uint32_t> ids, const Rows& rows) {
  const std::scoped_lock lock(write_mutex_, append_mutex_);
  if (!trained_) TrainLocked(ids, rows);
  return Ok();
}

void GraphIndex::TrainLocked(std::span<const std::uint32_t> ids, const Rows& rows) {
  std::vector<const float*> sample;
  const std::size_t n = std::min(ids.size(), kTrainRows);
  for (std::size_t i = 0; i < n; ++i) sample.push_back(rows.Row(ids[i * ids.size() / n]));
  frame_.Train(sample);
  trained_ = true;
}

Status GraphIndex::Insert(std::span<const std::uint32_t> ids, const Rows& rows,
                          os::ThreadPool* pool, const Neighbours* known) {
  const std::scoped_lock lock(write_mutex_, append_mutex_);
  if (!writable_) {
    return Error(Code::kUnsupported, "insert: an index opened from a file does not grow");
  }
  if (ids.empty()) return Ok();
  MALMOI_TRY(CheckNew(ids, rows));
  if (!trained_) TrainLocked(ids, rows);
  if (arrays_.degree == 0) {
    InsertCodes(ids, rows, pool);
    return Ok();
  }
  LinkLocked(kAllRows, true, pool);
  std::vector<Item> items;
  while (!ids.empty()) {
    const std::size_t batch = std::min(ids.size(), BatchRows());
    LinkBatch(ids.first(batch), {.rows = &rows, .known = known}, pool, &items);
    MakePresent(ids.first(batch));
    MakeLinked(static_cast<std::uint32_t>(batch), bound_.load(std::memory_order_relaxed));
    ids = ids.subspan(batch);
  }
  return Ok();
}

// Searches see a batch when all of it is linked, so it is small against what is there.
std::size_t GraphIndex::BatchRows() const {
  return std::min(kMaxBatch, std::size_t{linked_ / kBatchShare + 1});
}

Status GraphIndex::Append(std::span<const std::uint32_t> ids, const Rows& rows) {
  const std::lock_guard lock(append_mutex_);
  if (!writable_ || arrays_.degree == 0) {
    return Error(Code::kUnsupported, "append: the index does not grow, or has no links");
  }
  if (!trained_) return Error(Code::kInvalidArgument, "append: the index was not trained");
  MALMOI_TRY(CheckNew(ids, rows));
  const std::uint32_t bound = bound_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < (i == 0 ? bound : ids[i - 1])) return BadId(ids[i], "appended ids must rise");
  }
  Visit visit(*this);
  WalkScratch& scratch = visit.scratch();
  for (const std::uint32_t id : ids) EncodeRow(id, rows, &scratch.rotated, &scratch.query);
  unlinked_.fetch_add(static_cast<std::uint32_t>(ids.size()), std::memory_order_acq_rel);
  MakePresent(ids);
  return Ok();
}

Result<std::uint32_t> GraphIndex::Link(std::uint32_t most, bool all, os::ThreadPool* pool) {
  const std::lock_guard lock(write_mutex_);
  if (!writable_ || arrays_.degree == 0) {
    return Error(Code::kUnsupported, "link: the index does not change, or has no links");
  }
  return LinkLocked(most, all, pool);
}

std::uint32_t GraphIndex::LinkLocked(std::uint32_t most, bool all, os::ThreadPool* pool) {
  std::vector<Item> items;
  std::vector<std::uint32_t> ids;
  std::uint32_t done = 0;
  while (done < most) {
    const std::uint32_t end = bound_.load(std::memory_order_acquire);
    std::uint32_t id = linked_bound_.load(std::memory_order_relaxed);
    const std::size_t batch = BatchRows();
    ids.clear();
    for (; id < end && ids.size() < batch; ++id) {
      if (TestBit(arrays_.present, id)) ids.push_back(id);
    }
    if (ids.empty() || (ids.size() < batch && !all)) break;
    LinkBatch(ids, {}, pool, &items);
    const auto n = static_cast<std::uint32_t>(ids.size());
    MakeLinked(n, ids.back() + 1);
    unlinked_.fetch_sub(n, std::memory_order_acq_rel);
    done += n;
  }
  return done;
}

// The row's codes; *query: it as a query for its neighbours.
void GraphIndex::EncodeRow(std::uint32_t id, const Rows& rows, std::vector<float>* rotated,
                           CodeQuery* query) const {
  frame_.RowQuery(rows.Row(id), rotated, query);
  const std::size_t at = std::size_t{id} * arrays_.code_bytes;
  const CodeRow row = Encode(*rotated, frame_.blocks, arrays_.first + at, arrays_.second + at);
  arrays_.factors[id] = {row.scale, query->norm2 / 2};
  EncodeSigns(*rotated, frame_.blocks, query->norm2 / 2, arrays_.signs + id * arrays_.sign_bytes);
  arrays_.fine_scale[id] = row.fine_scale;
  if (arrays_.extra != nullptr) arrays_.extra[id] = query->extra;
}

void GraphIndex::InsertCodes(std::span<const std::uint32_t> ids, const Rows& rows,
                             os::ThreadPool* pool) {
  Run(pool, ids.size(), [&](std::size_t, std::size_t begin, std::size_t end) {
    Visit visit(*this);
    WalkScratch& scratch = visit.scratch();
    for (std::size_t i = begin; i < end; ++i) {
      EncodeRow(ids[i], rows, &scratch.rotated, &scratch.query);
    }
  });
  MakePresent(ids);
}

void GraphIndex::MakePresent(std::span<const std::uint32_t> ids) {
  std::uint32_t bound = bound_.load(std::memory_order_relaxed);
  for (const std::uint32_t id : ids) {
    SetBit(arrays_.present, id);
    bound = std::max(bound, id + 1);
  }
  bound_.store(bound, std::memory_order_release);
  size_.fetch_add(static_cast<std::uint32_t>(ids.size()), std::memory_order_acq_rel);
}

void GraphIndex::MakeLinked(std::uint32_t count, std::uint32_t bound) {
  DropCells();
  linked_ += count;
  linked_bound_.store(bound, std::memory_order_release);
  if (linked_ - landmarks_at_ > landmarks_at_ / 4) RefreshLandmarks();
}

// Rows that come together are often near each other (files of one folder, products of one kind),
// and those that are linked at once do not see each other. So a batch goes in waves of rows drawn
// by chance, a sixteenth of it, as many again, then as many as there were before.
void GraphIndex::LinkBatch(std::span<const std::uint32_t> ids, Coming coming, os::ThreadPool* pool,
                           std::vector<Item>* items) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> drawn;
  for (const std::uint32_t id : ids) {
    drawn.emplace_back(Hash64({reinterpret_cast<const char*>(&id), sizeof(id)}, options_.seed), id);
  }
  std::sort(drawn.begin(), drawn.end());
  std::vector<std::uint32_t> wave;
  coming.bound = linked_bound_.load(std::memory_order_relaxed);
  for (const std::uint32_t id : ids) coming.bound = std::max(coming.bound, id + 1);
  std::size_t done = 0;
  while (done < drawn.size()) {
    const std::size_t least = (drawn.size() >> (kWaves - 1)) + 1;
    const std::size_t n = std::min(drawn.size() - done, std::max(done, least));
    wave.clear();
    for (std::size_t i = done; i < done + n; ++i) wave.push_back(drawn[i].second);
    std::sort(wave.begin(), wave.end());
    LinkWave(wave, coming, pool, items);
    done += n;
  }
}

std::size_t GraphIndex::KnownNear(std::uint32_t id, const Coming& coming,
                                  WalkScratch* scratch) const {
  if (coming.known == nullptr) return 0;
  std::vector<std::uint32_t>& near = scratch->detours;
  near.clear();
  coming.known->Of(id, &near);
  // Rows of this wave have no links yet, whichever thread is first.
  std::erase_if(near, [&](std::uint32_t other) {
    std::uint32_t unused;
    return other == id || other >= coming.bound || !arrays_.Link(other, 0, &unused);
  });
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  return near.size();
}

void GraphIndex::Prepare(std::uint32_t id, const Coming& coming, Item* item) const {
  Visit visit(*this);
  WalkScratch& scratch = visit.scratch();
  item->id = id;
  item->linked = 0;
  if (coming.rows != nullptr) {
    EncodeRow(id, *coming.rows, &item->rotated, &scratch.query);
  } else {
    StoredQuery(arrays_, frame_.blocks, id, &scratch.query);
  }
  if (KnownNear(id, coming, &scratch) >= kKnownEnough) {
    WalkFrom(arrays_, scratch.detours, coming.bound, options_.build_window * 2 / 3, &scratch);
  } else {
    Walk(arrays_, visit.landmarks(), coming.bound, options_.build_window, &scratch);
  }
  item->links.clear();
  const Pool& pool = scratch.pool;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const std::uint32_t near = pool.Id(i);
    if (TestBit(arrays_.deleted, near)) continue;
    item->links.push_back({std::max(0.0f, scratch.query.norm2 - 2 * pool.Score(i)), near});
  }
  // Where the row is hung if nobody takes it: spread over many that are near.
  item->fallback = {};
  if (!item->links.empty()) item->fallback = item->links[id % item->links.size()];
  ChooseLinks(arrays_, id, options_.alpha, options_.degree - options_.degree / 8, &item->links,
              &scratch.links);
}

void GraphIndex::LinkWave(std::span<const std::uint32_t> ids, const Coming& coming,
                          os::ThreadPool* pool, std::vector<Item>* items) {
  if (items->size() < ids.size()) items->resize(ids.size());
  Share(pool, ids.size(), kPreparedAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) Prepare(ids[i], coming, &(*items)[i]);
  });
  for (std::size_t i = 0; i < ids.size(); ++i) WriteLinks(&arrays_, ids[i], (*items)[i].links);
  // Each share is of some targets and goes through all items in order: what a target is offered,
  // and when, does not depend on the number of threads.
  Share(pool, kShares, 1, [&](std::size_t begin, std::size_t end) {
    Visit visit(*this);
    for (std::size_t share = begin; share < end; ++share) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        Item& item = (*items)[i];
        for (const Near& link : item.links) {
          if (link.id / 16 % kShares != share) continue;
          if (OfferLink(&arrays_, options_.alpha, link.id, item.id, link.distance,
                        &visit.scratch().links)) {
            std::atomic_ref(item.linked).fetch_add(1, std::memory_order_relaxed);
          }
        }
      }
    }
  });
  // One of many equal rows may be turned away by all: it must be reachable all the same.
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Item& item = (*items)[i];
    if (item.linked != 0 || item.links.empty()) continue;
    ForceLink(&arrays_, item.fallback.id, item.id, item.fallback.distance);
  }
}

void GraphIndex::RefreshLandmarks() {
  const std::uint32_t bound = linked_bound_.load(std::memory_order_relaxed);
  const std::size_t wanted =
      std::clamp<std::size_t>(linked_ / kLandmarkShare, std::min(linked_, 16u), kMaxLandmarks);
  std::vector<std::pair<std::uint64_t, std::uint32_t>> drawn;
  for (std::uint32_t id = 0; id < bound; ++id) {
    if (!TestBit(arrays_.present, id) || TestBit(arrays_.deleted, id)) continue;
    drawn.emplace_back(Hash64({reinterpret_cast<const char*>(&id), sizeof(id)}, options_.seed), id);
  }
  const std::size_t n = std::min(wanted, drawn.size());
  std::partial_sort(drawn.begin(), drawn.begin() + static_cast<std::ptrdiff_t>(n), drawn.end());
  auto next = std::make_shared<Landmarks>();
  next->codes = Buffer<std::uint8_t>(n * arrays_.code_bytes);
  for (std::size_t i = 0; i < n; ++i) {
    next->ids.push_back(drawn[i].second);
    next->order.push_back(static_cast<std::uint32_t>(i));
    next->factors.push_back(arrays_.factors[drawn[i].second]);
    std::copy_n(arrays_.first + std::size_t{drawn[i].second} * arrays_.code_bytes,
                arrays_.code_bytes, next->codes.data() + i * arrays_.code_bytes);
  }
  landmarks_at_ = linked_;
  const std::lock_guard lock(shared_mutex_);
  landmarks_ = std::move(next);
}

void GraphIndex::Measure(std::uint32_t id, std::span<const std::uint32_t> ids,
                         std::vector<Near>* out, WalkScratch* scratch) const {
  CodeQuery& query = scratch->query;
  StoredQuery(arrays_, frame_.blocks, id, &query);
  scratch->scores.resize(std::max(scratch->scores.size(), ids.size()));
  scratch->sums.resize(std::max(scratch->sums.size(), ids.size()));
  ScoreFour(arrays_, query, ids.data(), ids.size(), scratch->sums.data(), scratch->scores.data());
  out->clear();
  for (std::size_t k = 0; k < ids.size(); ++k) {
    out->push_back({std::max(0.0f, query.norm2 - 2 * scratch->scores[k]), ids[k]});
  }
  std::sort(out->begin(), out->end());
}

void GraphIndex::Renew(std::uint32_t id, const std::uint64_t* gone, Relinked* out,
                       WalkScratch* scratch) const {
  out->id = id;
  out->changed = false;
  out->links.clear();
  std::vector<std::uint32_t>& ids = scratch->links.ids;
  ids.clear();
  std::uint32_t to, behind;
  for (std::uint32_t k = 0; k < arrays_.degree && arrays_.Link(id, k, &to); ++k) {
    if (!TestBit(gone, to)) {
      ids.push_back(to);
      continue;
    }
    out->changed = true;
    for (std::uint32_t j = 0; j < arrays_.degree && arrays_.Link(to, j, &behind); ++j) {
      if (behind != id && !TestBit(gone, behind)) ids.push_back(behind);
    }
  }
  if (!out->changed) return;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  Measure(id, ids, &out->links, scratch);
  ChooseLinks(arrays_, id, options_.alpha, options_.degree, &out->links, &scratch->links);
}

Status GraphIndex::Relink(os::ThreadPool* pool) {
  const std::lock_guard lock(write_mutex_);
  if (!writable_ || arrays_.degree == 0) {
    return Error(Code::kUnsupported, arrays_.degree == 0
                                         ? "relink: the index has no links"
                                         : "relink: an index opened from a file does not change");
  }
  if (deleted_.load(std::memory_order_relaxed) == 0) return Ok();
  LinkLocked(kAllRows, true, pool);
  const std::uint32_t bound = linked_bound_.load(std::memory_order_relaxed);
  std::vector<Relinked> group(kMaxBatch);
  for (std::uint32_t from = 0; from < bound; from += kMaxBatch) {
    const std::size_t n = std::min<std::size_t>(kMaxBatch, bound - from);
    Run(pool, n, [&](std::size_t, std::size_t begin, std::size_t end) {
      Visit visit(*this);
      for (std::size_t i = begin; i < end; ++i) {
        const auto id = from + static_cast<std::uint32_t>(i);
        group[i].changed = false;
        if (!TestBit(arrays_.present, id) || TestBit(arrays_.deleted, id)) continue;
        Renew(id, arrays_.deleted, &group[i], &visit.scratch());
      }
    });
    for (std::size_t i = 0; i < n; ++i) {
      if (group[i].changed) WriteLinks(&arrays_, group[i].id, group[i].links);
    }
  }
  std::uint32_t gone = 0;
  for (std::uint32_t id = 0; id < bound; ++id) {
    if (!TestBit(arrays_.present, id) || !TestBit(arrays_.deleted, id)) continue;
    ClearBit(arrays_.present, id);
    ++gone;
  }
  linked_ -= gone;
  DropCells();
  RefreshLandmarks();
  deleted_.store(0, std::memory_order_release);
  return Ok();
}

}  // namespace malmoi::ann

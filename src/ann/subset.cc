// Some rows of an index as an index of their own.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <numeric>

#include "ann/graph_index_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kStep = 2048;  // Rows linked between two looks at `stop`.

}  // namespace

Result<std::unique_ptr<Index>> Index::Subset(std::shared_ptr<const Index> from,
                                             std::span<const std::uint32_t> ids, bool copy,
                                             const std::function<bool()>& stop,
                                             os::ThreadPool* pool) {
  return GraphIndex::SubsetOf(std::static_pointer_cast<const GraphIndex>(std::move(from)), ids,
                              copy, stop, pool);
}

Result<std::unique_ptr<Index>> GraphIndex::SubsetOf(std::shared_ptr<const GraphIndex> from,
                                                    std::span<const std::uint32_t> ids, bool copy,
                                                    const std::function<bool()>& stop,
                                                    os::ThreadPool* pool) {
  IndexOptions options = from->options_;
  if (from->writable_ || options.codes != Codes::kEight || options.degree == 0) {
    return Error(Code::kUnsupported, "a part of an index: what it was built from is not kept");
  }
  const std::uint32_t bound = from->linked_bound_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < bound && TestBit(from->arrays_.present, ids[i]) &&
        (i == 0 || ids[i] > ids[i - 1])) {
      continue;
    }
    return Error(Code::kInvalidArgument, "a part of an index: id " + std::to_string(ids[i]) +
                                             " is not in it, or not above the one before");
  }
  const auto n = static_cast<std::uint32_t>(ids.size());
  if (copy) options.capacity = std::max(n, 1u);
  options.tag = 0;
  MALMOI_TRY(auto part, Make(options));
  part->frame_.mean = from->frame_.mean;
  part->frame_.max_norm2 = from->frame_.max_norm2;
  part->trained_ = true;
  std::vector<std::uint32_t> own(ids.begin(), ids.end());
  if (copy) {
    std::iota(own.begin(), own.end(), 0u);
    for (std::uint32_t i = 0; i < n; ++i) from->CopyCodes(ids[i], i, &part->arrays_);
  } else {
    part->Borrow(std::move(from));
  }
  if (options.metric == Metric::kDot) part->RestoreExtra(own);
  part->MakePresent(own);
  part->unlinked_ = n;
  for (std::uint32_t linked = 1; linked != 0;) {
    if (stop()) return std::unique_ptr<Index>();
    MALMOI_TRY(linked, part->Link(kStep, true, pool));
  }
  part->Freeze();
  return std::unique_ptr<Index>(std::move(part));
}

void GraphIndex::GiveBack(std::initializer_list<const void*> arrays) {
  std::erase_if(regions_, [&](const Region& region) {
    return std::find(arrays.begin(), arrays.end(), region.data()) != arrays.end();
  });
}

void GraphIndex::Borrow(std::shared_ptr<const GraphIndex> from) {
  Arrays& a = arrays_;
  GiveBack({a.first, a.second, a.signs, a.factors, a.fine_scale});
  a.first = from->arrays_.first;
  a.second = from->arrays_.second;
  a.signs = from->arrays_.signs;
  a.factors = from->arrays_.factors;
  a.fine_scale = from->arrays_.fine_scale;
  lender_ = std::move(from);
}

// A file does not keep the coordinate that brings the rows of kDot to one norm. It is what the norm
// of all coordinates has more than that of the codes, whose error is small beside it.
void GraphIndex::RestoreExtra(std::span<const std::uint32_t> ids) {
  CodeQuery row;
  for (const std::uint32_t id : ids) {
    StoredQuery(arrays_, frame_.blocks, id, &row);
    std::int64_t squares = 0;
    for (std::size_t i = 0; i < frame_.blocks * 128; ++i) squares += row.high[i] * row.high[i];
    const float scale = arrays_.fine_scale[id];
    const float rest = row.norm2 - scale * scale * static_cast<float>(squares);
    arrays_.extra[id] = std::sqrt(std::max(0.0f, rest));
  }
}

void GraphIndex::Freeze() {
  Arrays& a = arrays_;
  GiveBack({a.second, a.fine_scale, a.link_distance, a.extra});
  a.second = nullptr;
  a.fine_scale = a.link_distance = a.extra = nullptr;
  options_.codes = Codes::kFour;
  writable_ = false;
}

}  // namespace malmoi::ann

// Some rows of an index as an index of their own.
#include <algorithm>
#include <iterator>
#include <numeric>

#include "ann/graph_index_internal.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kStep = 2048;  // Rows linked between two looks at `stop`.

}  // namespace

Result<std::unique_ptr<Index>> Index::Subset(const Index& from, std::span<const std::uint32_t> ids,
                                             const std::function<bool()>& stop,
                                             os::ThreadPool* pool) {
  return static_cast<const GraphIndex&>(from).SubsetOf(ids, stop, pool);
}

Result<std::unique_ptr<Index>> GraphIndex::SubsetOf(std::span<const std::uint32_t> ids,
                                                    const std::function<bool()>& stop,
                                                    os::ThreadPool* pool) const {
  if (writable_ || options_.codes != Codes::kEight || arrays_.degree == 0 ||
      options_.metric == Metric::kDot) {
    return Error(Code::kUnsupported, "a part of an index: what it was built from is not kept");
  }
  const std::uint32_t bound = linked_bound_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < bound && TestBit(arrays_.present, ids[i]) && (i == 0 || ids[i] > ids[i - 1])) {
      continue;
    }
    return Error(Code::kInvalidArgument, "a part of an index: id " + std::to_string(ids[i]) +
                                             " is not in it, or not above the one before");
  }
  IndexOptions options = options_;
  options.capacity = std::max<std::uint32_t>(static_cast<std::uint32_t>(ids.size()), 1);
  options.tag = 0;
  MALMOI_TRY(auto part, Make(options));
  part->frame_.mean = frame_.mean;
  part->trained_ = true;
  const auto n = static_cast<std::uint32_t>(ids.size());
  for (std::uint32_t i = 0; i < n; ++i) CopyCodes(ids[i], i, &part->arrays_);
  std::vector<std::uint32_t> own(n);
  std::iota(own.begin(), own.end(), 0u);
  part->MakePresent(own);
  part->unlinked_ = n;
  for (std::uint32_t linked = 1; linked != 0;) {
    if (stop()) return std::unique_ptr<Index>();
    MALMOI_TRY(linked, part->Link(kStep, true, pool));
  }
  part->Freeze();
  return std::unique_ptr<Index>(std::move(part));
}

void GraphIndex::Freeze() {
  Arrays& a = arrays_;
  const void* const unneeded[] = {a.second, a.fine_scale, a.link_distance};
  std::erase_if(regions_, [&](const Region& region) {
    return std::find(std::begin(unneeded), std::end(unneeded), region.data()) != std::end(unneeded);
  });
  a.second = nullptr;
  a.fine_scale = a.link_distance = nullptr;
  options_.codes = Codes::kFour;
  writable_ = false;
}

}  // namespace malmoi::ann

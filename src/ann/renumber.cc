// A copy of an index under other ids: what a graph becomes when its rows move into another segment.
#include <algorithm>

#include "ann/graph_index_internal.h"

namespace malmoi::ann {
namespace {

Error Refused(const std::string& why) {
  return Error(Code::kInvalidArgument, "renumber an index: " + why);
}

}  // namespace

Result<std::unique_ptr<Index>> Index::Renumber(const Index& from, std::span<const std::uint32_t> to,
                                               const IndexOptions& options, os::ThreadPool* pool) {
  return static_cast<const GraphIndex&>(from).Renumbered(to, options, pool);
}

// Bits of the rows that have no place in the copy.
Result<std::vector<std::uint64_t>> GraphIndex::GoneIn(std::span<const std::uint32_t> to,
                                                      const IndexOptions& o) const {
  if (o.metric != options_.metric || o.codes != options_.codes || o.dim != options_.dim ||
      o.degree != options_.degree || o.alpha != options_.alpha || o.seed != options_.seed) {
    return Refused("only capacity, tag and build_window may differ");
  }
  if (unlinked() != 0) return Refused("rows await links");
  const std::uint32_t bound = linked_bound_.load(std::memory_order_acquire);
  std::vector<std::uint64_t> gone(std::size_t{bound} / 64 + 1), taken(o.capacity / 64 + 1);
  for (std::uint32_t id = 0; id < bound; ++id) {
    const std::uint32_t at = id < to.size() ? to[id] : kGone;
    if (at == kGone || !TestBit(arrays_.present, id) || TestBit(arrays_.deleted, id)) {
      SetBit(gone.data(), id);
      continue;
    }
    if (at >= o.capacity || TestBit(taken.data(), at)) {
      return Refused("id " + std::to_string(at) + " is given twice or not below the capacity");
    }
    SetBit(taken.data(), at);
  }
  return gone;
}

void GraphIndex::CopyCodes(std::uint32_t id, std::uint32_t to, Arrays* out) const {
  const std::size_t at = to;
  const std::size_t bytes = arrays_.code_bytes;
  std::copy_n(arrays_.first + id * bytes, bytes, out->first + at * bytes);
  std::copy_n(arrays_.second + id * bytes, bytes, out->second + at * bytes);
  std::copy_n(arrays_.signs + id * arrays_.sign_bytes, arrays_.sign_bytes,
              out->signs + at * arrays_.sign_bytes);
  out->factors[at] = arrays_.factors[id];
  out->fine_scale[at] = arrays_.fine_scale[id];
  if (out->extra != nullptr && arrays_.extra != nullptr) out->extra[at] = arrays_.extra[id];
}

void GraphIndex::CopyRow(std::uint32_t id, std::span<const std::uint32_t> to,
                         const std::uint64_t* gone, Relinked* links, WalkScratch* scratch,
                         Arrays* out) const {
  CopyCodes(id, to[id], out);
  Renew(id, gone, links, scratch);
  if (!links->changed) {
    std::vector<std::uint32_t>& ids = scratch->links.ids;
    ids.clear();
    std::uint32_t near;
    for (std::uint32_t k = 0; k < arrays_.degree && arrays_.Link(id, k, &near); ++k) {
      ids.push_back(near);
    }
    if (arrays_.link_distance == nullptr) {
      Measure(id, ids, &links->links, scratch);
    } else {
      const float* distances = arrays_.link_distance + std::size_t{id} * arrays_.degree;
      for (std::size_t k = 0; k < ids.size(); ++k) links->links.push_back({distances[k], ids[k]});
    }
  }
  for (Near& link : links->links) link.id = to[link.id];
  WriteLinks(out, to[id], links->links);
}

Result<std::unique_ptr<Index>> GraphIndex::Renumbered(std::span<const std::uint32_t> to,
                                                      const IndexOptions& options,
                                                      os::ThreadPool* pool) const {
  const std::scoped_lock lock(write_mutex_, append_mutex_);
  if (options_.codes != Codes::kEight || arrays_.degree == 0 ||
      (options_.metric == Metric::kDot && !writable_)) {
    return Error(Code::kUnsupported, "renumber an index: what it was built from is not kept");
  }
  MALMOI_TRY(const std::vector<std::uint64_t> gone, GoneIn(to, options));
  MALMOI_TRY(auto copy, Make(options));
  copy->frame_.mean = frame_.mean;
  copy->frame_.max_norm2 = frame_.max_norm2;
  copy->trained_ = true;
  const std::uint32_t bound = linked_bound_.load(std::memory_order_acquire);
  const auto body = [&](std::size_t, std::size_t begin, std::size_t end) {
    Visit visit(*this);
    Relinked links;
    for (std::size_t i = begin; i < end; ++i) {
      const auto id = static_cast<std::uint32_t>(i);
      if (TestBit(gone.data(), id)) continue;
      CopyRow(id, to, gone.data(), &links, &visit.scratch(), &copy->arrays_);
    }
  };
  if (pool != nullptr) pool->ParallelFor(bound, body);
  if (pool == nullptr) body(0, 0, bound);
  std::vector<std::uint32_t> ids;
  std::uint32_t end = 0;
  for (std::uint32_t id = 0; id < bound; ++id) {
    if (TestBit(gone.data(), id)) continue;
    ids.push_back(to[id]);
    end = std::max(end, to[id] + 1);
  }
  copy->MakePresent(ids);
  copy->MakeLinked(static_cast<std::uint32_t>(ids.size()), end);
  return std::unique_ptr<Index>(std::move(copy));
}

}  // namespace malmoi::ann

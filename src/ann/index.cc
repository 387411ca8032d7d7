#include "ann/index.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "ann/graph_index_internal.h"
#include "kernels/vector.h"

namespace malmoi::ann {
namespace {

constexpr std::uint32_t kMaxDim = 65536;

Error OutOfRange(const char* what, double value, const char* range) {
  return Error(Code::kInvalidArgument, std::string("create an index: ") + what + " is " +
                                           std::to_string(value) + ", not in " + range);
}

}  // namespace

Status CheckIndexOptions(const IndexOptions& o) {
  if (o.dim < 1 || o.dim > kMaxDim) return OutOfRange("dim", o.dim, "1..65,536");
  if (o.capacity < 1 || o.capacity > Pool::kIdsMax - 2) {
    return OutOfRange("capacity", o.capacity, "1..2,147,483,646");
  }
  if (o.degree == 0) return Ok();  // Codes alone.
  if (o.degree < 4 || o.degree > 64) return OutOfRange("degree", o.degree, "0 or 4..64");
  if (o.build_window < o.degree || o.build_window > 4096) {
    return OutOfRange("build_window", o.build_window, "degree..4,096");
  }
  if (!(o.alpha >= 1 && o.alpha <= 4)) return OutOfRange("alpha", o.alpha, "1..4");
  return Ok();
}

std::uint64_t RowBytes(const IndexOptions& o, bool writable) {
  const std::uint64_t blocks = (std::uint64_t{o.dim} + 127) / 128, codes = blocks * 64;
  const bool both = o.codes == Codes::kEight;
  std::uint64_t bytes =
      codes + SignBytes(blocks) + sizeof(Factors) + 1;  // A bit present, one gone.
  if (both || writable) bytes += codes + sizeof(float);
  if (o.degree == 0) return bytes;
  bytes += o.degree * sizeof(std::uint32_t);
  // Its place in a cell, and a share of the cell's centre.
  bytes += sizeof(std::uint32_t) + (codes + sizeof(Factors)) / Cells::kRowsOfCell;
  if (writable) bytes += o.degree * sizeof(float);
  if (writable && o.metric == Metric::kDot) bytes += sizeof(float);
  return bytes;
}

Result<std::unique_ptr<Index>> Index::Create(const IndexOptions& options) {
  MALMOI_TRY(auto index, GraphIndex::Make(options));
  return std::unique_ptr<Index>(std::move(index));
}

Result<std::unique_ptr<Index>> Index::Open(os::Vfs& vfs, const std::string& path,
                                           Placement placement) {
  MALMOI_TRY(auto index, GraphIndex::FromFile(vfs, path, placement).With("open index " + path));
  return std::unique_ptr<Index>(std::move(index));
}

Result<std::unique_ptr<GraphIndex>> GraphIndex::Make(const IndexOptions& options) {
  MALMOI_TRY(CheckIndexOptions(options));
  std::unique_ptr<GraphIndex> index(new GraphIndex(options));
  MALMOI_TRY(index->Reserve());
  return index;
}

Status GraphIndex::Reserve() {
  Arrays& a = arrays_;
  a.capacity = options_.capacity;
  a.degree = options_.degree;
  a.code_bytes = frame_.blocks * 64;
  const auto take = [&]<class T>(T** out, std::size_t count) -> Status {
    MALMOI_TRY(auto region, Region::Reserve(count * sizeof(T)));
    *out = reinterpret_cast<T*>(region.data());
    regions_.push_back(std::move(region));
    return Ok();
  };
  const std::size_t n = a.capacity;
  MALMOI_TRY(take(&a.first, n * a.code_bytes));
  MALMOI_TRY(take(&a.second, n * a.code_bytes));
  a.sign_bytes = SignBytes(frame_.blocks);
  MALMOI_TRY(take(&a.signs, n * a.sign_bytes));
  MALMOI_TRY(take(&a.factors, n));
  MALMOI_TRY(take(&a.fine_scale, n));
  if (a.degree > 0) MALMOI_TRY(take(&a.links, n * a.degree));
  if (a.degree > 0) MALMOI_TRY(take(&a.link_distance, n * a.degree));
  if (options_.metric == Metric::kDot) MALMOI_TRY(take(&a.extra, n));
  MALMOI_TRY(take(&a.present, n / 64 + 1));
  MALMOI_TRY(take(&a.deleted, n / 64 + 1));
  return Ok();
}

IndexInfo GraphIndex::Info() const {
  IndexInfo info;
  const std::uint32_t bound = bound_.load(std::memory_order_acquire);
  info.size = size_.load(std::memory_order_acquire);
  info.deleted = deleted_.load(std::memory_order_acquire);
  info.writable = writable_;
  for (std::uint32_t id = 0; id < bound; ++id) info.links += arrays_.LinkCount(id);
  {
    const std::lock_guard lock(shared_mutex_);
    info.search_bytes = landmarks_->ids.size() * (8 + arrays_.code_bytes);
  }
  IndexOptions held = options_;
  if (placement_ == Placement::kCoarse) held.codes = Codes::kFour;
  info.search_bytes += bound * RowBytes(held, false);
  if (writable_) {
    info.update_bytes = bound * (RowBytes(options_, true) - RowBytes(options_, false));
  }
  return info;
}

Status GraphIndex::Partition(os::ThreadPool* pool) {
  const std::lock_guard lock(write_mutex_);
  if (!writable_ || arrays_.degree == 0 || unlinked() != 0) {
    return Error(Code::kUnsupported, "partition: the index does not change, or rows await links");
  }
  std::vector<std::uint32_t> ids;
  const std::uint32_t bound = linked_bound_.load(std::memory_order_acquire);
  for (std::uint32_t id = 0; id < bound; ++id) {
    if (TestBit(arrays_.present, id) && !TestBit(arrays_.deleted, id)) ids.push_back(id);
  }
  if (ids.size() < Cells::kFromRows) return Ok();
  auto cells = MakeCells(arrays_, frame_.blocks, ids, pool);
  const std::lock_guard shared(shared_mutex_);
  cells_ = std::move(cells);
  return Ok();
}

std::shared_ptr<const CellBits> GraphIndex::InCells(std::span<const std::uint64_t> bits) const {
  std::shared_ptr<const Cells> cells;
  {
    const std::lock_guard shared(shared_mutex_);
    cells = cells_;
  }
  return cells == nullptr ? nullptr : MarkCells(std::move(cells), bits);
}

void GraphIndex::DropCells() {
  const std::lock_guard shared(shared_mutex_);
  cells_ = nullptr;
}

void GraphIndex::LinksOf(std::uint32_t id, std::vector<std::uint32_t>* near) const {
  if (id >= linked_bound_.load(std::memory_order_acquire)) return;
  std::uint32_t to;
  for (std::uint32_t k = 0; k < arrays_.degree && arrays_.Link(id, k, &to); ++k) {
    near->push_back(to);
  }
}

Status GraphIndex::Delete(std::span<const std::uint32_t> ids) {
  const std::lock_guard lock(write_mutex_);
  for (const std::uint32_t id : ids) {
    if (id >= bound_.load(std::memory_order_relaxed) || !TestBit(arrays_.present, id) ||
        TestBit(arrays_.deleted, id)) {
      continue;
    }
    SetBit(arrays_.deleted, id);
    deleted_.fetch_add(1, std::memory_order_acq_rel);
    size_.fetch_sub(1, std::memory_order_acq_rel);
  }
  return Ok();
}

GraphIndex::Visit::Visit(const GraphIndex& index)
    : index_(index), deleted_(index.deleted_.load(std::memory_order_acquire) != 0) {
  {
    const std::lock_guard lock(index.shared_mutex_);
    landmarks_ = index.landmarks_;
    cells_ = index.cells_;
    if (!index.scratch_.empty()) {
      scratch_ = std::move(index.scratch_.back());
      index.scratch_.pop_back();
    }
  }
  if (scratch_ == nullptr) scratch_ = std::make_unique<WalkScratch>();
  scratch_->stats = {};
  scratch_->least = 0;
  scratch_->floor = 0;
}

GraphIndex::Visit::~Visit() {
  const std::lock_guard lock(index_.shared_mutex_);
  index_.scratch_.push_back(std::move(scratch_));
}

}  // namespace malmoi::ann

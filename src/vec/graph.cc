#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "vec/graph_internal.h"
#include "vec/segment_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kChunk = 2048;      // Rows inserted between two looks at `stop`.
constexpr std::uint32_t kTrainRows = 4096;  // Spread over the segment.

ann::IndexOptions OptionsOf(const Segment& segment, std::uint32_t number,
                            const Schema::Field& field, const GraphPlan& plan) {
  ann::IndexOptions options;
  options.metric = MetricOf(field);
  options.dim = field.dim;
  options.capacity = std::max<std::uint32_t>(segment.rows(), 1);
  options.degree = plan.degree;
  options.build_window = plan.build_window;
  // Numbers of segments are not used twice, but a copied folder may have them all.
  std::string made_of;
  Put(&made_of, segment.info().id);
  Put(&made_of, segment.info().size);
  Put(&made_of, segment.info().footer_crc);
  Put(&made_of, number);
  options.tag = Hash64(made_of);
  return options;
}

bool Same(const ann::IndexOptions& a, const ann::IndexOptions& b) {
  return a.metric == b.metric && a.codes == b.codes && a.dim == b.dim && a.capacity == b.capacity &&
         a.degree == b.degree && a.build_window == b.build_window && a.alpha == b.alpha &&
         a.seed == b.seed && a.tag == b.tag;
}

// Some rows of a segment as floats.
class ChunkRows : public ann::Rows {
 public:
  // False: a block of the segment is damaged.
  bool Load(const Segment& segment, std::uint32_t number, const Schema::Field& field,
            const std::vector<std::uint32_t>& ids) {
    ids_ = ids;
    dim_ = field.dim;
    floats_.resize(ids.size() * dim_);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const char* row = segment.Dense(number, ids[i], ids[i] + 1);
      if (row == nullptr) return false;
      if (field.datatype == Datatype::kFloat32) {
        std::memcpy(floats_.data() + i * dim_, row, dim_ * sizeof(float));
      } else {
        const std::vector<float> one = LoadDense(field, row, 1);
        std::copy(one.begin(), one.end(), floats_.begin() + static_cast<std::ptrdiff_t>(i * dim_));
      }
    }
    return true;
  }
  const float* Row(std::uint32_t id) const override {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin();
    return floats_.data() + static_cast<std::size_t>(at) * dim_;
  }

 private:
  std::size_t dim_ = 0;
  std::vector<std::uint32_t> ids_;  // Rising.
  std::vector<float> floats_;
};

Error Damaged() {
  return Error(Code::kCorruption, "a block of the segment is damaged");
}

// What the index begins with: the base's rows, or none.
Result<std::unique_ptr<ann::Index>> Begun(const ann::IndexOptions& options, const GraphBase& base,
                                          std::vector<char>* present, os::ThreadPool& pool) {
  if (base.graph != nullptr) {
    auto moved = ann::Index::Renumber(*base.graph, base.to, options, &pool);
    if (moved.ok()) {
      for (const std::uint32_t row : base.to) {
        if (row != ann::Index::kGone) (*present)[row] = 1;
      }
      return moved;
    }
  }
  return ann::Index::Create(options);
}

Result<std::unique_ptr<ann::Index>> Build(const ann::IndexOptions& options, const Segment& segment,
                                          std::uint32_t number, const Schema::Field& field,
                                          const GraphBase& base, os::ThreadPool& pool,
                                          const std::function<bool()>& stop) {
  std::vector<char> present(segment.rows());
  MALMOI_TRY(auto index, Begun(options, base, &present, pool));
  std::vector<std::uint32_t> all;
  for (std::uint32_t r = 0; r < segment.rows(); ++r) {
    if (present[r] == 0 && segment.Has(number, r)) all.push_back(r);
  }
  ChunkRows rows;
  std::vector<std::uint32_t> chunk;
  const std::size_t n = std::min<std::size_t>(all.size(), kTrainRows);
  for (std::size_t i = 0; i < n; ++i) chunk.push_back(all[i * all.size() / n]);
  if (!rows.Load(segment, number, field, chunk)) return Damaged();
  MALMOI_TRY(index->Train(chunk, rows));  // Of no effect on what has a base.
  for (std::size_t at = 0; at < all.size(); at += kChunk) {
    if (stop()) return std::unique_ptr<ann::Index>();
    const std::size_t end = std::min(all.size(), at + kChunk);
    chunk.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                 all.begin() + static_cast<std::ptrdiff_t>(end));
    if (!rows.Load(segment, number, field, chunk)) return Damaged();
    MALMOI_TRY(index->Insert(chunk, rows, &pool, base.links.get()));
  }
  return index;
}

}  // namespace

ann::Metric MetricOf(const Schema::Field& field) {
  return field.distance == Distance::kCosine   ? ann::Metric::kCosine
         : field.distance == Distance::kEuclid ? ann::Metric::kEuclid
                                               : ann::Metric::kDot;
}

std::uint64_t GraphBytes(const GraphPlan& plan, const Schema::Field& field, std::uint64_t rows) {
  ann::IndexOptions options{.dim = field.dim, .degree = plan.degree};
  if (!plan.fine) options.codes = ann::Codes::kFour;
  return ann::RowBytes(options, false) * rows;
}

std::shared_ptr<const ann::Index> GraphSet::Get(std::uint32_t field) const {
  const std::lock_guard lock(mutex_);
  return field < slots_.size() ? slots_[field].graph : nullptr;
}

void GraphSet::Put(std::uint32_t field, std::shared_ptr<const ann::Index> graph) {
  const std::lock_guard lock(mutex_);
  if (slots_.size() <= field) slots_.resize(field + 1);
  slots_[field].graph.swap(graph);
}

bool GraphSet::failed(std::uint32_t field) const {
  const std::lock_guard lock(mutex_);
  return field < slots_.size() && slots_[field].failed;
}

void GraphSet::SetFailed(std::uint32_t field) {
  const std::lock_guard lock(mutex_);
  if (slots_.size() <= field) slots_.resize(field + 1);
  slots_[field].failed = true;
}

std::uint64_t GraphSet::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Slot& slot : slots_) {
    if (slot.graph == nullptr) continue;
    // Info() counts links one by one.
    ann::IndexOptions o = slot.graph->options();
    if (slot.graph->placement() == ann::Placement::kCoarse) o.codes = ann::Codes::kFour;
    sum += ann::RowBytes(o, false) * o.capacity;
  }
  return sum;
}

Result<std::shared_ptr<const ann::Index>> MakeCodes(const Segment& segment, std::uint32_t field,
                                                    const Schema::Field& described,
                                                    os::ThreadPool& pool,
                                                    const std::function<bool()>& stop) {
  ann::IndexOptions options;
  options.metric = MetricOf(described);
  options.dim = described.dim;
  options.capacity = std::max<std::uint32_t>(segment.rows(), 1);
  options.degree = 0;
  MALMOI_TRY(auto built, Build(options, segment, field, described, {}, pool, stop));
  return std::shared_ptr<const ann::Index>(std::move(built));
}

bool LacksGraph(const Segment& segment, std::uint32_t field, const GraphPlan& plan) {
  if (!plan.wanted || segment.graphs().failed(field)) return false;
  if (segment.vector_bytes(field) <= plan.from_bytes) return false;
  const auto graph = segment.graphs().Get(field);
  return graph == nullptr || graph->options().degree != plan.degree ||
         graph->options().build_window != plan.build_window;
}

std::shared_ptr<const ann::Index> OpenGraph(os::Vfs& vfs, const std::string& path,
                                            const Segment& segment, std::uint32_t field,
                                            const Schema::Field& described, const GraphPlan& plan) {
  const ann::Placement placement = plan.mapped ? ann::Placement::kFile
                                   : plan.fine ? ann::Placement::kMemory
                                               : ann::Placement::kCoarse;
  auto saved = ann::Index::Open(vfs, path, placement);
  const ann::IndexOptions options = OptionsOf(segment, field, described, plan);
  if (!saved.ok() || !Same(saved.value()->options(), options)) return nullptr;
  return std::move(saved).value();
}

Result<std::shared_ptr<const ann::Index>> MakeGraph(os::Vfs& vfs, const std::string& path,
                                                    const Segment& segment, std::uint32_t field,
                                                    const Schema::Field& described,
                                                    const GraphPlan& plan, const GraphBase& base,
                                                    os::ThreadPool& pool,
                                                    const std::function<bool()>& stop) {
  const ann::IndexOptions options = OptionsOf(segment, field, described, plan);
  const auto open = [&] { return OpenGraph(vfs, path, segment, field, described, plan); };
  if (auto saved = open()) return saved;
  if (plan.saved_only) return Error(Code::kOverloaded, "no memory to build a graph in");
  MALMOI_TRY(auto built, Build(options, segment, field, described, base, pool, stop));
  if (built == nullptr || stop()) return std::shared_ptr<const ann::Index>();
  MALMOI_TRY(built->Partition(&pool));
  if (built->Save(vfs, path).ok()) {
    // What is searched is what was written, without the room for insertion.
    if (auto saved = open()) return saved;
  }
  return std::shared_ptr<const ann::Index>(std::move(built));
}

}  // namespace malmoi::vec

#include <algorithm>

#include "vec/mem_codes_internal.h"
#include "vec/memtable_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint32_t kRowsMin = 1024;  // Fewer say little of the mean that codes are of.
constexpr std::uint32_t kTrainRows = 4096;
constexpr std::uint32_t kRowsMax = 65'536;  // More than stand in memory when graphs keep up.
constexpr std::uint32_t kBlocksAtOnce = 8;  // 4 ms.

// Rows of blocks that are full, as floats.
class BlockRows : public ann::Rows {
 public:
  BlockRows(const Memtable& table, std::uint32_t number, const Schema::Field& field,
            std::uint32_t begin, std::uint32_t end)
      : begin_(begin), dim_(field.dim) {
    for (std::uint32_t row = begin; row < end; row += kBlockRows) {
      const MemBlock& block = table.block(row / kBlockRows);
      const char* data = block.Dense(number, 0, kBlockRows);
      if (data == nullptr) {
        blocks_.push_back(nullptr);
      } else if (field.datatype == Datatype::kFloat32) {
        blocks_.push_back(reinterpret_cast<const float*>(data));
      } else {
        owned_.push_back(LoadDense(field, data, kBlockRows));
        blocks_.push_back(owned_.back().data());
      }
      for (std::uint32_t r = 0; r < kBlockRows && data != nullptr; ++r) {
        if (block.Has(number, r)) ids_.push_back(row + r);
      }
    }
  }
  const float* Row(std::uint32_t id) const override {
    return blocks_[(id - begin_) / kBlockRows] + (id - begin_) % kBlockRows * dim_;
  }
  const std::vector<std::uint32_t>& ids() const { return ids_; }

 private:
  std::uint32_t begin_;
  std::size_t dim_;
  std::vector<const float*> blocks_;
  std::vector<std::vector<float>> owned_;
  std::vector<std::uint32_t> ids_;  // That have the vector.
};

}  // namespace

std::uint32_t CodedRows::Unlinked(std::uint32_t all) const {
  if (index == nullptr) return all;
  const std::uint32_t unlinked = index->unlinked();
  return all - std::min(all, rows - std::min(rows, unlinked));
}

std::uint64_t CodedRows::memory_bytes() const {
  if (index == nullptr) return 0;
  return std::uint64_t{rows} * ann::RowBytes(index->options(), true);
}

Status MemCodes::Take(const Memtable& table, std::uint32_t number, const Schema::Field& described,
                      const GraphPlan& plan, std::uint32_t full, Field* field) {
  if (field->index == nullptr) {
    ann::IndexOptions options;
    options.metric = MetricOf(described);
    options.dim = described.dim;
    options.capacity = kRowsMax;
    options.degree = plan.degree;
    options.build_window = plan.build_window;
    MALMOI_TRY(field->index, ann::Index::Create(options));
    const BlockRows first(table, number, described, 0, std::min(full, kTrainRows));
    if (!first.ids().empty()) MALMOI_TRY(field->index->Train(first.ids(), first));
  }
  // Half of what is missing where that is more: after a write of very many rows.
  const std::uint32_t blocks = std::max(kBlocksAtOnce, (full - field->rows) / kBlockRows / 2);
  const std::uint32_t end = std::min(full, field->rows + blocks * kBlockRows);
  const BlockRows rows(table, number, described, field->rows, end);
  MALMOI_TRY(field->index->Append(rows.ids(), rows));
  field->rows = end;
  return Ok();
}

bool MemCodes::Follow(const Memtable& table, const Schema& schema, const OptimizerPlan& plan,
                      MemoryBudget& budget) {
  const std::uint32_t full = std::min(table.rows(), kRowsMax) / kBlockRows * kBlockRows;
  if (full < kRowsMin) return false;
  bool more = false;
  fields_.resize(schema.fields.size());
  for (std::uint32_t f = 0; f < fields_.size() && f < plan.graphs.size(); ++f) {
    Field& field = fields_[f];
    if (!plan.graphs[f].wanted || field.failed || field.rows == full) continue;
    // Few rows are scanned: small collections are exact.
    if (std::uint64_t{full} * schema.fields[f].row_bytes() <= plan.graphs[f].from_bytes) continue;
    field.failed = (field.index == nullptr &&
                    !budget.Take(GraphBytes(plan.graphs[f], schema.fields[f], full))) ||
                   !Take(table, f, schema.fields[f], plan.graphs[f], full, &field).ok();
    more = more || (!field.failed && field.rows < full);
  }
  return more;
}

bool MemCodes::grows(const OptimizerPlan& plan) const {
  for (std::size_t f = 0; f < plan.graphs.size(); ++f) {
    if (!plan.graphs[f].wanted) continue;
    if (f >= fields_.size() || fields_[f].index == nullptr || fields_[f].failed) return false;
  }
  return true;
}

std::uint32_t MemCodes::unlinked() const {
  std::uint32_t most = 0;
  for (const Field& field : fields_) {
    if (field.index != nullptr) most = std::max(most, field.index->unlinked());
  }
  return most;
}

std::vector<CodedRows> MemCodes::view() const {
  std::vector<CodedRows> out;
  for (const Field& field : fields_) out.push_back({field.index, field.rows});
  return out;
}

}  // namespace malmoi::vec

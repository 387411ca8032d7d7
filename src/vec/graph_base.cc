// Which graph goes on in a new segment.
#include <unordered_map>

#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

// Of the segment's rows, and of the source's: links led past more rows than are left are bad ones.
constexpr double kShareMin = 0.25;
constexpr double kKeptMin = 0.7;

}  // namespace

GraphBase BaseOfMerge(const SealJob& job, std::uint32_t field, const GraphPlan& plan) {
  std::unordered_map<const Part*, std::uint32_t> kept;
  for (const RowRef& row : job.rows) ++kept[row.part];
  GraphBase base;
  const Segment* source = nullptr;
  for (const auto& segment : job.merged) {
    auto graph = segment->graphs().Get(field);
    if (graph == nullptr || graph->options().degree != plan.degree) continue;
    if (source != nullptr && kept[segment.get()] <= kept[source]) continue;
    source = segment.get();
    base.graph = std::move(graph);
  }
  const double share = source == nullptr ? 0 : kept[source];
  if (source == nullptr || share < kShareMin * static_cast<double>(job.rows.size()) ||
      share < kKeptMin * source->rows()) {
    return {};
  }
  base.to.assign(source->rows(), ann::Index::kGone);
  for (std::uint32_t i = 0; i < job.rows.size(); ++i) {
    if (job.rows[i].part == source) base.to[job.rows[i].row] = i;
  }
  return base;
}

GraphBase BaseOfFlush(const SealJob& job, std::uint32_t field) {
  const MemView& mem = job.frozen;
  if (field >= mem.codes.size() || mem.codes[field].index == nullptr) return {};
  std::unordered_map<const Part*, std::uint32_t> first;
  for (std::uint32_t row = 0; row < mem.rows; row += kBlockRows) {
    first[&mem.table->block(row / kBlockRows)] = row;
  }
  // Rows behind mem.codes[field].rows are not in the index: the segment inserts them.
  GraphBase base{mem.codes[field].index, {}};
  base.to.assign(mem.codes[field].rows, ann::Index::kGone);
  for (std::uint32_t i = 0; i < job.rows.size(); ++i) {
    const std::uint32_t row = first.at(job.rows[i].part) + job.rows[i].row;
    if (row < base.to.size() && job.rows[i].part->Has(field, job.rows[i].row)) base.to[row] = i;
  }
  return base;
}

}  // namespace malmoi::vec

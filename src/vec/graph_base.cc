// Which graph goes on in a new segment.
#include <unordered_map>

#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

// Of the segment's rows, and of the source's: links led past more rows than are left are bad ones.
constexpr double kShareMin = 0.25;
constexpr double kKeptMin = 0.7;

// A segment that is merged, whose rows have links.
struct Source {
  std::shared_ptr<const ann::Index> graph;
  std::vector<std::uint32_t> to;  // Its rows in the new segment.
  std::uint32_t kept = 0;         // So many of them are there.
};
using Sources = std::unordered_map<const Part*, Source>;

// What the rows of a new segment were linked to in their sources.
class OldLinks : public ann::Neighbours {
 public:
  OldLinks(Sources sources, const std::vector<RowRef>& rows)
      : sources_(std::move(sources)), rows_(rows) {}
  void Of(std::uint32_t id, std::vector<std::uint32_t>* near) const override {
    const auto source = sources_.find(rows_[id].part);
    if (source == sources_.end()) return;
    const std::size_t begin = near->size();
    source->second.graph->LinksOf(rows_[id].row, near);
    std::size_t end = begin;
    for (std::size_t i = begin; i < near->size(); ++i) {
      const std::uint32_t row = source->second.to[(*near)[i]];
      if (row != ann::Index::kGone) (*near)[end++] = row;
    }
    near->resize(end);
  }

 private:
  Sources sources_;
  const std::vector<RowRef>& rows_;  // The job's, which outlives the building of its graphs.
};

Sources LinkedSources(const SealJob& job, std::uint32_t field, const GraphPlan& plan) {
  Sources sources;
  for (const auto& segment : job.merged) {
    auto graph = segment->graphs().Get(field);
    if (graph == nullptr || graph->options().degree != plan.degree) continue;
    sources[segment.get()] = {std::move(graph), std::vector(segment->rows(), ann::Index::kGone)};
  }
  for (std::uint32_t i = 0; i < job.rows.size(); ++i) {
    const auto source = sources.find(job.rows[i].part);
    if (source == sources.end()) continue;
    source->second.to[job.rows[i].row] = i;
    ++source->second.kept;
  }
  return sources;
}

}  // namespace

GraphBase BaseOfMerge(const SealJob& job, std::uint32_t field, const GraphPlan& plan) {
  Sources sources = LinkedSources(job, field, plan);
  const Part* most = nullptr;
  for (const auto& segment : job.merged) {  // In their order: of equal ones the first.
    const auto source = sources.find(segment.get());
    if (source == sources.end()) continue;
    if (most == nullptr || source->second.kept > sources[most].kept) most = segment.get();
  }
  GraphBase base;
  if (most == nullptr) return base;
  Source& source = sources[most];
  // A saved graph by inner products cannot be inserted into (Renumber).
  const bool grows = source.graph->options().metric != ann::Metric::kDot;
  if (grows && source.kept >= kShareMin * static_cast<double>(job.rows.size()) &&
      source.kept >= kKeptMin * static_cast<double>(source.to.size())) {
    base.graph = std::move(source.graph);
    base.to = std::move(source.to);
    sources.erase(most);
  }
  if (!sources.empty()) base.links = std::make_shared<OldLinks>(std::move(sources), job.rows);
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
  GraphBase base{.graph = mem.codes[field].index, .to = {}, .links = nullptr};
  base.to.assign(mem.codes[field].rows, ann::Index::kGone);
  for (std::uint32_t i = 0; i < job.rows.size(); ++i) {
    const std::uint32_t row = first.at(job.rows[i].part) + job.rows[i].row;
    if (row < base.to.size() && job.rows[i].part->Has(field, job.rows[i].row)) base.to[row] = i;
  }
  return base;
}

}  // namespace malmoi::vec

// Graphs of fresh points: they grow in memory, and go over into the segment that the points become.
#include <algorithm>
#include <thread>

#include "vec/merge_internal.h"
#include "vec/optimizer_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

// Rows of the memtable that become a segment, once they are to have a graph: with one that grows
// there, and without.
constexpr std::uint32_t kSealRows = 50'000;
constexpr std::uint32_t kSealScannedRows = 20'000;
constexpr std::uint32_t kLinkRows = 2048;     // Linked at a time.
constexpr std::uint32_t kOfferedRows = 1024;  // Fewer do not wake the optimiser.

// Whether so many rows in memory are worth a graph.
bool Outgrown(const Schema& schema, const OptimizerPlan& plan, std::uint64_t rows) {
  for (std::size_t f = 0; f < plan.graphs.size(); ++f) {
    const GraphPlan& graph = plan.graphs[f];
    if (graph.wanted && rows * schema.fields[f].row_bytes() > graph.from_bytes) return true;
  }
  return false;
}

// Rows that searches go through one by one, of the field that has most of them.
std::uint32_t Unlinked(const MemView& mem, const OptimizerPlan& plan) {
  std::uint32_t most = 0;
  for (std::size_t f = 0; f < plan.graphs.size(); ++f) {
    if (!plan.graphs[f].wanted) continue;
    const CodedRows none;
    most = std::max(most, (f < mem.codes.size() ? mem.codes[f] : none).Unlinked(mem.rows));
  }
  return most;
}

}  // namespace

bool LacksGraphs(const Segment& segment, const OptimizerPlan& plan) {
  for (std::uint32_t f = 0; f < plan.graphs.size(); ++f) {
    if (LacksGraph(segment, f, plan.graphs[f])) return true;
  }
  return false;
}

bool Store::SealDue() const {
  const std::uint64_t rows = mem_->rows();
  // Rows that are no full batch yet must fit into the tail.
  const std::uint64_t enough =
      mem_->codes().grows(*next_.plan) && next_.plan->tail_points >= kLinkRows
          ? kSealRows
          : std::min<std::uint64_t>(kSealScannedRows, next_.plan->tail_points / 2 + 1);
  return rows >= std::max<std::uint64_t>(enough, seal_at_) &&
         Outgrown(*next_.schema, *next_.plan, rows);
}

bool Store::HasRoom() const {
  const auto now = snapshot();
  const OptimizerPlan& plan = *now->plan;
  std::uint64_t in_memory = 0, tail = 0;
  for (const MemView& mem : now->mems) {
    in_memory += mem.rows;
    tail += Unlinked(mem, plan);
  }
  if (!Outgrown(*now->schema, plan, in_memory)) tail = 0;
  for (const auto& s : now->segments) {
    if (LacksGraphs(*s, plan)) tail += s->rows() - s->deleted();
  }
  return tail <= plan.tail_points;
}

// Tells the optimiser once that rows await links.
void Store::OfferLinks() {
  if (!hooks_.work || mem_->codes().unlinked() < kOfferedRows) return;
  if (!links_offered_.exchange(true)) hooks_.work();
}

// False: there is not enough to link.
bool Store::LinkFresh(const Snapshot& now, os::ThreadPool& pool) const {
  for (const MemView& mem : now.mems) {
    for (const CodedRows& coded : mem.codes) {
      if (coded.index == nullptr || coded.index->unlinked() == 0) continue;
      const auto linked = coded.index->Link(kLinkRows, false, &pool);
      if (linked.ok() && linked.value() > 0) return true;
    }
  }
  return false;
}

// On a thread that gives way: the last rows have yet to be linked.
void Store::MakeFreshGraphs(const SealJob& job) const {
  const auto now = snapshot();
  if (!LacksGraphs(*job.segment, *now->plan)) return;
  std::thread([&] {
    GiveWay();
    os::ThreadPool pool(hooks_.threads, "vec-fresh");
    for (std::uint32_t f = 0; f < now->plan->graphs.size(); ++f) {
      GraphPlan plan = now->plan->graphs[f];
      if (!LacksGraph(*job.segment, f, plan)) continue;
      if (!now->budget->Take(GraphBytes(plan, now->schema->fields[f], job.segment->rows()))) {
        plan.mapped = true;
      }
      (void)CarryGraph(job, f, plan, pool).ok();  // Else it is built from its vectors.
    }
    MakeSegmentCodes(*job.segment, *now->plan, pool);
  }).join();
}

Status Store::CarryGraph(const SealJob& job, std::uint32_t field, const GraphPlan& plan,
                         os::ThreadPool& pool) const {
  const auto index = field < job.frozen.codes.size() ? job.frozen.codes[field].index : nullptr;
  if (index == nullptr || index->options().degree != plan.degree) return Ok();
  while (index->unlinked() > 0) {
    if (stopping_) return Ok();
    MALMOI_TRY(const std::uint32_t linked, index->Link(kLinkRows, false, &pool));
    if (linked == 0) MALMOI_TRY(index->Link(kLinkRows, true, &pool));
  }
  MALMOI_TRY(auto graph, MakeGraph(vfs_, GraphPath(job.id, field), *job.segment, field,
                                   job.schema->fields[field], plan, BaseOfFlush(job, field), pool,
                                   [this] { return stopping_.load(); }));
  if (graph != nullptr) job.segment->graphs().Put(field, std::move(graph));
  return Ok();
}

void Store::MakeSegmentCodes(const Segment& segment, const OptimizerPlan& plan,
                             os::ThreadPool& pool) const {
  for (std::uint32_t f = 0; f < plan.graphs.size(); ++f) {
    if (!LacksGraph(segment, f, plan.graphs[f]) || segment.graphs().Get(f) != nullptr) continue;
    auto codes = MakeCodes(segment, f, segment.schema().fields[f], pool,
                           [this] { return stopping_.load(); });
    if (codes.ok() && codes.value() != nullptr) {
      segment.graphs().Put(f, std::move(codes).value());
    }
  }
}

}  // namespace malmoi::vec

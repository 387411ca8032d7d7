// The store's side of the optimiser: what is to be done, and how it takes effect.
#include <algorithm>

#include "base/clock.h"
#include "vec/merge_internal.h"
#include "vec/store_internal.h"

namespace malmoi::vec {
namespace {

constexpr double kIdleSeconds = 1.0;  // Without writes.
constexpr std::size_t kFanIn = 4;
constexpr std::uint64_t kRelievedBytes = 1 << 20;  // In memory: less is not worth a file.
constexpr std::size_t kEagerShare = 4;  // The largest is at most so many times the others' sum.

// Rows deleted since the checkpoint do not count: a merge has to keep them.
bool MostlyGone(const Segment& s, const Snapshot& snapshot) {
  const OptimizerPlan& plan = *snapshot.plan;
  const double most = plan.deleted_share * static_cast<double>(s.rows());
  if (s.rows() < plan.deleted_rows || static_cast<double>(s.deleted()) <= most) return false;
  std::uint32_t gone = 0;
  for (std::uint32_t r = 0; r < s.rows(); ++r) {
    gone += s.VisibleAt(r, snapshot.checkpoint_seq) ? 0 : 1;
  }
  return static_cast<double>(gone) > most;
}

}  // namespace

std::uint64_t LiveBytes(const Segment& s) {
  const std::uint64_t rows = std::max<std::uint64_t>(s.rows(), 1);
  return s.info().size / rows * (s.rows() - s.deleted());
}

bool IsLarge(const Segment& segment, const OptimizerPlan& plan) {
  if (segment.info().size > kInlineBytes) return true;
  for (std::uint32_t f = 0; f < plan.graphs.size(); ++f) {
    if (plan.graphs[f].wanted && segment.vector_bytes(f) > plan.graphs[f].from_bytes) return true;
  }
  return false;
}

// A segment with too many deleted rows comes first, alone. Else, from the smallest on, as many as
// make the merge worth its work: all that are left out are much larger than what was taken, so a
// point is rewritten O(log n) times and there are O(log n) segments.
std::vector<std::shared_ptr<const Segment>> ChooseLargeMerge(const Snapshot& snapshot, bool eager) {
  const OptimizerPlan& plan = *snapshot.plan;
  std::vector<std::shared_ptr<const Segment>> order;
  for (const auto& s : snapshot.segments) {
    // Its own graph first: a segment is searchable before it is merged.
    const bool large = IsLarge(*s, plan);
    if ((!large && !eager) || LacksGraphs(*s, plan)) continue;
    if (large && MostlyGone(*s, snapshot)) return {s};
    order.push_back(s);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return LiveBytes(*a) < LiveBytes(*b); });
  std::uint64_t sum = 0;
  std::size_t chosen = 0;
  bool large = false;  // Small ones alone are Merge's.
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint64_t bytes = LiveBytes(*order[i]);
    if (sum + bytes > plan.segment_bytes_max) break;
    const bool enough = eager ? sum * kEagerShare >= bytes : i + 1 >= kFanIn && sum >= bytes;
    large = large || IsLarge(*order[i], plan);
    if (i > 0 && enough && large) chosen = i + 1;
    sum += bytes;
  }
  order.resize(chosen);
  return order;
}

void Store::RefreshPlan() {
  if (asked_plan_ == nullptr || planned_schema_ != next_.schema ||
      planned_settings_ != next_.settings) {
    planned_schema_ = next_.schema;
    planned_settings_ = next_.settings;
    asked_plan_ =
        std::make_shared<const OptimizerPlan>(PlanOptimizer(*next_.schema, *next_.settings));
    next_.plan = asked_plan_;
  }
  OptimizerPlan sized = PlanForSize(*asked_plan_, *next_.schema, next_.live_with);
  if (sized.graphs != next_.plan->graphs) {
    next_.plan = std::make_shared<const OptimizerPlan>(std::move(sized));
  }
}

bool Store::HasWork() const {
  const auto now = snapshot();
  for (const auto& s : now->segments) {
    if (LacksGraphs(*s, *now->plan)) return true;
  }
  return !ChooseLargeMerge(*now, true).empty();
}

void Store::Relieve() {
  const auto now = snapshot();
  for (const auto& s : now->segments) {
    s->columns().Clear();
    s->kept().Clear();
    s->byte_rows().Clear();
  }
  std::uint64_t bytes = 0;
  for (const MemView& mem : now->mems) bytes += mem.bytes;
  if (bytes > kRelievedBytes) (void)Flush(true).ok();  // Its error is told to who writes next.
}

void Store::Offer() const {
  if (hooks_.work && !stopping_ && HasWork()) hooks_.work();
}

std::string Store::GraphPath(std::uint64_t segment, std::uint32_t field) const {
  return Path("ann", segment) + "-" + std::to_string(field);
}

void Store::OpenGraphs() {
  const auto now = snapshot();
  for (const auto& s : now->segments) {
    for (std::uint32_t f = 0; f < now->plan->graphs.size() && !stopping_; ++f) {
      GraphPlan plan = now->plan->graphs[f];
      if (!LacksGraph(*s, f, plan)) continue;
      const Schema::Field& field = now->schema->fields[f];
      if (!now->budget->Take(GraphBytes(plan, field, s->rows()))) plan.mapped = true;
      auto graph = OpenGraph(vfs_, GraphPath(s->info().id, f), *s, f, field, plan);
      if (graph != nullptr) s->graphs().Put(f, std::move(graph));
    }
  }
  Offer();
}

Status Store::MakeGraphs(const Snapshot& now, const Segment& segment, os::ThreadPool& pool,
                         const std::function<bool()>& stop, const SealJob* merge) {
  for (std::uint32_t f = 0; f < now.plan->graphs.size(); ++f) {
    GraphPlan plan = now.plan->graphs[f];
    if (!LacksGraph(segment, f, plan)) continue;
    // What was built is in memory until it is saved: without room for that the segment is scanned.
    if (!now.budget->Take(GraphBytes(plan, now.schema->fields[f], segment.rows()))) {
      plan.mapped = true;
      plan.saved_only = true;
    }
    auto graph =
        MakeGraph(vfs_, GraphPath(segment.info().id, f), segment, f, now.schema->fields[f], plan,
                  merge == nullptr ? GraphBase() : BaseOfMerge(*merge, f, plan), pool, stop);
    if (!graph.ok()) {
      segment.graphs().SetFailed(f);
      continue;
    }
    if (graph.value() == nullptr) return Error(Code::kCancelled, "stopped");
    segment.graphs().Put(f, std::move(graph).value());
  }
  return Ok();
}

Store::Work Store::MakeOneGraph(os::ThreadPool& pool, const std::atomic<bool>& stop) {
  links_offered_ = false;
  const auto now = snapshot();
  if (LinkFresh(*now, pool)) return Work::kDone;
  for (const auto& s : now->segments) {
    if (!LacksGraphs(*s, *now->plan)) continue;
    const bool made =
        MakeGraphs(*now, *s, pool, [&] { return stop.load() || stopping_.load(); }).ok();
    return made ? Work::kDone : Work::kNone;
  }
  return Work::kNone;
}

bool Store::MakeOwnGraph(const Snapshot& now, os::ThreadPool& pool,
                         const std::function<bool()>& stop) {
  for (const auto& s : now.segments) {
    for (std::uint32_t f = 0; f < now.plan->graphs.size(); ++f) {
      const auto graph = s->graphs().Get(f);
      if (graph == nullptr || graph->options().degree == 0) continue;
      if (graph->placement() == ann::Placement::kFile) continue;  // It is to take no memory.
      const auto kept = s->kept().NextOwn(graph, s->rows());
      if (kept == nullptr) continue;
      std::vector<std::uint32_t> rows;
      kept->rows().ForEach([&](std::uint32_t row) {
        if (s->Has(f, row)) rows.push_back(row);
      });
      const bool copy = OwnGraph::Copies(kept->count(), s->rows());
      auto made = ann::Index::Subset(graph, rows, copy, stop, &pool);
      if (stop()) return false;
      std::shared_ptr<OwnGraph> own;
      if (made.ok()) {
        if (!copy) rows.clear();
        own = std::make_shared<OwnGraph>(
            OwnGraph{.index = std::move(made).value(), .rows = std::move(rows)});
      }
      kept->PutOwn(graph, std::move(own));
      return true;
    }
  }
  return false;
}

// As RunJob, but the graphs come before the segment takes its sources' place, and the lock that
// small merges and exports wait for is held for that step alone.
Store::Work Store::MergeLarge(os::ThreadPool& pool, bool force, const std::atomic<bool>& stop) {
  const auto now = snapshot();
  if (error()) return Work::kNone;
  bool fresh = false;
  for (const auto& s : now->segments) fresh = fresh || LacksGraphs(*s, *now->plan);
  const bool idle = force || (!fresh && SecondsSince(last_write_.load()) > kIdleSeconds);
  SealJob job;
  job.large = true;
  job.eager = idle;
  const auto halted = [&] { return stop.load() || stopping_.load(); };
  if (ChooseLargeMerge(*now, idle).empty()) {
    // A merge does not wait for it.
    const auto due = [&] { return halted() || !ChooseLargeMerge(*snapshot(), false).empty(); };
    if (MakeOwnGraph(*now, pool, due)) return Work::kDone;
    return !idle && !ChooseLargeMerge(*now, true).empty() ? Work::kLater : Work::kNone;
  }
  Status status = Ask(WriteRequest::Kind::kBegin, &job);
  if (status.ok() && job.idle) return Work::kNone;
  if (status.ok()) status = Build(job);
  if (status.ok() && job.segment != nullptr)
    status = MakeGraphs(*now, *job.segment, pool, halted, &job);
  if (status.ok() && halted()) status = Error(Code::kCancelled, "stopped");
  if (status.ok()) {
    const std::lock_guard lock(merge_mutex_);
    status = Ask(WriteRequest::Kind::kInstall, &job);
    for (const auto& path : job.old) {
      if (status.ok()) (void)vfs_.Remove(path).ok();  // Else the next start removes it.
    }
  }
  if (status.ok()) return Work::kDone;
  (void)Ask(WriteRequest::Kind::kAbandon, &job, &status.error()).ok();
  if (job.id != 0) (void)vfs_.Remove(Path("seg", job.id)).ok();
  for (std::uint32_t f = 0; job.segment != nullptr && f < now->plan->graphs.size(); ++f) {
    if (job.segment->graphs().Get(f) != nullptr) (void)vfs_.Remove(GraphPath(job.id, f)).ok();
  }
  // A full disk, or a source that another merge took: what is published is unchanged.
  return status.error().code() == Code::kCorruption ? Work::kNone : Work::kLater;
}

}  // namespace malmoi::vec

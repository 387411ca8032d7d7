#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ann/index.h"
#include "os/thread_pool.h"
#include "os/vfs.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {

class Segment;

// What the settings of a collection and of one of its vectors say about graphs, under Qdrant's
// names: hnsw_config (m, ef_construct, full_scan_threshold, on_disk; the vector's own win) and
// optimizer_config (indexing_threshold). Sizes there are in KB of vectors.
struct GraphPlan {
  bool wanted = false;               // Dense, not Manhattan, m and indexing_threshold above 0.
  std::uint64_t from_bytes = 0;      // A segment whose vectors are larger gets a graph.
  std::uint64_t scan_bytes = 0;      // Where a filter keeps less than this, all of it is scored.
  std::uint32_t degree = 32;         // m * 2, in 8..64.
  std::uint32_t build_window = 128;  // ef_construct, and at least 4 * degree.
  std::uint32_t window = 100;        // Of a search that does not say; ef_construct.
  bool mapped = false;               // Left in the file instead of memory.
  // The vectors are on disk, so that the more is read of codes: all eight bits, not four.
  bool fine = false;
  bool saved_only = false;  // Not built where no file has it: there is no room for it.
  bool bytes = false;       // Scans read rows as bytes first: there is a quantization.
  bool operator==(const GraphPlan&) const = default;
};
GraphPlan PlanGraph(const Schema::Field& field, const std::string& settings);

// How the optimiser works on a collection.
struct OptimizerPlan {
  std::vector<GraphPlan> graphs;      // By field.
  double deleted_share = 0.2;         // From it on a segment is written anew,
  std::uint32_t deleted_rows = 1000;  // if it has at least so many rows.
  std::uint64_t segment_bytes_max = 4ull << 30;
  std::uint64_t tail_points = 50'000;  // Points that await a graph: more make writers wait.
};
OptimizerPlan PlanOptimizer(const Schema& schema, const std::string& settings);
// The thresholds are those of the collection: once it has more bytes of a vector (`live_with`, rows
// by field), its parts of 1,024 rows or more get graphs and are walked. Else a search would go
// through up to `indexing_threshold` of vectors in the newest part, whatever the others have.
OptimizerPlan PlanForSize(const OptimizerPlan& asked, const Schema& schema,
                          std::span<const std::uint64_t> live_with);

// Of a dense field that may have a graph.
ann::Metric MetricOf(const Schema::Field& field);
// About what the graph of so many rows takes in memory.
std::uint64_t GraphBytes(const GraphPlan& plan, const Schema::Field& field, std::uint64_t rows);

// The graphs of one segment, by field; until a graph is made, codes without one. Not part of what
// the segment holds: they come and go while it is read. Thread-safe.
class GraphSet {
 public:
  // Null: none.
  std::shared_ptr<const ann::Index> Get(std::uint32_t field) const;
  void Put(std::uint32_t field, std::shared_ptr<const ann::Index> graph);
  // A graph that could not be built is not tried again until the segment is opened anew.
  bool failed(std::uint32_t field) const;
  void SetFailed(std::uint32_t field);
  std::uint64_t memory_bytes() const;

 private:
  struct Slot {
    std::shared_ptr<const ann::Index> graph;
    bool failed = false;
  };
  mutable std::mutex mutex_;  // guards: slots_
  std::vector<Slot> slots_;
};

// The field's rows as codes without a graph. Errors: as MakeGraph's.
// Cost: about 2 us a vector and thread.
Result<std::shared_ptr<const ann::Index>> MakeCodes(const Segment& segment, std::uint32_t field,
                                                    const Schema::Field& described,
                                                    os::ThreadPool& pool,
                                                    const std::function<bool()>& stop);

// Whether the segment's field is to have a graph that it has not yet, or has by older settings.
bool LacksGraph(const Segment& segment, std::uint32_t field, const GraphPlan& plan);

// What there is already of a segment's graph.
struct GraphBase {
  // A graph of rows that the segment has too, which its own begins with. Null: none.
  std::shared_ptr<const ann::Index> graph;
  std::vector<std::uint32_t> to;  // ann::Index::Renumber's: its rows in the segment.
  // The links that other rows had in the graphs that they come from. Null: nothing is known.
  std::shared_ptr<const ann::Neighbours> links;
};

// The graph of one field of a segment from its file `path`. Null where that is missing, damaged, or
// was not made of this segment by these settings. Cost: reading and checking the file.
std::shared_ptr<const ann::Index> OpenGraph(os::Vfs& vfs, const std::string& path,
                                            const Segment& segment, std::uint32_t field,
                                            const Schema::Field& described, const GraphPlan& plan);

// The graph of one field of a segment: from its file `path` if that is whole and was made of this
// segment by these settings, else built and saved there (docs/formats/ann.md). A damaged file is
// replaced; a file that cannot be written leaves the graph in memory. The result depends on the
// segment, the plan and the base alone. Null if `stop` became true. Errors: kInvalidArgument
// (numbers whose squares are not finite), kCorruption (of the segment), kOverloaded (also by
// plan.saved_only). Cost: about 60 us a vector and thread.
Result<std::shared_ptr<const ann::Index>> MakeGraph(os::Vfs& vfs, const std::string& path,
                                                    const Segment& segment, std::uint32_t field,
                                                    const Schema::Field& described,
                                                    const GraphPlan& plan, const GraphBase& base,
                                                    os::ThreadPool& pool,
                                                    const std::function<bool()>& stop);

}  // namespace malmoi::vec

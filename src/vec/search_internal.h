#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "os/thread_pool.h"
#include "vec/matcher_internal.h"
#include "vec/prescan_internal.h"
#include "vec/read.h"
#include "vec/scorer_internal.h"
#include "vec/snapshot_internal.h"

namespace malmoi::vec {

// Search over one snapshot. Exact where no graph is used (search_graph.cc): then the result does
// not depend on how points are spread over parts or threads.
class Searcher {
 public:
  Searcher(const Snapshot& snapshot, os::ThreadPool& pool, const Cancel* cancel)
      : snapshot_(snapshot), parts_(snapshot.Parts()), pool_(pool), cancel_(cancel) {}

  Result<QueryOutcome> Run(const VectorQuery& query) const;
  // Several at once, with the outcomes that each has alone, where ScanTogether says so: scans of
  // all points of one dense vector, for which memory is read once.
  bool ScanTogether(std::span<const VectorQuery> queries) const;
  Result<std::vector<QueryOutcome>> RunTogether(std::span<const VectorQuery> queries) const;
  // The matcher of a filter; none for null and for the empty filter.
  Result<std::optional<Matcher>> Match(const Filter* filter) const;
  // Rows that `matcher` (null: all) keeps.
  std::vector<RowRef> Select(const Matcher* matcher) const;
  std::uint64_t Count(const Matcher* matcher) const;
  // Live rows of a part that `matcher` (null: all) keeps.
  Bitmap Rows(const PartRef& part, const Matcher* matcher) const;
  // Live points whose sparse vector has the term.
  std::uint64_t CountTerm(std::uint32_t field, std::uint32_t term) const;
  const std::vector<PartRef>& parts() const { return parts_; }

 private:
  struct Task {
    std::uint32_t field = 0;
    std::size_t limit = 0;
    std::optional<float> threshold;
    bool smaller_is_better = false;
    const Matcher* matcher = nullptr;
    const Scorer* scorer = nullptr;
    bool with_payload = false;
    // Where graphs may be used: the query as it would be stored, and what was asked of the search.
    std::span<const float> query = {};
    const SearchParams* params = nullptr;
  };
  struct Scored {
    float key = 0;  // Larger is better.
    RowRef row;
  };
  // Live rows of a part that a filter keeps.
  struct Kept {
    std::shared_ptr<const KeptRows> known;  // What its segment remembers; null: nothing.
    bool whole = false;                     // That is it: no row was deleted.
    Bitmap own;                             // Else.

    const Bitmap& rows() const { return whole ? known->rows() : own; }
    std::uint64_t Count() const { return whole ? known->count() : own.Count(); }
  };
  Kept KeptOf(std::size_t part, const Matcher& matcher) const;
  std::shared_ptr<const KeptRows> Remembered(const Segment& segment, const Matcher& matcher) const;
  static bool Better(const Scored& a, const Scored& b);
  // The best rows of one thread's share.
  struct Best {
    std::vector<Scored> heap;         // Worst on top.
    std::vector<std::uint32_t> rows;  // Scratch of ScanRows, and their keys.
    std::vector<float> keys;
    std::uint64_t scored = 0;
    bool graph = false;  // Used: not every row was scored.
    // On codes: what the parts that were searched last would have as the last of their candidates,
    // were they all one.
    float floor = -std::numeric_limits<float>::infinity();

    void Offer(const Task& task, float key, RowRef row);
  };
  Result<QueryOutcome> Finish(const Task& task, std::vector<Best>& found) const;
  // *weighted (null: not wanted): of a sparse query the one to search for.
  Result<std::unique_ptr<Scorer>> ScorerFor(std::uint32_t field, const VectorQuery& query,
                                            SparseVector* weighted = nullptr) const;
  std::uint64_t CountGone(const PartRef& part, const Postings& list) const;
  void Scan(const Task& task, std::vector<Best>* found) const;
  bool Approximate(const Task& task, std::size_t part, const Kept* kept, Best* best) const;
  std::vector<std::size_t> LargestFirst() const;
  bool LeftOut(const Task& task, std::size_t part) const;
  bool FromGraph(const Task& task, const Segment& segment, const ann::Index& graph,
                 const ann::IdFilter* kept, std::vector<ann::Found>* visible, Best* best) const;
  bool FromOwn(const Task& task, const Segment& segment, const OwnGraph& own, const Kept& kept,
               std::vector<ann::Found>* found, Best* best) const;
  std::size_t FromMemory(const Task& task, const MemView& mem, std::size_t first,
                         std::span<const Kept> kept, Best* best) const;
  ann::IdFilter MemoryFilter(std::size_t first, std::size_t blocks, std::span<const Kept> kept,
                             std::vector<std::uint64_t>* words) const;
  static std::size_t Wanted(const Task& task);
  ann::SearchParams Asked(const Task& task, std::size_t wanted, double left_out, bool fine) const;
  // Searches one of several indexes for the same best.
  Result<std::vector<ann::Found>> SearchPart(const Task& task, const ann::Index& index,
                                             ann::SearchParams params, std::uint64_t rows,
                                             Best* best) const;
  using RowOf = std::function<RowRef(std::uint32_t)>;  // Of an index's id.
  static std::size_t Sure(const Task& task, std::size_t found);
  void Rescore(const Task& task, const RowOf& row_of, std::span<const ann::Found> found,
               Best* best) const;
  float ScoreFound(const Task& task, const RowOf& row_of, std::span<const ann::Found> found,
                   Best* best) const;
  void ScanRows(const Task& task, const PartRef& part, const Bitmap* kept, std::uint32_t begin,
                std::uint32_t end, Best* best) const;
  // Queries of one batch that scan the same rows (search_batch.cc).
  struct Together {
    std::vector<Task> tasks;
    std::vector<std::unique_ptr<Scorer>> scorers;
    std::unique_ptr<Prescan> prescan;                    // Null: rows are scored one by one.
    std::vector<std::shared_ptr<const ByteRows>> bytes;  // By segment, where they are kept.
    std::vector<std::vector<Best>>* found = nullptr;     // By query and thread.
  };
  // At most ByteRows::kRows rows of a part, by its number.
  struct Range {
    std::size_t part;
    std::uint32_t begin, end;
  };
  Status Prepare(std::span<const VectorQuery> queries, std::uint32_t field, Together* all) const;
  std::shared_ptr<const ByteRows> BytesOf(const Segment& segment, std::uint32_t field,
                                          os::CpuLevel level) const;
  void ScanEach(const Together& all, const Range& range, std::size_t worker) const;
  void ScanByBytes(const Together& all, const Range& range, std::size_t worker,
                   Prescan::Scratch* scratch) const;
  void Some(const Task& task, Best* best) const;
  void Sparse(const Task& task, const SparseVector& query, std::vector<Best>* found) const;
  void SparseAll(const Task& task, const SparseVector& query, const PartRef& part,
                 Best* best) const;
  bool SparseBest(const Task& task, const SparseVector& query, std::size_t number,
                  Best* best) const;
  SparseVector Weighted(std::uint32_t field, SparseVector query) const;
  std::vector<RowRef> Candidates(const Matcher& matcher) const;
  bool Cancelled() const { return cancel_ != nullptr && cancel_->IsSet(); }

  const Snapshot& snapshot_;
  std::vector<PartRef> parts_;
  os::ThreadPool& pool_;
  const Cancel* cancel_;
};

}  // namespace malmoi::vec

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ann/graph_internal.h"
#include "ann/walk_internal.h"
#include "os/thread_pool.h"

namespace malmoi::ann {

// The rows of an index by the nearest of some centres (an inverted file: Jegou, Douze and Schmid
// 2011): where a filter keeps too many rows to score them all and too few for a walk to meet them,
// those in the cells near the query are scored.
struct Cells {
  static constexpr std::uint32_t kRowsOfCell = 128;  // About, up to kMost cells.
  static constexpr std::uint32_t kMost = 2048;
  static constexpr std::uint32_t kFromRows = 4'096;  // Fewer rows are scanned.

  std::uint32_t count = 0;
  const std::uint8_t* codes = nullptr;    // Of the centres, 4-bit.
  const Factors* factors = nullptr;       // Of the centres.
  const std::uint32_t* starts = nullptr;  // [count + 1]
  const std::uint32_t* rows = nullptr;    // Of cell c: [starts[c], starts[c + 1]), rising.
  std::vector<std::uint32_t> order;       // 0, 1, 2...: what to score.
  // What the pointers lead to, unless that is a mapped file.
  Buffer<std::uint8_t> own_codes;
  std::vector<Factors> own_factors;
  std::vector<std::uint32_t> own_starts, own_rows;
};

// Bit i: whether rows[i] of the cells is in a filter.
struct CellBits {
  std::shared_ptr<const Cells> cells;  // Which they are of; what they hold may be gone.
  std::vector<std::uint64_t> words;
};
std::shared_ptr<const CellBits> MarkCells(std::shared_ptr<const Cells> cells,
                                          std::span<const std::uint64_t> bits);

// Divides the ids, which are linked; centres by four rounds of k-means over a sample. The result
// does not depend on the number of threads. Cost: about 3 us a row, of which threads take parts.
std::shared_ptr<const Cells> MakeCells(const Arrays& arrays, std::size_t blocks,
                                       std::span<const std::uint32_t> ids, os::ThreadPool* pool);

// How many of an index' rows a search of cells tests, about, for a window: it stops where `window`
// of 800 rows in a row brought nothing.
double CellRowsTested(std::uint64_t rows, std::size_t window);

// The ids that `keep` has of the cells nearest to scratch->query, in scratch->pool.
void SearchCells(const Arrays& arrays, const Cells& cells, std::uint64_t size, std::size_t window,
                 const Keep& keep, WalkScratch* scratch);

}  // namespace malmoi::ann

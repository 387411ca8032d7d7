#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/thread_pool.h"
#include "os/vfs.h"

// Approximate nearest neighbours over rows of f32 numbers: a graph of short codes.
//
// A vector is rotated at random, stored as 4-bit numbers with one scale (dim / 2 bytes), and, when
// asked, with 4 further bits of each number in a second array. A search walks the graph on the
// 4-bit codes, scores what it found again on all 8 bits, and again on the caller's rows where it
// is given them. See README.md and docs/decisions for what else was tried.
namespace malmoi::ann {

enum class Metric : std::uint8_t {
  kCosine,  // Score: cosine similarity; 0 for a zero vector.
  kDot,     // Score: inner product.
  kEuclid,  // Score: minus the squared distance, so that larger is better everywhere.
};

enum class Codes : std::uint8_t {
  kFour,   // 4 bits a number: for a caller that gives its rows to every search.
  kEight,  // 4 + 4 bits: recall above 0.99 without the rows.
};

struct IndexOptions {
  Metric metric = Metric::kCosine;
  Codes codes = Codes::kEight;
  std::uint32_t dim = 0;       // 1..65,536.
  std::uint32_t capacity = 0;  // Ids are below it; address space, not memory, is taken.
  // Links of a node, 4..64. 0: no graph; each search goes through the codes of all rows. Rows cost
  // a fortieth to insert. Only in memory: Save and Relink give kUnsupported.
  std::uint32_t degree = 32;
  std::uint32_t build_window = 128;  // Candidates a new node's links are chosen from, >= degree.
  float alpha = 1.2f;                // >= 1: how much longer a detour a left-out link may cause.
  std::uint64_t seed = 42;           // Of the rotation and of the entry points.
  std::uint64_t tag = 0;             // The caller's; kept in the file: what it was built from.
};

// Bytes of memory that a row of such an index takes: what searches touch, and, where rows can be
// inserted, what is kept for that. Of one that is opened as kCoarse with the options' codes kFour.
std::uint64_t RowBytes(const IndexOptions& options, bool writable);

// The caller's vectors, by id. Pointers stay good while the object does. Called from several
// threads at once.
class Rows {
 public:
  virtual ~Rows() = default;
  virtual const float* Row(std::uint32_t id) const = 0;  // [dim].
};

// Rows of one array: id r at base + r * stride.
class DenseRows : public Rows {
 public:
  DenseRows(const float* base, std::size_t stride) : base_(base), stride_(stride) {}
  const float* Row(std::uint32_t id) const override { return base_ + id * stride_; }

 private:
  const float* base_;
  std::size_t stride_;
};

// What is known of rows before they are inserted: ids near them, such as the links they had in
// another graph. Called from several threads at once.
class Neighbours {
 public:
  virtual ~Neighbours() = default;
  // Ids that are or will be in the index, to the end of *near.
  virtual void Of(std::uint32_t id, std::vector<std::uint32_t>* near) const = 0;
};

// Ids in the order of an index's cells (Index::InCells).
struct CellBits;

// Ids that a search may return: bit id % 64 of word id / 64. Words past the end count as zero.
struct IdFilter {
  std::span<const std::uint64_t> bits;
  std::uint64_t count = 0;  // Bits set: decides between a scan of them and the graph.
  // For a filter that comes again: what InCells of the searched index gave for these ids, or for
  // more, of which the others are then left out. Null, or of another index: not used.
  const CellBits* in_cells = nullptr;
  bool more_in_cells = false;
};

// Where an opened index is. kCoarse: in memory but for the further bits of codes, which stay in the
// file: for searches whose caller scores on its rows what the index finds (SearchParams::coarse).
enum class Placement : std::uint8_t { kFile, kMemory, kCoarse };

struct SearchParams {
  std::size_t limit = 10;
  std::size_t window = 64;           // Candidates kept while walking ("ef"), raised to `limit`.
  const IdFilter* filter = nullptr;  // Null: all.
  const Rows* rows = nullptr;        // Null: scores come from the codes.
  std::size_t rescore = 0;  // With rows: how many of the best are read; 0: limit * 2 or the window.
  // So many of what was found are given, though `limit` are wanted: a caller that scores them on
  // its rows goes as far as codes may be off. 0: limit.
  std::size_t results = 0;
  bool coarse = false;      // The 4-bit codes alone say which are found, without the further bits.
  bool exhaustive = false;  // Every id on codes, without the graph.
  // Of one of several indexes that are searched for the same best: past `limit` a walk does not
  // follow candidates that score less on codes than what another has at `rank`
  // (SearchStats::at_rank), as if all were one index.
  float floor = -std::numeric_limits<float>::infinity();
  std::size_t rank = 0;
  bool walk = false;  // The graph, even where a scan would cost less: for measurements and tests.
};

struct Found {
  std::uint32_t id = 0;
  float score = 0;
};

struct SearchStats {
  std::uint64_t distances = 0;  // On 4-bit codes.
  std::uint64_t hops = 0;       // Nodes whose links were followed.
  std::uint64_t rescored = 0;   // On 8 bits or rows.
  // On codes, of the candidate at SearchParams::rank; the lowest where there are not so many.
  float at_rank = -std::numeric_limits<float>::infinity();
  bool scanned = false;  // The filter kept so few that its ids were scanned.
};

struct IndexInfo {
  std::uint32_t size = 0;     // Ids inserted and not deleted.
  std::uint32_t deleted = 0;  // Deleted and still in the graph as way points.
  std::uint64_t links = 0;
  std::uint64_t search_bytes = 0;  // Codes, links and entry points: what a search may touch.
  std::uint64_t update_bytes = 0;  // Kept besides for insertion; 0 for an opened file.
  bool writable = true;
};

// An index of vectors under u32 ids.
//
// Thread safety: any number of Search and SearchBatch beside one another and beside writers.
// Writers (Train, Insert, Link, Delete, Relink, Save) take turns by a mutex inside; Append waits
// for Train and Insert alone. A search sees each id either whole or not at all; an id that Insert
// or Append has returned for is found, unless it was deleted.
//
// Determinism: the same options and the same calls give the same index, byte for byte, whatever the
// number of threads and the CPU level: scores on codes are sums of integers.
//
// Cost for 384 dimensions, degree 32: 192 B of 4-bit code, 192 B of further bits, 128 B of links
// and 8 B of factors a vector; 128 B more while it is writable.
class Index {
 public:
  // Errors: kInvalidArgument (options out of range), kOverloaded (no address space).
  static Result<std::unique_ptr<Index>> Create(const IndexOptions& options);
  // A saved index, mapped, for searching and deleting; Insert and Relink give kUnsupported. Every
  // byte is checked first, links for their range too; memory is huge pages where the system has
  // them. Errors: kNotFound, kIo, kCorruption, kUnsupported (a newer format).
  static Result<std::unique_ptr<Index>> Open(os::Vfs& vfs, const std::string& path,
                                             Placement placement = Placement::kFile);
  virtual ~Index() = default;

  virtual const IndexOptions& options() const = 0;
  virtual IndexInfo Info() const = 0;
  virtual Placement placement() const = 0;  // kMemory of one that was not opened.

  // Takes the mean (and for kDot the largest norm) of up to 4,096 of these rows, which codes are
  // relative to. Without it the first Insert does so with its own. Has no effect later.
  virtual Status Train(std::span<const std::uint32_t> ids, const Rows& rows) = 0;

  // Adds ids with their rows; `pool` null: on this thread. In batches that grow with the index,
  // each in parallel. Errors: kInvalidArgument (an id is present, not below the capacity or twice
  // in the list; a number is not finite), before anything is added; kUnsupported (opened from a
  // file). `known` (null: nothing): a row of which four neighbours are linked is looked for from
  // these in two thirds of build_window, which finds links as good in four fifths of the time.
  virtual Status Insert(std::span<const std::uint32_t> ids, const Rows& rows,
                        os::ThreadPool* pool = nullptr, const Neighbours* known = nullptr) = 0;

  // Adds ids as codes: each search goes through them one by one until Link has linked them. They
  // rise, above all that are present; the index was trained and has a degree.
  // Errors: as Insert's; kInvalidArgument (not trained, ids that do not rise).
  // Cost: about 2 us a row of 384 numbers, and 9 ns a row in every search.
  virtual Status Append(std::span<const std::uint32_t> ids, const Rows& rows) = 0;
  // Links appended rows, by rising id, until none or `most` or more are done; by their codes.
  // Without `all` only as many as make a full batch are begun with, so that the links do not depend
  // on how the rows were handed to Append. The number linked. Errors: kUnsupported.
  virtual Result<std::uint32_t> Link(std::uint32_t most, bool all,
                                     os::ThreadPool* pool = nullptr) = 0;
  // The ids that a row links to, to the end of *near; none where there is no such row.
  virtual void LinksOf(std::uint32_t id, std::vector<std::uint32_t>* near) const = 0;
  // Above every id that is present.
  virtual std::uint32_t bound() const = 0;
  // Appended and not yet linked.
  virtual std::uint32_t unlinked() const = 0;

  // `from` under other ids: row i is to[i] there, and rows that are kGone (or past the end of `to`,
  // or deleted) are left out, with links led past them. Of `options` the capacity, the tag and the
  // build_window are free. The copy can be inserted into, and has the mean of `from`.
  // Errors: kInvalidArgument (other options differ, unlinked rows, an id twice or not below the
  // capacity), kUnsupported (4-bit codes, or kDot opened from a file), kOverloaded.
  // Cost: about 1 us a row and thread where nothing is left out.
  static constexpr std::uint32_t kGone = ~std::uint32_t{0};
  static Result<std::unique_ptr<Index>> Renumber(const Index& from,
                                                 std::span<const std::uint32_t> to,
                                                 const IndexOptions& options,
                                                 os::ThreadPool* pool = nullptr);

  // Some ids of an opened index with links among these alone: for a filter that comes often. With
  // `copy` id i there is ids[i] here, and their 4-bit codes lie side by side; without it ids stay
  // what they are, and the codes are those of `from`, which is then kept. It does not change, and
  // is searched as SearchParams::coarse says. Null where `stop`, asked every 2,048 rows, says so.
  // Errors: kInvalidArgument (ids that do not rise or are not in the index), kUnsupported (an index
  // that grows, 4-bit codes, no links), kOverloaded. Cost: as inserting the ids; 128 bytes of links
  // a row of it (with degree 32), for as long as it is made as many again, and with `copy` what a
  // row of an index takes.
  static Result<std::unique_ptr<Index>> Subset(std::shared_ptr<const Index> from,
                                               std::span<const std::uint32_t> ids, bool copy,
                                               const std::function<bool()>& stop,
                                               os::ThreadPool* pool = nullptr);

  // Divides the rows into cells around centres, which searches go through where a filter keeps few
  // of the rows, but too many to score them all; saved with the index. For an index that is whole:
  // the next row that is linked drops them. Few rows (below 4,096) are left alone.
  // Errors: kUnsupported (opened from a file, unlinked rows). Cost: about 3 us a row, all threads.
  virtual Status Partition(os::ThreadPool* pool = nullptr) = 0;
  // The ids of a filter by cells: with it a search looks at a bit a row of a cell, in order, and
  // not at bits anywhere. An eighth of a byte a row. Null: the index has no cells.
  // Cost: about 1 ns a row.
  virtual std::shared_ptr<const CellBits> InCells(std::span<const std::uint64_t> bits) const = 0;

  // Ids are not returned any more from the next search on; unknown ones are ignored. They stay way
  // points until Relink, and an id is not to be inserted again before it.
  virtual Status Delete(std::span<const std::uint32_t> ids) = 0;
  // Leads links past deleted nodes and takes these out. Searches go on meanwhile.
  virtual Status Relink(os::ThreadPool* pool = nullptr) = 0;

  // At most `limit` ids, best first, ties by smaller id. Errors: kInvalidArgument (dimension, a
  // number not finite, window above 65,536).
  virtual Result<std::vector<Found>> Search(std::span<const float> query,
                                            const SearchParams& params,
                                            SearchStats* stats = nullptr) const = 0;
  // queries: [n, dim]. Result i is Search's for query i.
  virtual Result<std::vector<std::vector<Found>>> SearchBatch(
      std::span<const float> queries, const SearchParams& params, os::ThreadPool* pool,
      SearchStats* stats = nullptr) const = 0;

  // Writes the index to `path` by a temporary file, a sync and a rename (docs/formats/ann.md).
  virtual Status Save(os::Vfs& vfs, const std::string& path) const = 0;
};

}  // namespace malmoi::ann

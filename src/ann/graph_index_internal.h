#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ann/cells_internal.h"
#include "ann/index.h"
#include "ann/walk_internal.h"

namespace malmoi::ann {

Status CheckIndexOptions(const IndexOptions& options);

// The one Index. Lock order: write_mutex_, append_mutex_, shared_mutex_ (held for pointers only).
class GraphIndex : public Index {
 public:
  static Result<std::unique_ptr<GraphIndex>> Make(const IndexOptions& options);
  static Result<std::unique_ptr<GraphIndex>> FromFile(os::Vfs& vfs, const std::string& path,
                                                      Placement placement);

  const IndexOptions& options() const override { return options_; }
  IndexInfo Info() const override;
  Placement placement() const override { return placement_; }
  Status Train(std::span<const std::uint32_t> ids, const Rows& rows) override;
  Status Insert(std::span<const std::uint32_t> ids, const Rows& rows, os::ThreadPool* pool,
                const Neighbours* known) override;
  Status Append(std::span<const std::uint32_t> ids, const Rows& rows) override;
  Result<std::uint32_t> Link(std::uint32_t most, bool all, os::ThreadPool* pool) override;
  void LinksOf(std::uint32_t id, std::vector<std::uint32_t>* near) const override;
  std::uint32_t bound() const override { return bound_.load(std::memory_order_acquire); }
  std::uint32_t unlinked() const override { return unlinked_.load(std::memory_order_acquire); }
  // Index::Renumber of this.
  Result<std::unique_ptr<Index>> Renumbered(std::span<const std::uint32_t> to,
                                            const IndexOptions& options,
                                            os::ThreadPool* pool) const;
  // Index::Subset of `from`.
  static Result<std::unique_ptr<Index>> SubsetOf(std::shared_ptr<const GraphIndex> from,
                                                 std::span<const std::uint32_t> ids, bool copy,
                                                 const std::function<bool()>& stop,
                                                 os::ThreadPool* pool);
  Status Partition(os::ThreadPool* pool) override;
  std::shared_ptr<const CellBits> InCells(std::span<const std::uint64_t> bits) const override;
  Status Delete(std::span<const std::uint32_t> ids) override;
  Status Relink(os::ThreadPool* pool) override;
  Result<std::vector<Found>> Search(std::span<const float> query, const SearchParams& params,
                                    SearchStats* stats) const override;
  Result<std::vector<std::vector<Found>>> SearchBatch(std::span<const float> queries,
                                                      const SearchParams& params,
                                                      os::ThreadPool* pool,
                                                      SearchStats* stats) const override;
  Status Save(os::Vfs& vfs, const std::string& path) const override;

 private:
  struct Item;       // A row on its way in.
  struct Relinked {  // A row whose links are renewed.
    std::uint32_t id = 0;
    bool changed = false;
    std::vector<Near> links;
  };
  // Scratch and landmarks for one walk; gives the scratch back.
  class Visit {
   public:
    explicit Visit(const GraphIndex& index);
    ~Visit();
    WalkScratch& scratch() const { return *scratch_; }
    const Landmarks& landmarks() const { return *landmarks_; }
    const Cells* cells() const { return cells_.get(); }
    // Whether deleted rows can be met from these landmarks.
    bool deleted() const { return deleted_; }

   private:
    const GraphIndex& index_;
    // Read before the landmarks: Relink publishes landmarks without deleted rows, then says so.
    bool deleted_;
    std::unique_ptr<WalkScratch> scratch_;
    std::shared_ptr<const Landmarks> landmarks_;
    std::shared_ptr<const Cells> cells_;
  };

  explicit GraphIndex(const IndexOptions& options)
      : options_(options), frame_(options.metric, options.dim, options.seed) {}

  Status Reserve();
  Status CheckNew(std::span<const std::uint32_t> ids, const Rows& rows) const;
  void TrainLocked(std::span<const std::uint32_t> ids, const Rows& rows);
  // What rows come with: `rows` null: they have their codes already.
  struct Coming {
    const Rows* rows = nullptr;
    const Neighbours* known = nullptr;
    std::uint32_t bound = 0;  // Above every id that is linked or comes.
  };
  void LinkBatch(std::span<const std::uint32_t> ids, Coming coming, os::ThreadPool* pool,
                 std::vector<Item>* items);
  // Rows of a batch that do not see each other.
  void LinkWave(std::span<const std::uint32_t> ids, const Coming& coming, os::ThreadPool* pool,
                std::vector<Item>* items);
  std::size_t BatchRows() const;
  std::uint32_t LinkLocked(std::uint32_t most, bool all, os::ThreadPool* pool);
  void InsertCodes(std::span<const std::uint32_t> ids, const Rows& rows, os::ThreadPool* pool);
  void MakePresent(std::span<const std::uint32_t> ids);
  void MakeLinked(std::uint32_t count, std::uint32_t bound);
  void EncodeRow(std::uint32_t id, const Rows& rows, std::vector<float>* rotated,
                 CodeQuery* query) const;
  void Prepare(std::uint32_t id, const Coming& coming, Item* item) const;
  // Of the neighbours that a row is known to have those that are linked, in
  // scratch->detours; their number.
  std::size_t KnownNear(std::uint32_t id, const Coming& coming, WalkScratch* scratch) const;
  // The row's links led past those of the bits `gone`, if there are such.
  void Renew(std::uint32_t id, const std::uint64_t* gone, Relinked* out,
             WalkScratch* scratch) const;
  // The ids with their distances from the row, rising, by codes.
  void Measure(std::uint32_t id, std::span<const std::uint32_t> ids, std::vector<Near>* out,
               WalkScratch* scratch) const;
  Result<std::vector<std::uint64_t>> GoneIn(std::span<const std::uint32_t> to,
                                            const IndexOptions& options) const;
  // What an index has of a row besides links.
  void CopyCodes(std::uint32_t id, std::uint32_t to, Arrays* out) const;
  void Borrow(std::shared_ptr<const GraphIndex> from);  // Its codes are those of `from`.
  void RestoreExtra(std::span<const std::uint32_t> ids);
  void GiveBack(std::initializer_list<const void*> arrays);  // Their memory.
  void Freeze();  // Gives back what insertion alone needs.
  void CopyRow(std::uint32_t id, std::span<const std::uint32_t> to, const std::uint64_t* gone,
               Relinked* links, WalkScratch* scratch, Arrays* out) const;
  void RefreshLandmarks();
  void DropCells();
  void Find(const float* query, const SearchParams& params, std::vector<Found>* out,
            SearchStats* stats) const;
  static std::size_t Collect(const Keep& keep, WalkScratch* scratch);
  void Candidates(const SearchParams& params, const Visit& visit, WalkScratch* scratch) const;
  Status CheckQuery(std::span<const float> query, const SearchParams& params) const;

  // docs/formats/ann.md.
  struct Part {
    std::uint32_t kind;
    const void* data;
    std::uint64_t size;
  };
  struct Counts {
    std::uint32_t rows, landmarks, cells, cell_rows;
  };
  static const void* DataOf(const std::vector<Part>& parts, std::uint32_t kind);  // Null: none.
  std::vector<Part> Parts(const Landmarks& landmarks, const Cells& cells,
                          const Counts& counts) const;
  Result<std::size_t> Copy(const os::Mapping& mapping, std::string_view table, Placement placement);
  // `copied`: of the file's bytes those that are in memory, from the first on.
  Status Place(std::string_view bytes, std::string_view copied, std::size_t parts,
               std::size_t table, const Counts& counts);
  Status Adopt(const std::vector<Part>& parts, const Counts& counts);
  Status AdoptCells(const std::vector<Part>& parts, const Counts& counts);

  IndexOptions options_;
  Frame frame_;
  Arrays arrays_;
  std::vector<Region> regions_;
  std::shared_ptr<const GraphIndex> lender_;  // Of codes.
  os::Mapping mapping_;                       // Of an opened index, unless it was copied.
  Region copy_;
  std::vector<std::uint64_t> deleted_bits_, present_bits_;  // Of an opened index.
  Placement placement_ = Placement::kMemory;
  bool writable_ = true;
  bool trained_ = false;

  mutable std::mutex write_mutex_;         // Serialises writers,
  mutable std::mutex append_mutex_;        // and those that add rows.
  std::atomic<std::uint32_t> bound_{0};    // Above every id that is present.
  std::atomic<std::uint32_t> size_{0};     // Present and not deleted.
  std::atomic<std::uint32_t> deleted_{0};  // Deleted and still linked.
  // Rows from here to bound_ are unlinked: a walk stays below, and they are scanned.
  std::atomic<std::uint32_t> linked_bound_{0};
  std::atomic<std::uint32_t> unlinked_{0};
  std::uint32_t linked_ = 0;        // In the graph, deleted or not. Writers only.
  std::uint32_t landmarks_at_ = 0;  // linked_ when the landmarks were taken.

  mutable std::mutex shared_mutex_;  // guards: landmarks_, cells_, scratch_
  std::shared_ptr<const Landmarks> landmarks_ = std::make_shared<Landmarks>();
  std::shared_ptr<const Cells> cells_;  // Null: none were made.
  mutable std::vector<std::unique_ptr<WalkScratch>> scratch_;
};

}  // namespace malmoi::ann

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/vfs.h"
#include "vec/manifest_internal.h"
#include "vec/merge_internal.h"
#include "vec/ops_internal.h"
#include "vec/snapshot_internal.h"
#include "vec/wal_internal.h"

namespace malmoi::vec {

// A log of this length is closed and the memtable with it, to become a segment.
inline constexpr std::uint64_t kCheckpointBytes = 128 << 20;
// While that takes place the next log may grow to this; then writers wait. A start replays both.
inline constexpr std::uint64_t kLogBytesMax = 2 * kCheckpointBytes;

// A segment in the making: of a memtable that takes no more rows (a flush), or of segments (a
// merge). The thread that builds it owns it; the leader begins and installs it.
struct SealJob {
  bool flush = false;
  // A merge of large segments, whose graphs are made first (optimize.cc). `eager`: also one that
  // saves little.
  bool large = false;
  bool eager = false;
  bool all = true;  // A flush: also of the memtable that still grows, if none waits.
  // Set by the leader at the beginning. Rows deleted after `at` are taken too, and marked: the log
  // that will be replayed over the segment may still have to find them.
  bool idle = false;   // There is nothing to do.
  bool older = false;  // The memtable waited already: there is a newer one.
  std::uint64_t id = 0;
  std::uint64_t at = 0;
  std::shared_ptr<const Schema> schema;
  MemView frozen;
  std::vector<std::shared_ptr<const Segment>> merged;
  // The builder's.
  std::vector<RowRef> rows;          // What row i of the segment was.
  std::shared_ptr<Segment> segment;  // Null: no row is left.
  std::vector<std::string> old;      // Out of Install: files that are no longer named.
  // The leader's while the job runs: what was deleted since it began and at which sequence number,
  // in order, or that it is too much to say. By id: the rows may be of a memtable that a flush
  // beside this job gives back.
  std::vector<std::pair<PointId, std::uint64_t>> erased;
  bool erased_many = false;

  void Erased(const PointId& point, std::uint64_t seq);
  // Rows deleted meanwhile are deleted in the segment too.
  void MarkErased() const;
  void MarkAllErased() const;
};

// What the graph of the job's segment begins with, of one field. A merge: the graph of the source
// that has most of its rows, if those are enough for the codes' mean to be theirs, and the links
// of the others.
GraphBase BaseOfMerge(const SealJob& job, std::uint32_t field, const GraphPlan& plan);
// A flush: the graph that grew in memory, whose rows are all linked.
GraphBase BaseOfFlush(const SealJob& job, std::uint32_t field);

// A request that waits for its turn.
struct WriteRequest {
  enum class Kind : std::uint8_t {
    kWrite,
    kSync,
    kClose,    // Refuse everything behind this.
    kBegin,    // Of `job`.
    kInstall,  // Of `job`: the segment takes the place of its sources.
    kAbandon,  // Of `job`, which failed with `failure`.
  };
  Kind kind = Kind::kWrite;
  std::string ops;                        // Encoded by the caller.
  std::span<const Operation> operations;  // Or these, which need the newest state.
  bool wait = true;                       // For the disk.
  SealJob* job = nullptr;
  const Error* failure = nullptr;

  std::uint64_t changed = 0;       // Out, for operations.
  std::uint64_t operation_id = 0;  // Out.
  std::optional<Error> error;
  bool held = false;  // Memory is full: to be submitted again when there is room.
  std::uint64_t rooms = 0;
  bool done = false;
  std::condition_variable ready;  // Done, or in front.
};

// The files of one collection and its newest snapshot. Writers queue; the one in front leads: it
// writes a group of requests as one log record, syncs once, applies them and wakes their owners.
// Everything named "leader's" below is touched by the leader alone, without a lock.
//
// Segments are built on other threads than the leader's (Flush, Merge), which asks for it through
// the hooks; the leader only closes a log and, when the segment is there, swaps the manifest.
class Store {
 public:
  static Status Create(os::Vfs& vfs, const std::string& folder, const CollectionConfig& config);
  // `budget` null: none.
  static Result<std::unique_ptr<Store>> Open(os::Vfs& vfs, const std::string& folder,
                                             std::shared_ptr<MemoryBudget> budget = nullptr);
  // Reads every byte against its checksum. Errors: kCorruption.
  static Status Verify(os::Vfs& vfs, const std::string& folder);

  Status Submit(WriteRequest& request);
  std::shared_ptr<const Snapshot> snapshot() const;
  struct Hooks {
    std::function<void()> dirty;  // Something is written that is not on disk yet: Sync soon.
    std::function<void()> full;   // A memtable waits for Flush.
    std::function<void()> work;   // Graphs or large merges are to be made.
    std::function<void()> saved;  // Graphs may be in files: OpenGraphs. Null: left to `work`.
    std::function<void()> asked;  // As `work`, from readers, who may outlive the store.
    std::size_t threads = 1;      // For the graph of a fresh segment.
  };
  void SetHooks(Hooks hooks);

  // Each waits for its turn with the same work of other threads, not for writers.
  Status Sync();
  // Makes a segment of the memtable that waits for it; with `all`, of everything written before.
  Status Flush(bool all);
  // Folds small segments together until there are few.
  Status Merge();
  // Copies a state that has everything written before to a new directory.
  Status Export(const std::string& directory);
  // The optimiser's work, each kind by one thread at a time, beside all others (optimize.cc).
  enum class Work : std::uint8_t { kNone, kDone, kLater };
  // Opens graphs that files have, then offers what is left to the optimiser. Apart from it, because
  // threads that give way would take seconds while searches scan.
  void OpenGraphs();
  Work MakeOneGraph(os::ThreadPool& pool, const std::atomic<bool>& stop);
  Work MergeLarge(os::ThreadPool& pool, bool force, const std::atomic<bool>& stop);
  // A graph for a filter that comes often (KeptRows::Own); false: none is wanted.
  static bool MakeOwnGraph(const Snapshot& now, os::ThreadPool& pool,
                           const std::function<bool()>& stop);
  void Offer() const;    // Says so, if there is such work.
  bool HasRoom() const;  // Few enough points await a graph.
  // Drops what reads make again where they want it, and makes a segment of all that was written.
  void Relieve();
  // Segments in the making are given up, for a quick end.
  void Stop() { stopping_.store(true); }
  std::optional<std::string> error() const;
  std::uint64_t disk_bytes() const { return disk_bytes_.load(); }

 private:
  Store(os::Vfs& vfs, std::string folder) : vfs_(vfs), folder_(std::move(folder)) {}

  std::string Path(std::string_view prefix, std::uint64_t number) const;
  Status Load(const Manifest& manifest);
  Status LoadSegments(const Manifest& manifest);
  Status LoadLogs(const Manifest& manifest);
  Status Replay(const std::vector<Wal::Record>& records);
  void RemoveUnreferenced();

  void SubmitOnce(WriteRequest& request);
  void Lead(std::vector<WriteRequest*>& group);
  Status LeadOne(WriteRequest& request);
  Status LeadWrites(std::vector<WriteRequest*>& group);
  bool OutOfRoom() const;
  Status Resolve(std::vector<WriteRequest*>& group, std::vector<std::string>* ops);
  // `last`: out, the number of the last operation of each piece.
  Status Commit(std::span<const std::string_view> ops, bool wait, std::vector<std::uint64_t>* last);
  Status SyncLog();
  Status Broken(Error error);
  void FreezeIfLong();
  Status Apply(std::uint64_t seq, std::string_view ops);
  Status ApplyOne(const Op& op, std::uint64_t seq);
  Status ApplyChange(const Op& op);
  void ApplyPatch(const PointView& patch, std::uint64_t seq);
  std::optional<RowRef> FindNewest(const PointId& id);
  void Erase(const PointId& id, std::uint64_t seq);
  void AddPoint(const PointView& point, std::uint64_t seq);
  void Publish();

  Status Ask(WriteRequest::Kind kind, SealJob* job, const Error* failure = nullptr);
  Status FlushLocked(bool all);
  Status RunJob(SealJob& job);
  Status Build(SealJob& job);
  void Freeze(std::uint64_t epoch, std::uint64_t log_bytes);
  Status Rotate();
  Status Begin(SealJob& job);
  Status Install(SealJob& job);
  std::vector<std::shared_ptr<const Segment>> ChooseMerge() const;
  Status WriteManifest(const Manifest& manifest);
  Status MakeGraphs(const Snapshot& now, const Segment& segment, os::ThreadPool& pool,
                    const std::function<bool()>& stop, const SealJob* merge = nullptr);
  // What a fresh segment is searched by: its graph, carried over from memory, or its codes.
  void MakeFreshGraphs(const SealJob& job) const;
  Status CarryGraph(const SealJob& job, std::uint32_t field, const GraphPlan& plan,
                    os::ThreadPool& pool) const;
  void MakeSegmentCodes(const Segment& segment, const OptimizerPlan& plan,
                        os::ThreadPool& pool) const;
  bool LinkFresh(const Snapshot& now, os::ThreadPool& pool) const;
  void OfferLinks();
  std::string GraphPath(std::uint64_t segment, std::uint32_t field) const;
  void RefreshPlan();
  bool SealDue() const;
  bool HasWork() const;

  os::Vfs& vfs_;
  std::string folder_;
  Uuid uuid_;
  Hooks hooks_;
  std::shared_ptr<std::function<void()>> asked_ = std::make_shared<std::function<void()>>();
  std::atomic<bool> stopping_{false};
  std::atomic<bool> links_offered_{false};   // And not yet looked for by the optimiser.
  std::atomic<std::int64_t> last_write_{0};  // MonotonicNs.

  // One merge and one flush at a time, in this order, before queue_mutex_. Held over I/O.
  std::mutex merge_mutex_;
  std::mutex flush_mutex_;

  mutable std::mutex queue_mutex_;  // guards: queue_, rooms_
  std::deque<WriteRequest*> queue_;
  std::condition_variable room_;
  std::uint64_t rooms_ = 0;  // Flushes that ended, well or not.

  mutable std::mutex snapshot_mutex_;  // guards: published_, broken_text_
  std::optional<std::string> broken_text_;
  std::shared_ptr<const Snapshot> published_;

  // Leader's.
  Snapshot next_;  // The newest state, published after each group.
  std::shared_ptr<Memtable> mem_;
  // A memtable that takes no more rows, and what the manifest of its segment will say. Its log is
  // that before `wal_`.
  struct Frozen {
    Manifest manifest;  // Without segments.
    std::uint64_t log_bytes = 0;
  };
  std::optional<Frozen> frozen_;
  std::unique_ptr<Wal> wal_;
  std::uint64_t epoch_ = 0;  // Of wal_.
  // The newest on disk. Whoever holds a job may read it too: only an install changes it.
  Manifest manifest_;
  std::uint64_t next_segment_ = 0;
  std::vector<SealJob*> jobs_;         // Begun.
  std::optional<Error> broken_;        // Sticky: an I/O error left the files unknown.
  std::optional<Error> flush_failed_;  // The last try; room may come when it is tried again.
  std::uint64_t checkpoint_at_ = kCheckpointBytes;
  std::uint64_t seal_at_ = 0;  // Rows in memory; above 0 after a try that failed.
  std::shared_ptr<const OptimizerPlan> asked_plan_;  // Of these two; next_.plan is for the size.
  std::shared_ptr<const Schema> planned_schema_;
  std::shared_ptr<const std::string> planned_settings_;
  std::atomic<std::uint64_t> disk_bytes_{0};
};

}  // namespace malmoi::vec

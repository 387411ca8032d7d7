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
#include "vec/ops_internal.h"
#include "vec/snapshot_internal.h"
#include "vec/wal_internal.h"

namespace malmoi::vec {

// Log that a start has to replay, at most.
inline constexpr std::uint64_t kCheckpointBytes = 128 << 20;

// A write that waits for its turn. Exactly one of the parts is used.
struct WriteRequest {
  std::string ops;                        // Encoded by the caller.
  std::span<const Operation> operations;  // Need the newest state.
  bool checkpoint = false;
  bool sync = false;
  bool close = false;                      // Refuse everything behind this.
  const std::string* export_to = nullptr;  // A directory.
  bool wait = true;                        // For the disk.

  std::uint64_t changed = 0;       // Out, for operations.
  std::uint64_t operation_id = 0;  // Out.
  std::optional<Error> error;
  bool done = false;
  std::condition_variable ready;  // Done, or in front.
};

// The files of one collection and its newest snapshot. Writers queue; the one in front leads: it
// writes a group of requests as one log record, syncs once, applies them and wakes their owners.
// Everything named "leader's" below is touched by the leader alone, without a lock.
class Store {
 public:
  static Status Create(os::Vfs& vfs, const std::string& folder, const CollectionConfig& config);
  static Result<std::unique_ptr<Store>> Open(os::Vfs& vfs, const std::string& folder);
  // Reads every byte against its checksum. Errors: kCorruption.
  static Status Verify(os::Vfs& vfs, const std::string& folder);

  Status Submit(WriteRequest& request);
  std::shared_ptr<const Snapshot> snapshot() const;
  // Called when something is written that is not on disk yet: asks for a later sync request.
  void set_on_dirty(std::function<void()> on_dirty) { on_dirty_ = std::move(on_dirty); }
  std::optional<std::string> error() const;
  std::uint64_t disk_bytes() const { return disk_bytes_.load(); }

 private:
  Store(os::Vfs& vfs, std::string folder) : vfs_(vfs), folder_(std::move(folder)) {}

  std::string Path(std::string_view prefix, std::uint64_t number) const;
  Status Load(const Manifest& manifest);
  Status Replay(const std::vector<Wal::Record>& records);
  void RemoveUnreferenced(const Manifest& manifest);

  void Lead(std::vector<WriteRequest*>& group);
  Status LeadOne(WriteRequest& request);
  Status Resolve(std::vector<WriteRequest*>& group, std::vector<std::string>* ops);
  Status Commit(std::span<const std::string_view> ops, bool wait);
  Status SyncLog();
  Status Broken(Error error);
  Status Apply(std::uint64_t seq, std::string_view ops);
  Status ApplyOne(const Op& op, std::uint64_t seq);
  Status ApplyChange(const Op& op);
  void ApplyPatch(const PointView& patch, std::uint64_t seq);
  std::optional<RowRef> FindNewest(const PointId& id);
  void Erase(const PointId& id, std::uint64_t seq);
  void AddPoint(const PointView& point, std::uint64_t seq);
  void Publish();

  Status DoCheckpoint();
  std::vector<std::size_t> ChooseMerge() const;
  Result<std::shared_ptr<Segment>> Seal(const std::vector<std::size_t>& merged);
  Status WriteManifest(const Manifest& manifest);
  Status Export(const std::string& directory);

  os::Vfs& vfs_;
  std::string folder_;
  Uuid uuid_;
  std::function<void()> on_dirty_;

  mutable std::mutex queue_mutex_;  // guards: queue_
  std::deque<WriteRequest*> queue_;

  mutable std::mutex snapshot_mutex_;  // guards: published_, broken_text_
  std::optional<std::string> broken_text_;
  std::shared_ptr<const Snapshot> published_;

  // Leader's.
  Snapshot next_;  // The newest state, published after each group.
  std::shared_ptr<Memtable> mem_;
  std::unique_ptr<Wal> wal_;
  Manifest manifest_;
  std::optional<Error> broken_;  // Sticky: set by an I/O error that leaves the files unknown.
  std::uint64_t checkpoint_at_ = 0;
  std::atomic<std::uint64_t> disk_bytes_{0};
};

}  // namespace malmoi::vec

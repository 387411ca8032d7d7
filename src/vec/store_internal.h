#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/vfs.h"
#include "vec/manifest_internal.h"
#include "vec/snapshot_internal.h"
#include "vec/wal_internal.h"

namespace malmoi::vec {

// Log that a start has to replay, at most.
inline constexpr std::uint64_t kCheckpointBytes = 64 << 20;

// A write that waits for its turn. Exactly one of the parts is used.
struct WriteRequest {
  std::string ops;                                    // Encoded by the caller.
  std::span<const Collection::VectorUpdate> updates;  // Need the newest state.
  const Filter* delete_where = nullptr;               // Likewise.
  bool checkpoint = false;
  bool close = false;  // Refuse everything behind this.

  std::uint64_t deleted = 0;  // Out, for delete_where.
  std::optional<Error> error;
  bool done = false;
};

// The files of one collection and its newest snapshot. Writers queue; the one in front leads: it
// writes a group of requests as one log record, syncs once, applies them and wakes their owners.
// Everything named "leader's" below is touched by the leader alone, without a lock.
class Store {
 public:
  static Status Create(os::Vfs& vfs, const std::string& folder, const CollectionConfig& config);
  static Result<std::unique_ptr<Store>> Open(os::Vfs& vfs, const std::string& folder);

  Status Submit(WriteRequest& request);
  std::shared_ptr<const Snapshot> snapshot() const;
  const Schema& schema() const { return *schema_; }
  const CollectionConfig& config() const { return config_; }  // Metadata as at creation.
  std::uint64_t disk_bytes() const { return disk_bytes_.load(); }

 private:
  Store(os::Vfs& vfs, std::string folder) : vfs_(vfs), folder_(std::move(folder)) {}

  std::string Path(std::string_view prefix, std::uint64_t number) const;
  Status Load(const Manifest& manifest);
  Status Replay(const std::vector<Wal::Record>& records);
  void RemoveUnreferenced(const Manifest& manifest);

  void Lead(std::vector<WriteRequest*>& group);
  Status Resolve(WriteRequest& request);
  Status Commit(const std::string& ops);
  Status Apply(std::uint64_t seq, std::string_view ops);
  void Erase(const PointId& id, std::uint64_t seq);
  void AddPoint(const PointView& point, std::uint64_t seq);
  void Publish();

  Status DoCheckpoint();
  std::vector<std::size_t> ChooseMerge() const;
  Result<std::shared_ptr<Segment>> Seal(const std::vector<std::size_t>& merged);
  Status WriteManifest(const Manifest& manifest);

  os::Vfs& vfs_;
  std::string folder_;
  CollectionConfig config_;
  std::shared_ptr<const Schema> schema_;
  Uuid uuid_;

  mutable std::mutex queue_mutex_;  // guards: queue_
  std::condition_variable turn_;
  std::deque<WriteRequest*> queue_;

  mutable std::mutex snapshot_mutex_;  // guards: published_
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

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "vec/filter.h"
#include "vec/point.h"
#include "vec/read.h"
#include "vec/write.h"

namespace malmoi::os {
class Vfs;
class ThreadPool;
}  // namespace malmoi::os

namespace malmoi::vec {

// A named set of points on disk. Every write is one unit: after a crash either all of the call is
// there or none. Unless told otherwise it returns after it is durable (write-ahead log, fdatasync;
// concurrent writers share one sync). An I/O error while writing makes the collection read-only
// until it is reopened.
//
// Thread-safe: readers take an immutable snapshot and never wait for writers. The reads of the
// base class each see the newest state; View() holds one state for several.
class Collection : public Reader {
 public:
  using VectorUpdate = vec::VectorUpdate;

  virtual const std::string& name() const = 0;
  virtual CollectionConfig config() const = 0;

  // The operations in order, as one unit. Errors, and then nothing is changed: kInvalidArgument
  // (unknown vector name, wrong dimension, NaN, payload not an object, a path that is ill-formed),
  // kOutOfRange (over the Limits of limits.h), kOverloaded (over the memory budget), kIo. Cost: one
  // log append and sync, and the work on the points; a filter costs what Count of it does.
  virtual Result<WriteOutcome> Write(std::span<const Operation> operations,
                                     const WriteOptions& options = {}) = 0;

  // Short forms of Write. Upsert inserts or replaces whole points; UpdateVectors sets the given
  // vectors of existing points; Delete skips missing ids; DeleteWhere returns how many.
  virtual Status Upsert(std::span<const Point> points, const WriteOptions& options = {}) = 0;
  // The same for points in columns: equal to Upsert of ToPoints(columns) in result and log, with
  // less work. Here it does just that.
  virtual Result<WriteOutcome> Upsert(const PointColumns& columns,
                                      const WriteOptions& options = {});
  virtual Status UpdateVectors(std::span<const VectorUpdate> updates) = 0;
  virtual Status Delete(std::span<const PointId> ids) = 0;
  virtual Result<std::uint64_t> DeleteWhere(const Filter& filter) = 0;
  virtual Status SetMetadata(std::string_view json_object) = 0;

  // The state of now, for as long as the reader is held.
  virtual std::shared_ptr<const Reader> View() const = 0;

  // Writes a checkpoint and drops the log before it. Also done by itself when the log is long.
  virtual Status Checkpoint() = 0;
  // Copies a consistent state into `directory` (made; must not exist): what Database::Import takes.
  // Everything acknowledged before the call is in it. Synced.
  virtual Status Export(const std::string& directory) = 0;
};

// When collections are opened. kAtFirstUse: by the first Get, which then gives the error of one
// that is damaged; until then List has it and damaged() has not. A start reads no more than the
// list.
enum class Opening : std::uint8_t { kAtStart, kAtFirstUse };

// A collection as its own files' list tells of it. Of one that is not open: without what only the
// log has, and without counts of vectors.
struct Glance {
  CollectionConfig config;
  CollectionInfo info;
  bool open = false;
};

// The collections of one directory; the caller holds the directory's lock.
class Database {
 public:
  // Opens what is there: replays logs, drops unfinished writes. A damaged collection does not stop
  // the others: it is listed in damaged(), and Get gives its error. It tries
  // again where a file of the collection has changed since, or ten seconds have passed.
  // `memory_bytes`: how much the process may hold beside mapped files; 0: no limit. What is only
  // faster in memory then stays out of it where it is short; a write that finds no room, even after
  // all points were made segments, is kOverloaded, deletions excepted.
  static Result<std::unique_ptr<Database>> Open(os::Vfs& vfs, const std::string& directory,
                                                std::size_t threads, std::uint64_t memory_bytes = 0,
                                                Opening opening = Opening::kAtStart);
  virtual ~Database() = default;

  // Errors: kAlreadyExists; kInvalidArgument for a name that is empty, longer than 255 bytes, no
  // UTF-8 or has one of < > : " / \ | ? * or a control character, or a configuration past
  // limits.h.
  virtual Result<std::shared_ptr<Collection>> Create(const std::string& name,
                                                     const CollectionConfig& config) = 0;
  virtual Result<std::shared_ptr<Collection>> Get(const std::string& name) const = 0;  // kNotFound
  // Does not open it. Errors: kNotFound; kCorruption and kIo of its list of files. Here: Get's.
  virtual Result<Glance> GlanceAt(const std::string& name) const;
  virtual Status Drop(const std::string& name) = 0;
  // Puts `from` in the place of `to` (dropped, if it exists) in one durable step: the end of a
  // rebuild in shadow.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A new collection from the files that Export wrote, all checksums verified. Errors:
  // kAlreadyExists, kCorruption.
  virtual Result<std::shared_ptr<Collection>> Import(const std::string& name,
                                                     const std::string& directory) = 0;
  virtual std::vector<std::string> List() const = 0;
  virtual std::vector<std::pair<std::string, std::string>> damaged() const = 0;  // Name, reason.

  // The owner's own durable state beside the collections (aliases and the like): a small JSON
  // object's text, replaced whole and atomically. "{}" at first.
  virtual std::string owner_state() const = 0;
  virtual Status SetOwnerState(std::string_view json_object) = 0;
};

}  // namespace malmoi::vec

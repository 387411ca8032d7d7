#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "os/vfs.h"

namespace malmoi::vec {

// The write-ahead log of one epoch (docs/formats/wal.md). One record is one group of writes. Each
// says how much of the file was on disk when it was written: so a broken record that a later one
// calls durable is damage, and any other is where a crash cut what nobody was promised. Not
// thread-safe: one leader writes at a time.
class Wal {
 public:
  struct Record {
    std::uint64_t seq = 0;  // Of its first operation.
    std::string_view ops;
    std::uint64_t durable = 0;  // Bytes of the file that were on disk before it was written.
  };
  struct Opened {
    std::unique_ptr<Wal> wal;
    std::string bytes;  // Owns what the records point to.
    std::vector<Record> records;
  };

  // The file is durable after Ok, its name only after a SyncDir.
  static Result<std::unique_ptr<Wal>> Create(os::Vfs& vfs, const std::string& path,
                                             const Uuid& collection, std::uint64_t base_seq);
  // How a log may end: one that was closed ends with a whole record.
  enum class Tail : std::uint8_t { kOpen, kClosed };
  // Reads all records and cuts an unfinished one off. Errors: kCorruption.
  static Result<Opened> Open(os::Vfs& vfs, const std::string& path, const Uuid& collection,
                             std::uint64_t base_seq, Tail tail);
  // Whether the file is there and more than the beginning of one that a crash cut short.
  static Result<bool> Begun(os::Vfs& vfs, const std::string& path);

  // Makes room for one record. An error (disk full) leaves the log as it was.
  Status Reserve(std::size_t ops_bytes);
  // Hands a record to the operating system; `ops` are pieces of one. After an error of this or of
  // Sync the log's end is unknown: no further Append.
  Status Append(std::uint64_t seq, std::span<const std::string_view> ops);
  Status Append(std::uint64_t seq, std::string_view ops) { return Append(seq, {&ops, 1}); }
  // Makes all records durable.
  Status Sync();

  std::uint64_t bytes() const { return end_; }
  bool empty() const;
  bool dirty() const { return durable_ != end_; }

 private:
  Wal(std::unique_ptr<os::File> file, std::uint32_t version, std::uint32_t salt, std::uint64_t end,
      std::uint64_t reserved)
      : file_(std::move(file)),
        version_(version),
        salt_(salt),
        end_(end),
        durable_(end),
        reserved_(reserved) {}

  std::unique_ptr<os::File> file_;
  std::uint32_t version_;
  std::uint32_t salt_;  // The header's checksum: records of another file do not verify.
  std::uint64_t end_;
  std::uint64_t durable_;
  std::uint64_t reserved_;
};

}  // namespace malmoi::vec

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "os/vfs.h"
#include "vec/matcher_internal.h"
#include "vec/point.h"
#include "vec/schema_internal.h"
#include "vec/segment_internal.h"

namespace malmoi::vec {

// The root of a collection's files (docs/formats/manifest.md): what is not named in it is not
// there. Replaced whole by WriteAtomically.
struct Manifest {
  struct Entry {
    SegmentInfo info;
    std::string deleted;  // A bit a row; empty: none.
  };
  Uuid collection;
  std::uint64_t wal_epoch = 0;
  std::uint64_t base_seq = 1;  // Of the first operation in that log.
  std::uint64_t next_segment = 1;
  Schema schema;
  std::string metadata = "{}";
  std::string settings = "{}";
  IndexMap indexes;
  std::vector<Entry> segments;

  std::string Encode() const;
  static Result<Manifest> Decode(std::string_view bytes);
};

// The list of a database's collections (docs/formats/manifest.md).
struct Catalogue {
  struct Entry {
    std::string name;
    std::uint64_t folder = 0;
  };
  std::uint64_t next_folder = 1;
  std::vector<Entry> collections;
  std::string owner_state = "{}";

  std::string Encode() const;
  static Result<Catalogue> Decode(std::string_view bytes);
};

// "wal-000000000000002a"
std::string NumberedName(std::string_view prefix, std::uint64_t number);

}  // namespace malmoi::vec

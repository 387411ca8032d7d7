#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vec/collection.h"
#include "vec/memtable_internal.h"
#include "vec/segment_internal.h"

namespace malmoi::vec {

// The collection as it was after one write. Immutable, shared by readers.
struct Snapshot {
  std::shared_ptr<const Schema> schema;
  std::uint64_t seq = 0;
  std::vector<std::shared_ptr<const Segment>> segments;
  std::shared_ptr<const Memtable> mem;
  std::shared_ptr<const IdTable> mem_ids;
  std::uint32_t mem_rows = 0;
  std::uint64_t mem_bytes = 0;
  std::shared_ptr<const std::string> metadata;
  std::uint64_t live = 0;
  std::vector<std::uint64_t> live_with;  // By field.

  // Segments, then the memtable's blocks.
  std::vector<PartRef> Parts() const;
  std::optional<RowRef> Find(const PointId& id) const;
  // kCorruption if a read since opening met a damaged block.
  Status Health() const;
};

Point ReadPoint(const Schema& schema, const RowRef& row, bool with_vectors);

}  // namespace malmoi::vec

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vec/collection.h"
#include "vec/matcher_internal.h"
#include "vec/memory_budget_internal.h"
#include "vec/memtable_internal.h"
#include "vec/segment_internal.h"

namespace malmoi::vec {

// The rows of a memtable that a snapshot reaches.
struct MemView {
  std::shared_ptr<const Memtable> table;
  std::shared_ptr<const IdTable> ids;
  std::uint32_t rows = 0;
  std::uint64_t bytes = 0;
  std::vector<CodedRows> codes;  // By field.

  static MemView Of(const std::shared_ptr<const Memtable>& table) {
    return {table, table->table(), table->rows(), table->bytes(), table->codes().view()};
  }
  std::optional<RowRef> Find(const PointId& id, std::uint64_t seq) const {
    return table->Find(*ids, rows, id, seq);
  }
};

// The collection as it was after one write. Immutable, shared by readers.
struct Snapshot {
  std::shared_ptr<const Schema> schema;
  std::uint64_t seq = 0;
  std::vector<std::shared_ptr<const Segment>> segments;
  std::vector<MemView> mems;  // Oldest first: one that becomes a segment, the one that grows.
  std::shared_ptr<const std::string> metadata;
  std::shared_ptr<const std::string> settings;
  std::shared_ptr<const IndexMap> indexes;
  std::shared_ptr<const OptimizerPlan> plan;  // Of schema and settings.
  std::shared_ptr<MemoryBudget> budget;
  // Says that readers want something of the optimiser; empty: nobody listens. Set before reads.
  std::shared_ptr<const std::function<void()>> asked;
  std::uint64_t checkpoint_seq = 0;  // What segments hold without the log.
  std::uint64_t live = 0;
  std::vector<std::uint64_t> live_with;  // By field.

  // Segments, then the memtables' blocks.
  std::vector<PartRef> Parts() const;
  std::optional<RowRef> Find(const PointId& id) const;
  // kCorruption if a read since opening met a damaged block.
  Status Health() const;
};

// A selection with its paths read.
class Picker {
 public:
  // Errors: kInvalidArgument for an ill-formed path or a vector that does not exist.
  static Result<Picker> Create(const Schema& schema, const Selection& selection);
  Point Read(const RowRef& row) const;

 private:
  std::string Payload(const Packed& payload) const;
  void Vector(std::uint32_t field, const RowRef& row, NamedVectors* out) const;

  const Schema* schema_ = nullptr;
  bool payload_ = true;
  std::vector<std::vector<PathStep>> include_, exclude_;
  std::vector<std::uint32_t> fields_;
};

}  // namespace malmoi::vec

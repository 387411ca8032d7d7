#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ann/index.h"
#include "vec/graph_internal.h"

namespace malmoi::vec {

class Memtable;

// The first `rows` rows of a memtable as codes (ann::Index without a graph), by which a search that
// need not be exact goes through them: an eighth of the bytes of f32.
struct CodedRows {
  std::shared_ptr<const ann::Index> index;  // Null: none. May have more rows.
  std::uint32_t rows = 0;

  std::uint64_t memory_bytes() const {
    return index == nullptr ? 0
                            : std::uint64_t{rows} * ((index->options().dim + 127) / 128 * 128 + 12);
  }
};

// The codes of a memtable, by field. The writer's; readers get CodedRows with their snapshot.
class MemCodes {
 public:
  // Takes in rows of blocks that are full, of fields that are to have graphs, once they are as many
  // as a segment's that gets one. At most some blocks at a time, for the writer's sake.
  // Cost: about 2 us a row of 384 numbers.
  void Follow(const Memtable& table, const Schema& schema, const OptimizerPlan& plan);
  std::vector<CodedRows> view() const;

 private:
  struct Field {
    std::shared_ptr<ann::Index> index;
    std::uint32_t rows = 0;
    bool failed = false;  // Numbers whose squares are not finite, or no address space.
  };
  static Status Take(const Memtable& table, std::uint32_t number, const Schema::Field& described,
                     std::uint32_t full, Field* field);

  std::vector<Field> fields_;
};

}  // namespace malmoi::vec

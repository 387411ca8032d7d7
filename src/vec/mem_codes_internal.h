#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ann/index.h"
#include "vec/graph_internal.h"
#include "vec/memory_budget_internal.h"

namespace malmoi::vec {

class Memtable;

// The first `rows` rows of a memtable in an index that a search which need not be exact uses. Their
// codes are there at once; the optimiser links them one after another, while others are scanned.
struct CodedRows {
  std::shared_ptr<ann::Index> index;  // Null: none. May have more rows.
  std::uint32_t rows = 0;

  // Of `all` rows those that are not in the graph.
  std::uint32_t Unlinked(std::uint32_t all) const;
  std::uint64_t memory_bytes() const;
};

// The indexes of a memtable, by field. The writer's; readers get CodedRows with their snapshot.
class MemCodes {
 public:
  // Takes in rows of blocks that are full, of fields that are to have graphs, once they are as many
  // as a segment's that gets one and where `budget` has room for them. At most some blocks at a
  // time, for the writer's sake. False: there is nothing more to take in.
  // Cost: about 2 us a row of 384 numbers.
  bool Follow(const Memtable& table, const Schema& schema, const OptimizerPlan& plan,
              MemoryBudget& budget);
  std::vector<CodedRows> view() const;
  // Whether every field that is to have a graph has one that grows.
  bool grows(const OptimizerPlan& plan) const;
  // Rows that await links, of the field that has most of them.
  std::uint32_t unlinked() const;

 private:
  struct Field {
    std::shared_ptr<ann::Index> index;
    std::uint32_t rows = 0;
    bool failed = false;  // Numbers whose squares are not finite, or no room.
  };
  static Status Take(const Memtable& table, std::uint32_t number, const Schema::Field& described,
                     const GraphPlan& plan, std::uint32_t full, Field* field);

  std::vector<Field> fields_;
};

}  // namespace malmoi::vec

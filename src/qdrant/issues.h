#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "json/writer.h"

namespace malmoi::qdrant {

// Kinds of index by payload field: what a filter would need.
using MissingIndexes = std::map<std::string, std::vector<std::string>>;

// What GET /issues tells: payload fields without an index that slow reads filtered by. The engine
// makes columns of such fields by itself after some reads; an index has them from the start, and
// rules of strict mode count it. At most kMost are kept. Thread-safe.
class Issues {
 public:
  static constexpr std::size_t kMost = 1000;

  void Add(const std::string& collection, const MissingIndexes& missing);
  void Solve(const std::string& collection, const std::string& field);  // It has an index now.
  void Forget(const std::string& collection);                           // It is gone.
  void Clear();
  // Qdrant's form, by collection and field.
  void Print(json::Writer* writer) const;

 private:
  struct Entry {
    std::vector<std::string> kinds;
    std::int64_t seconds = 0;  // Since 1970, of the first time.
  };
  mutable std::mutex mutex_;  // guards: entries_
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

}  // namespace malmoi::qdrant

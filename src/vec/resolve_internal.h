#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "vec/ops_internal.h"
#include "vec/search_internal.h"

namespace malmoi::vec {

// Turns operations that depend on the newest state into plain ones. Each sees what those before it
// in the same resolver did; nothing is changed but what the resolver remembers.
class Resolver {
 public:
  explicit Resolver(const Snapshot& now);

  // Errors leave the resolver in between: begin anew without the request.
  Status Add(const Operation& operation, std::uint64_t* changed);
  // New rows that the operations of Encode make.
  std::size_t rows() const;
  // Operations of the log, in order.
  std::vector<std::string> Encode() const;

 private:
  // A point as it will be.
  struct Pending {
    std::optional<RowRef> base = {};  // As it was.
    bool exists = false;
    bool whole = false;                                 // Nothing of base is left.
    bool changed = false;                               // Against base.
    std::optional<std::string> payload = {};            // Packed.
    std::map<std::uint32_t, std::string> vectors = {};  // Encoded, by field.
    std::set<std::uint32_t> removed = {};
  };
  class PendingSubject;

  Pending& At(const PointId& id);
  Result<std::vector<PointId>> Select(const PointSelector& selector) const;
  Result<Matcher> MatcherOf(const Filter& filter) const;
  bool Keeps(const Matcher& matcher, const PointId& id, const Pending& pending) const;
  std::string_view PayloadOf(const Pending& pending, std::string* scratch) const;
  void SetVectors(const NamedVectors& vectors, Pending* pending) const;

  Status Do(const UpsertOp& op, std::uint64_t* changed);
  Status Do(const DeletePointsOp& op, std::uint64_t* changed);
  Status Do(const UpdateVectorsOp& op, std::uint64_t* changed);
  Status Do(const DeleteVectorsOp& op, std::uint64_t* changed);
  Status Do(const PayloadOp& op, std::uint64_t* changed);
  Status Do(const CreateIndexOp& op, std::uint64_t* changed);
  Status Do(const DropIndexOp& op, std::uint64_t* changed);
  Status Do(const CreateVectorOp& op, std::uint64_t* changed);
  Status Do(const DropVectorOp& op, std::uint64_t* changed);
  Status Do(const SetSettingsOp& op, std::uint64_t* changed);

  void EncodeWhole(std::vector<std::string>* out) const;
  void EncodePatches(std::vector<std::string>* out) const;

  const Snapshot& now_;
  Schema schema_;
  IndexMap indexes_;
  std::map<PointId, Pending> pending_;
  std::vector<std::string> changes_;  // Of the collection itself, encoded.
};

}  // namespace malmoi::vec

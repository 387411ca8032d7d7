#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vec/columns_internal.h"
#include "vec/filter.h"
#include "vec/packed_internal.h"
#include "vec/part_internal.h"
#include "vec/payload_index.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {

using IndexMap = std::map<std::string, PayloadIndexParams>;

// What a filter looks at.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual PointId Id() const = 0;
  virtual bool HasVector(const std::string& name) const = 0;
  virtual Packed Payload() = 0;
};

class RowSubject : public Subject {
 public:
  RowSubject(const Schema& schema, const Part& part, std::uint32_t row)
      : schema_(schema), part_(part), row_(row) {}
  PointId Id() const override { return part_.Id(row_); }
  bool HasVector(const std::string& name) const override {
    const auto field = schema_.Find(name);
    return field && part_.Has(*field, row_);
  }
  Packed Payload() override {
    if (!payload_) payload_ = Packed(part_.Payload(row_, &scratch_));
    return *payload_;
  }

 private:
  const Schema& schema_;
  const Part& part_;
  std::uint32_t row_;
  std::string scratch_;
  std::optional<Packed> payload_;
};

// A filter made ready for many rows. Immutable; filter and schema must outlive it.
class Matcher {
 public:
  // Errors: kInvalidArgument for a path that is ill-formed.
  static Result<Matcher> Create(const Filter& filter, const Schema& schema,
                                const IndexMap& indexes);

  bool Keep(Subject& subject) const;
  bool Keep(const RowRef& row) const;
  // Takes rows that the filter does not keep out of the set. Uses columns where there are.
  void Restrict(const PartRef& part, Bitmap* rows) const;
  // The sorted ids that a point must be one of, where the filter says so at its top.
  const std::vector<PointId>* candidates() const;
  // By which a segment remembers what the filter keeps (kept_rows_internal.h); empty: it does not.
  const std::string& text() const { return text_; }
  void SetText(std::string text) { text_ = std::move(text); }

 private:
  struct Node {
    const Condition* condition = nullptr;
    const FieldCondition* field = nullptr;
    std::vector<PathStep> path;
    std::vector<PointId> ids;         // Sorted.
    std::unique_ptr<Matcher> filter;  // Of a nested filter, and of a Nested condition.
    // What each object of the array at `path` is asked, by `filter`, where the condition's index is
    // a nested one (nested_index_internal.h); null: it is not.
    std::shared_ptr<const Filter> elements;
    // The values of a match, sorted, by type.
    std::vector<std::string_view> strings;
    std::vector<Uuid> uuids;  // On a uuid index.
    std::vector<std::int64_t> integers;
    bool bools[2] = {false, false};
    bool typed_except = false;  // An index decides which values count.
    bool whole = false;         // An index knows of the point, not of each value, what is missing.
    std::unique_ptr<TextMatcher> text;
    bool across = false;  // All values together have the text's words: as a text index knows them.
    std::vector<ColumnSpec> columns;  // Which answer the condition; empty: none can.
  };
  using Nodes = std::vector<Node>;

  static Result<Nodes> Compile(const std::vector<Condition>& conditions, const Schema& schema,
                               const IndexMap& indexes);
  // False: the condition looks at the whole point.
  static Result<bool> CompileElements(const FieldCondition& field, const Schema& schema,
                                      const IndexMap& indexes, Node* node);
  static Status CompileField(const FieldCondition& field, const IndexMap& indexes, Node* node);
  static void CompileValues(const std::vector<MatchValue>& values, bool uuid, Node* node);
  static void ChooseColumns(const IndexMap& indexes, Node* node);

  static bool Holds(const Node& node, Subject& subject);
  static bool HoldsPayload(const Node& node, const Packed& payload);
  static bool HoldsValue(const Node& node, const Packed& value);
  // Sets `rows` to those of it for which the condition holds; false if no column can say.
  static bool ByColumns(const Node& node, const PartRef& part, Bitmap* rows);
  static void MarkMatches(const Node& node, const ColumnSpec& spec, const Column& column,
                          Bitmap* out);
  void RestrictNode(const Node& node, const PartRef& part, Bitmap* rows) const;
  void RestrictMust(const PartRef& part, Bitmap* rows) const;
  void RestrictMinShould(const PartRef& part, Bitmap* rows) const;

  const Schema* schema_ = nullptr;
  Nodes must_, must_not_, should_, min_should_;
  std::optional<std::size_t> min_count_;
  std::string text_;
};

}  // namespace malmoi::vec

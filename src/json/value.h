#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace malmoi::json {

// One parsed JSON value, owning its contents. Immutable after parsing, so const access is safe
// from any thread. Objects keep the order of the text; of a repeated key Find() gives the last.
// Numbers remember whether they were written as integers.
class Value {
 public:
  enum class Kind : std::uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };
  using Member = std::pair<std::string, Value>;

  Value() = default;
  static Value Bool(bool b);
  static Value Int(std::int64_t i);
  static Value Uint(std::uint64_t u);  // Kept as kInt when it fits.
  static Value Double(double d);
  static Value String(std::string s);
  static Value Array(std::vector<Value> items);
  static Value Object(std::vector<Member> members);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::kNull; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_array() const { return kind_ == Kind::kArray; }
  bool is_object() const { return kind_ == Kind::kObject; }
  bool is_number() const {
    return kind_ == Kind::kInt || kind_ == Kind::kUint || kind_ == Kind::kDouble;
  }
  bool is_bool() const { return kind_ == Kind::kBool; }

  // Typed reads; nothing where the kind differs. AsInt also takes a double without fraction.
  std::optional<bool> AsBool() const;
  std::optional<std::int64_t> AsInt() const;
  std::optional<std::uint64_t> AsUint() const;
  std::optional<double> AsDouble() const;
  std::optional<std::string_view> AsString() const;

  // Empty where the kind differs, so that loops over optional parts need no test.
  const std::vector<Value>& items() const { return items_; }
  const std::vector<Member>& members() const { return members_; }

  // The member of that name, or null where there is none or this is not an object.
  const Value* Find(std::string_view key) const;
  // Shorthands with a default for configuration-like objects.
  std::string_view GetString(std::string_view key, std::string_view fallback = {}) const;
  std::int64_t GetInt(std::string_view key, std::int64_t fallback = 0) const;
  double GetDouble(std::string_view key, double fallback = 0) const;
  bool GetBool(std::string_view key, bool fallback = false) const;

  // Compact JSON text of this value, which Parse reads as an equal one (4.0 is no integer).
  std::string Dump() const;

 private:
  Kind kind_ = Kind::kNull;
  union {
    bool bool_;
    std::int64_t int_ = 0;
    std::uint64_t uint_;
    double double_;
  };
  std::string string_;
  std::vector<Value> items_;
  std::vector<Member> members_;
};

// Parses one JSON document (RFC 8259, UTF-8, depth at most 1,024).
// Errors: kInvalidArgument with what the parser saw. Cost: one pass, an allocation per node.
Result<Value> Parse(std::string_view text);

}  // namespace malmoi::json

#include "json/value.h"

#include <cmath>

#include "json/writer.h"

namespace malmoi::json {

Value Value::Bool(bool b) {
  Value v;
  v.kind_ = Kind::kBool;
  v.bool_ = b;
  return v;
}
Value Value::Int(std::int64_t i) {
  Value v;
  v.kind_ = Kind::kInt;
  v.int_ = i;
  return v;
}
Value Value::Uint(std::uint64_t u) {
  if (u <= static_cast<std::uint64_t>(INT64_MAX)) return Int(static_cast<std::int64_t>(u));
  Value v;
  v.kind_ = Kind::kUint;
  v.uint_ = u;
  return v;
}
Value Value::Double(double d) {
  Value v;
  v.kind_ = Kind::kDouble;
  v.double_ = d;
  return v;
}
Value Value::String(std::string s) {
  Value v;
  v.kind_ = Kind::kString;
  v.string_ = std::move(s);
  return v;
}
Value Value::Array(std::vector<Value> items) {
  Value v;
  v.kind_ = Kind::kArray;
  v.items_ = std::move(items);
  return v;
}
Value Value::Object(std::vector<Member> members) {
  Value v;
  v.kind_ = Kind::kObject;
  v.members_ = std::move(members);
  return v;
}

std::optional<bool> Value::AsBool() const {
  return kind_ == Kind::kBool ? std::optional(bool_) : std::nullopt;
}
std::optional<std::int64_t> Value::AsInt() const {
  if (kind_ == Kind::kInt) return int_;
  if (kind_ == Kind::kDouble && std::abs(double_) < 9e15 && double_ == std::trunc(double_)) {
    return static_cast<std::int64_t>(double_);
  }
  return std::nullopt;
}
std::optional<std::uint64_t> Value::AsUint() const {
  if (kind_ == Kind::kUint) return uint_;
  const auto i = AsInt();
  return i && *i >= 0 ? std::optional(static_cast<std::uint64_t>(*i)) : std::nullopt;
}
std::optional<double> Value::AsDouble() const {
  switch (kind_) {
    case Kind::kInt:
      return static_cast<double>(int_);
    case Kind::kUint:
      return static_cast<double>(uint_);
    case Kind::kDouble:
      return double_;
    default:
      return std::nullopt;
  }
}
std::optional<std::string_view> Value::AsString() const {
  return kind_ == Kind::kString ? std::optional<std::string_view>(string_) : std::nullopt;
}

const Value* Value::Find(std::string_view key) const {
  for (auto it = members_.rbegin(); it != members_.rend(); ++it) {
    if (it->first == key) return &it->second;
  }
  return nullptr;
}
std::string_view Value::GetString(std::string_view key, std::string_view fallback) const {
  const Value* v = Find(key);
  return v == nullptr ? fallback : v->AsString().value_or(fallback);
}
std::int64_t Value::GetInt(std::string_view key, std::int64_t fallback) const {
  const Value* v = Find(key);
  return v == nullptr ? fallback : v->AsInt().value_or(fallback);
}
double Value::GetDouble(std::string_view key, double fallback) const {
  const Value* v = Find(key);
  return v == nullptr ? fallback : v->AsDouble().value_or(fallback);
}
bool Value::GetBool(std::string_view key, bool fallback) const {
  const Value* v = Find(key);
  return v == nullptr ? fallback : v->AsBool().value_or(fallback);
}

std::string Value::Dump() const {
  Writer w;
  w.Put(*this);
  return std::move(w).Take();
}

}  // namespace malmoi::json

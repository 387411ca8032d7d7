#include "qdrant/fields.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "json/writer.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

bool ReadUnsigned(const Value& value, std::uint64_t max, std::string_view type, std::uint64_t* out,
                  Why* why) {
  if (value.kind() != Value::Kind::kInt && value.kind() != Value::Kind::kUint) {
    *why = WrongType(value, type);
    return false;
  }
  const auto number = value.AsUint();
  if (!number || *number > max) {
    *why = "invalid value: " + Describe(value) + ", expected " + std::string(type);
    return false;
  }
  *out = *number;
  return true;
}

// A name that stands twice; null: none does.
const std::string* FindTwice(const std::vector<Value::Member>& members) {
  constexpr std::size_t kFew = 32;  // So many are compared each with each.
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const std::string& name = members[i].first;
    if (members.size() > kFew) {
      if (!seen.insert(name).second) return &name;
    } else if (std::any_of(members.data(), members.data() + i,
                           [&](const auto& before) { return before.first == name; })) {
      return &name;
    }
  }
  return nullptr;
}

}  // namespace

std::string Describe(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return *value.AsBool() ? "boolean `true`" : "boolean `false`";
    case Value::Kind::kInt:
    case Value::Kind::kUint:
      return "integer `" + value.Dump() + "`";
    case Value::Kind::kDouble:
      return "floating point `" + value.Dump() + "`";
    case Value::Kind::kString:
      return "string " + json::Quote(*value.AsString());
    case Value::Kind::kArray:
      return "sequence";
    case Value::Kind::kObject:
      return "map";
  }
  return "value";
}

std::string WrongType(const Value& value, std::string_view expected) {
  return "invalid type: " + Describe(value) + ", expected " + std::string(expected);
}

bool Read(const Value& value, bool* out, Why* why) {
  const auto b = value.AsBool();
  if (!b) {
    *why = WrongType(value, "a boolean");
    return false;
  }
  *out = *b;
  return true;
}

bool Read(const Value& value, std::uint64_t* out, Why* why) {
  return ReadUnsigned(value, std::numeric_limits<std::uint64_t>::max(), "usize", out, why);
}

bool Read(const Value& value, std::uint32_t* out, Why* why) {
  std::uint64_t wide = 0;
  if (!ReadUnsigned(value, std::numeric_limits<std::uint32_t>::max(), "u32", &wide, why)) {
    return false;
  }
  *out = static_cast<std::uint32_t>(wide);
  return true;
}

bool Read(const Value& value, std::int64_t* out, Why* why) {
  if (value.kind() != Value::Kind::kInt) {
    *why = WrongType(value, "i64");
    return false;
  }
  *out = *value.AsInt();
  return true;
}

bool Read(const Value& value, double* out, Why* why) {
  const auto number = value.AsDouble();
  if (!number) {
    *why = WrongType(value, "f64");
    return false;
  }
  *out = *number;
  return true;
}

bool Read(const Value& value, float* out, Why* why) {
  const auto number = value.AsDouble();
  if (!number) {
    *why = WrongType(value, "f32");
    return false;
  }
  *out = static_cast<float>(*number);
  return true;
}

bool Read(const Value& value, std::string* out, Why* why) {
  const auto text = value.AsString();
  if (!text) {
    *why = WrongType(value, "a string");
    return false;
  }
  *out = *text;
  return true;
}

bool Read(const Value& value, Value* out, Why*) {
  *out = value;
  return true;
}

bool ReadName(const Value& value, std::initializer_list<std::string_view> names, std::size_t* out,
              Why* why) {
  const auto text = value.AsString();
  if (!text) {
    *why = WrongType(value, "string or map");
    return false;
  }
  std::size_t i = 0;
  for (const std::string_view name : names) {
    if (name == *text) {
      *out = i;
      return true;
    }
    ++i;
  }
  *why = "unknown variant `" + std::string(*text) + "`, expected ";
  *why += names.size() == 1 ? "" : names.size() == 2 ? "" : "one of ";
  i = 0;
  for (const std::string_view name : names) {
    if (i++ > 0) *why += names.size() == 2 ? " or " : ", ";
    *why += "`" + std::string(name) + "`";
  }
  return false;
}

Fields::Fields(const Value& value, std::string_view type, Why* why) : value_(value), why_(why) {
  if (!value.is_object()) {
    Fail(WrongType(value, type));
  } else if (const std::string* twice = FindTwice(value.members())) {
    Fail("duplicate field `" + *twice + "`");
  }
}

const Value* Fields::Member(std::string_view key) const {
  return ok_ ? value_.Find(key) : nullptr;
}

void Fields::Missing(std::string_view key) {
  Fail("missing field `" + std::string(key) + "`");
}

void Fields::Fail(std::string why) {
  if (!ok_) return;
  *why_ = std::move(why);
  ok_ = false;
}

Error FormatError(std::string_view why) {
  if (why.starts_with('!')) {
    return Error(Code::kOutOfRange,
                 "Validation error in JSON body: [" + std::string(why.substr(1)) + "]");
  }
  return Error(Code::kInvalidArgument, "Format error in JSON body: " + std::string(why));
}

}  // namespace malmoi::qdrant

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace malmoi::qdrant {

// Why a reading failed. A type of this namespace, so that argument-dependent look-up finds the
// overloads of Read for types of other namespaces too.
struct Why : std::string {
  using std::string::string;
  using std::string::operator=;
};

// Typed reading of JSON with the rules of the interface: unknown members are ignored, null stands
// for an absent optional member, integers do not take fractions. Each Read stores the value, or
// gives the reason in `why` and returns false. Other types add overloads, which are found by
// argument-dependent look-up.
bool Read(const json::Value& value, bool* out, Why* why);
bool Read(const json::Value& value, std::uint64_t* out, Why* why);
bool Read(const json::Value& value, std::uint32_t* out, Why* why);
bool Read(const json::Value& value, std::int64_t* out, Why* why);
bool Read(const json::Value& value, double* out, Why* why);
bool Read(const json::Value& value, float* out, Why* why);
bool Read(const json::Value& value, std::string* out, Why* why);
bool Read(const json::Value& value, json::Value* out, Why* why);

// "string \"abc\"", "integer `5`", "map": the value as an error names it.
std::string Describe(const json::Value& value);
// "invalid type: DESCRIPTION, expected WHAT".
std::string WrongType(const json::Value& value, std::string_view expected);

template <class T>
bool Read(const json::Value& value, std::vector<T>* out, Why* why) {
  if (!value.is_array()) {
    *why = WrongType(value, "a sequence");
    return false;
  }
  out->clear();
  out->reserve(value.items().size());
  for (const json::Value& item : value.items()) {
    if (!Read(item, &out->emplace_back(), why)) return false;
  }
  return true;
}

template <class T>
bool Read(const json::Value& value, std::map<std::string, T>* out, Why* why) {
  if (!value.is_object()) {
    *why = WrongType(value, "a map");
    return false;
  }
  out->clear();
  for (const auto& [name, member] : value.members()) {
    if (!Read(member, &(*out)[name], why)) return false;
  }
  return true;
}

// null becomes nothing: what Qdrant's nullable elements are.
template <class T>
bool Read(const json::Value& value, std::optional<T>* out, Why* why) {
  if (value.is_null()) {
    out->reset();
    return true;
  }
  return Read(value, &out->emplace(), why);
}

// A string that is one of `names`; the index goes to `out`.
bool ReadName(const json::Value& value, std::initializer_list<std::string_view> names,
              std::size_t* out, Why* why);

// The members of one object; the first failure sticks and later calls do nothing.
class Fields {
 public:
  Fields(const json::Value& value, std::string_view type, Why* why);

  // Absent or null: nothing changes.
  template <class T>
  void Optional(std::string_view key, T* out) {
    const json::Value* member = Member(key);
    if (member == nullptr || member->is_null()) return;
    ok_ = Read(*member, out, why_);
  }
  template <class T>
  void Required(std::string_view key, T* out) {
    const json::Value* member = Member(key);
    if (!ok_) return;
    if (member == nullptr) {
      Missing(key);
      return;
    }
    ok_ = Read(*member, out, why_);
  }
  // The member, or null; marks nothing as wrong.
  const json::Value* Member(std::string_view key) const;
  void Missing(std::string_view key);
  void Fail(std::string why);
  bool ok() const { return ok_; }

 private:
  const json::Value& value_;
  Why* why_;
  bool ok_ = true;
};

// The outcome of a Read as a Result: kInvalidArgument "Format error in JSON body: WHY".
Error FormatError(std::string_view why);
template <class T>
Result<T> ReadAs(const json::Value& value) {
  T out;
  Why why;
  if (!Read(value, &out, &why)) return FormatError(why);
  return out;
}

}  // namespace malmoi::qdrant

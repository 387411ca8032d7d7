#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "json/value.h"

namespace malmoi::vec {

// A JSON value in a form that is read without parsing (docs/formats/payload-packed.md): a tag byte,
// then for numbers 8 bytes, for strings a varint length and the bytes, for arrays and objects a u32
// length in bytes and the elements; an object's element is a varint length, the name, the value.
//
// A view: the bytes must outlive it. Reads are bounded: ill-formed bytes look like null or the end
// of a container, never like memory beyond them.
class Packed {
 public:
  enum class Tag : std::uint8_t {
    kNull,
    kFalse,
    kTrue,
    kInt,
    kUint,
    kDouble,
    kString,
    kArray,
    kObject
  };

  Packed() = default;  // Null.
  explicit Packed(std::string_view bytes) {
    std::string_view rest = bytes, *p = &rest;
    *this = Take(p);
  }

  Tag tag() const { return tag_; }
  bool is_null() const { return tag_ == Tag::kNull; }
  bool is_array() const { return tag_ == Tag::kArray; }
  bool is_object() const { return tag_ == Tag::kObject; }

  std::optional<bool> AsBool() const;
  std::optional<std::int64_t> AsInt() const;  // Written as an integer that fits.
  std::uint64_t AsUint() const;               // Of tag kUint only: what exceeds an int64.
  std::optional<double> AsDouble() const;     // Any number.
  std::optional<std::string_view> AsString() const;

  // The member of that name. Cost: the members before it are skipped.
  std::optional<Packed> Find(std::string_view key) const;
  // visit(Packed) of each element, visit(name, Packed) of each member, until one returns true;
  // whether one did. Nothing for other kinds.
  template <class Visit>
  bool AnyItem(const Visit& visit) const {
    if (tag_ != Tag::kArray) return false;
    for (std::string_view rest = body_; !rest.empty();) {
      if (visit(Take(&rest))) return true;
    }
    return false;
  }
  template <class Visit>
  bool AnyMember(const Visit& visit) const {
    if (tag_ != Tag::kObject) return false;
    for (std::string_view rest = body_; !rest.empty();) {
      const std::string_view name = TakeText(&rest);
      if (visit(name, Take(&rest))) return true;
    }
    return false;
  }

 private:
  static Packed Take(std::string_view* rest);
  static std::string_view TakeText(std::string_view* rest);

  Tag tag_ = Tag::kNull;
  std::string_view body_;  // Of strings, arrays and objects; the 8 bytes of numbers.
};

// Appends the packed form. Repeated names of an object: the last value counts.
void Pack(const json::Value& value, std::string* out);
// The packed form of an object's text, without JSON values in between. False: the text is none or
// not plain (escapes, repeated names, large integers, many members): take the other way. *out is
// then unspecified.
bool PackPlain(std::string_view json, std::string* out);
json::Value Unpack(const Packed& value);
// Compact JSON text.
std::string DumpPacked(const Packed& value);
// Whether the bytes are one whole value, all lengths consistent, at most 1,024 deep.
bool IsPacked(std::string_view bytes);

inline constexpr std::string_view kEmptyObject{"\x08\0\0\0\0", 5};

}  // namespace malmoi::vec

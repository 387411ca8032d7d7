#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::json {

class Value;

// Writes compact JSON to one growing string. Commas are put by the writer; the caller keeps
// Begin/End and Key/value in order. Floats print as the shortest text that reads back as the same
// float; NaN and infinities, which JSON lacks, as null. Ill-formed UTF-8 is written as U+FFFD.
//
//   Writer w; w.BeginObject(); w.Key("a").Put(1); w.EndObject(); std::string text =
//   std::move(w).Take();
class Writer {
 public:
  Writer& BeginObject();
  Writer& EndObject();
  Writer& BeginArray();
  Writer& EndArray();
  Writer& Key(std::string_view key);

  Writer& Put(std::string_view s);
  Writer& Put(const std::string& s) { return Put(std::string_view(s)); }
  Writer& Put(const char* s) { return Put(std::string_view(s)); }
  Writer& Put(bool b);
  Writer& Put(float f);
  Writer& Put(double d);
  template <std::integral T>
  requires(!std::same_as<T, bool>) Writer& Put(T i) {
    return PutInteger(static_cast<std::int64_t>(i), std::is_unsigned_v<T>);
  }
  Writer& Put(const Value& value);
  Writer& PutNull();
  // `json` is well-formed JSON text, written as it is.
  Writer& PutRaw(std::string_view json);

  // Key and value in one call.
  template <class T>
  Writer& Field(std::string_view key, const T& value) {
    return Key(key).Put(value);
  }

  const std::string& text() const { return out_; }
  std::string Take() && { return std::move(out_); }

 private:
  void Comma();
  Writer& PutInteger(std::int64_t bits, bool is_unsigned);
  std::string out_;
  std::vector<bool> has_item_;  // One entry an open array or object.
  bool after_key_ = false;
};

// `s` in quotation marks with JSON escapes.
std::string Quote(std::string_view s);

}  // namespace malmoi::json

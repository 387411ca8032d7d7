#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::vec {

// Writes a payload in the form that is stored (docs/formats/payload-packed.md): for callers that
// have values and no JSON text. What Take returns may stand for the text in Point::payload.
//
//   PayloadBuilder out;
//   out.BeginObject();
//   out.Key("n").Put(std::int64_t{1});
//   out.EndObject();
//   point.payload = out.Take();
//
// The caller opens and closes containers in order and gives an object's members different names;
// strings are UTF-8. A payload is checked when it is written to a collection. Not thread-safe.
class PayloadBuilder {
 public:
  PayloadBuilder& BeginObject() { return Begin(8); }
  PayloadBuilder& EndObject() { return End(); }
  PayloadBuilder& BeginArray() { return Begin(7); }
  PayloadBuilder& EndArray() { return End(); }
  PayloadBuilder& Key(std::string_view name);  // Of the member whose value comes next.
  PayloadBuilder& PutNull();
  PayloadBuilder& Put(bool value);
  PayloadBuilder& Put(std::int64_t value);
  PayloadBuilder& Put(double value);  // Finite.
  PayloadBuilder& Put(std::string_view value);
  std::string Take() { return std::move(out_); }

 private:
  PayloadBuilder& Begin(char tag);
  PayloadBuilder& End();

  std::string out_;
  std::vector<std::size_t> open_;  // Where the lengths of containers stand.
};

}  // namespace malmoi::vec

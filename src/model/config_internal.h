#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "json/value.h"
#include "model/encoder.h"

namespace malmoi::model {

// The file's JSON; nothing where the file does not exist. Errors: kIo, kCorruption.
Result<std::optional<json::Value>> ReadJson(const std::string& directory, std::string_view name);

// Reads config.json's fields and remembers the first error, so that a family's reader is a list of
// its fields. Names of older versions are given beside the current one: the first that is there.
class ConfigReader {
 public:
  explicit ConfigReader(const json::Value& json) : json_(json) {}

  // 1 to 16,777,216; `fallback` where the field is absent or null, 0: it must be there.
  std::int64_t Size(std::initializer_list<const char*> names, std::int64_t fallback = 0);
  float Eps(std::initializer_list<const char*> names, double fallback);
  // A value that the implementation does not have: kUnsupported naming the field.
  void Refuse(bool present, const std::string& field);
  void Check(bool good, const std::string& message);  // kCorruption

  const json::Value* Find(std::initializer_list<const char*> names) const;
  std::string_view Text(std::initializer_list<const char*> names, std::string_view fallback) const;
  bool Flag(const char* name, bool fallback) const;

  const json::Value& json() const { return json_; }
  Status status() const;

 private:
  void Fail(Code code, const std::string& message);
  const json::Value& json_;
  std::optional<Error> error_;
};

// hidden_size, num_hidden_layers, num_attention_heads, intermediate_size and vocab_size under
// their common names; heads divide hidden.
void ReadSizes(ConfigReader* reader, EncoderConfig* config);

}  // namespace malmoi::model

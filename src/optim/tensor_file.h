#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "optim/tensor_step.h"

namespace malmoi::optim {

// A safetensors file in the making: u64 header length, JSON header padded to 8 bytes, data.
class TensorFile {
 public:
  // Bytes are copied. `dtype` is safetensors' name: "F32", "F64", "BF16".
  void Add(std::string name, std::string_view dtype, const Shape& shape, std::string_view bytes);
  void Meta(std::string key, std::string value) { meta_.emplace_back(std::move(key), value); }
  std::size_t size() const { return entries_.size(); }
  // Written beside and renamed, so that a crash leaves no half file. Errors: kIo.
  Status Write(const std::string& path) const;

 private:
  struct Entry {
    std::string name;
    std::string dtype;
    Shape shape;
    std::size_t begin, end;
  };
  std::vector<Entry> entries_;
  std::vector<std::pair<std::string, std::string>> meta_;
  std::string data_;
};

std::string_view StorageName(Storage storage);  // safetensors' name; "U8" for kQ8.

}  // namespace malmoi::optim

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace malmoi::os {

// A whole file mapped read-only; the bytes live as long as the object. Truncating the file while
// it is mapped makes reads fault: only files that malmoi owns or that are models are mapped.
class Mmap {
 public:
  static Result<Mmap> Open(const std::string& path);
  Mmap() = default;
  Mmap(Mmap&& other) noexcept;
  Mmap& operator=(Mmap&& other) noexcept;
  ~Mmap();

  std::string_view bytes() const { return {data_, size_}; }

 private:
  Mmap(const char* data, std::size_t size) : data_(data), size_(size) {}
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace malmoi::os

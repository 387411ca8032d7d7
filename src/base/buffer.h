#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace malmoi {

// A 64-byte aligned array of floats (or any trivial T) whose storage is padded with zeros to a
// multiple of 64 bytes, so that vector loads of the tail stay inside. Move-only; contents are zero
// after construction.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size), data_(Allocate(size)) {}

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  static T* Allocate(std::size_t n) {
    const std::size_t bytes = (n * sizeof(T) + 63) / 64 * 64;
    auto* p =
        static_cast<unsigned char*>(::operator new (bytes == 0 ? 64 : bytes, std::align_val_t{64}));
    __builtin_memset(p, 0, bytes == 0 ? 64 : bytes);
    return reinterpret_cast<T*>(p);
  }
  std::size_t size_ = 0;
  std::unique_ptr<T, Free> data_;
};

}  // namespace malmoi

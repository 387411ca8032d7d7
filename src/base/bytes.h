#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace malmoi {

static_assert(std::endian::native == std::endian::little, "file formats are little-endian");

// Reads a T from unaligned bytes. The caller has checked that sizeof(T) bytes are there.
template <class T>
T Load(const void* p) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// Appends a T's little-endian bytes.
template <class T>
void Put(std::string* out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

// Appends a u32 length and the bytes.
inline void PutString(std::string* out, std::string_view s) {
  Put<std::uint32_t>(out, static_cast<std::uint32_t>(s.size()));
  out->append(s);
}

// Takes values off the front of untrusted bytes. After the first value that is not there, ok() is
// false and every further read gives zero or empty: check once at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T Get() {
    std::string_view s = Take(sizeof(T));
    return s.size() == sizeof(T) ? Load<T>(s.data()) : T{};
  }
  std::string_view GetString() { return Take(Get<std::uint32_t>()); }
  std::string_view Take(std::size_t n) {
    if (n > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    std::string_view out = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return out;
  }
  bool ok() const { return ok_; }
  std::size_t left() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace malmoi

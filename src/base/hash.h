#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace malmoi {

// XXH64 (xxHash 0.8 specification). Not cryptographic; stable across versions: it is in file
// formats.
std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed = 0);

// CRC-32C (Castagnoli, RFC 3720 B.4), as LevelDB and iSCSI use it. `previous` continues a sum:
// Crc32c(b, Crc32c(a)) == Crc32c(a + b). Uses the SSE4.2 instruction where the CPU has it.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t previous = 0);

// SHA-256 of everything given to Update(), as 64 lower-case hexadecimal digits.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(std::string_view bytes);
  std::string HexDigest();  // Once, at the end.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
std::string Sha256Hex(std::string_view bytes);

// 128-bit identifier; text form is 8-4-4-4-12 lower-case hexadecimal (RFC 9562).
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  std::string ToString() const;
};
// Name-based UUID, version 5 (SHA-1) of `name` in `space`: the same input gives the same id.
Uuid UuidV5(const Uuid& space, std::string_view name);
// Accepts the hyphenated and the 32-digit form, both cases. False if `text` is neither.
bool ParseUuid(std::string_view text, Uuid* out);

}  // namespace malmoi

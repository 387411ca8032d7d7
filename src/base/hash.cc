#include "base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <cstring>

#include "base/check.h"
#include "base/strings.h"

namespace malmoi {
namespace {

constexpr std::array<std::uint32_t, 256> MakeCrcTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) != 0 ? 0x82F63B78u ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr auto kCrcTable = MakeCrcTable();

std::uint32_t CrcPortable(std::uint32_t c, const unsigned char* p, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) c = kCrcTable[(c ^ p[i]) & 0xFF] ^ (c >> 8);
  return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t CrcSse42(std::uint32_t c, const unsigned char* p,
                                                         std::size_t n) {
  std::uint64_t wide = c;
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  c = static_cast<std::uint32_t>(wide);
  for (; n > 0; --n, ++p) c = __builtin_ia32_crc32qi(c, *p);
  return c;
}
#endif

}  // namespace

std::uint64_t Hash64(std::string_view bytes, std::uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

std::uint32_t Crc32c(std::string_view bytes, std::uint32_t previous) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
#if defined(__x86_64__)
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return ~CrcSse42(~previous, p, bytes.size());
#endif
  return ~CrcPortable(~previous, p, bytes.size());
}

struct Sha256::Impl {
  EVP_MD_CTX* context;
};

Sha256::Sha256() : impl_(new Impl{EVP_MD_CTX_new()}) {
  MALMOI_CHECK(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() {
  EVP_MD_CTX_free(impl_->context);
}
void Sha256::Update(std::string_view bytes) {
  MALMOI_CHECK(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1);
}
std::string Sha256::HexDigest() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  MALMOI_CHECK(EVP_DigestFinal_ex(impl_->context, digest, &size) == 1);
  return ToHex({reinterpret_cast<const char*>(digest), size});
}
std::string Sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

std::string Uuid::ToString() const {
  const std::string hex = ToHex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

Uuid UuidV5(const Uuid& space, std::string_view name) {
  std::string input(reinterpret_cast<const char*>(space.bytes.data()), space.bytes.size());
  input += name;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  MALMOI_CHECK(EVP_Digest(input.data(), input.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  Uuid out;
  std::memcpy(out.bytes.data(), digest, out.bytes.size());
  out.bytes[6] = static_cast<std::uint8_t>((out.bytes[6] & 0x0F) | 0x50);
  out.bytes[8] = static_cast<std::uint8_t>((out.bytes[8] & 0x3F) | 0x80);
  return out;
}

bool ParseUuid(std::string_view text, Uuid* out) {
  std::string hex;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = text.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
    if (hyphen != (text[i] == '-')) return false;
    if (!hyphen) hex += text[i];
  }
  const auto bytes = hex.size() == 32 ? ParseHex(hex) : std::nullopt;
  if (!bytes) return false;
  std::memcpy(out->bytes.data(), bytes->data(), out->bytes.size());
  return true;
}

}  // namespace malmoi

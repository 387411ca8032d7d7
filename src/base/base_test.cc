// Goal: the vocabulary types that every module stands on keep their contracts.
// Method: published test vectors where there are any, laws where there are none.
#include <doctest/doctest.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/result.h"
#include "base/strings.h"
#include "base/utf8.h"

using namespace malmoi;

namespace {

Result<int> Half(int x) {
  if (x % 2 != 0) return Error(Code::kInvalidArgument, std::to_string(x) + " is odd");
  return x / 2;
}
Status CheckHalf(int x) {
  MALMOI_TRY(Half(x));
  return Ok();
}
Result<int> Quarter(int x) {
  MALMOI_TRY(const int half, Half(x));
  MALMOI_TRY(CheckHalf(half));
  return Half(half).With("quarter");
}

}  // namespace

TEST_CASE("MALMOI_TRY passes values on and errors up, With adds context in front") {
  CHECK(Quarter(8).value() == 2);
  CHECK(Quarter(3).error().message() == "3 is odd");
  CHECK(Quarter(2).error().code() == Code::kInvalidArgument);
  CHECK(Half(1).With("outer").error().message() == "outer: 1 is odd");
}

TEST_CASE("Crc32c equals RFC 3720 B.4 and continues a sum") {
  CHECK(Crc32c(std::string(32, '\0')) == 0x8A9136AAu);
  CHECK(Crc32c(std::string(32, '\xFF')) == 0x62A8AB43u);
  CHECK(Crc32c("123456789") == 0xE3069283u);
  CHECK(Crc32c("56789", Crc32c("1234")) == 0xE3069283u);
}

TEST_CASE("hashes equal published vectors") {
  CHECK(Sha256Hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Hash64("") == 0xEF46DB3751D8E999ull);
  Uuid dns;
  REQUIRE(ParseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8", &dns));
  CHECK(UuidV5(dns, "python.org").ToString() == "886313e1-3b8a-5372-9b90-0c9aee199e5d");
  Uuid ignored;
  CHECK_FALSE(ParseUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c", &ignored));
}

TEST_CASE("UTF-8 decoding refuses what table 3-7 refuses and round-trips the rest") {
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80"}) {
    CAPTURE(bad);
    CHECK_FALSE(IsValidUtf8(bad));
    CHECK(IsValidUtf8(ToValidUtf8(bad)));
  }
  for (char32_t c = 1; c <= 0x10FFFF; c += 7) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string s;
    AppendRune(&s, c);
    const Rune r = DecodeRune(s, 0);
    REQUIRE(r.valid);
    REQUIRE(r.value == c);
    REQUIRE(r.size == s.size());
  }
  CHECK(CountRunes("말모이 abc") == 7);
  CHECK(FloorRune("말", 2) == 0);
}

TEST_CASE("ByteReader stays in bounds and remembers failure") {
  std::string bytes;
  Put<std::uint32_t>(&bytes, 7);
  PutString(&bytes, "abc");
  ByteReader reader(bytes);
  CHECK(reader.Get<std::uint32_t>() == 7);
  CHECK(reader.GetString() == "abc");
  CHECK(reader.ok());
  CHECK(reader.Get<std::uint64_t>() == 0);
  CHECK_FALSE(reader.ok());
}

TEST_CASE("strings") {
  CHECK(Trim(" \t a b \n") == "a b");
  CHECK(Split("a,,b", ',').size() == 3);
  CHECK(ParseInt("-12").value() == -12);
  CHECK_FALSE(ParseInt("12x"));
  CHECK_FALSE(ParseDouble(""));
  CHECK(FormatBytes(1536) == "1.5 KiB");
  CHECK(FormatDuration(3723) == "1:02:03");
  CHECK(ParseHex(ToHex("\x01\xFE")).value() == "\x01\xFE");
  CHECK(ReplaceAll("aXbX", "X", "--") == "a--b--");
}

TEST_CASE("Buffer is aligned, zeroed and movable") {
  Buffer<float> a(5);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  CHECK(a[4] == 0.0f);
  Buffer<float> b = std::move(a);
  CHECK(b.size() == 5);
}

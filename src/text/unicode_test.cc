// Goal: Nfc is Normalization Form C, and origins lead back to the bytes that a piece came from.
// Method: ICU's normaliser as reference on random mixtures of scripts, marks and jamo and on the
// Unicode conformance file; origins must be ordered, in range and exact for unchanged text.
#include "text/unicode.h"

#include <doctest/doctest.h>
#include <unicode/normalizer2.h>

#include <random>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/analysis/test_data_internal.h"

namespace malmoi::text {
namespace {

std::string IcuNfc(const std::string& text) {
  UErrorCode status = U_ZERO_ERROR;
  const auto* nfc = icu::Normalizer2::getNFCInstance(status);
  std::string out;
  nfc->normalize(icu::UnicodeString::fromUTF8(text), status).toUTF8String(out);
  return out;
}

std::string RandomText(std::mt19937* random) {
  static constexpr char32_t kRanges[][2] = {
      {0x20, 0x7E},     {0x41, 0x5A},     {0xC0, 0x24F},    {0x300, 0x345},     {0x1100, 0x1112},
      {0x1161, 0x1175}, {0x11A8, 0x11C2}, {0xAC00, 0xAC80}, {0x3041, 0x30FF},   {0x900, 0x94D},
      {0x9BE, 0x9D7},   {0x5D0, 0x5EA},   {0x5B0, 0x5BD},   {0xF900, 0xF910},   {0x1E00, 0x1F00},
      {0x4E00, 0x4E40}, {0x400, 0x45F},   {0x2126, 0x212B}, {0x1D15E, 0x1D164}, {0xB47, 0xB57}};
  std::string text;
  const int length = static_cast<int>((*random)() % 24);
  for (int i = 0; i < length; ++i) {
    const auto& range = kRanges[(*random)() % std::size(kRanges)];
    AppendRune(&text, range[0] + (*random)() % (range[1] - range[0] + 1));
  }
  return text;
}

void CheckOrigins(const std::string& text) {
  const NormalizedText n = NfcWithOrigins(text);
  REQUIRE(n.origin.size() == n.text.size() + 1);
  CHECK(n.origin.back() == text.size());
  for (std::size_t i = 0; i + 1 < n.origin.size(); ++i) {
    CHECK(n.origin[i] <= n.origin[i + 1]);
    CHECK(FloorRune(text, n.origin[i]) == n.origin[i]);
  }
}

TEST_CASE("Nfc equals ICU's on random text, with and without origins") {
  std::mt19937 random(20261124);
  for (int i = 0; i < 20000; ++i) {
    const std::string text = RandomText(&random);
    CAPTURE(text);
    const std::string want = IcuNfc(text);
    REQUIRE(Nfc(text) == want);
    REQUIRE(NfcWithOrigins(text).text == want);
    if (i < 2000) CheckOrigins(text);
  }
}

TEST_CASE("Nfc passes the Unicode conformance file") {
  const auto file = SharedFile("NormalizationTest", "data/unicode/NormalizationTest.txt");
  if (!file.ok()) return;
  int lines = 0;
  for (const std::string_view line : Split(file.value().bytes(), '\n')) {
    if (line.empty() || line[0] == '#' || line[0] == '@') continue;
    const auto columns = Split(line, ';');
    std::string text[2];
    for (int c = 0; c < 2; ++c) {
      for (const auto code : Split(columns[static_cast<std::size_t>(c)], ' ')) {
        AppendRune(&text[c], static_cast<char32_t>(std::stoul(std::string(code), nullptr, 16)));
      }
    }
    CAPTURE(line);
    REQUIRE(Nfc(text[0]) == text[1]);
    REQUIRE(NfcWithOrigins(text[0]).text == text[1]);
    ++lines;
  }
  CHECK(lines > 18000);
}

TEST_CASE("Origins of decomposed Korean point at the syllable's first jamo") {
  const NormalizedText n = NfcWithOrigins("a \u1112\u1161\u11ab\u1100\u1173\u11af");
  CHECK(n.text == "a 한글");
  CHECK(n.origin[2] == 2);   // 한
  CHECK(n.origin[5] == 11);  // 글
  CHECK(n.origin.back() == 20);
}

}  // namespace
}  // namespace malmoi::text

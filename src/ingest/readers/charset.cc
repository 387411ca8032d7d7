#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/strings.h"
#include "base/utf8.h"
#include "ingest/readers/charset_internal.h"

namespace malmoi::ingest {
namespace {

// Enough for statistics; the whole text is converted in any case.
constexpr std::size_t kSample = 256 << 10;

struct Mark {
  std::string_view bytes;
  const char* name;     // As reported.
  const char* decoder;  // Of ICU.
};
// The longer mark of UTF-32LE begins like UTF-16LE's: it comes first.
constexpr std::array<Mark, 4> kMarks = {
    {{std::string_view("\xFF\xFE\0\0", 4), "utf-32le", "UTF-32LE"},
     {std::string_view("\0\0\xFE\xFF", 4), "utf-32be", "UTF-32BE"},
     {"\xFF\xFE", "utf-16le", "UTF-16LE"},
     {"\xFE\xFF", "utf-16be", "UTF-16BE"}}};

struct CloseConverter {
  void operator()(UConverter* c) const { ucnv_close(c); }
};
struct CloseDetector {
  void operator()(UCharsetDetector* d) const { ucsdet_close(d); }
};

// Counts of double-byte codes under one reading of the bytes.
struct PairCounts {
  std::size_t pairs = 0;   // Codes outside ASCII.
  std::size_t common = 0;  // Of those, in the area that running text of the language is made of.
  std::size_t bad = 0;     // Bytes that fit no code.
  double share() const {
    return pairs == 0 ? 0 : static_cast<double>(common) / static_cast<double>(pairs);
  }
  // Damage in a few places (a cut file) is no reason to disbelieve.
  bool plausible() const { return pairs > 0 && bad * 200 <= pairs; }
};

// KS X 1001 with Microsoft's extension (Unified Hangul Code). Common: the 2,350 syllables of
// KS X 1001, leads B0 to C8.
PairCounts CountCp949(std::string_view s) {
  PairCounts n;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto a = static_cast<unsigned char>(s[i]);
    if (a < 0x80) continue;
    const auto b = i + 1 < s.size() ? static_cast<unsigned char>(s[i + 1]) : 0;
    const bool trail =
        (b >= 0x41 && b <= 0x5A) || (b >= 0x61 && b <= 0x7A) || (b >= 0x81 && b <= 0xFE);
    if (a < 0x81 || a == 0xC9 || a > 0xFD || !trail) {
      n.bad += i + 1 < s.size();
      continue;
    }
    ++i;
    // Symbols (A1 to AC) are shared by all of East Asia's codes and tell nothing.
    if (a >= 0xA1 && a <= 0xAC && b >= 0xA1) continue;
    ++n.pairs;
    n.common += a >= 0xB0 && a <= 0xC8 && b >= 0xA1;
  }
  return n;
}

// EUC-JP; common: hiragana and katakana rows.
PairCounts CountEucJp(std::string_view s) {
  PairCounts n;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto a = static_cast<unsigned char>(s[i]);
    if (a < 0x80) continue;
    const std::size_t size = a == 0x8F ? 3 : 2;
    if (i + size > s.size()) break;
    const auto b = static_cast<unsigned char>(s[i + 1]);
    if ((a < 0xA1 && a != 0x8E && a != 0x8F) || b < 0xA1) {
      ++n.bad;
      continue;
    }
    i += size - 1;
    ++n.pairs;
    n.common += a == 0xA4 || a == 0xA5;
  }
  return n;
}

// Shift_JIS; common: kana.
PairCounts CountShiftJis(std::string_view s) {
  PairCounts n;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto a = static_cast<unsigned char>(s[i]);
    if (a < 0x80) continue;
    if (a >= 0xA1 && a <= 0xDF) {  // Half-width katakana: rare in running text.
      ++n.pairs;
      continue;
    }
    const auto b = i + 1 < s.size() ? static_cast<unsigned char>(s[i + 1]) : 0;
    if (a == 0x80 || a == 0xA0 || a > 0xFC || b < 0x40 || b == 0x7F || b > 0xFC) {
      n.bad += i + 1 < s.size();
      continue;
    }
    ++i;
    ++n.pairs;
    n.common += (a == 0x82 && b >= 0x9F) || a == 0x83;
  }
  return n;
}

// GB18030's double-byte part; common: the level-1 hanzi of GB 2312, by sound, leads B0 to D7.
PairCounts CountGb(std::string_view s) {
  PairCounts n;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto a = static_cast<unsigned char>(s[i]);
    if (a < 0x80) continue;
    const auto b = i + 1 < s.size() ? static_cast<unsigned char>(s[i + 1]) : 0;
    if (a == 0x80 || a == 0xFF || b < 0x30 || b == 0x7F || b == 0xFF) {
      n.bad += i + 1 < s.size();
      continue;
    }
    ++i;
    if (a >= 0xA1 && a <= 0xA3) continue;
    ++n.pairs;
    n.common += a >= 0xB0 && a <= 0xD7 && b >= 0xA1;
  }
  return n;
}

// Empty when no East Asian code explains the bytes. Thresholds: running Korean is over 95 % common
// syllables where Chinese text has about 60 % of its hanzi at those leads, and Japanese text is
// over 40 % kana, which no other reading of real text reaches.
std::string GuessEastAsian(std::string_view sample) {
  if (const auto n = CountEucJp(sample); n.plausible() && n.share() > 0.3) return "euc-jp";
  if (const auto n = CountShiftJis(sample); n.plausible() && n.share() > 0.3) return "shift_jis";
  if (const auto n = CountCp949(sample); n.plausible() && n.share() > 0.85) return "cp949";
  // Latin text in a single-byte code has lone high bytes between letters: pairs under GB, but
  // hardly any common ones.
  if (const auto n = CountGb(sample); n.plausible() && n.share() > 0.7) return "gb18030";
  return {};
}

std::string GuessByIcu(std::string_view sample) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, CloseDetector> detector(ucsdet_open(&status));
  if (U_FAILURE(status)) return "windows-1252";
  ucsdet_setText(detector.get(), sample.data(), static_cast<std::int32_t>(sample.size()), &status);
  const UCharsetMatch* match = ucsdet_detect(detector.get(), &status);
  if (U_FAILURE(status) || match == nullptr) return "windows-1252";
  const char* name = ucsdet_getName(match, &status);
  if (U_FAILURE(status) || name == nullptr) return "windows-1252";
  std::string guess = AsciiLower(name);
  // What is labelled Latin-1 is its superset in practice; the UTFs were tried before.
  if (guess == "iso-8859-1" || guess.starts_with("utf-") || guess.starts_with("ibm")) {
    return "windows-1252";
  }
  return guess == "euc-kr" ? "cp949" : guess;
}

// Zeros at every other place: UTF-16 without a mark, of mostly Latin text.
std::string GuessUtf16(std::string_view sample) {
  if (sample.size() < 4) return {};
  std::array<std::size_t, 2> zeros = {0, 0};
  for (std::size_t i = 0; i < sample.size(); ++i) zeros[i % 2] += sample[i] == '\0';
  const std::size_t half = sample.size() / 2;
  if (zeros[1] > half * 2 / 5 && zeros[0] * 20 < half) return "utf-16le";
  if (zeros[0] > half * 2 / 5 && zeros[1] * 20 < half) return "utf-16be";
  return {};
}

// Control characters that no text has: their share tells binary data.
bool LooksBinary(std::string_view sample) {
  std::size_t controls = 0;
  for (const char c : sample) {
    const auto u = static_cast<unsigned char>(c);
    if (u == 0) return true;
    controls +=
        u < 0x20 && u != '\t' && u != '\n' && u != '\r' && u != '\f' && u != '\v' && u != 0x1B;
  }
  return controls * 50 > sample.size();
}

Error TooMuch(std::uint64_t limit) {
  return Error(Code::kOutOfRange,
               "more than " + FormatBytes(limit) + " of text: split the file or raise the limit");
}

}  // namespace

Result<std::string> ConvertText(std::string_view bytes, const std::string& name,
                                std::uint64_t text_bytes) {
  // The plain "cp949" of ICU is IBM's, which has a won sign for the backslash.
  const std::string lower = AsciiLower(name);
  const bool korean = lower == "cp949" || lower == "euc-kr" || lower == "ks_c_5601-1987";
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, CloseConverter> converter(
      ucnv_open(korean ? "windows-949" : name.c_str(), &status));
  if (U_FAILURE(status)) return Error(Code::kUnsupported, "unknown encoding '" + name + "'");
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 2);
  std::array<UChar, 4096> wide;
  const char* from = bytes.data();
  const char* const end = from + bytes.size();
  char16_t lead = 0;
  for (;;) {
    UChar* to = wide.data();
    status = U_ZERO_ERROR;
    ucnv_toUnicode(converter.get(), &to, wide.data() + wide.size(), &from, end, nullptr,
                   static_cast<UBool>(true), &status);
    for (const UChar* p = wide.data(); p != to; ++p) {
      if (lead != 0 && U16_IS_TRAIL(*p)) {
        AppendRune(&out, static_cast<char32_t>(U16_GET_SUPPLEMENTARY(lead, *p)));
        lead = 0;
        continue;
      }
      if (lead != 0) AppendRune(&out, 0xFFFD);
      lead = U16_IS_LEAD(*p) ? *p : 0;
      if (lead == 0) AppendRune(&out, *p);
    }
    if (out.size() > text_bytes) return TooMuch(text_bytes);
    if (status != U_BUFFER_OVERFLOW_ERROR) break;
  }
  if (lead != 0) AppendRune(&out, 0xFFFD);
  if (U_FAILURE(status) && status != U_TRUNCATED_CHAR_FOUND) {
    return Error(Code::kCorruption, "text is not in encoding '" + name + "'");
  }
  return out;
}

Result<DecodedText> DecodeText(std::string_view bytes, std::uint64_t text_bytes) {
  const std::string_view sample = bytes.substr(0, kSample);
  for (const Mark& mark : kMarks) {
    if (!bytes.starts_with(mark.bytes)) continue;
    MALMOI_TRY(std::string text,
               ConvertText(bytes.substr(mark.bytes.size()), mark.decoder, text_bytes));
    return DecodedText{std::move(text), mark.name};
  }
  if (const std::string name = GuessUtf16(sample); !name.empty()) {
    MALMOI_TRY(std::string text, ConvertText(bytes, name, text_bytes));
    return DecodedText{std::move(text), name};
  }
  if (LooksBinary(sample)) return Error(Code::kUnsupported, "binary data of an unknown type");
  if (IsValidUtf8(bytes)) {
    const bool japanese = bytes.find("\x1B$B") != bytes.npos || bytes.find("\x1B$@") != bytes.npos;
    if (!japanese) {
      if (bytes.size() > text_bytes) return TooMuch(text_bytes);
      return DecodedText{std::string(bytes), "utf-8"};
    }
    MALMOI_TRY(std::string text, ConvertText(bytes, "iso-2022-jp", text_bytes));
    return DecodedText{std::move(text), "iso-2022-jp"};
  }
  // Mostly UTF-8 with a few stray bytes is damaged UTF-8, not another encoding.
  std::size_t bad = 0;
  std::size_t wide = 0;
  for (std::size_t at = 0; at < sample.size();) {
    const Rune rune = DecodeRune(sample, at);
    bad += !rune.valid;
    wide += rune.valid && rune.size > 1;
    at += rune.size;
  }
  if (wide > 10 * bad) {
    std::string text = ToValidUtf8(bytes);
    if (text.size() > text_bytes) return TooMuch(text_bytes);
    return DecodedText{std::move(text), "utf-8"};
  }
  std::string name = GuessEastAsian(sample);
  if (name.empty()) name = GuessByIcu(sample);
  MALMOI_TRY(std::string text, ConvertText(bytes, name, text_bytes));
  return DecodedText{std::move(text), name};
}

void WarmCharsets() {
  for (const char* name : {"windows-949", "shift_jis", "euc-jp", "gb18030", "windows-1252"}) {
    static_cast<void>(ConvertText("a", name, 16).ok());
  }
}

}  // namespace malmoi::ingest

#include "text/identifiers.h"

#include <unicode/uchar.h>

#include <algorithm>

#include "base/utf8.h"

namespace malmoi::text {
namespace {

bool IsNumber(char32_t c) {
  constexpr std::uint32_t kNumbers = U_GC_ND_MASK | U_GC_NL_MASK | U_GC_NO_MASK;
  return (U_MASK(u_charType(static_cast<UChar32>(c))) & kNumbers) != 0;
}
bool IsLetter(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_ALPHABETIC) != 0;
}
bool IsCapital(char32_t c) {
  return u_isUUppercase(static_cast<UChar32>(c)) != 0;
}

std::string Utf8(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) AppendRune(&out, c);
  return out;
}

// The parts of a piece without underscores. Returns how many.
std::size_t CutByCase(std::u32string_view piece, std::vector<std::string>* words) {
  std::size_t begin = 0, count = 0;
  for (std::size_t i = 1; i <= piece.size(); ++i) {
    const bool after_small = i < piece.size() && IsCapital(piece[i]) && !IsCapital(piece[i - 1]);
    const bool last_capital = i + 1 < piece.size() && IsCapital(piece[i]) &&
                              IsCapital(piece[i - 1]) && IsLetter(piece[i + 1]) &&
                              !IsCapital(piece[i + 1]);
    if (i < piece.size() && !after_small && !last_capital) continue;
    words->push_back(Utf8(piece.substr(begin, i - begin)));
    begin = i;
    ++count;
  }
  return count;
}

void CutIdentifier(std::u32string_view run, CodeWords* out) {
  std::u32string whole;
  std::size_t pieces = 0;
  for (std::size_t at = 0; at < run.size();) {
    const std::size_t end = std::min(run.find(U'_', at), run.size());
    const std::u32string_view piece = run.substr(at, end - at);
    at = end + 1;
    if (piece.empty()) continue;
    if (CutByCase(piece, &out->words) > 1) out->compounds.push_back(Utf8(piece));
    whole += piece;
    ++pieces;
  }
  if (pieces > 1) out->compounds.push_back(Utf8(whole));
}

void CutRun(std::u32string_view run, CodeWords* out) {
  if (run.front() < U'0' || run.front() > U'9') {
    CutIdentifier(run, out);
    return;
  }
  std::u32string number(run);
  std::erase(number, U'_');
  out->words.push_back(Utf8(number));
}

}  // namespace

CodeWords SplitCode(std::string_view text) {
  CodeWords out;
  std::u32string run;
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    at += rune.size;
    const char32_t c = rune.value;
    if (rune.valid && (c == U'_' || IsLetter(c) || IsNumber(c))) {
      run += c;
      if (at < text.size()) continue;
    }
    if (!run.empty()) CutRun(run, &out);
    run.clear();
  }
  return out;
}

}  // namespace malmoi::text

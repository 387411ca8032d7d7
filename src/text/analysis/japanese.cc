#include <algorithm>
#include <array>
#include <string>

#include "base/strings.h"
#include "base/utf8.h"
#include "text/analysis/japanese_internal.h"
#include "text/analysis/words_internal.h"

namespace malmoi::text {
namespace {

// IPADIC's feature: part of speech, three subdivisions, conjugation type and form, base form, ...
constexpr std::size_t kFields = 7;

template <std::size_t N>
bool IsOneOf(std::string_view value, const std::array<std::string_view, N>& set) {
  return std::find(set.begin(), set.end(), value) != set.end();
}

bool IsContent(std::string_view part, std::string_view subdivision) {
  static constexpr std::array<std::string_view, 4> kParts = {"名詞", "動詞", "形容詞", "副詞"};
  static constexpr std::array<std::string_view, 3> kEmpty = {"非自立", "接尾", "代名詞"};
  return IsOneOf(part, kParts) && !IsOneOf(subdivision, kEmpty);
}

}  // namespace

bool HasKana(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Rune rune = DecodeRune(text, at);
    if (rune.value >= 0x3041 && rune.value <= 0x30FF) return true;
    at += rune.size;
  }
  return false;
}

void AddJapaneseNode(std::string_view surface, std::string_view feature, FormSink* sink) {
  std::array<std::string_view, kFields> fields;
  for (std::string_view& field : fields) {
    const std::size_t end = std::min(feature.find(','), feature.size());
    field = feature.substr(0, end);
    feature.remove_prefix(std::min(end + 1, feature.size()));
  }
  if (!IsContent(fields[0], fields[1])) return;
  const std::string_view base = fields[6];
  sink->Add("~" + AsciiLower(base.empty() || base == "*" ? surface : base), 1);
}

}  // namespace malmoi::text

#include "text/tokenizer/replace.h"

#include <algorithm>

namespace malmoi::text {

std::size_t FindReplaced(std::string_view text, std::string_view pattern, std::size_t from,
                         std::size_t* length) {
  if (!pattern.empty()) {
    *length = pattern.size();
    return text.find(pattern, from);
  }
  const std::size_t at = text.find("  ", from);
  if (at == std::string_view::npos) return at;
  *length = std::min(text.find_first_not_of(' ', at), text.size()) - at;
  return at;
}

Result<std::string> ReadReplacePattern(const json::Value& value, std::string_view slot) {
  const json::Value* pattern = value.Find("pattern");
  if (pattern != nullptr) {
    const std::string_view literal = pattern->GetString("String");
    if (!literal.empty()) return std::string(literal);
    if (pattern->GetString("Regex") == " {2,}") return std::string();
  }
  return Error(Code::kUnsupported, std::string(slot) + " 'Replace': pattern " +
                                       (pattern != nullptr ? pattern->Dump() : "null") +
                                       " is neither a string nor the regular expression ' {2,}'");
}

}  // namespace malmoi::text

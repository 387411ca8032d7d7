#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace malmoi::text {

struct ByteSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Sentences of plain text or Markdown as byte spans, in order, without surrounding white space;
// every non-blank byte is in one span. Blank lines, headings, list items and table rows end a
// sentence. Rules: UAX #29 (ICU) within a paragraph, with Korean endings (다. 요. 까? ...), CJK
// full stops, and guards for decimals, abbreviations and closing quotes. Cost: linear.
std::vector<ByteSpan> Sentences(std::string_view text);

}  // namespace malmoi::text

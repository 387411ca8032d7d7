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
// sentence; each line of a fenced code block is one. A single line break does not end a sentence.
// Within a paragraph: . ! ? … before white space, CJK and Indic full stops anywhere, Korean
// endings (다. 요. 까? ...) also without a space after them; guards for decimals, dates, initials,
// abbreviations, a small letter that follows, and quotations that their sentence goes on from.
// Not UAX #29: its rules break after "Dr." and inside 「…。」と. Any bytes. Cost: linear.
std::vector<ByteSpan> Sentences(std::string_view text);

}  // namespace malmoi::text

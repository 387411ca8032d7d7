#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/tokenizer/normalized.h"

namespace malmoi::text {

// GPT-2's way to write any byte as a visible character: printable Latin-1 as itself, the others as
// U+0100 and on. What the byte-level normalizer, pre-tokenizer and decoder share.
char32_t CharOfByte(unsigned char byte);
// -1 for a character that stands for no byte.
int ByteOfChar(char32_t c);

// Appends bytes [begin, end) of `text`, written so; each keeps its character's span.
void AppendByteLevel(const Normalized& text, std::size_t begin, std::size_t end, Normalized* out);

}  // namespace malmoi::text

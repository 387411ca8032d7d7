#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace malmoi::embed {

// Short texts, written for this, in the languages and of the kinds (prose, manuals, questions) that
// people index: what model::OpenOptions::samples is made of. Part of what int8 vectors are: a
// change here changes them, and asks for a new number in the encoder's fingerprint.
std::span<const std::string_view> SampleTexts();

// The same as token ids, with special tokens.
std::vector<std::vector<std::int32_t>> SampleIds(const text::Tokenizer& tokenizer);

}  // namespace malmoi::embed

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace malmoi::ingest {

struct SentenceSpan {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// Sentences of one block in order, without the white space around; every non-blank byte is in one.
std::vector<SentenceSpan> SplitSentences(std::string_view text);

}  // namespace malmoi::ingest

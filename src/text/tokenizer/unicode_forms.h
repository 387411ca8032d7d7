#pragma once

#include <cstddef>

#include "text/tokenizer/normalized.h"

namespace malmoi::text {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

// Appends bytes [begin, end) of `text` in the form (UAX #15, Unicode 9). Spans: as the imitated
// package has them, which moves "replaces" and "adds" along with the marks that are reordered, so
// that a mark may get its neighbour's span. False where characters were left over or ran out, which
// shifts the spans of what follows. Cost: linear but for the sort of each run of marks.
bool ApplyForm(UnicodeForm form, const Normalized& text, std::size_t begin, std::size_t end,
               Normalized* out);

}  // namespace malmoi::text

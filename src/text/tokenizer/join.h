#pragma once

#include "text/tokenizer.h"

namespace malmoi::text {

// Puts `more` behind *out.
inline void Append(const Encoding& more, Encoding* out) {
  const auto join = [](const auto& from, auto* to) {
    to->insert(to->end(), from.begin(), from.end());
  };
  join(more.ids, &out->ids);
  join(more.offsets, &out->offsets);
  join(more.type_ids, &out->type_ids);
  join(more.special, &out->special);
}

}  // namespace malmoi::text

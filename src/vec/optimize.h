#pragma once

#include "vec/collection.h"

namespace malmoi::vec {

// A checkpoint, then merges and graphs until there is nothing left to do, which otherwise happens
// by itself in the background. Returns then; points written meanwhile may be left. Errors: those of
// Checkpoint.
Status Optimize(Collection& collection);

}  // namespace malmoi::vec

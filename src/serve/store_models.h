#pragma once

#include <cstddef>
#include <memory>

#include "vec/vectorizer.h"

namespace malmoi::serve {

// Models for texts in requests to the store: any embedding model that FindModel finds, opened when
// first asked for and kept (a few; more are refused), and "qdrant/bm25" in qdrant itself.
// Thread-safe.
std::unique_ptr<vec::Vectorizer> MakeStoreModels(std::size_t threads);

}  // namespace malmoi::serve

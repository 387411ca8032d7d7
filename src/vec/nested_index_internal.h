#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "vec/payload_index.h"

namespace malmoi::vec {

// The option `nested` of a payload index: each object of an array is an entry of its own. "offers"
// for the field "offers[].price": conditions on presence (is_empty, is_null) look at each object by
// itself, and hold where they hold for one; of points without objects they never do (Qdrant 1.20).
// Other conditions keep the same points with and without it.
struct NestedIndex {
  std::string array;  // "offers".
  std::string rest;   // "price".
};

// What an index on `key` says; nothing where it has no such option. Errors: kInvalidArgument, in
// Qdrant's words, where the array is more than one level or the field is not inside of it.
Result<std::optional<NestedIndex>> NestedOf(const std::string& key,
                                            const PayloadIndexParams& params);

}  // namespace malmoi::vec

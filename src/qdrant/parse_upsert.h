#pragma once

#include <string_view>

#include "qdrant/point_requests.h"

namespace malmoi::qdrant {

// Reads the form that nearly all upserts have (a list of points; vectors in brackets, by name or
// sparse) without building JSON values, several times faster. False: read the body the other way
// (parse.h), which takes every form and says what is wrong; *out is then unspecified. Bodies of
// more than 32 MiB are left to it too.
bool ReadPlainUpsert(std::string_view body, UpsertPoints* out);

// The form that nearly all of those have, where each point has one vector in brackets, without or
// under one name, all of one dimension; and faster than that. False as above.
bool ReadColumns(std::string_view body, vec::PointColumns* out);
// What the columns stand for.
UpsertPoints ToUpsert(const vec::PointColumns& columns);

}  // namespace malmoi::qdrant

#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "vec/point.h"

namespace malmoi::vec {

// Rows of the datatypes turbo4, turbo8 and turbo16: codes of 4, 8 or 16 bits a number of the
// rotated vector, behind an f32 factor. A rotation makes the numbers of any vector look normally
// distributed, so that one set of levels suits all (TurboQuant, arXiv:2504.19874; QuaRot).
//
//   f32 factor | codes: dim numbers of 4 (kernels/rotation.h), 8 or 16 bits, signed
//
// Rotation: four times, alternating between the first and the last p numbers (p: the largest power
// of two that fits; twice where that is all), signs that a hash of place and turn gives, then
// Walsh-Hadamard / sqrt(p). The
// codes are the levels of Max 1960 for 16 levels of a normal distribution, or equal steps up to the
// largest number. The factor keeps the vector's length: of a unit vector, what is read back is one
// (Qdrant's turbo4 is shorter by .3 %). Relative error of what is read back, 384 numbers: .097,
// .007, .00003; Qdrant's, measured with qdrant-edge-py 0.9.0: .095, .007, .00003. Its codes and
// ours are not the same bits.
//
// All are pure functions, for many threads; results do not depend on the processor.

bool IsTurbo(Datatype datatype);
std::size_t TurboRowBytes(Datatype datatype, std::size_t dim);
// v: finite, of one row. Appends its row. Cost: 4 p log2 p additions.
void AppendTurbo(Datatype datatype, std::span<const float> v, std::string* out);
// In place, to where codes stand and back; products and Euclidean distances are the same there.
void RotateTurbo(std::span<float> v);
void UnrotateTurbo(std::span<float> v);
// The row's numbers, rotated: what products and distances with a rotated query need.
void LoadTurboRotated(Datatype datatype, const char* row, std::span<float> out);
// The numbers themselves.
void LoadTurbo(Datatype datatype, const char* row, std::span<float> out);

}  // namespace malmoi::vec

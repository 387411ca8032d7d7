#pragma once

#include "optim/tensor_step.h"

// Kernels over ranges of elements, and the copies in L1 through which streams that are not kept as
// the arithmetic wants them pass. For tensor_step.cc.
namespace malmoi::optim {

// Elements converted at a time: so few that the processor still works on one stage's arithmetic
// while it begins to read the next. A multiple of 256.
inline constexpr std::size_t kStage = 512;
inline constexpr std::size_t kMostLanes = 16;  // Of any level and type.

// Elements [begin, begin + n) of a stream as numbers, and back. `begin` is a multiple of 256 where
// the stream is 8-bit, which f64 never is.
void LoadStage(const PassJob::Source& s, std::size_t begin, std::size_t n, float* out);
void LoadStage(const PassJob::Source& s, std::size_t begin, std::size_t n, double* out);
void StoreStage(const PassJob::Source& s, std::size_t begin, std::size_t n, const float* in);
void StoreStage(const PassJob::Source& s, std::size_t begin, std::size_t n, const double* in);

// bf16 parameters, n <= kStage: adds what compensation keeps beside them; and stores them with the
// job's compensation and rounding (p is scratch afterwards).
void LoadKahan(const PassJob& job, std::size_t begin, std::size_t n, float* p);
void LoadKahan(const PassJob& job, std::size_t begin, std::size_t n, double* p);
void StoreP(const PassJob& job, std::size_t begin, std::size_t n, float* p);
void StoreP(const PassJob& job, std::size_t begin, std::size_t n, double* p);

// Rows [begin, end) of one matrix of a grid; adds to down[k][0, cols), which have room for
// kMostLanes - 1 more.
template <class T>
void RunRows(const PassJob& job, const Grid<T>& grid, std::size_t batch, std::size_t begin,
             std::size_t end, double* const* down, PassSums* out);

}  // namespace malmoi::optim

#pragma once

#include <cstddef>

// What one instruction-set level offers; vector.cc picks a table at each call. Only plain types:
// the files that fill these tables are compiled with the level's own flags.
namespace malmoi::kernels {

struct VectorTable {
  int level;  // os::CpuLevel, as the file that was compiled for it says.
  float (*dot)(const float* a, const float* b, std::size_t n);
  void (*dot_rows)(const float* rows, std::size_t stride, const float* query, std::size_t dim,
                   float* out, std::size_t count);
  void (*scale)(float* x, std::size_t n, float factor);
  void (*layer_norm)(const float* x, float* y, std::size_t rows, std::size_t dim,
                     const float* gamma, const float* beta, float eps);
  void (*softmax)(float* x, std::size_t n, float scale);
  void (*gelu)(float* x, std::size_t n);
  void (*gelu_tanh)(float* x, std::size_t n);
};

extern const VectorTable kScalarVector;
#if defined(__x86_64__)
extern const VectorTable kAvx2Vector;
extern const VectorTable kAvx512Vector;
#endif

}  // namespace malmoi::kernels

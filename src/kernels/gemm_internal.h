#pragma once

#include <cstddef>

// What one instruction-set level offers for matrix products; gemm.cc and attention.cc pick a table.
// Only plain types: the files that fill these tables are compiled with the level's own flags.
namespace malmoi::kernels {

// Weights are packed in panels of `panel` columns of C: panel j holds, for each k in order, the
// values W[j * panel .. + panel, k]; columns past n are zero.
struct RawGemm {
  const float* a;
  std::size_t lda, m;
  const float* packed;
  std::size_t k;
  std::size_t column_begin, column_end;  // column_begin is a multiple of the panel.
  float* c;
  std::size_t ldc;
  const float* bias;      // Null: none.
  const float* residual;  // Null: none.
  std::size_t ldr;
  int activation;  // 0 none, 1 gelu, 2 gelu tanh.
};

struct GemmTable {
  int level;  // os::CpuLevel, as the file that was compiled for it says.
  std::size_t panel;
  // From W [n, k], rows ld apart.
  void (*pack)(const float* w, std::size_t ld, std::size_t n, std::size_t k, float* packed);
  // From W^T [k, n], rows ld apart.
  void (*pack_transposed)(const float* w, std::size_t ld, std::size_t n, std::size_t k,
                          float* packed);
  void (*gemm)(const RawGemm& g);
  void (*softmax)(float* x, std::size_t n, float scale);
};

extern const GemmTable kScalarGemm;
#if defined(__x86_64__)
extern const GemmTable kAvx2Gemm;
extern const GemmTable kAvx512Gemm;
#endif

// The active level's table, and the table of a level at or below the detected one (as an int).
const GemmTable& ActiveGemm();
const GemmTable& GemmOfLevel(int level);

}  // namespace malmoi::kernels

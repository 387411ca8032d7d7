#pragma once

#include <cstddef>

#include "kernels/row_scale.h"

// What one instruction-set level offers for matrix products and attention; gemm.cc picks a table.
// Only plain types: the files that fill these tables are compiled with the level's own flags.
namespace malmoi::kernels {

// How the elements of a row of activations (or of a product's result) are stored.
enum Form : int {
  kFloatForm,    // f32.
  kBf16Form,     // bfloat16, 2 bytes.
  kRoundedForm,  // f32 rounded to bfloat16, for levels without products of bfloat16.
  kByteForm,     // u8, with a RowScale for each row.
  kShortForm,    // The same integers in 2 bytes, for levels without products of bytes.
};

// Packed weights: panels of 16 columns of C; a panel holds, for each step of `unit` values of k in
// order, 16 columns x unit values. Columns and steps past the end are zero. The same at all levels
// but for the unit (GemmTable).
constexpr std::size_t kPanel = 16;

struct RawGemm {
  const char* a;
  std::size_t lda;             // Bytes.
  const RowScale* row_scales;  // kByteForm and kShortForm.
  std::size_t m;
  const char* packed;
  std::size_t panel_bytes, steps;
  std::size_t column_begin, column_end;  // column_begin is a multiple of 32.
  const float* column_scales;            // Integers: a column's scale, padded to the panel,
  const float* column_sums;              // and its scale times the sum of its integers.
  char* c;
  std::size_t ldc;        // Bytes.
  int c_form;             // kFloatForm, kBf16Form or kRoundedForm.
  const float* bias;      // Null: none.
  const float* residual;  // Null: none.
  std::size_t ldr;
  int activation;  // 0 none, 1 gelu, 2 gelu tanh.
};

struct GemmTable {
  int level;  // os::CpuLevel, as the file that was compiled for it says.
  int form;   // Of A.
  std::size_t unit, weight_bytes;
  std::size_t step_multiple;  // Steps are padded to it, and rows of A with zeros to 64 bytes.
  void (*gemm)(const RawGemm& g);
  // Multiplies and adds in registers alone, `rounds` times; returns how many multiply-adds.
  std::size_t (*peak)(std::size_t rounds);
};

// Attention over f32 or bfloat16 queries, keys and values; strides in bytes.
struct RawAttention {
  const char *q, *k, *v;
  std::size_t ld, tokens, head_dim;
  float scale;
  char* out;
  std::size_t ldo;
  int out_form;
  // f32 only, as AttentionArgs has them; bfloat16 attends to all.
  std::size_t before, after;
  const float* by_distance;
  const void* bias;
  void (*add_bias)(const void* bias, std::size_t row, std::size_t rows, std::size_t key,
                   std::size_t keys, float* scores, std::size_t ld);
  char* scratch;
};

// x = layer_norm(x) unless gamma is null; then, unless the form is f32, a narrow copy to `out`.
struct RawNarrow {
  float* x;
  std::size_t ldx, rows, n;
  const float *gamma, *beta;
  float eps;
  int form;
  void* out;
  std::size_t stride;  // Bytes; what lies past n is set to zero.
  RowScale* scales;
  const float* factors;  // [n], for integers: what a column is multiplied by first; null: none.
};

struct RowTable {
  int level;
  void (*narrow)(const RawNarrow& r);
  void (*attention)(const RawAttention& r);  // f32
};

extern const GemmTable kScalarFloat, kScalarBf16, kScalarInt8;
extern const GemmTable kEmulatedTilesBf16, kEmulatedTilesInt8;
extern const RowTable kScalarRows;
#if defined(__x86_64__)
extern const GemmTable kAvx2Float, kAvx2Bf16, kAvx2Int8;
extern const GemmTable kAvx512Float, kAvx512Bf16, kAvx512Int8;
extern const GemmTable kVnniInt8;
extern const GemmTable kNativeBf16, kNativeInt8;
extern const GemmTable kTilesBf16, kTilesInt8;
extern const RowTable kAvx2Rows, kAvx512Rows;
void NativeBf16Attention(const RawAttention& r);
#endif

// The table for a level (as an int) at or below the detected one, and a Precision (as an int).
const GemmTable& GemmOfLevel(int level, int precision);
const RowTable& RowsOfLevel(int level);
// "" where the processor's tiles compute what their emulation computes, else what differs. Only at
// the AMX level.
const char* CheckTiles();

}  // namespace malmoi::kernels

#include "optim/matrix/bf16_product.h"

#include <algorithm>

#include "base/buffer.h"
#include "base/check.h"
#include "kernels/gemm.h"
#include "optim/matrix/lanes.h"
#include "os/cpu_info.h"

namespace malmoi::optim::matrix {
namespace {

// Rows at a time: those of the factor, in bf16, and of the sums, in f32, stay in L2. A multiple of
// the columns of a part, so that the diagonal of a symmetric result falls between parts.
constexpr std::size_t kBlock = 96, kPart = 32;
constexpr auto kBf16 = kernels::Precision::kBfloat16;

// The lower triangle of c from the upper one, for rows [begin, end), of which `begin` is a multiple
// of a tile. By tiles through a copy: rows of c are often a multiple of a page apart.
void Mirror(std::size_t begin, std::size_t end, Matrix<float>* c) {
  constexpr std::size_t kTile = 16;
  float tile[kTile][kTile + 1];
  for (std::size_t i0 = begin; i0 < end; i0 += kTile) {
    const std::size_t i1 = std::min(i0 + kTile, end);
    for (std::size_t j0 = 0; j0 <= i0; j0 += kTile) {
      const std::size_t j1 = std::min(j0 + kTile, i1);
      for (std::size_t j = j0; j < j1; ++j) {
        std::copy_n(&c->data[j * c->cols + i0], i1 - i0, tile[j - j0]);
      }
      for (std::size_t i = i0; i < i1; ++i) {
        const std::size_t stop = std::min(j1, i);
        for (std::size_t j = j0; j < stop; ++j) (*c)(i, j) = tile[j - j0][i - i0];
      }
    }
  }
}

// c = bf16(beta c + alpha a w). Symmetric: the columns from each block's diagonal on, then the rest
// as their mirror image.
void Product(double alpha, const Matrix<float>& a, const kernels::PackedWeights& w, double beta,
             bool symmetric, Matrix<float>* c) {
  const std::size_t n = c->cols, parts = (n + kPart - 1) / kPart;
  // Rows a line more than needed apart, so that those of a power of two do not share cache sets.
  const std::size_t stride = kernels::ActivationStride(kBf16, w.level(), a.cols) + 64;
  Buffer<unsigned char> rounded(kBlock * stride);
  Buffer<float> sums(kBlock * n);
  for (std::size_t row = 0; row < a.rows; row += kBlock) {
    const std::size_t rows = std::min(kBlock, a.rows - row);
    kernels::Activations block;
    block.data = rounded.data();
    block.stride = stride;
    kernels::Narrow(kBf16, w.level(), a.data.data() + row * a.cols, a.cols, rows, a.cols, block);
    kernels::GemmArgs args;
    args.narrow = block;
    args.m = rows;
    args.c = sums.data();
    args.ldc = n;
    if (!symmetric) {
      kernels::Gemm(w, args);
      RunDense(RoundedCombination, rows * n, {beta, alpha}, &c->data[row * n], sums.data());
      continue;
    }
    args.parts = parts;
    for (args.part = row / kPart; args.part < parts; ++args.part) kernels::Gemm(w, args);
    for (std::size_t i = 0; i < rows; ++i) {
      RunDense(RoundedCombination, n - row, {beta, alpha}, &c->data[(row + i) * n + row],
               sums.data() + i * n + row);
    }
  }
  for (std::size_t row = 0; symmetric && row < a.rows; row += kBlock) {
    Mirror(row, std::min(row + kBlock, a.rows), c);
  }
}

}  // namespace

bool HasBf16Products() {
  return os::BaseCpuLevel(os::ActiveCpuLevel()) >= os::CpuLevel::kAvx2;
}

void Bf16Product(double alpha, const Matrix<float>& a, const Matrix<float>& b, double beta,
                 Matrix<float>* c, bool symmetric) {
  MALMOI_CHECK(a.cols == b.rows && c->rows == a.rows && c->cols == b.cols);
  MALMOI_CHECK(!symmetric || a.rows == b.cols);
  if (c->size() == 0) return;
  // The rows of a symmetric factor are its columns, and quicker to pack.
  const auto layout = symmetric ? kernels::WeightLayout::kRows : kernels::WeightLayout::kColumns;
  const auto w = kernels::PackWeights(b.data, b.cols, b.rows, kBf16, layout);
  Product(alpha, a, *w, beta, symmetric, c);
}

Matrix<float> Bf16Gram(const Matrix<float>& x) {
  Matrix<float> c(x.rows, x.rows);
  if (c.size() == 0) return c;
  const auto w = kernels::PackWeights(x.data, x.rows, x.cols, kBf16);
  Product(1.0, x, *w, 0.0, true, &c);
  return c;
}

}  // namespace malmoi::optim::matrix

#pragma once

#include <span>

#include "optim/matrix/matrix.h"
#include "optim/matrix/newton_schulz.h"

// Products and norms summed in the order of torch's CPU build (2.15, found by comparing all bits of
// thousands of random products). Where every product is rounded to bf16 or f16 another order flips
// a rounding now and then, and five Newton-Schulz steps make 1e-3 of it. Larger inputs, for which
// the order would cost too much, are summed in whatever order is fast.
namespace malmoi::optim::matrix {

// How the second factor lies in the reference's memory: its rows, or its columns (a transposed
// view), one after the other. Decides which of torch's loops it takes.
enum class Layout : unsigned char { kRows, kColumns };

// beta c + alpha a b, rounded to `precision`: f32 sums, then one fused multiply-add with c.
// `symmetric`: a and b are, and a b = b a; large bf16 products then take half the work.
void LowProduct(Precision precision, double alpha, const Matrix<float>& a, const Matrix<float>& b,
                double beta, Matrix<float>* c, Layout layout_b = Layout::kRows,
                bool symmetric = false);
// x x^T, rounded. `layout`: of x in the reference's memory.
Matrix<float> LowGram(Precision precision, const Matrix<float>& x, Layout layout = Layout::kRows);

// The norm of f32 numbers, summed in f32 up to 4096 of them, in double beyond.
float NormF32(std::span<const float> x);

}  // namespace malmoi::optim::matrix

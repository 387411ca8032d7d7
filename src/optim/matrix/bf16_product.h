#pragma once

#include "optim/matrix/matrix.h"

// Products of matrices of bf16 numbers, kept as f32, by the processor's own instructions for them
// where it has any (kernels/gemm.h): some twice the rate of f32, four times and more with tiles.
// Sums are f32, one chain over the inner dimension; results are rounded to bf16. Equal for any
// number of threads, not between kinds of processor. Pure; 2 m n k operations by one thread.
namespace malmoi::optim::matrix {

// False where the processor has no vectors that these products could use: BLAS is faster there.
bool HasBf16Products();

// c = bf16(beta c + alpha a b), as one fused multiply-add after alpha. Inputs that are no bf16
// numbers are rounded. `symmetric`: a b is, bit for bit (a b = b a, both symmetric): half the work.
void Bf16Product(double alpha, const Matrix<float>& a, const Matrix<float>& b, double beta,
                 Matrix<float>* c, bool symmetric = false);
// bf16(x x^T), by half the work.
Matrix<float> Bf16Gram(const Matrix<float>& x);

}  // namespace malmoi::optim::matrix

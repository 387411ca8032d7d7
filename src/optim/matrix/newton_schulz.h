#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "optim/matrix/matrix.h"

namespace malmoi::optim::matrix {

// What the iteration's intermediate results are rounded to. The products are accumulated in f32.
enum class Precision : unsigned char { kF32, kBf16, kF16 };

using QuinticWeights = std::array<double, 3>;

// "original" (Jordan's Muon), "quintic" (modded-nanogpt), "polar_express", "polar_express_safer"
// (arXiv:2505.16932 with safety 1e-2 and 2e-2). Errors: kInvalidArgument for another name.
Result<std::vector<QuinticWeights>> QuinticPreset(std::string_view name);

// A preset's name, three numbers, or a list of such triples. Errors: kInvalidArgument.
Result<std::vector<QuinticWeights>> ParseQuinticWeights(const json::Value& value);

struct NewtonSchulzOptions {
  int steps = 5;
  double eps = 1e-7;  // Lower bound of the norm that the input is divided by.
  double safety = 1.0;
  std::vector<QuinticWeights> weights;  // The last one repeats; empty: Jordan's.
  Precision precision = Precision::kBf16;
  std::vector<int> restarts{2};  // GramNewtonSchulz: steps before which it starts again.
};

// Approximates the polar factor of g: x <- w0 x + (w1 A + w2 A A) x with A = x x^T, from g over its
// Frobenius norm. A wide matrix is iterated as it is, a tall one as its transpose.
//
// Source: Jordan et al., Muon (2024). As in the reference, every product is rounded to `precision`,
// so the result carries the rounding of bf16 by default: about three digits.
// Cost: per step 2 m^2 n + m^3 multiply-adds for m x n, m <= n.
template <class T>
Matrix<float> NewtonSchulz(const Matrix<T>& g, const NewtonSchulzOptions& options);

// The same polynomial applied to the Gram matrix, with one product with x at each restart. In f16
// by default in the reference.
template <class T>
Matrix<float> GramNewtonSchulz(const Matrix<T>& g, const NewtonSchulzOptions& options);

// Rounds to the nearest representable value, ties to even.
float RoundTo(Precision precision, float x);
void RoundTo(Precision precision, std::span<float> x);

}  // namespace malmoi::optim::matrix

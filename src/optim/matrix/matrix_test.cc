// Goal: the linear algebra is right in f32 and f64, and its errors are named.
// Method: decompositions are put together again, factors are checked for orthogonality, roots are
// raised to their power; Newton-Schulz is judged by singular values (its bits by the rules' golden
// files).
#include "optim/matrix/matrix.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "optim/matrix/newton_schulz.h"
#include "optim/matrix/roots.h"

namespace malmoi::optim::matrix {
namespace {

// A fixed full-rank matrix without structure.
template <class T>
Matrix<T> Sample(std::size_t rows, std::size_t cols) {
  Matrix<T> a(rows, cols);
  for (std::size_t i = 0; i < a.size(); ++i)
    a.data[i] = static_cast<T>(std::sin(1.7 * static_cast<double>(i) + 0.3) +
                               0.3 * std::cos(5.1 * static_cast<double>(i * i % 97)));
  return a;
}

template <class T>
double Distance(const Matrix<T>& a, const Matrix<T>& b) {
  REQUIRE(a.rows == b.rows);
  REQUIRE(a.cols == b.cols);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(a.data[i] - b.data[i])));
  return worst;
}

template <class T>
Matrix<T> Spd(std::size_t n) {
  Matrix<T> a = Gram(Sample<T>(n, 2 * n));
  for (std::size_t i = 0; i < n; ++i) a(i, i) += T(0.5);
  return a;
}

TEST_CASE_TEMPLATE("products, with both transposes", T, float, double) {
  const auto a = Sample<T>(5, 7);
  const auto b = Sample<T>(7, 3);
  const auto c = Multiply(a, b);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < 7; ++k)
        sum += static_cast<double>(a(i, k)) * static_cast<double>(b(k, j));
      CHECK(static_cast<double>(c(i, j)) == doctest::Approx(sum).epsilon(1e-5));
    }
  CHECK(Distance(c, Multiply(Transpose(a), Op::kTranspose, b, Op::kNone)) < 1e-5);
  CHECK(Distance(c, Multiply(a, Op::kNone, Transpose(b), Op::kTranspose)) < 1e-5);
  CHECK(Distance(Gram(a), Multiply(a, Op::kNone, a, Op::kTranspose)) < 1e-5);
}

TEST_CASE_TEMPLATE("decompositions multiply back", T, float, double) {
  const double eps = std::is_same_v<T, float> ? 1e-4 : 1e-12;
  for (const auto& [m, n] : {std::pair<std::size_t, std::size_t>{6, 4}, {4, 9}, {5, 5}, {1, 3}}) {
    const auto a = Sample<T>(m, n);
    auto svd = SingularValues(a);
    REQUIRE(svd.ok());
    auto us = svd.value().u;
    for (std::size_t i = 0; i < us.rows; ++i)
      for (std::size_t j = 0; j < us.cols; ++j) us(i, j) *= svd.value().values[j];
    CHECK(Distance(Multiply(us, svd.value().vt), a) < eps);
    auto qr = QrReduced(a);
    REQUIRE(qr.ok());
    CHECK(Distance(Multiply(qr.value().q, qr.value().r), a) < eps);
    CHECK(Distance(Multiply(qr.value().q, Op::kTranspose, qr.value().q, Op::kNone),
                   Identity<T>(std::min(m, n))) < eps);
  }
  const auto s = Spd<T>(6);
  auto eigen = EigenSymmetric(s);
  REQUIRE(eigen.ok());
  auto vl = eigen.value().vectors;
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = 0; j < 6; ++j) vl(i, j) *= eigen.value().values[j];
  CHECK(Distance(Multiply(vl, Op::kNone, eigen.value().vectors, Op::kTranspose), s) < 10 * eps);
  CHECK(eigen.value().values.front() <= eigen.value().values.back());
  const auto b = Sample<T>(6, 2);
  auto x = Solve(s, b);
  REQUIRE(x.ok());
  CHECK(Distance(Multiply(s, x.value()), b) < 10 * eps);
}

TEST_CASE_TEMPLATE("roots are roots", T, float, double) {
  const auto s = Spd<T>(5);
  const std::vector<T> start{T(1), T(-0.5), T(0.3), T(0.8), T(-0.1)};
  auto quarter = InverseRootSvd(s, 4);
  REQUIRE(quarter.ok());
  auto half = Multiply(quarter.value(), quarter.value());
  CHECK(Distance(Multiply(Multiply(half, s), half), Identity<T>(5)) < 1e-3);
  const auto newton = InverseRoot<T>(s, 4, start, {.tolerance = 1e-6, .ridge = 0});
  CHECK(Distance(newton, quarter.value()) < 1e-3);
  auto eigen = EigenSymmetric(s);
  const T top = eigen.value().values.back();
  CHECK(PowerIteration<T>(s, start) == doctest::Approx(static_cast<double>(top)).epsilon(1e-3));
  const auto inverse = RootNewtonDb<T>(s, top * T(2), 25, true);
  CHECK(Distance(Multiply(Multiply(inverse, s), inverse), Identity<T>(5)) < 1e-3);
}

TEST_CASE("Newton-Schulz brings the singular values near one") {
  const auto g = Sample<float>(12, 7);
  for (const char* name : {"original", "quintic", "polar_express", "polar_express_safer"}) {
    NewtonSchulzOptions options;
    options.weights = QuinticPreset(name).value();
    for (const bool gram : {false, true}) {
      options.precision = gram ? Precision::kF16 : Precision::kBf16;
      const auto x = gram ? GramNewtonSchulz(g, options) : NewtonSchulz(g, options);
      auto svd = SingularValues(x);
      REQUIRE(svd.ok());
      INFO(name, gram);
      CHECK(svd.value().values.front() < 1.35F);
      CHECK(svd.value().values.back() > 0.4F);
    }
  }
  CHECK_FALSE(QuinticPreset("none").ok());
}

TEST_CASE("rounding to bf16 and f16 is to nearest even") {
  CHECK(RoundTo(Precision::kBf16, 1.00390625F) == 1.0F);  // A tie goes to even.
  CHECK(RoundTo(Precision::kBf16, 1.01171875F) == 1.015625F);
  CHECK(RoundTo(Precision::kF16, 1.00048828125F) == 1.0F);
  CHECK(RoundTo(Precision::kF16, 65519.0F) == 65504.0F);
  CHECK(std::isinf(RoundTo(Precision::kF16, 65520.0F)));
  CHECK(RoundTo(Precision::kF16, 5.9604645e-8F) == 5.9604645e-8F);
  CHECK(std::isnan(RoundTo(Precision::kBf16, std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("what cannot be decomposed is an error, not a crash") {
  Matrix<float> bad(2, 2);
  bad.data[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(EigenSymmetric(bad).error().code() == Code::kInvalidArgument);
  CHECK(SingularValues(bad).error().message().find("element 3") != std::string::npos);
  CHECK_FALSE(EigenSymmetric(Matrix<float>(2, 3)).ok());
  CHECK_FALSE(QrReduced(Matrix<float>()).ok());
  CHECK_FALSE(Solve(Matrix<float>(2, 2), Matrix<float>(2, 1)).ok());  // Singular.
}

}  // namespace
}  // namespace malmoi::optim::matrix

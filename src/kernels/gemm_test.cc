// Goal: the matrix product and attention equal their definitions at every level, every height and
// every tail, and a row's bits depend on nothing but the row.
// Method: double-precision loops with a bound from the number of roundings; memcmp between a row
// alone and in a batch, between one call and column parts, between AVX2 and AVX-512.
#include "kernels/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/product_case_internal.h"

using namespace malmoi;
using kernels::AtEveryLevel;
using kernels::Random;
using kernels::SameBits;

namespace {

struct Case : kernels::ProductCase {
  using ProductCase::ProductCase;

  kernels::GemmArgs Args(kernels::Epilogue epilogue, std::vector<float>* c) const {
    return {.a = a.data(),
            .lda = k,
            .m = m,
            .c = c->data(),
            .ldc = n,
            .epilogue = epilogue,
            .bias = bias.data(),
            .residual = residual.data(),
            .ldr = n};
  }

  // The definition, and how far rounding may take f32 from it.
  double Want(kernels::Epilogue e, std::size_t r, std::size_t c, double* bound) const {
    double sum = e == kernels::Epilogue::kNone ? 0 : bias[c];
    double size = std::fabs(sum);
    for (std::size_t i = 0; i < k; ++i) {
      sum += static_cast<double>(a[r * k + i]) * w[c * k + i];
      size += std::fabs(static_cast<double>(a[r * k + i]) * w[c * k + i]);
    }
    *bound = 6e-8 * size * (static_cast<double>(k) / 4 + 4) + 1e-6;
    const double u = std::sqrt(2 / 3.14159265358979323846) * (sum + 0.044715 * sum * sum * sum);
    switch (e) {
      case kernels::Epilogue::kBiasGelu:
        return 0.5 * sum * std::erfc(-sum / std::sqrt(2.0));
      case kernels::Epilogue::kBiasGeluTanh:
        return 0.5 * sum * (1 + std::tanh(u));
      case kernels::Epilogue::kBiasResidual:
        return sum + residual[r * n + c];
      default:
        return sum;
    }
  }
};

constexpr kernels::Epilogue kEpilogues[] = {
    kernels::Epilogue::kNone, kernels::Epilogue::kBias, kernels::Epilogue::kBiasGelu,
    kernels::Epilogue::kBiasGeluTanh, kernels::Epilogue::kBiasResidual};

std::vector<float> Product(const kernels::PackedWeights& w, const Case& c, kernels::Epilogue e) {
  std::vector<float> out(c.m * c.n, 99.0f);
  kernels::Gemm(w, c.Args(e, &out));
  return out;
}

// Runs the case at every level: against the definition, AVX2 against AVX-512, parts against whole.
void CheckCase(const Case& c, kernels::Epilogue e) {
  CAPTURE(c.m);
  CAPTURE(c.n);
  CAPTURE(c.k);
  CAPTURE(static_cast<int>(e));
  std::vector<float> fused;
  AtEveryLevel([&](os::CpuLevel level) {
    const auto packed = kernels::PackWeights(c.w, c.n, c.k);
    REQUIRE(packed->level() == level);
    REQUIRE(packed->kernel_level() == os::BaseCpuLevel(level));
    const auto out = Product(*packed, c, e);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      double bound = 0;
      const double want = c.Want(e, i / c.n, i % c.n, &bound);
      if (!(std::fabs(out[i] - want) <= bound)) ++wrong;
    }
    CHECK(wrong == 0);
    if (level != os::CpuLevel::kScalar) {
      if (fused.empty()) fused = out;
      CHECK(SameBits(fused, out));
    }
    std::vector<float> parts(out.size(), 99.0f);
    for (std::size_t part = 0; part < 3; ++part) {
      auto args = c.Args(e, &parts);
      args.part = part;
      args.parts = 3;
      kernels::Gemm(*packed, args);
    }
    CHECK(SameBits(parts, out));
  });
}

}  // namespace

TEST_CASE("Gemm: every height from 1 to 65, and block borders") {
  for (std::size_t m = 1; m <= 65; ++m) {
    CheckCase(Case(m, 48, 20), kEpilogues[m % 5]);
  }
  for (const std::size_t m : {95u, 96u, 97u, 193u}) {
    CheckCase(Case(m, 33, 7), kernels::Epilogue::kBiasResidual);
  }
}

TEST_CASE("Gemm: tails of n and k with every epilogue") {
  for (const auto e : kEpilogues) {
    for (const std::size_t n : {1u, 3u, 8u, 15u, 16u, 17u, 31u, 32u, 33u, 47u, 65u, 96u}) {
      for (const std::size_t k : {1u, 2u, 5u, 16u, 33u}) CheckCase(Case(13, n, k), e);
    }
    CheckCase(Case(13, 96, 384), e);
  }
}

TEST_CASE("Gemm: a row has the same bits alone and in any batch") {
  const Case c(65, 80, 100);
  for (const auto e : kEpilogues) {
    AtEveryLevel([&](os::CpuLevel) {
      const auto packed = kernels::PackWeights(c.w, c.n, c.k);
      const auto all = Product(*packed, c, e);
      for (std::size_t begin = 0; begin < c.m; ++begin) {
        for (const std::size_t rows : {1u, 2u, 5u, 11u, 12u, 13u}) {
          if (begin + rows > c.m) continue;
          std::vector<float> out(rows * c.n);
          auto args = c.Args(e, &out);
          args.a += begin * c.k;
          args.residual += begin * c.n;
          args.m = rows;
          kernels::Gemm(*packed, args);
          const std::vector<float> want(
              all.begin() + static_cast<std::ptrdiff_t>(begin * c.n),
              all.begin() + static_cast<std::ptrdiff_t>((begin + rows) * c.n));
          CHECK(SameBits(out, want));
        }
      }
    });
  }
}

TEST_CASE("Gemm: in place residual, strides, NaN stays in its row") {
  Case c(14, 40, 24);
  AtEveryLevel([&](os::CpuLevel) {
    const auto packed = kernels::PackWeights(c.w, c.n, c.k);
    const auto want = Product(*packed, c, kernels::Epilogue::kBiasResidual);
    std::vector<float> c_in_place = c.residual;
    auto args = c.Args(kernels::Epilogue::kBiasResidual, &c_in_place);
    args.residual = c_in_place.data();
    kernels::Gemm(*packed, args);
    CHECK(SameBits(c_in_place, want));

    std::vector<float> a(c.m * 30, 1e30f), out(c.m * 50, 7.0f);
    for (std::size_t r = 0; r < c.m; ++r) {
      std::copy_n(c.a.begin() + static_cast<std::ptrdiff_t>(r * c.k), c.k,
                  a.begin() + static_cast<std::ptrdiff_t>(r * 30));
    }
    a[5 * 30 + 3] = std::numeric_limits<float>::quiet_NaN();
    args.a = a.data();
    args.lda = 30;
    args.c = out.data();
    args.ldc = 50;
    args.residual = c.residual.data();
    kernels::Gemm(*packed, args);
    for (std::size_t r = 0; r < c.m; ++r) {
      for (std::size_t i = 0; i < 50; ++i) {
        const float got = out[r * 50 + i];
        if (i >= c.n) {
          CHECK(got == 7.0f);
        } else if (r == 5) {
          CHECK(std::isnan(got));
        } else {
          CHECK(got == want[r * c.n + i]);
        }
      }
    }
  });
}

TEST_CASE("Attention equals the definition for all lengths and head sizes") {
  for (const std::size_t dim : {8u, 32u, 40u, 64u}) {
    for (const std::size_t n : {1u, 2u, 11u, 12u, 13u, 31u, 32u, 33u, 47u, 48u, 49u, 100u}) {
      CAPTURE(dim);
      CAPTURE(n);
      const std::size_t ld = 3 * dim + 5;
      const auto qkv = Random(n * ld, 5);
      const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
      std::vector<double> want(n * dim);
      for (std::size_t q = 0; q < n; ++q) {
        std::vector<double> p(n);
        double sum = 0;
        for (std::size_t t = 0; t < n; ++t) {
          double dot = 0;
          for (std::size_t i = 0; i < dim; ++i) {
            dot += static_cast<double>(qkv[q * ld + i]) * qkv[t * ld + dim + i];
          }
          sum += p[t] = std::exp(dot * scale);
        }
        for (std::size_t t = 0; t < n; ++t) {
          for (std::size_t i = 0; i < dim; ++i) {
            want[q * dim + i] += p[t] / sum * qkv[t * ld + 2 * dim + i];
          }
        }
      }
      std::vector<float> fused;
      AtEveryLevel([&](os::CpuLevel level) {
        std::vector<float> out(n * dim), scratch(kernels::AttentionScratch(n, dim));
        kernels::Attention(level,
                           {.q = qkv.data(),
                            .k = qkv.data() + dim,
                            .v = qkv.data() + 2 * dim,
                            .ld = ld,
                            .tokens = n,
                            .head_dim = dim,
                            .scale = scale,
                            .out = out.data(),
                            .ldo = dim},
                           scratch.data());
        double worst = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
          worst = std::max(worst, std::fabs(out[i] - want[i]));
        }
        CHECK(worst < 3e-6);
        if (level != os::CpuLevel::kScalar) {
          if (fused.empty()) fused = out;
          CHECK(SameBits(fused, out));
        }
      });
    }
  }
}

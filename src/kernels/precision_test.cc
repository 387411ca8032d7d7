// Goal: products in bfloat16 and int8 equal their definitions at every level and on emulated tiles,
// for all heights and tails; a row's bits depend on nothing but the row; no sum saturates.
// Method: the rounded operands are made here again and multiplied in double; memcmp for bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/gemm_internal.h"
#include "kernels/packing_internal.h"
#include "kernels/product_case_internal.h"

using namespace malmoi;
using kernels::AtEveryLevel;
using kernels::Precision;
using kernels::Random;
using kernels::SameBits;
using Case = kernels::ProductCase;

namespace {

float RoundBf16(float x) {
  std::uint32_t u = 0;
  std::memcpy(&u, &x, sizeof(u));
  u = (u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000u;
  std::memcpy(&x, &u, sizeof(x));
  return x;
}

// What a product multiplies, as f32.
std::vector<float> RoundedRows(const std::vector<float>& x, std::size_t k, Precision precision,
                               bool weights) {
  std::vector<float> out = x;
  for (std::size_t row = 0; row < x.size(); row += k) {
    const auto begin = x.begin() + static_cast<std::ptrdiff_t>(row);
    const auto [least, most] = std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(k));
    const float top = std::max(std::fabs(*least), std::fabs(*most));
    const float scale = weights ? top / 127 : (*most - *least) * (1.0f / 255);
    const float base = weights ? 0 : *least;
    const float inverse = scale > 0 ? 1 / scale : 0;
    for (std::size_t i = row; i < row + k; ++i) {
      out[i] = precision == Precision::kBfloat16
                   ? RoundBf16(x[i])
                   : scale * std::nearbyint((x[i] - base) * inverse) + base;
    }
  }
  return out;
}

double Apply(kernels::Epilogue e, double sum, double residual) {
  const double u = std::sqrt(2 / 3.14159265358979323846) * (sum + 0.044715 * sum * sum * sum);
  if (e == kernels::Epilogue::kBiasGelu) return 0.5 * sum * std::erfc(-sum / std::sqrt(2.0));
  if (e == kernels::Epilogue::kBiasGeluTanh) return 0.5 * sum * (1 + std::tanh(u));
  return e == kernels::Epilogue::kBiasResidual ? sum + residual : sum;
}

std::size_t CountWrong(const Case& c, Precision precision, kernels::Epilogue e,
                       const std::vector<float>& out) {
  const auto a = RoundedRows(c.a, c.k, precision, false);
  const auto w = RoundedRows(c.w, c.k, precision, true);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t row = i / c.n, column = i % c.n;
    double sum = c.bias[column], size = std::fabs(sum) + 1;
    for (std::size_t j = 0; j < c.k; ++j) {
      const double product = static_cast<double>(a[row * c.k + j]) * w[column * c.k + j];
      sum += product;
      size += std::fabs(product);
    }
    double bound = 6e-8 * size * (static_cast<double>(c.k) / 4 + 8);
    if (e == kernels::Epilogue::kBiasGelu) bound += precision == Precision::kInt8 ? 6e-4 : 5e-5;
    if (!(std::fabs(out[i] - Apply(e, sum, c.residual[i])) <= bound)) ++wrong;
  }
  return wrong;
}

// Narrowed activations with their storage.
struct Narrowed {
  Buffer<std::uint8_t> bytes;
  std::vector<kernels::RowScale> scales;
  kernels::Activations view;
  Narrowed(Precision precision, os::CpuLevel level, const std::vector<float>& a, std::size_t rows,
           std::size_t k)
      : scales(rows) {
    view.stride = kernels::ActivationStride(precision, level, k);
    bytes = Buffer<std::uint8_t>(rows * view.stride);
    std::memset(bytes.data(), 0xff, bytes.size());  // Padding must be written.
    view.data = bytes.data();
    view.scales = scales.data();
    kernels::Narrow(precision, level, a.data(), k, rows, k, view);
  }
};

std::vector<float> Product(const kernels::PackedWeights& w, const Case& c, kernels::Epilogue e,
                           std::size_t parts = 1) {
  const Narrowed a(w.precision(), w.level(), c.a, c.m, c.k);
  std::vector<float> out(c.m * c.n, 99.0f);
  for (std::size_t part = 0; part < parts; ++part) {
    kernels::Gemm(w, {.narrow = a.view,
                      .m = c.m,
                      .c = out.data(),
                      .ldc = c.n,
                      .epilogue = e,
                      .bias = c.bias.data(),
                      .residual = c.residual.data(),
                      .ldr = c.n,
                      .part = part,
                      .parts = parts});
  }
  return out;
}

// The level whose code must have run.
os::CpuLevel KernelLevel(os::CpuLevel level, Precision precision) {
  const bool tiles = kernels::TileCheck() == "ok";
  if (level == os::CpuLevel::kAmx && !tiles) level = os::CpuLevel::kAvx512Bf16;
  if (precision == Precision::kBfloat16 && level == os::CpuLevel::kAvx512Vnni) {
    return os::CpuLevel::kAvx512;
  }
  return level;
}

void CheckCase(const Case& c, Precision precision, kernels::Epilogue e) {
  CAPTURE(c.m);
  CAPTURE(c.n);
  CAPTURE(c.k);
  CAPTURE(static_cast<int>(e));
  CAPTURE(std::string(kernels::PrecisionName(precision)));
  std::vector<float> first;
  AtEveryLevel([&](os::CpuLevel level) {
    const auto packed = kernels::PackWeights(c.w, c.n, c.k, precision);
    REQUIRE(packed->kernel_level() == KernelLevel(level, precision));
    const auto out = Product(*packed, c, e);
    CHECK(CountWrong(c, precision, e, out) == 0);
    CHECK(SameBits(Product(*packed, c, e, 3), out));
    if (precision != Precision::kInt8) return;
    if (first.empty()) first = out;
    CHECK(SameBits(first, out));
  });
}

// A product by a table, past the choice of levels: C = A W^T + bias.
std::vector<float> ByTable(const kernels::GemmTable& table, const kernels::GemmTable& source,
                           Precision precision, const Case& c) {
  const kernels::Panels panels = kernels::Pack(table, c.w, c.n, c.k);
  const os::CpuLevel level = static_cast<os::CpuLevel>(source.level);
  const Narrowed wide(precision, level, c.a, c.m, c.k);
  // The scalar level's rounded rows, in the form that the table reads.
  const std::size_t size = table.form == kernels::kByteForm ? 1 : 2;
  const std::size_t stride = (c.k * size + 63) / 64 * 64;
  Buffer<std::uint8_t> a(c.m * stride);
  for (std::size_t i = 0; i < c.m * c.k; ++i) {
    const std::uint8_t* from = wide.bytes.data() + i / c.k * wide.view.stride;
    std::uint8_t* to = a.data() + i / c.k * stride + i % c.k * size;
    std::memcpy(to, size == 1 ? from + i % c.k * 2 : from + i % c.k * 4 + 2, size);
  }
  std::vector<float> out(c.m * c.n);
  kernels::RawGemm g{};
  g.a = reinterpret_cast<const char*>(a.data());
  g.lda = stride;
  g.row_scales = wide.scales.data();
  g.m = c.m;
  g.packed = reinterpret_cast<const char*>(panels.values.data());
  g.panel_bytes = panels.panel_bytes;
  g.steps = panels.steps;
  g.column_end = c.n;
  g.column_scales = panels.scales.data();
  g.column_sums = panels.sums.data();
  g.c = reinterpret_cast<char*>(out.data());
  g.ldc = c.n * sizeof(float);
  g.bias = c.bias.data();
  table.gemm(g);
  return out;
}

constexpr kernels::Epilogue kEpilogues[] = {kernels::Epilogue::kBias, kernels::Epilogue::kBiasGelu,
                                            kernels::Epilogue::kBiasGeluTanh,
                                            kernels::Epilogue::kBiasResidual};
constexpr Precision kNarrow[] = {Precision::kBfloat16, Precision::kInt8};

}  // namespace

TEST_CASE("PeakRate: registers are at least as fast as a product") {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    AtEveryLevel([&](os::CpuLevel level) {
      const double rate = kernels::PeakRate(precision, level);
      CHECK(rate > 1e6);
      CHECK(std::isfinite(rate));
    });
  }
}

TEST_CASE("Narrow products: every height from 1 to 40, block borders, tails of n and k") {
  for (const Precision precision : kNarrow) {
    for (std::size_t m = 1; m <= 40; ++m) {
      CheckCase(Case(m, 48, 20), precision, kEpilogues[m % 4]);
    }
    for (const std::size_t m : {95u, 96u, 97u}) {
      CheckCase(Case(m, 33, 7), precision, kernels::Epilogue::kBiasResidual);
    }
    for (const std::size_t n : {1u, 15u, 16u, 17u, 31u, 32u, 33u, 65u}) {
      for (const std::size_t k : {1u, 2u, 3u, 5u, 16u, 63u, 64u, 65u}) {
        CheckCase(Case(13, n, k), precision, kEpilogues[(n + k) % 4]);
      }
    }
    CheckCase(Case(13, 96, 384), precision, kernels::Epilogue::kBias);
  }
}

TEST_CASE("Narrow products: a row has the same bits alone and in any batch") {
  const Case c(45, 80, 100);
  for (const Precision precision : kNarrow) {
    AtEveryLevel([&](os::CpuLevel) {
      const auto packed = kernels::PackWeights(c.w, c.n, c.k, precision);
      const auto all = Product(*packed, c, kernels::Epilogue::kBiasGelu);
      for (std::size_t row = 0; row < c.m; ++row) {
        Case one(1, c.n, c.k);
        one.a.assign(c.a.begin() + static_cast<std::ptrdiff_t>(row * c.k),
                     c.a.begin() + static_cast<std::ptrdiff_t>((row + 1) * c.k));
        const auto got = Product(*packed, one, kernels::Epilogue::kBiasGelu);
        CHECK(std::memcmp(got.data(), all.data() + row * c.n, c.n * sizeof(float)) == 0);
      }
    });
  }
}

TEST_CASE("Int8 products of the largest integers do not saturate") {
  Case c(3, 32, 4096);
  for (std::size_t i = 0; i < c.a.size(); ++i) c.a[i] = i % c.k == 0 ? -1.0f : 1.0f;
  for (std::size_t i = 0; i < c.w.size(); ++i) c.w[i] = i / c.k % 2 == 0 ? 1.0f : -1.0f;
  CheckCase(c, Precision::kInt8, kernels::Epilogue::kBias);
}

TEST_CASE("Int8 rows of equal values, of zeros and of one value are kept") {
  AtEveryLevel([](os::CpuLevel level) {
    const std::vector<float> rows = {3, 3, 3, 3, 0, 0, 0, 0, -7, 5, -7, 5};
    const Narrowed a(Precision::kInt8, level, rows, 3, 4);
    CHECK(a.scales[0].least == 3);
    CHECK(a.scales[0].scale == 0);
    CHECK(a.scales[1].least == 0);
    CHECK(a.scales[2].least == -7);
    CHECK(a.scales[2].scale * 255 == doctest::Approx(12));
  });
}

TEST_CASE("Narrow multiplies columns by their factors before it rounds them") {
  for (const std::size_t k : {1u, 15u, 16u, 33u, 64u, 130u}) {
    CAPTURE(k);
    constexpr std::size_t kRows = 3;
    const std::vector<float> x = Random(kRows * k, 21);
    std::vector<float> factors = Random(k, 22), multiplied(x.size());
    for (float& f : factors) f = std::fabs(f) + 0.1f;
    for (std::size_t i = 0; i < x.size(); ++i) multiplied[i] = x[i] * factors[i % k];
    AtEveryLevel([&](os::CpuLevel level) {
      const Narrowed want(Precision::kInt8, level, multiplied, kRows, k);
      Narrowed got(Precision::kInt8, level, x, kRows, k);
      kernels::Narrow(Precision::kInt8, level, x.data(), k, kRows, k, got.view, factors.data());
      CHECK(std::memcmp(got.bytes.data(), want.bytes.data(), got.bytes.size()) == 0);
      CHECK(std::memcmp(got.scales.data(), want.scales.data(), kRows * sizeof(kernels::RowScale)) ==
            0);
    });
  }
}

TEST_CASE("Emulated tiles compute what the scalar level does") {
  for (const std::size_t m : {1u, 2u, 15u, 16u, 17u, 31u, 32u, 33u, 48u, 97u}) {
    for (const std::size_t n : {1u, 16u, 17u, 32u, 50u}) {
      for (const std::size_t k : {1u, 31u, 32u, 33u, 64u, 65u, 130u}) {
        CAPTURE(m);
        CAPTURE(n);
        CAPTURE(k);
        const Case c(m, n, k);
        const auto bf16 =
            ByTable(kernels::kEmulatedTilesBf16, kernels::kScalarBf16, Precision::kBfloat16, c);
        CHECK(CountWrong(c, Precision::kBfloat16, kernels::Epilogue::kBias, bf16) == 0);
        const auto int8 =
            ByTable(kernels::kEmulatedTilesInt8, kernels::kScalarInt8, Precision::kInt8, c);
        const os::CpuLevel before = os::SetCpuLevelForTest(os::CpuLevel::kScalar);
        const auto packed = kernels::PackWeights(c.w, c.n, c.k, Precision::kInt8);
        os::SetCpuLevelForTest(before);
        CHECK(SameBits(Product(*packed, c, kernels::Epilogue::kBias), int8));
      }
    }
  }
  const bool has_tiles = os::DetectedCpuLevel() == os::CpuLevel::kAmx;
  CHECK(kernels::TileCheck() == (has_tiles ? "ok" : ""));
}

TEST_CASE("Attention over bfloat16 equals the definition") {
  for (const std::size_t dim : {2u, 8u, 32u, 40u, 64u}) {
    for (const std::size_t n : {1u, 2u, 11u, 12u, 13u, 31u, 32u, 33u, 48u, 49u, 130u}) {
      CAPTURE(dim);
      CAPTURE(n);
      const std::size_t ld = 3 * dim + 4;
      const auto x = RoundedRows(Random(n * ld, 5), ld, Precision::kBfloat16, false);
      std::vector<std::uint16_t> qkv(n * ld);
      for (std::size_t i = 0; i < x.size(); ++i) {
        std::memcpy(&qkv[i], reinterpret_cast<const char*>(&x[i]) + 2, 2);
      }
      const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
      AtEveryLevel([&](os::CpuLevel level) {
        if (!kernels::AttentionTakesBf16(level, dim)) return;
        std::vector<float> out(n * dim), scratch(kernels::AttentionScratch(n, dim));
        kernels::AttentionBf16(level,
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
        for (std::size_t q = 0; q < n; ++q) {
          std::vector<double> want(dim);
          double sum = 0;
          for (std::size_t t = 0; t < n; ++t) {
            double dot = 0;
            for (std::size_t i = 0; i < dim; ++i) {
              dot += static_cast<double>(x[q * ld + i]) * x[t * ld + dim + i];
            }
            const double p = std::exp(dot * scale);
            sum += p;
            for (std::size_t i = 0; i < dim; ++i) want[i] += p * x[t * ld + 2 * dim + i];
          }
          for (std::size_t i = 0; i < dim; ++i) {
            worst = std::max(worst, std::fabs(out[q * dim + i] - want[i] / sum));
          }
        }
        CHECK(worst < 1.0 / 256);  // Probabilities have 8 bits; values are about 1.
      });
    }
  }
}

TEST_CASE("Weights packed from their transpose are the same weights") {
  for (const auto precision : {Precision::kFloat32, Precision::kBfloat16, Precision::kInt8}) {
    for (const std::size_t n : {1u, 15u, 16u, 33u, 70u}) {
      for (const std::size_t k : {1u, 2u, 7u, 64u, 65u}) {
        CAPTURE(n);
        CAPTURE(k);
        const auto w = Random(n * k, 6);
        std::vector<float> turned(w.size());
        for (std::size_t i = 0; i < w.size(); ++i) turned[i % k * n + i / k] = w[i];
        AtEveryLevel([&](os::CpuLevel level) {
          const auto& table =
              kernels::GemmOfLevel(static_cast<int>(level), static_cast<int>(precision));
          const auto rows = kernels::Pack(table, w, n, k);
          const auto columns = kernels::Pack(table, turned, n, k, true);
          REQUIRE(rows.values.size() == columns.values.size());
          CHECK(std::memcmp(rows.values.data(), columns.values.data(), rows.values.size()) == 0);
          REQUIRE(rows.sums.size() == columns.sums.size());
          for (std::size_t i = 0; i < rows.sums.size(); ++i) CHECK(rows.sums[i] == columns.sums[i]);
        });
      }
    }
  }
}

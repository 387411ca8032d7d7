// Goal: numbers kept in bf16 or 8 bits are the same on every processor level, whether a kernel
// reads them itself or through copies, whatever their size; and are what storage.h says.
// Method: conversions and passes at each level over values from subnormal to infinite, compared bit
// for bit with the scalar level, and with the same pass over f32 copies.
#include "optim/storage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "optim/rules/adam_kernels.h"
#include "optim/tensor_step.h"
#include "os/cpu_info.h"

namespace malmoi::optim {
namespace {

// Between -1 and 1, of all sizes down to 2^-16.
std::vector<float> Values(std::size_t n, std::uint64_t seed) {
  std::vector<float> out(n);
  std::uint64_t state = seed * 2 + 1;
  for (float& v : out) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const auto unit = static_cast<float>(state >> 40) / 16777216.0f - 0.5f;
    v = std::ldexp(unit, -static_cast<int>(state >> 20 & 15));
  }
  return out;
}

template <class T>
bool Same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

struct Codes {
  std::vector<std::uint8_t> codes;
  std::vector<float> scales;
  bool operator==(const Codes& o) const { return Same(codes, o.codes) && Same(scales, o.scales); }
};
Codes Encoded(const std::vector<float>& x, bool non_negative, std::uint64_t key = 0) {
  Codes out{std::vector<std::uint8_t>(x.size()),
            std::vector<float>((x.size() + kQ8Block - 1) / kQ8Block)};
  ToQ8(x.data(), non_negative, out.codes.data(), out.scales.data(), x.size(), key);
  return out;
}
std::vector<float> Decoded(const Codes& c, bool non_negative) {
  std::vector<float> out(c.codes.size());
  FromQ8(c.codes.data(), c.scales.data(), non_negative, out.data(), out.size());
  return out;
}

// f() at every level, each result equal to the first.
template <class F>
void SameAtEveryLevel(F f) {
  bool first = true;
  decltype(f()) scalar;
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(static_cast<int>(level));
    auto result = f();
    os::SetCpuLevelForTest(before);
    if (first) {
      scalar = std::move(result);
      first = false;
    } else {
      CHECK(result == scalar);
    }
  }
}

}  // namespace

TEST_CASE("8-bit codes of any block: equal at every level, and kept when they are encoded again") {
  for (const float size : {1.0f, 1e30f, 3e38f, 1e-20f, 1e-30f, 1e-37f, 1e-40f, 0.0f}) {
    CAPTURE(size);
    for (const bool non_negative : {false, true}) {
      auto x = Values(5000, 3);
      for (float& v : x) v = size * (non_negative ? std::fabs(v) : v);
      SameAtEveryLevel([&] { return Encoded(x, non_negative, 77); });
      const Codes codes = Encoded(x, non_negative, 77);
      const auto back = Decoded(codes, non_negative);
      CHECK(Encoded(back, non_negative, 78) == codes);
      std::size_t lost = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        // The next code on either side; the largest is below the block's next power of two, and the
        // smallest an eighth above the scale, below which a number is nearly zero.
        const float scale = std::max(codes.scales[i / kQ8Block], 1e-37f);
        const float apart = std::fabs(back[i] - x[i]);
        if (!(apart <= 0.125f * std::fabs(x[i]) + 1.2f * scale)) ++lost;
        const bool normal = x[i] >= std::numeric_limits<float>::min();
        if (x[i] == 0 ? !non_negative && back[i] != 0 : non_negative && normal && back[i] <= 0) {
          ++lost;
        }
        if (back[i] * x[i] < 0) ++lost;
      }
      CHECK(lost == 0);
    }
  }
}

TEST_CASE("8-bit codes are right on average over the keys, and a slow mean is followed") {
  for (const bool non_negative : {false, true}) {
    auto x = Values(512, 9);
    for (float& v : x) v = non_negative ? std::fabs(v) + 0.001f : v;
    std::vector<double> mean(x.size());
    constexpr int kTimes = 2000;
    for (std::uint64_t key = 0; key < kTimes; ++key) {
      const auto back =
          Decoded(Encoded(x, non_negative, key * 0x2545f4914f6cdd1dull), non_negative);
      for (std::size_t i = 0; i < x.size(); ++i) mean[i] += static_cast<double>(back[i]) / kTimes;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      // A step is at most an eighth, so the mean's deviation at most 1/16 / sqrt(2000) = .0014 of
      // it: five of these. The largest of a block may lie above the largest code.
      CAPTURE(i);
      const double size = std::fabs(static_cast<double>(x[i]));
      if (size < 0.0005 || size > 0.46) continue;
      CHECK(std::fabs(mean[i] - static_cast<double>(x[i])) <= 0.007 * size);
    }
  }
  // From 1 to .5 by a thousandth of the difference a step: rounded to the nearest it stays at 1.
  std::vector<float> v(256, 1.0f);
  for (std::uint64_t key = 0; key < 3000; ++key) {
    for (float& x : v) x += 0.001f * (0.5f - x);
    v = Decoded(Encoded(v, true, key * 0x2545f4914f6cdd1dull), true);
  }
  double mean = 0;
  for (const float x : v) mean += static_cast<double>(x) / 256;
  CHECK(mean == doctest::Approx(0.5 + 0.5 * std::exp(-3.0)).epsilon(0.05));
}

TEST_CASE("8-bit codes of what is not finite are equal at every level; NaN counts as the largest") {
  auto x = Values(700, 5);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[300] = std::numeric_limits<float>::infinity();
  x[650] = -std::numeric_limits<float>::infinity();
  SameAtEveryLevel([&] { return Encoded(x, false); });
  SameAtEveryLevel([&] { return Encoded(x, true); });
  CHECK(Encoded(x, false).codes[3] == 127);
  CHECK(Encoded(x, false).codes[650] == 255);
  CHECK(Encoded(x, true).codes[3] == 255);
}

namespace {

std::vector<std::uint16_t> Halves(const std::vector<float>& x, std::uint64_t key,
                                  std::size_t begin = 0) {
  std::vector<std::uint16_t> out(x.size());
  ToBf16(x.data(), out.data(), x.size(), key, begin);
  return out;
}
std::vector<float> Wide(const std::vector<std::uint16_t>& x) {
  std::vector<float> out(x.size());
  FromBf16(x.data(), out.data(), x.size());
  return out;
}

}  // namespace

TEST_CASE("bf16 by random bits: equal at every level and however it is cut") {
  const auto x = Values(1500, 21);
  for (const std::uint64_t key : {0u, 1u, 99u}) {
    CAPTURE(key);
    SameAtEveryLevel([&] { return Halves(x, key, 77); });
    const auto whole = Halves(x, key, 77);
    for (const std::size_t cut : {1u, 16u, 100u, 179u, 180u, 1499u}) {
      CAPTURE(cut);
      auto parts = Halves({x.begin(), x.begin() + static_cast<std::ptrdiff_t>(cut)}, key, 77);
      const auto rest =
          Halves({x.begin() + static_cast<std::ptrdiff_t>(cut), x.end()}, key, 77 + cut);
      parts.insert(parts.end(), rest.begin(), rest.end());
      CHECK(parts == whole);
    }
    CHECK(Halves(Wide(whole), key + 1, 3) == whole);  // What is a bf16 number is kept.
  }
  CHECK(Halves(x, 1) != Halves(x, 2));
  CHECK(Halves(x, 1) != Halves(x, 1, 1));
}

TEST_CASE("bf16 by random bits is right on average over keys and over places") {
  const auto x = Values(512, 22);
  constexpr int kTimes = 4000;
  std::vector<double> mean(x.size());
  for (std::uint64_t key = 1; key <= kTimes; ++key) {
    const auto back = Wide(Halves(x, key * 0x2545f4914f6cdd1dull));
    for (std::size_t i = 0; i < x.size(); ++i) mean[i] += static_cast<double>(back[i]) / kTimes;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    CAPTURE(i);
    // Two numbers are at most 1/128 apart, so the mean's deviation is at most 1/256 / sqrt(4000) of
    // it: five of these.
    const double size = std::fabs(static_cast<double>(x[i]));
    CHECK(std::fabs(mean[i] - static_cast<double>(x[i])) <= 3.1e-4 * size);
  }
  // A block of one number: as many go up as should, at every key.
  for (std::uint64_t key = 1; key <= 20; ++key) {
    double sum = 0;
    for (const float v : Wide(Halves(std::vector<float>(256, 1.003f), key))) {
      sum += static_cast<double>(v) / 256;
    }
    CHECK(sum == doctest::Approx(1.003).epsilon(1e-4));
  }
}

TEST_CASE("bf16 of what is not finite stays so, at every level") {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x = {inf, -inf, 0.0f, -0.0f};
  for (const std::uint32_t bits : {0x7fc00000u, 0x7fffffffu, 0xffffffffu, 0x7f800001u}) {
    float nan;
    std::memcpy(&nan, &bits, sizeof(nan));
    x.push_back(nan);
  }
  x.resize(33, 1.0f);
  for (const std::uint64_t key : {0u, 7u, 8u, 9u}) {
    SameAtEveryLevel([&] { return Halves(x, key); });
    const auto back = Wide(Halves(x, key));
    CHECK(Same(std::vector<float>(back.begin(), back.begin() + 4), {inf, -inf, 0.0f, -0.0f}));
    for (std::size_t i = 4; i < 8; ++i) CHECK(std::isnan(back[i]));
  }
}

namespace {

// An Adam step over n elements whose states are kept as `storage` says, p and g as halves say.
struct AdamPass {
  std::size_t n;
  Storage storage;
  bool half_p, half_g;
  std::uint64_t key_m = 5, key_v = 5;
  std::vector<float> p, g, m, v, scales_m, scales_v;
  std::vector<std::uint16_t> p16, g16, m16, v16;
  std::vector<std::uint8_t> m8, v8;

  AdamPass(std::size_t count, Storage s, bool hp, bool hg)
      : n(count),
        storage(s),
        half_p(hp),
        half_g(hg),
        p(Values(n, 1)),
        g(Values(n, 2)),
        m(Values(n, 3)),
        v(Values(n, 4)),
        scales_m((n + 255) / 256),
        scales_v((n + 255) / 256),
        p16(n),
        g16(n),
        m16(n),
        v16(n),
        m8(n),
        v8(n) {
    for (float& x : v) x = x * x;
    ToBf16(p.data(), p16.data(), n), ToBf16(g.data(), g16.data(), n);
    ToBf16(m.data(), m16.data(), n), ToBf16(v.data(), v16.data(), n);
    ToQ8(m.data(), false, m8.data(), scales_m.data(), n);
    ToQ8(v.data(), true, v8.data(), scales_v.data(), n);
  }
  PassJob Job() {
    PassJob job;
    job.kernel = &AdamDirection;
    job.n = n;
    const double constants[] = {0.1, 0.999, 0.001, 1.0, 1e-8, 1.0, 0.0};
    std::copy(std::begin(constants), std::end(constants), job.constant);
    job.step = 1e-3, job.decay = 0.999;
    return job;
  }
  void Run() {
    PassJob job = Job();
    job.source[0] = {half_p ? static_cast<void*>(p16.data()) : p.data(),
                     half_p ? Storage::kBf16 : Storage::kF32, nullptr, false};
    job.source[1] = {half_g ? static_cast<void*>(g16.data()) : g.data(),
                     half_g ? Storage::kBf16 : Storage::kF32, nullptr, false};
    const bool bytes = storage == Storage::kQ8;
    job.source[3] = {bytes ? static_cast<void*>(m8.data()) : m16.data(), storage, scales_m.data(),
                     false, key_m};
    job.source[4] = {bytes ? static_cast<void*>(v8.data()) : v16.data(), storage, scales_v.data(),
                     true, key_v};
    PassSums unused;
    RunRange(job, 0, n, &unused);
  }
  // The same by copies: everything to f32, one pass, everything back.
  void RunByCopies() {
    if (half_p) FromBf16(p16.data(), p.data(), n);
    if (half_g) FromBf16(g16.data(), g.data(), n);
    const bool bytes = storage == Storage::kQ8;
    if (bytes) {
      FromQ8(m8.data(), scales_m.data(), false, m.data(), n);
      FromQ8(v8.data(), scales_v.data(), true, v.data(), n);
    } else {
      FromBf16(m16.data(), m.data(), n), FromBf16(v16.data(), v.data(), n);
    }
    PassJob job = Job();
    float* const streams[] = {p.data(), g.data(), nullptr, m.data(), v.data()};
    for (int s = 0; s < 5; ++s) job.source[s].data = streams[s];
    PassSums unused;
    RunRange(job, 0, n, &unused);
    if (half_p) ToBf16(p.data(), p16.data(), n);
    if (bytes) {
      ToQ8(m.data(), false, m8.data(), scales_m.data(), n, key_m);
      ToQ8(v.data(), true, v8.data(), scales_v.data(), n, key_v);
    } else {
      ToBf16(m.data(), m16.data(), n, key_m), ToBf16(v.data(), v16.data(), n, key_v);
    }
  }
  bool operator==(const AdamPass& o) const {
    const bool same_p = half_p ? Same(p16, o.p16) : Same(p, o.p);
    return same_p && Same(m16, o.m16) && Same(v16, o.v16) && Same(m8, o.m8) && Same(v8, o.v8) &&
           Same(scales_m, o.scales_m) && Same(scales_v, o.scales_v);
  }
};

}  // namespace

TEST_CASE("kernels that read small states themselves give the bits of copies, at every level") {
  for (const Storage storage : {Storage::kBf16, Storage::kQ8}) {
    for (const std::size_t n : {1u, 15u, 16u, 17u, 255u, 256u, 300u, 1023u, 1024u, 1041u, 3000u}) {
      for (int options = 0; options < 16; ++options) {
        CAPTURE(n);
        CAPTURE(options);
        AdamPass direct(n, storage, (options & 1) != 0, (options & 2) != 0);
        if ((options & 4) != 0) direct.key_m = 0;  // In bf16: to the nearest.
        if ((options & 8) != 0) direct.key_v = 0;
        AdamPass copied = direct;
        for (const os::CpuLevel level : os::AvailableCpuLevels()) {
          const os::CpuLevel before = os::SetCpuLevelForTest(level);
          AdamPass here = direct;
          here.Run();
          os::SetCpuLevelForTest(before);
          AdamPass there = copied;
          there.RunByCopies();
          CAPTURE(static_cast<int>(level));
          CHECK(here == there);
        }
      }
    }
  }
}

}  // namespace malmoi::optim

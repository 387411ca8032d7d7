// Goal: every instruction set sums the same integers, and codes stand for their vectors.
// Method: each CPU level against plain loops; products from codes against double precision.
#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <string>

#include "ann/code_internal.h"
#include "ann/graph_internal.h"
#include "ann/sample_internal.h"
#include "os/cpu_info.h"

namespace malmoi::ann {
namespace {

struct Level {
  explicit Level(os::CpuLevel level) : before(os::SetCpuLevelForTest(level)) {}
  ~Level() { os::SetCpuLevelForTest(before); }
  os::CpuLevel before;
};

TEST_CASE("sums are equal to plain loops on every level") {
  std::mt19937 rng(3);
  for (const std::size_t blocks : {1, 2, 3, 6, 7, 8}) {
    const std::size_t rows = 23, numbers = blocks * 128;
    std::vector<std::uint8_t> first(rows * blocks * 64), second(first.size());
    for (auto* codes : {&first, &second}) {
      for (auto& c : *codes) c = static_cast<std::uint8_t>(rng());
    }
    std::fill(first.begin(), first.begin() + 64, 0xff);  // The largest sums.
    std::vector<std::int8_t> high(numbers), low(numbers);
    for (auto* plane : {&high, &low}) {
      for (auto& v : *plane) v = static_cast<std::int8_t>(rng());
    }
    std::fill(high.begin(), high.begin() + 128, std::int8_t{-128});
    std::vector<std::uint32_t> ids;
    for (std::size_t i = 0; i < 37; ++i) ids.push_back(static_cast<std::uint32_t>(rng() % rows));
    const auto code = [&](const std::vector<std::uint8_t>& codes, std::uint32_t id, std::size_t i) {
      const std::uint8_t byte = codes[id * blocks * 64 + i / 128 * 64 + i % 64];
      return i % 128 < 64 ? byte & 15 : byte >> 4;
    };
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      const Level use(level);
      CAPTURE(os::CpuLevelName(level));
      for (const std::size_t count : {0, 1, 3, 4, 5, 16, 37}) {
        std::vector<std::int32_t> four(count + 1, -7);
        std::vector<std::int64_t> eight(count + 1, -7);
        Scores().four(high.data(), blocks, first.data(), ids.data(), count, four.data());
        Scores().eight(high.data(), low.data(), blocks, first.data(), second.data(), ids.data(),
                       count, eight.data());
        for (std::size_t k = 0; k < count; ++k) {
          std::int64_t a = 0, b = 0;
          for (std::size_t i = 0; i < numbers; ++i) {
            a += high[i] * code(first, ids[k], i);
            b += (128 * high[i] + low[i]) * (16 * code(first, ids[k], i) + code(second, ids[k], i));
          }
          REQUIRE(four[k] == a);
          REQUIRE(eight[k] == b);
        }
        CHECK(four[count] == -7);
        CHECK(eight[count] == -7);
      }
    }
  }
}

TEST_CASE("a rotation keeps products and is the same on every level") {
  for (const std::uint32_t dim : {1u, 2u, 3u, 100u, 384u, 768u}) {
    const auto data = sample::Clustered(2, dim, 1, 0);
    const Rotation rotation(dim, 5);
    std::vector<float> first;
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      const Level use(level);
      std::vector<float> a(data.x.begin(), data.x.begin() + dim),
          b(data.x.begin() + dim, data.x.end());
      const double before = sample::Score(Metric::kDot, a, b.data());
      rotation.Apply(a.data());
      rotation.Apply(b.data());
      CHECK(sample::Score(Metric::kDot, a, b.data()) == doctest::Approx(before).epsilon(1e-4));
      if (first.empty()) first = a;
      CHECK(a == first);
    }
  }
}

// The expected error of a product with a code whose step is s is |q| s / sqrt(12); six of these.
TEST_CASE("scores of codes are near the exact ones, for each metric") {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid}) {
    CAPTURE(static_cast<int>(metric));
    const auto data = sample::Clustered(200, 200, 4, 20);
    Frame frame(metric, data.dim, 1);
    std::vector<const float*> rows;
    for (std::uint32_t r = 0; r < data.rows; ++r) rows.push_back(data.source().Row(r));
    frame.Train(rows);
    Arrays arrays;
    arrays.code_bytes = frame.blocks * 64;
    std::vector<std::uint8_t> first(data.rows * arrays.code_bytes), second(first.size());
    std::vector<Factors> factors(data.rows);
    std::vector<float> fine(data.rows), rotated;
    std::vector<double> step(data.rows);
    CodeQuery query;
    for (std::uint32_t r = 0; r < data.rows; ++r) {
      frame.RowQuery(rows[r], &rotated, &query);
      const CodeRow row = Encode(rotated, frame.blocks, &first[r * arrays.code_bytes],
                                 &second[r * arrays.code_bytes]);
      factors[r] = {row.scale, query.norm2 / 2};
      fine[r] = row.fine_scale;
      step[r] = row.scale;
      CodeQuery stored;
      Decode(&first[r * arrays.code_bytes], &second[r * arrays.code_bytes], frame.blocks, &stored);
      for (std::uint32_t i = 0; i < data.dim; ++i) {
        REQUIRE(std::fabs(stored.high[i] * row.fine_scale - rotated[i]) < row.fine_scale * 1.1);
      }
    }
    arrays.first = first.data();
    arrays.second = second.data();
    arrays.factors = factors.data();
    arrays.fine_scale = fine.data();
    const auto ids = sample::Ids(0, data.rows);
    std::vector<std::int32_t> sums(data.rows);
    std::vector<float> four(data.rows), eight(data.rows);
    for (std::size_t q = 0; q < data.query_count(); ++q) {
      frame.UserQuery(data.query(q).data(), &rotated, &query);
      ScoreFour(arrays, query, ids.data(), ids.size(), sums.data(), four.data());
      ScoreEight(arrays, query, ids.data(), ids.size(), eight.data());
      const double norm = std::sqrt(sample::Score(Metric::kDot, rotated, rotated.data()));
      for (const std::uint32_t r : ids) {
        const double exact = sample::Score(metric, data.query(q), rows[r]);
        const double bound = 6 * query.factor * norm * step[r] / std::sqrt(12.0) + 1e-4;
        CHECK(std::fabs(four[r] * query.factor + query.constant - exact) < bound);
        CHECK(std::fabs(eight[r] * query.factor + query.constant - exact) < bound / 8);
      }
    }
  }
}

}  // namespace
}  // namespace malmoi::ann

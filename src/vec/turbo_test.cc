// Goal: rows of the turbo datatypes read back as near to what was written as their width allows,
// are scored as what is read back, and stay readable: their bytes are a format. Method: errors over
// random vectors, at most a tenth above what the levels' theory gives; scores against plain sums
// over the numbers read back, in memory, from a segment and after reopening.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "base/hash.h"
#include "os/fault_vfs.h"
#include "vec/collection.h"
#include "vec/turbo_internal.h"

using namespace malmoi;
using namespace malmoi::vec;

namespace {

struct Width {
  Datatype datatype;
  double error;  // Of a vector of many numbers, relative to its length.
};
constexpr Width kWidths[] = {
    {Datatype::kTurbo4, 0.107}, {Datatype::kTurbo8, 0.012}, {Datatype::kTurbo16, 5e-5}};

std::vector<float> Normal(std::size_t dim, std::mt19937_64& random) {
  std::vector<float> v(dim);
  for (float& x : v) {
    x = 0;
    for (int i = 0; i < 12; ++i) x += static_cast<float>(random() >> 40) * 0x1p-24f - 0.5f;
  }
  return v;
}

std::vector<float> ReadBack(Datatype datatype, const std::vector<float>& v) {
  std::string row;
  AppendTurbo(datatype, v, &row);
  REQUIRE(row.size() == TurboRowBytes(datatype, v.size()));
  std::vector<float> out(v.size());
  LoadTurbo(datatype, row.data(), out);
  return out;
}

double LengthOf(const std::vector<float>& v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * x;
  return std::sqrt(sum);
}

double Off(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(sum) / LengthOf(b);
}

float Score(Distance distance, const std::vector<float>& query, const std::vector<float>& row) {
  double dot = 0, squared = 0, absolute = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double d = static_cast<double>(query[i]) - row[i];
    dot += static_cast<double>(query[i]) * row[i];
    squared += d * d;
    absolute += std::abs(d);
  }
  if (distance == Distance::kCosine) dot /= LengthOf(query);
  return static_cast<float>(distance == Distance::kEuclid      ? std::sqrt(squared)
                            : distance == Distance::kManhattan ? absolute
                                                               : dot);
}

}  // namespace

TEST_CASE("turbo rows take 4, 8 or 16 bits a number and a factor") {
  CHECK(TurboRowBytes(Datatype::kTurbo4, 384) == 196);
  CHECK(TurboRowBytes(Datatype::kTurbo4, 3) == 6);
  CHECK(TurboRowBytes(Datatype::kTurbo8, 384) == 388);
  CHECK(TurboRowBytes(Datatype::kTurbo16, 384) == 772);
}

TEST_CASE("turbo rows read back nearly what was written, with its length") {
  std::mt19937_64 random(1);
  for (const Width& width : kWidths) {
    for (const std::size_t dim : {64, 96, 100, 384, 1000, 1536}) {
      CAPTURE(static_cast<int>(width.datatype));
      CAPTURE(dim);
      double error = 0;
      for (int i = 0; i < 40; ++i) {
        const auto v = Normal(dim, random);
        const auto back = ReadBack(width.datatype, v);
        CHECK(LengthOf(back) == doctest::Approx(LengthOf(v)).epsilon(1e-5));
        error += Off(back, v) / 40;
        // What was read back and is written again changes no more.
        CHECK(Off(ReadBack(width.datatype, back), back) < 1e-4);
      }
      CHECK(error < width.error);
      CHECK(error > width.error / 10);  // Codes, not floats.
    }
    for (const std::size_t dim : {1, 2, 3, 4, 5, 7, 17}) {
      double error = 0;
      for (int i = 0; i < 100; ++i) {
        const auto v = Normal(dim, random);
        error += Off(ReadBack(width.datatype, v), v) / 100;
      }
      CHECK(error < 1.5 * width.error);
    }
  }
}

TEST_CASE(
    "turbo rows of odd vectors: zero, one number alone, a constant, near the ends of floats") {
  for (const Width& width : kWidths) {
    CAPTURE(static_cast<int>(width.datatype));
    const std::vector<float> zero(100);
    CHECK(ReadBack(width.datatype, zero) == zero);
    for (const std::size_t dim : {100, 128, 384}) {
      CAPTURE(dim);
      for (const float size : {1.0f, 1e-30f, 1e38f}) {
        for (const std::size_t at : {std::size_t{0}, dim / 2, dim - 1}) {
          std::vector<float> spike(dim);
          spike[at] = size;
          CHECK(Off(ReadBack(width.datatype, spike), spike) < 2 * width.error);
        }
        const std::vector<float> constant(dim, size);
        CHECK(Off(ReadBack(width.datatype, constant), constant) < 2 * width.error);
      }
      for (const float x : ReadBack(width.datatype, std::vector<float>(dim, 3.4e38f))) {
        CHECK(std::isfinite(x));
      }
    }
  }
}

TEST_CASE("turbo rows keep their bytes from version to version") {
  std::vector<float> v(100);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>((i * 37 + 11) % 101) - 50;
  std::string rows;
  for (const Width& width : kWidths) AppendTurbo(width.datatype, v, &rows);
  CHECK(rows.size() == 4 * 3 + 50 + 100 + 200);
  CHECK(Crc32c(rows) == 3133845947u);
}

TEST_CASE("turbo vectors are scored as they are read back, wherever they stand") {
  std::mt19937_64 random(2);
  constexpr std::size_t kDim = 48;
  for (const Width& width : kWidths) {
    for (const Distance distance :
         {Distance::kCosine, Distance::kDot, Distance::kEuclid, Distance::kManhattan}) {
      CAPTURE(static_cast<int>(width.datatype));
      CAPTURE(static_cast<int>(distance));
      os::FaultVfs vfs(1);
      auto db = Database::Open(vfs, "/db", 2).value();
      CollectionConfig config;
      config.dense["d"] = {.dim = kDim, .distance = distance, .datatype = width.datatype};
      config.dense["m"] = {
          .dim = kDim, .distance = distance, .datatype = width.datatype, .multivector = true};
      auto c = db->Create("c", config).value();
      std::vector<Point> points;
      for (std::uint64_t id = 0; id < 30; ++id) {
        Point p{.id = id};
        p.vectors.dense["d"] = Normal(kDim, random);
        p.vectors.multi["m"] = {kDim, Normal(3 * kDim, random)};
        points.push_back(p);
      }
      REQUIRE(c->Upsert(points).ok());
      const auto query = Normal(kDim, random);
      for (int round = 0; round < 3; ++round) {
        const auto dense = c->Query({.using_vector = "d", .vector = query, .limit = 30});
        const auto multi = c->Query({.using_vector = "m", .vector = query, .limit = 30});
        REQUIRE(dense.ok());
        REQUIRE(multi.ok());
        REQUIRE(dense.value().hits.size() == 30);
        for (const Hit& hit : dense.value().hits) {
          const auto read = c->Retrieve(std::vector<PointId>{hit.id}, true).value();
          const auto& row = read.at(0).vectors.dense.at("d");
          CHECK(hit.score == doctest::Approx(Score(distance, query, row)).epsilon(1e-4).scale(1));
        }
        const bool least = distance == Distance::kEuclid || distance == Distance::kManhattan;
        for (const Hit& hit : multi.value().hits) {
          const auto read = c->Retrieve(std::vector<PointId>{hit.id}, true).value();
          const auto& data = read.at(0).vectors.multi.at("m").data;
          float best = least ? INFINITY : -INFINITY;
          for (std::size_t at = 0; at < data.size(); at += kDim) {
            const auto begin = data.begin() + static_cast<std::ptrdiff_t>(at);
            const float score = Score(distance, query, {begin, begin + kDim});
            best = least ? std::min(best, score) : std::max(best, score);
          }
          CHECK(hit.score == doctest::Approx(best).epsilon(1e-4).scale(1));
        }
        if (round == 0) REQUIRE(c->Checkpoint().ok());
        if (round == 1) {
          c.reset();
          db.reset();
          db = Database::Open(vfs, "/db", 2).value();
          c = db->Get("c").value();
        }
      }
    }
  }
}

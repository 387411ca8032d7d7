// Goal: bfloat16 and int8 encoders stay near f32, give a text the same bits alone and in any batch
// for any number of threads, and are told apart by their fingerprint.
// Method: the golden vectors of the real models where they are installed; memcmp on the tiny ones.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model/encoder.h"
#include "model/linear.h"
#include "os/cpu_info.h"
#include "os/paths.h"
#include "os/vfs.h"
#include "tensor/safetensors.h"

using namespace malmoi;
using kernels::Precision;

namespace {

const std::string kGolden = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/";
constexpr Precision kNarrow[] = {Precision::kBfloat16, Precision::kInt8};

std::shared_ptr<const model::Encoder> Open(const std::string& directory, Precision precision) {
  const auto encoder = model::Encoder::Open(directory, {.precision = precision});
  REQUIRE(encoder.ok());
  REQUIRE(encoder.value()->precision() == precision);
  return encoder.value();
}

std::vector<std::int32_t> Ints(const tensor::SafeTensors& file, const char* name) {
  const tensor::TensorView* view = file.Find(name);
  REQUIRE(view != nullptr);
  std::vector<std::int32_t> out(view->elements());
  std::memcpy(out.data(), view->bytes.data(), view->bytes.size());
  return out;
}

double Cosine(const float* a, const float* b, std::size_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < n; ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

std::optional<std::string> RealModel(const std::string& name) {
  if (const auto found = os::FindAsset("models/" + name)) return found;
  std::printf("skipped: %s: the model is not installed\n", name.c_str());
  return std::nullopt;
}

template <class F>
void AtEveryLevel(F f) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(std::string(os::CpuLevelName(level)));
    f(level);
    os::SetCpuLevelForTest(before);
  }
}

}  // namespace

TEST_CASE("precisions: a sequence has the same bits alone, in any batch, with any threads") {
  os::ThreadPool one(1, "one"), three(3, "three");
  std::mt19937 rng(3);
  for (const char* name : {"tiny-bert", "tiny-xlm-roberta"}) {
    for (const Precision precision : kNarrow) {
      AtEveryLevel([&](os::CpuLevel) {
        const auto encoder = Open(kGolden + name, precision);
        const auto dim = static_cast<std::size_t>(encoder->config().hidden);
        for (const std::size_t count : {1u, 2u, 9u}) {
          model::PackedBatch batch;
          batch.starts = {0};
          std::vector<float> want;
          for (std::size_t s = 0; s < count; ++s) {
            model::PackedBatch alone;
            for (std::size_t i = 1 + rng() % 40; i > 0; --i) {
              alone.ids.push_back(static_cast<std::int32_t>(
                  rng() % static_cast<unsigned>(encoder->config().vocabulary)));
            }
            alone.starts = {0, static_cast<std::uint32_t>(alone.ids.size())};
            batch.ids.insert(batch.ids.end(), alone.ids.begin(), alone.ids.end());
            batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
            const auto row = encoder->Encode(alone, one);
            REQUIRE(row.ok());
            want.insert(want.end(), row.value().data(), row.value().data() + dim);
          }
          for (os::ThreadPool* pool : {&one, &three}) {
            const auto got = encoder->Encode(batch, *pool);
            REQUIRE(got.ok());
            CHECK(std::memcmp(got.value().data(), want.data(), want.size() * sizeof(float)) == 0);
          }
        }
      });
    }
  }
}

TEST_CASE("precisions: real texts keep their vectors") {
  os::ThreadPool pool(2, "test");
  for (const char* name : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    CAPTURE(name);
    const auto directory = RealModel(name);
    if (!directory) continue;
    const auto golden = tensor::SafeTensors::Open(kGolden + name + ".safetensors");
    REQUIRE(golden.ok());
    model::PackedBatch batch;
    batch.ids = Ints(*golden.value(), "ids");
    batch.type_ids = Ints(*golden.value(), "type_ids");
    for (const std::int32_t s : Ints(*golden.value(), "starts")) {
      batch.starts.push_back(static_cast<std::uint32_t>(s));
    }
    const auto want =
        tensor::LoadF32(*golden.value(), "pooled", golden.value()->Find("pooled")->shape);
    REQUIRE(want.ok());
    for (const Precision precision : kNarrow) {
      const auto encoder = Open(*directory, precision);
      const auto got = encoder->Encode(batch, pool);
      REQUIRE(got.ok());
      double sum = 0;
      for (std::size_t s = 0; s < batch.count(); ++s) {
        sum += Cosine(got.value().data() + s * 384, want.value().data() + s * 384, 384);
      }
      const double mean = sum / static_cast<double>(batch.count());
      CAPTURE(std::string(kernels::PrecisionName(precision)));
      CHECK(mean > (precision == Precision::kInt8 ? 0.999 : 0.9999));
    }
  }
}

// Few inputs with large weights set the scale of a column's integers unless they are apart.
TEST_CASE("precisions: wide inputs do not cost the others their integers") {
  constexpr std::size_t n = 48, k = 160, rows = 5;
  std::mt19937 rng(11);
  std::normal_distribution<float> normal;
  std::vector<float> w(n * k), x(rows * k), bias(n), want(rows * n), got(rows * n);
  for (auto* values : {&w, &x, &bias}) {
    for (float& v : *values) v = normal(rng);
  }
  for (std::size_t row = 0; row < n; ++row) w[row * k + 37] = (row % 2 == 0 ? 90.0f : -70.0f);
  const model::LinearArgs args{.x = x.data(), .ldx = k, .rows = rows, .y = want.data(), .ldy = n};
  model::Linear(w, n, k, bias).Apply(args, nullptr);
  const auto error = [&](const model::Linear& linear, os::ThreadPool* team) {
    model::LinearArgs mine = args;
    mine.y = got.data();
    linear.Apply(mine, team);
    double sum = 0;
    for (std::size_t i = 0; i < want.size(); ++i) sum += std::pow(got[i] - want[i], 2);
    return std::sqrt(sum / static_cast<double>(want.size()));
  };
  os::ThreadPool team(3, "test");
  AtEveryLevel([&](os::CpuLevel) {
    const model::Linear plain(w, n, k, bias, Precision::kInt8);
    std::vector<float> copy = w;
    const auto apart = model::Linear::WithWideInputs(copy, n, k, bias);
    REQUIRE(apart.wide().at.size() == k / 16);
    CHECK(std::count(apart.wide().at.begin(), apart.wide().at.end(), 37u) == 1);
    // Most of what is left is bfloat16's rounding of 90 x.
    CHECK(error(apart, nullptr) < 0.3 * error(plain, nullptr));
    error(apart, nullptr);
    const std::vector<float> alone = got;
    error(apart, &team);
    CHECK(std::memcmp(alone.data(), got.data(), got.size() * sizeof(float)) == 0);
  });
}

// Whichever way a family names its projections, int8 takes the values' apart from the right rows.
TEST_CASE("precisions: every post-norm family stays near f32") {
  os::ThreadPool pool(2, "test");
  for (const char* name : {"distilbert", "mpnet", "nomic", "nomic-own", "gte", "roberta-splade"}) {
    CAPTURE(name);
    const std::string directory = kGolden + "families/" + name;
    const auto base = Open(directory, Precision::kFloat32);
    model::PackedBatch batch;
    for (std::int32_t i = 0; i < 24; ++i) batch.ids.push_back(5 + i % 20);
    batch.starts = {0, 9, 24};
    const auto want = base->HiddenStates(batch, pool);
    REQUIRE(want.ok());
    for (const Precision precision : kNarrow) {
      const auto got = Open(directory, precision)->HiddenStates(batch, pool);
      REQUIRE(got.ok());
      REQUIRE(got.value().size() == want.value().size());
      CHECK(Cosine(got.value().data(), want.value().data(), want.value().size()) > 0.999);
    }
  }
}

TEST_CASE("precisions: samples give the same on every opening; unfit ones are left out") {
  os::ThreadPool pool(1, "test");
  const std::string directory = kGolden + "tiny-bert";
  const auto plain = Open(directory, Precision::kInt8);
  std::vector<std::int32_t> text, endless(100'000, 3);
  for (std::int32_t i = 0; i < 20; ++i) text.push_back(1 + i);
  const auto open = [&](std::vector<std::vector<std::int32_t>> samples) {
    auto out = model::Encoder::Open(directory,
                                    {.precision = Precision::kInt8, .samples = std::move(samples)});
    REQUIRE(out.ok());
    return std::move(out).value();
  };
  CHECK(open({{-1}, {1 << 30}, {}})->fingerprint() == plain->fingerprint());
  const model::PackedBatch batch{.ids = text, .type_ids = {}, .starts = {0, 20}};
  const auto one = open({text})->Encode(batch, pool),
             more = open({{}, text, {-5}})->Encode(batch, pool);
  REQUIRE(one.ok());
  REQUIRE(more.ok());
  CHECK(std::memcmp(one.value().data(), more.value().data(), one.value().size() * sizeof(float)) ==
        0);
  const auto again = open({text})->Encode(batch, pool);
  REQUIRE(again.ok());
  CHECK(std::memcmp(one.value().data(), again.value().data(), one.value().size() * sizeof(float)) ==
        0);
  CHECK(open({endless})->fingerprint() != plain->fingerprint());
}

TEST_CASE("precisions have fingerprints of their own") {
  const std::string directory = kGolden + "tiny-bert";
  const auto f32 = Open(directory, Precision::kFloat32), bf16 = Open(directory, kNarrow[0]),
             int8 = Open(directory, kNarrow[1]);
  CHECK(f32->fingerprint() != bf16->fingerprint());
  CHECK(f32->fingerprint() != int8->fingerprint());
  CHECK(bf16->fingerprint() != int8->fingerprint());
  CHECK(f32->fingerprint() == Open(directory, Precision::kFloat32)->fingerprint());
}

// Goal: bfloat16 and int8 encoders stay near f32, give a text the same bits alone and in any batch
// for any number of threads, and are told apart by their fingerprint.
// Method: the golden vectors of the real models where they are installed; memcmp on the tiny ones.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model/encoder.h"
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
      CHECK(mean > (precision == Precision::kInt8 ? 0.9985 : 0.9999));
    }
  }
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

TEST_CASE("precisions have fingerprints of their own") {
  const std::string directory = kGolden + "tiny-bert";
  const auto f32 = Open(directory, Precision::kFloat32), bf16 = Open(directory, kNarrow[0]),
             int8 = Open(directory, kNarrow[1]);
  CHECK(f32->fingerprint() != bf16->fingerprint());
  CHECK(f32->fingerprint() != int8->fingerprint());
  CHECK(bf16->fingerprint() != int8->fingerprint());
  CHECK(f32->fingerprint() == Open(directory, Precision::kFloat32)->fingerprint());
}

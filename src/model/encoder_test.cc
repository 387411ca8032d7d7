// Goal: the encoder equals the reference at every CPU level; a text has the same bits alone and in
// any batch, for any number of threads; bad batches and bad directories are errors.
// Method: golden hidden states and vectors of tools/make_golden/encoder.py (float64) for two tiny
// random models, and for the real models where they are installed; memcmp for the rest.
#include "model/encoder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "os/cpu_info.h"
#include "os/paths.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "tensor/safetensors.h"

using namespace malmoi;

namespace {

const std::string kGolden = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/";

std::vector<std::int32_t> Ints(const tensor::SafeTensors& file, std::string_view name) {
  const tensor::TensorView* view = file.Find(name);
  REQUIRE(view != nullptr);
  REQUIRE(view->dtype == tensor::DType::kI32);
  std::vector<std::int32_t> out(view->elements());
  std::memcpy(out.data(), view->bytes.data(), view->bytes.size());
  return out;
}

model::PackedBatch GoldenBatch(const tensor::SafeTensors& file) {
  model::PackedBatch batch;
  batch.ids = Ints(file, "ids");
  batch.type_ids = Ints(file, "type_ids");
  for (const std::int32_t s : Ints(file, "starts")) {
    batch.starts.push_back(static_cast<std::uint32_t>(s));
  }
  return batch;
}

Buffer<float> Floats(const tensor::SafeTensors& file, std::string_view name) {
  auto out = tensor::LoadF32(file, name, file.Find(name)->shape);
  REQUIRE(out.ok());
  return std::move(out).value();
}

std::shared_ptr<const tensor::SafeTensors> OpenGolden(const std::string& path) {
  auto file = tensor::SafeTensors::Open(path);
  REQUIRE(file.ok());
  return std::move(file).value();
}

double SmallestCosine(std::span<const float> a, std::span<const float> b, std::size_t dim) {
  double smallest = 2;
  for (std::size_t row = 0; row + dim <= a.size(); row += dim) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t i = row; i < row + dim; ++i) {
      ab += static_cast<double>(a[i]) * b[i];
      aa += static_cast<double>(a[i]) * a[i];
      bb += static_cast<double>(b[i]) * b[i];
    }
    smallest = std::min(smallest, ab / std::sqrt(aa * bb));
  }
  return smallest;
}

// The model opened at every level in turn.
template <class F>
void AtEveryLevel(const std::string& directory, F f) {
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const os::CpuLevel before = os::SetCpuLevelForTest(level);
    CAPTURE(std::string(os::CpuLevelName(level)));
    auto encoder = model::Encoder::Open(directory);
    REQUIRE(encoder.ok());
    REQUIRE(encoder.value()->level() == level);
    REQUIRE(encoder.value()->kernel_level() == os::BaseCpuLevel(level));
    f(*encoder.value());
    os::SetCpuLevelForTest(before);
  }
}

std::optional<std::string> RealModel(const std::string& name) {
  if (const auto found = os::FindAsset("models/" + name)) return found;
  const std::string built = std::string(MALMOI_SOURCE_DIR) + "/build/assets/models/" + name;
  if (os::PosixVfs().Stat(built).ok()) return built;
  std::printf("skipped: %s: the model is not installed\n", name.c_str());
  return std::nullopt;
}

// Sequence `s` of a batch alone.
model::PackedBatch Alone(const model::PackedBatch& batch, std::size_t s) {
  const auto cut = [&](const std::vector<std::int32_t>& v) {
    return std::vector<std::int32_t>(v.begin() + batch.starts[s], v.begin() + batch.starts[s + 1]);
  };
  model::PackedBatch out;
  out.ids = cut(batch.ids);
  if (!batch.type_ids.empty()) out.type_ids = cut(batch.type_ids);
  out.starts = {0, batch.starts[s + 1] - batch.starts[s]};
  return out;
}

model::PackedBatch RandomBatch(std::mt19937* rng, std::size_t count, std::size_t longest,
                               std::int32_t vocabulary) {
  model::PackedBatch batch;
  batch.starts = {0};
  for (std::size_t s = 0; s < count; ++s) {
    const std::size_t length = 1 + (*rng)() % longest;
    for (std::size_t i = 0; i < length; ++i) {
      batch.ids.push_back(static_cast<std::int32_t>((*rng)() % static_cast<unsigned>(vocabulary)));
    }
    batch.starts.push_back(static_cast<std::uint32_t>(batch.ids.size()));
  }
  return batch;
}

// Batches of 1 to 40 sequences with 1, 2 and 3 threads against each sequence alone.
void CheckSameBits(const model::Encoder& encoder, std::size_t longest, std::size_t step) {
  os::ThreadPool one(1, "one");
  os::ThreadPool two(2, "two");
  os::ThreadPool three(3, "three");
  const auto dim = static_cast<std::size_t>(encoder.config().hidden);
  std::mt19937 rng(11);
  for (std::size_t count = 1; count <= 40; count += step) {
    CAPTURE(count);
    const auto batch =
        RandomBatch(&rng, count, longest, static_cast<std::int32_t>(encoder.config().vocabulary));
    std::vector<float> want;
    for (std::size_t s = 0; s < count; ++s) {
      const auto row = encoder.Encode(Alone(batch, s), one);
      REQUIRE(row.ok());
      want.insert(want.end(), row.value().data(), row.value().data() + dim);
    }
    for (os::ThreadPool* pool : {&one, &two, &three}) {
      const auto got = encoder.Encode(batch, *pool);
      REQUIRE(got.ok());
      REQUIRE(got.value().size() == want.size());
      CHECK(std::memcmp(got.value().data(), want.data(), want.size() * sizeof(float)) == 0);
    }
    const auto states = encoder.HiddenStates(batch, one);
    const auto team = encoder.HiddenStates(batch, three);
    REQUIRE(states.ok());
    REQUIRE(team.ok());
    CHECK(std::memcmp(states.value().data(), team.value().data(),
                      states.value().size() * sizeof(float)) == 0);
  }
}

}  // namespace

TEST_CASE("tiny models: hidden states and vectors equal the float64 reference") {
  for (const char* name : {"tiny-bert", "tiny-xlm-roberta"}) {
    CAPTURE(name);
    const std::string directory = kGolden + name;
    const auto golden = OpenGolden(directory + "/expected.safetensors");
    const auto batch = GoldenBatch(*golden);
    const auto hidden = Floats(*golden, "hidden");
    const auto vectors = Floats(*golden, "pooled");
    os::ThreadPool pool(2, "test");
    AtEveryLevel(directory, [&](const model::Encoder& encoder) {
      const auto states = encoder.HiddenStates(batch, pool);
      REQUIRE(states.ok());
      double worst = 0;
      for (std::size_t i = 0; i < hidden.size(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(hidden[i]) - states.value()[i]));
      }
      CHECK(worst < 2e-5);
      const auto got = encoder.Encode(batch, pool);
      REQUIRE(got.ok());
      CHECK(SmallestCosine(got.value().span(), vectors.span(), 36) > 1 - 1e-9);
    });
  }
}

TEST_CASE("tiny models: what the configuration says is read") {
  const auto bert = model::Encoder::Open(kGolden + "tiny-bert");
  REQUIRE(bert.ok());
  CHECK(bert.value()->config().position_offset == 0);
  CHECK(bert.value()->config().max_tokens == 40);
  CHECK(bert.value()->config().poolings == std::vector{model::Pooling::kMean});
  CHECK(bert.value()->config().normalize);
  const auto xlmr = model::Encoder::Open(kGolden + "tiny-xlm-roberta");
  REQUIRE(xlmr.ok());
  CHECK(xlmr.value()->config().position_offset == 2);
  CHECK(xlmr.value()->config().max_tokens == 40);
  CHECK(xlmr.value()->config().poolings == std::vector{model::Pooling::kCls});
}

TEST_CASE("real models: vectors of 24 texts in en, ko and ja equal the reference") {
  for (const char* name : {"all-MiniLM-L6-v2", "multilingual-e5-small"}) {
    CAPTURE(name);
    const auto directory = RealModel(name);
    if (!directory) continue;
    const auto golden = OpenGolden(kGolden + name + ".safetensors");
    const auto batch = GoldenBatch(*golden);
    const auto vectors = Floats(*golden, "pooled");
    os::ThreadPool pool(2, "test");
    std::vector<float> fused;
    AtEveryLevel(*directory, [&](const model::Encoder& encoder) {
      if (encoder.level() == os::CpuLevel::kScalar) {  // Slow: one text of each language.
        for (const std::size_t s : {1u, 9u, 17u}) {
          const auto row = encoder.Encode(Alone(batch, s), pool);
          REQUIRE(row.ok());
          CHECK(SmallestCosine(row.value().span(), vectors.span().subspan(s * 384, 384), 384) >
                1 - 1e-7);
        }
        return;
      }
      const auto got = encoder.Encode(batch, pool);
      REQUIRE(got.ok());
      CHECK(SmallestCosine(got.value().span(), vectors.span(), 384) > 1 - 1e-7);
      const std::vector<float> now(got.value().data(), got.value().data() + got.value().size());
      if (fused.empty()) fused = now;
      CHECK(std::memcmp(fused.data(), now.data(), now.size() * sizeof(float)) == 0);
    });
  }
}

TEST_CASE("a sequence has the same bits alone, in any batch and for any number of threads") {
  for (const char* name : {"tiny-bert", "tiny-xlm-roberta"}) {
    AtEveryLevel(kGolden + name, [](const model::Encoder& encoder) {
      CheckSameBits(encoder, 40, encoder.level() == os::CpuLevel::kScalar ? 13 : 1);
    });
  }
  if (const auto directory = RealModel("all-MiniLM-L6-v2")) {
    const auto encoder = model::Encoder::Open(*directory);
    REQUIRE(encoder.ok());
    CheckSameBits(*encoder.value(), 40, 13);
  }
}

TEST_CASE("batches that the model cannot take are errors; empty and cancelled ones end early") {
  const auto opened = model::Encoder::Open(kGolden + "tiny-bert");
  REQUIRE(opened.ok());
  const model::Encoder& encoder = *opened.value();
  os::ThreadPool pool(2, "test");
  const auto code = [&](const model::PackedBatch& batch) {
    const auto result = encoder.Encode(batch, pool);
    REQUIRE(!result.ok());
    return result.error().code();
  };
  CHECK(code({.ids = {60}, .type_ids = {}, .starts = {0, 1}}) == Code::kOutOfRange);
  CHECK(code({.ids = {-1}, .type_ids = {}, .starts = {0, 1}}) == Code::kOutOfRange);
  CHECK(code({.ids = {1}, .type_ids = {2}, .starts = {0, 1}}) == Code::kOutOfRange);
  CHECK(code({.ids = {1}, .type_ids = {}, .starts = {0, 0, 1}}) == Code::kOutOfRange);
  CHECK(code({.ids = std::vector<std::int32_t>(41, 5), .type_ids = {}, .starts = {0, 41}}) ==
        Code::kOutOfRange);
  CHECK(code({.ids = {1}, .type_ids = {}, .starts = {0, 2}}) == Code::kInvalidArgument);
  CHECK(code({.ids = {1, 2}, .type_ids = {}, .starts = {0, 3, 2}}) == Code::kInvalidArgument);
  CHECK(code({.ids = {1, 2}, .type_ids = {0}, .starts = {0, 2}}) == Code::kInvalidArgument);

  const auto none = encoder.Encode({}, pool);
  REQUIRE(none.ok());
  CHECK(none.value().empty());
  Cancel cancel;
  cancel.Set();
  const auto stopped =
      encoder.Encode({.ids = {1}, .type_ids = {}, .starts = {0, 1}}, pool, &cancel);
  REQUIRE(!stopped.ok());
  CHECK(stopped.error().code() == Code::kCancelled);
}

TEST_CASE("directories that are no model are errors that say why") {
  const os::ScratchDir dir;
  os::Vfs& vfs = os::PosixVfs();
  const auto write = [&](const std::string& name, const std::string& text) {
    REQUIRE(os::WriteAtomically(vfs, dir.path() + "/" + name, text).ok());
  };
  const auto check = [&](Code code, const std::string& reason) {
    CAPTURE(reason);
    const auto encoder = model::Encoder::Open(dir.path());
    REQUIRE(!encoder.ok());
    CAPTURE(encoder.error().message());
    CHECK(encoder.error().code() == code);
    CHECK(encoder.error().message().find(reason) != std::string::npos);
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = os::ReadFile(vfs, kGolden + "tiny-bert/config.json").value();
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write("config.json", text.replace(at, from.size(), to));
  };
  check(Code::kNotFound, "no config.json");
  write("config.json", "{");
  check(Code::kCorruption, "config.json");
  changed("\"bert\"", "\"gpt2\"");
  check(Code::kUnsupported, "'gpt2'");
  changed("\"bert\"", "\"bert\"");
  check(Code::kNotFound, "model.safetensors");
  write("model.safetensors", os::ReadFile(vfs, kGolden + "tiny-bert/model.safetensors").value());
  CHECK(model::Encoder::Open(dir.path()).ok());
  changed("\"gelu\"", "\"swiglu\"");
  check(Code::kUnsupported, "'swiglu'");
  changed("\"hidden_size\": 36", "\"hidden_size\": -36");
  check(Code::kCorruption, "hidden_size is -36");
  changed("\"hidden_size\": 36", "\"hidden_size\": 37");
  check(Code::kCorruption, "no multiple");
  changed("\"vocab_size\": 60", "\"vocab_size\": 61");
  check(Code::kCorruption, "word_embeddings.weight' has shape [60, 36], not [61, 36]");
  changed("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  check(Code::kCorruption, "encoder.layer.2.");
  // Layers are loaded side by side; the first that fails is named whichever thread met one first.
  changed("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 40");
  for (int i = 0; i < 20; ++i) check(Code::kCorruption, "encoder.layer.2.");
  changed("\"bert\"", "\"bert\"");
  write("modules.json", R"([{"type":"sentence_transformers.models.CNN"}])");
  check(Code::kUnsupported, "CNN");
}

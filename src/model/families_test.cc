// Goal: every family of encoders, with every head, gives what the reference implementation gives,
// at every CPU level; a sequence has the same bits in a batch of any kind as alone.
// Method: the tiny random models of tools/make_golden/families.py (transformers with torch), layer
// by layer; memcmp for the bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/encoder.h"
#include "model/golden_check.h"
#include "os/cpu_info.h"
#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "tensor/safetensors.h"

using namespace malmoi;

namespace {

const std::string kFamilies = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/families/";

std::vector<std::string> Models() {
  auto names = os::PosixVfs().List(kFamilies);
  REQUIRE(names.ok());
  std::sort(names.value().begin(), names.value().end());
  return std::move(names).value();
}

// All sequences of the model's golden file, and each alone.
model::PackedBatch GoldenBatch(const std::string& directory) {
  auto file = tensor::SafeTensors::Open(directory + "/expected.safetensors");
  REQUIRE(file.ok());
  const auto ints = [&](const char* name) {
    const tensor::TensorView* view = file.value()->Find(name);
    REQUIRE(view != nullptr);
    std::vector<std::int32_t> out(view->elements());
    std::memcpy(out.data(), view->bytes.data(), view->bytes.size());
    return out;
  };
  model::PackedBatch batch;
  batch.ids = ints("ids");
  for (const std::int32_t start : ints("starts")) {
    batch.starts.push_back(static_cast<std::uint32_t>(start));
  }
  return batch;
}

model::PackedBatch Alone(const model::PackedBatch& batch, std::size_t s) {
  model::PackedBatch out;
  out.ids.assign(batch.ids.begin() + batch.starts[s], batch.ids.begin() + batch.starts[s + 1]);
  out.starts = {0, batch.starts[s + 1] - batch.starts[s]};
  return out;
}

// Everything that the model gives, as one row of floats.
std::vector<float> Everything(const model::Encoder& encoder, const model::PackedBatch& batch,
                              os::ThreadPool& pool) {
  const bool labels = !encoder.config().labels.empty();
  const auto out = encoder.Run(
      batch,
      {.vectors = true, .logits = labels, .sparse = encoder.config().has_sparse, .tokens = true},
      pool);
  REQUIRE(out.ok());
  std::vector<float> flat;
  const auto add = [&](std::span<const float> part) {
    flat.insert(flat.end(), part.begin(), part.end());
  };
  add(out.value().vectors.span());
  add(out.value().logits.span());
  for (const auto& row : out.value().sparse) add(row.weights);
  add(out.value().tokens.values.span());
  std::sort(flat.begin(), flat.end());  // Of a batch and of its sequences one by one.
  return flat;
}

std::shared_ptr<const model::Encoder> Open(const std::string& name,
                                           const model::OpenOptions& options = {}) {
  auto encoder = model::Encoder::Open(kFamilies + name, options);
  if (!encoder.ok()) FAIL(encoder.error().message());
  return std::move(encoder).value();
}

// A copy of a tiny model, to be changed.
struct Scratch : os::ScratchDir {
  explicit Scratch(const std::string& name) {
    os::Vfs& vfs = os::PosixVfs();
    for (const char* file : {"config.json", "model.safetensors"}) {
      auto text = os::ReadFile(vfs, kFamilies + name + "/" + file);
      REQUIRE(text.ok());
      Write(file, text.value());
    }
  }
  std::string Read(const std::string& file) const {
    return os::ReadFile(os::PosixVfs(), At(file)).value();
  }
  void Change(const std::string& from, const std::string& to) const {
    std::string text = Read("config.json");
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    Write("config.json", text.replace(at, from.size(), to));
  }
  Error OpenError() const {
    auto encoder = model::Encoder::Open(path());
    REQUIRE(!encoder.ok());
    return encoder.error().Clone();
  }
};

}  // namespace

TEST_CASE("families: layers and outputs equal the reference") {
  os::ThreadPool pool(2, "test");
  const auto models = Models();
  REQUIRE(!models.empty());
  for (const std::string& name : models) {
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      const os::CpuLevel before = os::SetCpuLevelForTest(level);
      CAPTURE(name);
      CAPTURE(std::string(os::CpuLevelName(level)));
      const auto found = model::CheckGolden(kFamilies + name, pool);
      os::SetCpuLevelForTest(before);
      if (!found.ok()) FAIL_CHECK(found.error().message());
      if (!found.ok()) continue;
      CHECK(!found.value().empty());
      for (const model::Deviation& d : found.value()) {
        CAPTURE(d.output);
        CHECK(d.largest < 5e-5);
        CHECK(d.cosine > 1 - 1e-7);
      }
    }
  }
}

TEST_CASE("families: the same bits alone, in a batch and for any number of threads") {
  os::ThreadPool one(1, "one");
  os::ThreadPool three(3, "three");
  for (const std::string& name : Models()) {
    CAPTURE(name);
    const auto encoder = Open(name);
    const auto batch = GoldenBatch(kFamilies + name);
    std::vector<float> alone;
    for (std::size_t s = 0; s < batch.count(); ++s) {
      const auto part = Everything(*encoder, Alone(batch, s), s % 2 == 0 ? one : three);
      alone.insert(alone.end(), part.begin(), part.end());
    }
    std::sort(alone.begin(), alone.end());
    for (os::ThreadPool* pool : {&one, &three}) {
      const auto together = Everything(*encoder, batch, *pool);
      REQUIRE(together.size() == alone.size());
      CHECK(std::memcmp(together.data(), alone.data(), alone.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("what a model is for, and its labels, come from its files") {
  CHECK(Open("bert-classifier")->config().task == model::Task::kClassification);
  CHECK(Open("bert-classifier")->config().labels ==
        std::vector<std::string>{"joy", "anger", "\xEC\x8A\xAC\xED\x94\x94"});
  CHECK(Open("bert-reranker")->config().task == model::Task::kReranker);
  CHECK(Open("qwen3-reranker")->config().task == model::Task::kReranker);
  CHECK(Open("bert-colbert")->config().task == model::Task::kTokenVectors);
  CHECK(Open("bert-colbert")->config().token_dim == 12);
  CHECK(Open("bert-splade")->config().task == model::Task::kEmbedding);
  CHECK(Open("bert-splade", {.task = model::Task::kSparse})->config().has_sparse);
  CHECK(Open("bge-m3")->config().has_sparse);
  CHECK(Open("bert-dense")->config().dim == 9);
  CHECK(!Open("model2vec")->config().special_tokens);
}

TEST_CASE("outputs that a model has not are kUnsupported; dimensions are cut before the norm") {
  os::ThreadPool pool(1, "test");
  const auto encoder = Open("bert-pool-cls");
  const auto batch = GoldenBatch(kFamilies + "bert-pool-cls");
  CHECK(encoder->Logits(batch, pool).error().code() == Code::kUnsupported);
  CHECK(encoder->SparseRows(batch, pool).error().code() == Code::kUnsupported);
  CHECK(encoder->Encode(batch, pool, nullptr, {.dimensions = 37}).error().code() ==
        Code::kOutOfRange);
  const auto whole = encoder->Encode(batch, pool, nullptr, {.normalize = false});
  const auto cut = encoder->Encode(batch, pool, nullptr, {.dimensions = 8});
  REQUIRE(whole.ok());
  REQUIRE(cut.ok());
  for (std::size_t s = 0; s < batch.count(); ++s) {
    const auto row = whole.value().span().subspan(s * 36, 8);
    double length = 0;
    for (const float v : row) length += static_cast<double>(v) * v;
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(std::fabs(cut.value()[s * 8 + i] - row[i] / std::sqrt(length)) < 1e-6);
    }
  }
}

TEST_CASE("a prompt's tokens are left out of pooling where the model says so") {
  const Scratch dir("bert-relu");
  dir.Write("1_Pooling/config.json", R"({"pooling_mode": "mean", "include_prompt": false})");
  const auto encoder = model::Encoder::Open(dir.path());
  REQUIRE(encoder.ok());
  os::ThreadPool pool(1, "test");
  model::PackedBatch batch{.ids = {5, 6, 7, 8}, .type_ids = {}, .starts = {0, 4}};
  batch.prompt_tokens = {2};
  const auto got = encoder.value()->Encode(batch, pool, nullptr, {.normalize = false});
  const auto states = encoder.value()->HiddenStates(batch, pool);
  REQUIRE(got.ok());
  REQUIRE(states.ok());
  for (std::size_t i = 0; i < 36; ++i) {
    const float mean = (states.value()[2 * 36 + i] + states.value()[3 * 36 + i]) / 2;
    CHECK(got.value()[i] == doctest::Approx(mean));
  }
}

TEST_CASE("a decoder whose tokenizer has yes and no is a reranker; with pooling an embedder") {
  const Scratch dir("qwen3-reranker");
  const auto task = [&] {
    const auto encoder = model::Encoder::Open(dir.path());
    REQUIRE(encoder.ok());
    return encoder.value()->config().task;
  };
  CHECK(task() == model::Task::kEmbedding);
  dir.Write("tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"yes": 9, "no": 6}}})");
  CHECK(task() == model::Task::kReranker);
  dir.Write(
      "expected.safetensors",
      os::ReadFile(os::PosixVfs(), kFamilies + "qwen3-reranker/expected.safetensors").value());
  os::ThreadPool pool(1, "test");
  const auto found = model::CheckGolden(dir.path(), pool);
  REQUIRE(found.ok());
  CHECK(found.value().back().output == "logits");
  for (const model::Deviation& d : found.value()) CHECK(d.largest < 5e-5);
  dir.Write("1_Pooling/config.json", R"({"pooling_mode_lasttoken": true})");
  CHECK(task() == model::Task::kEmbedding);
}

TEST_CASE("weights that are no numbers, cut files and fields that are not implemented are errors") {
  const Scratch dir("mpnet");
  const std::string good = dir.Read("model.safetensors");
  const auto opened = tensor::SafeTensors::Open(dir.path());
  REQUIRE(opened.ok());
  const auto* view = opened.value()->Find("encoder.layer.1.output.dense.weight");
  REQUIRE(view->dtype == tensor::DType::kBf16);
  std::string bad = good;
  bad.replace(good.find(view->bytes) + 10, 2, "\xC0\x7F");  // NaN.
  dir.Write("model.safetensors", bad);
  CHECK(dir.OpenError().code() == Code::kCorruption);
  CHECK(dir.OpenError().message().find("no finite numbers") != std::string::npos);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, good.size() / 2, good.size() - 1}) {
    dir.Write("model.safetensors", good.substr(0, size));
    CHECK(dir.OpenError().code() == Code::kCorruption);
  }
  const auto refused = [](const std::string& name, const std::string& from, const std::string& to,
                          const std::string& field) {
    CAPTURE(name);
    CAPTURE(field);
    const Scratch other(name);
    other.Change(from, to);
    const Error error = other.OpenError();
    CHECK(error.code() == Code::kUnsupported);
    CHECK(error.message().find(field) != std::string::npos);
  };
  refused("bert-relu", "\"is_decoder\": false", "\"is_decoder\": true", "is_decoder");
  refused("bert-relu", "\"model_type\"",
          "\"position_embedding_type\": \"relative_key\", \"model_type\"",
          "position_embedding_type");
  refused("gemma3", "\"attn_logit_softcapping\": null", "\"attn_logit_softcapping\": 50.0",
          "attn_logit_softcapping");
  refused("deberta-c2p", "\"model_type\"", "\"conv_kernel_size\": 3, \"model_type\"",
          "conv_kernel_size");
  refused("qwen3-yarn", "\"yarn\"", "\"longrope\"", "longrope");
}

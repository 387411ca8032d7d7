// Static embeddings: model2vec (a table, optionally a weight for each token and a map from tokens
// to rows) and sentence-transformers' StaticEmbedding. A text's vector is the mean of its tokens'
// rows.
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "kernels/vector.h"
#include "model/batch_internal.h"
#include "model/stack_encoder_internal.h"
#include "model/static_encoder_internal.h"
#include "os/vfs.h"

namespace malmoi::model {
namespace {

constexpr std::int64_t kTokensMax = 512;  // model2vec's default.
// StaticEmbedding takes any length; a bound all the same.
constexpr std::int64_t kStaticTokensMax = 1 << 20;

struct Table {
  std::shared_ptr<const tensor::SafeTensors> file;  // Owns rows' bytes.
  const tensor::TensorView* rows = nullptr;         // [rows, dim]
  Buffer<float> weights;                            // [vocabulary]; empty: all 1.
  std::vector<std::uint32_t> mapping;               // [vocabulary]; empty: token i has row i.
  std::int32_t unknown_id = -1;                     // Left out of the mean; -1: none is.
};

Result<std::vector<std::uint32_t>> ReadMapping(const tensor::TensorView& view, std::int64_t rows) {
  std::vector<std::uint32_t> out;
  const bool wide = view.dtype == tensor::DType::kI64;
  if (!wide && view.dtype != tensor::DType::kI32) {
    return Error(Code::kCorruption, "tensor 'mapping' is not I64 or I32");
  }
  for (std::size_t i = 0; i < view.elements(); ++i) {
    const std::int64_t row = wide ? Load<std::int64_t>(view.bytes.data() + 8 * i)
                                  : Load<std::int32_t>(view.bytes.data() + 4 * i);
    if (row < 0 || row >= rows) {
      return Error(Code::kCorruption, "tensor 'mapping' names row " + std::to_string(row) + " of " +
                                          std::to_string(rows));
    }
    out.push_back(static_cast<std::uint32_t>(row));
  }
  return out;
}

class StaticEncoder final : public Encoder {
 public:
  StaticEncoder(EncoderConfig config, Table table, std::vector<PostModule> post,
                std::string fingerprint)
      : config_(std::move(config)),
        table_(std::move(table)),
        post_(std::move(post)),
        fingerprint_(std::move(fingerprint)) {}

  const EncoderConfig& config() const override { return config_; }
  os::CpuLevel level() const override { return kernels::VectorLevel(); }
  os::CpuLevel kernel_level() const override { return kernels::VectorLevel(); }
  kernels::Precision precision() const override { return kernels::Precision::kFloat32; }
  const std::string& fingerprint() const override { return fingerprint_; }

  Result<Outputs> Run(const PackedBatch& batch, const Wanted& wanted, os::ThreadPool& pool,
                      const Cancel* cancel) const override {
    if (wanted.logits || wanted.sparse) {
      return Error(Code::kUnsupported, "a static embedding model has vectors only");
    }
    if (wanted.options.dimensions > config_.dim) {
      return Error(Code::kOutOfRange, std::to_string(wanted.options.dimensions) +
                                          " dimensions, the model has " +
                                          std::to_string(config_.dim));
    }
    MALMOI_TRY(auto rows, HiddenStates(batch, pool, cancel));
    Outputs out;
    if (wanted.vectors) {
      const std::size_t dim =
          wanted.options.dimensions > 0 ? wanted.options.dimensions : config_.dim;
      out.vectors = Buffer<float>(batch.count() * dim);
      const bool normalize = wanted.options.normalize.value_or(config_.normalize);
      for (std::size_t s = 0; s < batch.count(); ++s) {
        Finish(post_, normalize, Mean(batch, s, rows.data()),
               out.vectors.span().subspan(s * dim, dim));
        float sum = 0;
        for (std::size_t i = s * dim; i < (s + 1) * dim; ++i) sum += out.vectors[i] * 0.0f;
        if (sum != 0) {
          return Error(Code::kCorruption, "sequence " + std::to_string(s) +
                                              ": the table has values that are no finite numbers");
        }
      }
    }
    if (wanted.tokens) out.tokens = {hidden(), batch.starts, std::move(rows)};
    return out;
  }

  Result<Buffer<float>> HiddenStates(const PackedBatch& batch, os::ThreadPool&,
                                     const Cancel* cancel) const override {
    MALMOI_TRY(CheckBatch(batch, config_));
    if (cancel != nullptr && cancel->IsSet()) {
      return Error(Code::kCancelled, "encoding was cancelled");
    }
    Buffer<float> out(batch.ids.size() * hidden());
    for (std::size_t t = 0; t < batch.ids.size(); ++t) {
      const auto id = static_cast<std::size_t>(batch.ids[t]);
      const std::size_t row = table_.mapping.empty() ? id : table_.mapping[id];
      const std::span<float> to = out.span().subspan(t * hidden(), hidden());
      tensor::WidenF32(*table_.rows, row * hidden(), to);
      if (table_.weights.empty()) continue;
      for (float& v : to) v *= table_.weights[id];
    }
    return out;
  }

  Result<std::vector<Buffer<float>>> LayerStates(const PackedBatch& batch,
                                                 os::ThreadPool& pool) const override {
    MALMOI_TRY(auto rows, HiddenStates(batch, pool, nullptr));
    std::vector<Buffer<float>> out;
    out.push_back(std::move(rows));
    return out;
  }

 private:
  std::size_t hidden() const { return static_cast<std::size_t>(config_.hidden); }

  // Zero for a text without known tokens, as the reference.
  Buffer<float> Mean(const PackedBatch& batch, std::size_t s, const float* rows) const {
    Buffer<float> out(hidden());
    std::size_t count = 0;
    for (std::size_t t = batch.starts[s]; t < batch.starts[s + 1]; ++t) {
      if (batch.ids[t] == table_.unknown_id) continue;
      const float* row = rows + t * hidden();
      for (std::size_t i = 0; i < hidden(); ++i) out[i] += row[i];
      ++count;
    }
    for (std::size_t i = 0; i < hidden() && count > 0; ++i) out[i] /= static_cast<float>(count);
    return out;
  }

  const EncoderConfig config_;
  const Table table_;
  const std::vector<PostModule> post_;
  const std::string fingerprint_;
};

// The id of the token that stands for unknown text, by tokenizer.json; -1 where there is none.
Result<std::int32_t> UnknownId(const std::string& folder) {
  MALMOI_TRY(const auto tokenizer, ReadJson(folder, "tokenizer.json"));
  const json::Value* model = tokenizer ? tokenizer->Find("model") : nullptr;
  if (model == nullptr) return std::int32_t{-1};
  if (const json::Value* id = model->Find("unk_id"); id != nullptr && id->AsInt()) {
    return static_cast<std::int32_t>(*id->AsInt());
  }
  const json::Value* vocabulary = model->Find("vocab");
  const std::string_view token = model->GetString("unk_token");
  if (vocabulary == nullptr || token.empty()) return std::int32_t{-1};
  return static_cast<std::int32_t>(vocabulary->GetInt(token, -1));
}

Result<Table> LoadTable(const std::string& folder, bool model2vec) {
  Table table;
  MALMOI_TRY(table.file, tensor::SafeTensors::Open(folder));
  for (const char* name : {"embeddings", "embedding.weight"}) {
    if (table.rows == nullptr) table.rows = table.file->Find(name);
  }
  if (table.rows == nullptr || table.rows->shape.size() != 2 || table.rows->shape[0] < 1 ||
      table.rows->shape[1] < 1 || !tensor::IsFloating(table.rows->dtype)) {
    return Error(Code::kCorruption,
                 "no tensor 'embeddings' or 'embedding.weight' with two dimensions of numbers");
  }
  if (const tensor::TensorView* view = table.file->Find("mapping")) {
    MALMOI_TRY(table.mapping, ReadMapping(*view, table.rows->shape[0]));
  }
  const std::size_t vocabulary =
      table.mapping.empty() ? static_cast<std::size_t>(table.rows->shape[0]) : table.mapping.size();
  if (table.file->Find("weights") != nullptr) {
    const WeightReader reader(table.file);
    MALMOI_TRY(table.weights, reader.Load("weights", {static_cast<std::int64_t>(vocabulary)}));
  }
  if (model2vec) {
    MALMOI_TRY(table.unknown_id, UnknownId(folder));
  }
  return table;
}

}  // namespace

Result<std::shared_ptr<const Encoder>> OpenStatic(const std::string& directory,
                                                  const json::Value& config, ModuleFiles modules) {
  const bool at_top = modules.static_folder.empty() || modules.static_folder == ".";
  const std::string folder = at_top ? directory : os::JoinPath(directory, modules.static_folder);
  const bool model2vec = config.GetString("model_type") == "model2vec";
  MALMOI_TRY(Table table, LoadTable(folder, model2vec));
  EncoderConfig c;
  c.family = "static";
  c.hidden = table.rows->shape[1];
  c.vocabulary = table.mapping.empty() ? table.rows->shape[0]
                                       : static_cast<std::int64_t>(table.mapping.size());
  c.special_tokens = false;
  c.positions = model2vec ? kTokensMax : kStaticTokensMax;
  c.max_tokens = static_cast<std::size_t>(c.positions);
  if (modules.max_tokens > 0) c.max_tokens = static_cast<std::size_t>(modules.max_tokens);
  c.normalize = modules.normalize;
  if (!modules.present) c.normalize = config.GetBool("normalize", true);
  c.token_dim = static_cast<std::size_t>(c.hidden);
  MALMOI_TRY(c.dim, DimensionAfter(modules.post, c.token_dim));
  if (modules.truncate_dim > 0) c.dim = std::min(c.dim, modules.truncate_dim);
  std::string fingerprint =
      Fingerprint(c, config.Dump() + modules.identity, Activation::kLinear, *table.file);
  return std::shared_ptr<const Encoder>(std::make_shared<StaticEncoder>(
      std::move(c), std::move(table), std::move(modules.post), std::move(fingerprint)));
}

}  // namespace malmoi::model

#include <cstring>

#include "model/weights_internal.h"

namespace malmoi::model {
namespace {

// Reads tensors under a prefix ("", "bert." or "roberta.": what the checkpoint was saved from); a
// tensor that is missing or of another shape than the configuration's is corruption.
class Reader {
 public:
  Reader(const tensor::SafeTensors& file, std::string prefix, kernels::Precision precision)
      : file_(file), prefix_(std::move(prefix)), precision_(precision) {}

  Result<Buffer<float>> Load(const std::string& name,
                             const std::vector<std::int64_t>& shape) const {
    return Corrupt(tensor::LoadF32(file_, prefix_ + name, shape));
  }
  Result<const tensor::TensorView*> Find(const std::string& name,
                                         const std::vector<std::int64_t>& shape) const {
    return Corrupt(tensor::FindFloating(file_, prefix_ + name, shape));
  }
  Result<Norm> LoadNorm(const std::string& name, std::int64_t dim) const {
    Norm norm;
    MALMOI_TRY(norm.gamma, Load(name + ".weight", {dim}));
    MALMOI_TRY(norm.beta, Load(name + ".bias", {dim}));
    return norm;
  }
  // Layers of equal input stacked over their outputs: W = [W1; W2; ...].
  Result<Linear> LoadLinear(const std::vector<std::string>& names, std::int64_t n,
                            std::int64_t k) const {
    const auto rows = static_cast<std::size_t>(n);
    const auto columns = static_cast<std::size_t>(k);
    Buffer<float> w(names.size() * rows * columns);
    Linear linear;
    linear.bias = Buffer<float>(names.size() * rows);
    for (std::size_t i = 0; i < names.size(); ++i) {
      MALMOI_TRY(const tensor::TensorView* part, Find(names[i] + ".weight", {n, k}));
      tensor::WidenF32(*part, 0, w.span().subspan(i * rows * columns, rows * columns));
      MALMOI_TRY(const tensor::TensorView* bias, Find(names[i] + ".bias", {n}));
      tensor::WidenF32(*bias, 0, linear.bias.span().subspan(i * rows, rows));
    }
    linear.w = kernels::PackWeights(w.span(), names.size() * rows, columns, precision_);
    return linear;
  }

 private:
  template <class T>
  static Result<T> Corrupt(Result<T> result) {
    if (result.ok()) return result;
    return Error(Code::kCorruption, result.error().message());
  }
  const tensor::SafeTensors& file_;
  std::string prefix_;
  kernels::Precision precision_;
};

Result<BertLayer> LoadLayer(const Reader& reader, const EncoderConfig& config,
                            const std::string& name) {
  const std::int64_t h = config.hidden;
  const std::string self = name + "attention.self.";
  BertLayer layer;
  MALMOI_TRY(layer.qkv, reader.LoadLinear({self + "query", self + "key", self + "value"}, h, h));
  MALMOI_TRY(layer.out, reader.LoadLinear({name + "attention.output.dense"}, h, h));
  MALMOI_TRY(layer.attention_norm, reader.LoadNorm(name + "attention.output.LayerNorm", h));
  MALMOI_TRY(layer.up, reader.LoadLinear({name + "intermediate.dense"}, config.intermediate, h));
  MALMOI_TRY(layer.down, reader.LoadLinear({name + "output.dense"}, h, config.intermediate));
  MALMOI_TRY(layer.norm, reader.LoadNorm(name + "output.LayerNorm", h));
  return layer;
}

}  // namespace

Result<BertWeights> LoadBert(const std::string& directory, const EncoderConfig& config,
                             kernels::Precision precision) {
  BertWeights weights;
  MALMOI_TRY(weights.file, tensor::SafeTensors::Open(directory));
  std::string prefix;
  for (const char* candidate : {"bert.", "roberta."}) {
    if (weights.file->Find(std::string(candidate) + "embeddings.word_embeddings.weight")) {
      prefix = candidate;
    }
  }
  const Reader reader(*weights.file, prefix, precision);
  const std::int64_t h = config.hidden;
  MALMOI_TRY(weights.words,
             reader.Find("embeddings.word_embeddings.weight", {config.vocabulary, h}));
  MALMOI_TRY(weights.positions,
             reader.Load("embeddings.position_embeddings.weight", {config.positions, h}));
  MALMOI_TRY(weights.types,
             reader.Load("embeddings.token_type_embeddings.weight", {config.type_vocabulary, h}));
  MALMOI_TRY(weights.norm, reader.LoadNorm("embeddings.LayerNorm", h));
  for (std::int64_t i = 0; i < config.layers; ++i) {
    MALMOI_TRY(auto layer, LoadLayer(reader, config, "encoder.layer." + std::to_string(i) + "."));
    weights.layers.push_back(std::move(layer));
  }
  return weights;
}

}  // namespace malmoi::model

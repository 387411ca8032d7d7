#include "model/encoder.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "model/config_internal.h"
#include "model/family_internal.h"
#include "model/modules_internal.h"
#include "model/samples_cache_internal.h"
#include "model/stack_encoder_internal.h"
#include "model/static_encoder_internal.h"
#include "os/vfs.h"
#include "tensor/torch_file.h"

namespace malmoi::model {
namespace {

std::string Architecture(const json::Value& config) {
  const json::Value* names = config.Find("architectures");
  if (names == nullptr || names->items().empty()) return "";
  return std::string(names->items().front().AsString().value_or(""));
}

// Labels are counted from the weights; their names are id2label's.
void NameLabels(const json::Value& config, EncoderConfig* out, std::size_t count) {
  const json::Value* names = config.Find("id2label");
  for (std::size_t i = 0; i < count; ++i) {
    std::string label = "LABEL_" + std::to_string(i);
    if (names != nullptr) label = names->GetString(std::to_string(i), label);
    out->labels.push_back(std::move(label));
  }
  out->multi_label = config.GetString("problem_type") == "multi_label_classification";
}

// A whole decoder that no module turns into an embedder: Qwen3's rerankers answer "yes" or "no".
bool IsLanguageModel(const json::Value& config, const ModuleFiles& modules) {
  return Architecture(config).ends_with("ForCausalLM") && modules.poolings.empty();
}

// Their ids by tokenizer.json's vocabulary, where LogitScore does not name them.
Status FindYesNo(const std::string& folder, ModuleFiles* modules) {
  if (modules->yes_id) return Ok();
  MALMOI_TRY(const auto tokenizer, ReadJson(folder, "tokenizer.json"));
  const json::Value* model = tokenizer ? tokenizer->Find("model") : nullptr;
  const json::Value* vocabulary = model == nullptr ? nullptr : model->Find("vocab");
  if (vocabulary == nullptr || !vocabulary->is_object()) return Ok();
  const std::int64_t yes = vocabulary->GetInt("yes", -1);
  const std::int64_t no = vocabulary->GetInt("no", -1);
  if (yes < 0 || no < 0) return Ok();
  modules->yes_id = yes;
  modules->no_id = no;
  return Ok();
}

Task GuessTask(const json::Value& config, const ModuleFiles& modules) {
  const std::string architecture = Architecture(config);
  if (modules.splade) return Task::kSparse;
  if (!modules.token_layer.empty() && modules.poolings.empty()) return Task::kTokenVectors;
  if (modules.yes_id && IsLanguageModel(config, modules)) return Task::kReranker;
  if (architecture.ends_with("ForSequenceClassification") && modules.poolings.empty()) {
    return Task::kClassification;
  }
  return Task::kEmbedding;
}

// NAME.safetensors or NAME.pt; null where there is neither.
Result<std::shared_ptr<const tensor::SafeTensors>> OpenLayer(const std::string& folder,
                                                             const std::string& name) {
  const std::string path = os::JoinPath(folder, name);
  if (os::PosixVfs().Stat(path + ".safetensors").ok()) {
    return tensor::SafeTensors::Open(path + ".safetensors");
  }
  if (os::PosixVfs().Stat(path + ".pt").ok()) return tensor::OpenTorch(path + ".pt");
  return std::shared_ptr<const tensor::SafeTensors>();
}

// Beginning, end, padding and unknown token: bge-m3 gives them no sparse weight.
Result<std::vector<std::int32_t>> UnusedTokens(const std::string& folder,
                                               const json::Value& config) {
  std::vector<std::int32_t> out;
  for (const auto& [field, fallback] :
       {std::pair<const char*, int>{"bos_token_id", 0}, {"eos_token_id", 2}, {"pad_token_id", 1}}) {
    out.push_back(static_cast<std::int32_t>(config.GetInt(field, fallback)));
  }
  MALMOI_TRY(const auto tokenizer, ReadJson(folder, "tokenizer.json"));
  const json::Value* model = tokenizer ? tokenizer->Find("model") : nullptr;
  out.push_back(static_cast<std::int32_t>(model == nullptr ? 3 : model->GetInt("unk_id", 3)));
  return out;
}

// What the caller and the modules say about the outputs; dimensions checked along the modules.
Status Complete(const OpenOptions& options, ModuleFiles* modules, StackEncoderParts* parts) {
  EncoderConfig& c = parts->model.config;
  if (!modules->poolings.empty()) c.poolings = modules->poolings;
  if (options.pooling) c.poolings = {*options.pooling};
  c.include_prompt = modules->include_prompt;
  c.normalize = modules->normalize;
  const std::int64_t limit = modules->max_tokens;
  if (limit > 0) c.max_tokens = std::min(c.max_tokens, static_cast<std::size_t>(limit));
  std::size_t dim = static_cast<std::size_t>(c.hidden) * c.poolings.size();
  MALMOI_TRY(dim, DimensionAfter(modules->post, dim));
  if (modules->truncate_dim > 0) dim = std::min(dim, modules->truncate_dim);
  c.dim = dim;
  parts->post = std::move(modules->post);
  c.token_dim = static_cast<std::size_t>(c.hidden);
  if (!modules->token_layer.empty()) {
    if (modules->token_layer.k() != c.token_dim) {
      return Error(Code::kCorruption, "a Dense module of token vectors takes " +
                                          std::to_string(modules->token_layer.k()) +
                                          " features, the model gives " +
                                          std::to_string(c.token_dim));
    }
    parts->token_heads.vectors = std::move(modules->token_layer);
    c.token_dim = parts->token_heads.vectors.n();
    c.has_token_head = true;
  }
  parts->model.vocabulary_head.sum = modules->splade_sum;
  parts->model.vocabulary_head.twice_log = modules->splade_twice_log;
  return Ok();
}

// What bge-m3 keeps beside the model, and ColBERT's own layer in it.
Status LoadTokenHeads(const std::string& folder, const json::Value& config,
                      StackEncoderParts* parts) {
  EncoderConfig& c = parts->model.config;
  TokenHeads& heads = parts->token_heads;
  const std::size_t h = parts->model.stack.hidden;
  if (Architecture(config) == "HF_ColBERT" && heads.vectors.empty()) {
    const WeightReader reader(parts->file);
    MALMOI_TRY(const std::size_t rows, OutputRows(reader, "linear"));
    MALMOI_TRY(heads.vectors, reader.One("linear", rows, h));
    c.task = Task::kTokenVectors;
  }
  MALMOI_TRY(const auto sparse, OpenLayer(folder, "sparse_linear"));
  if (sparse != nullptr) {
    MALMOI_TRY(heads.sparse, WeightReader(sparse).Named("weight", "bias", 1, h));
    MALMOI_TRY(heads.unused, UnusedTokens(folder, config));
    c.has_sparse = true;
  }
  MALMOI_TRY(const auto colbert, OpenLayer(folder, "colbert_linear"));
  if (colbert != nullptr && heads.vectors.empty()) {
    const tensor::TensorView* view = colbert->Find("weight");
    const bool matrix = view != nullptr && view->shape.size() == 2 && view->shape[0] >= 1;
    const std::size_t rows = matrix ? static_cast<std::size_t>(view->shape[0]) : 1;
    MALMOI_TRY(heads.vectors, WeightReader(colbert).Named("weight", "bias", rows, h));
    heads.skip_first = true;
  }
  if (!heads.vectors.empty()) {
    c.token_dim = heads.vectors.n();
    c.has_token_head = true;
  }
  return Ok();
}

// Values in the weights of layers, by the names of BERT's and DistilBERT's tensors.
std::size_t ValuesInLayers(const tensor::SafeTensors& file) {
  std::size_t values = 0;
  for (const std::string& name : file.Names()) {
    if (name.find("layer.") != std::string::npos) values += file.Find(name)->elements();
  }
  return values;
}

// What goes into the layers' products for the texts of OpenOptions::samples, from its folder where
// it is there; empty where the model is not sampled.
Result<std::vector<LayerInputs>> InputsOf(const FamilySource& source, const OpenOptions& options) {
  constexpr std::size_t kMostValues = 32'000'000;  // See OpenOptions::samples.
  const auto& file = source.reader.file();
  if (ValuesInLayers(*file) > kMostValues) return std::vector<LayerInputs>();
  const std::string& folder = options.samples_folder;
  std::string key;
  if (!folder.empty()) {
    key = SamplesKey(source.config, *file, options.samples);
    if (auto kept = ReadSamples(folder, key)) return std::move(*kept);
  }
  MALMOI_TRY(const FamilyModel model,
             LoadFamily({.config = source.config, .reader = WeightReader(file)}));
  auto inputs = SampleInputs(model.stack, model.config, options.samples);
  if (!folder.empty() && !inputs.empty()) WriteSamples(folder, key, inputs);
  return inputs;
}

Result<std::shared_ptr<const Encoder>> OpenStack(const std::string& directory,
                                                 const OpenOptions& options) {
  MALMOI_TRY(ModuleFiles modules, ReadModules(directory));
  if (modules.static_embedding) {
    MALMOI_TRY(const auto about, ReadJson(directory, "config.json"));
    return OpenStatic(directory, about ? *about : json::Value(), std::move(modules));
  }
  const std::string folder =
      modules.transformer.empty() ? directory : os::JoinPath(directory, modules.transformer);
  MALMOI_TRY(auto config, ReadJson(folder, "config.json"));
  if (!config) return Error(Code::kNotFound, "'" + folder + "' has no config.json");
  if (config->GetString("model_type") == "model2vec") {
    return OpenStatic(folder, *config, std::move(modules));
  }
  MALMOI_TRY(CheckFamily(*config));
  MALMOI_TRY(auto file, OpenWeights(folder));
  if (IsLanguageModel(*config, modules)) MALMOI_TRY(FindYesNo(folder, &modules));
  const Task task = options.task.value_or(GuessTask(*config, modules));
  StackEncoderParts parts;
  parts.file = file;
  FamilySource source{.config = *config,
                      .reader = WeightReader(file, options.precision),
                      .task = task,
                      .yes_id = modules.yes_id.value_or(-1),
                      .no_id = modules.no_id.value_or(-1)};
  if (options.precision == kernels::Precision::kInt8 && !options.samples.empty()) {
    MALMOI_TRY(source.inputs, InputsOf(source, options));
  }
  const bool sampled = !source.inputs.empty();
  MALMOI_TRY(parts.model, LoadFamily(std::move(source)));
  EncoderConfig& c = parts.model.config;
  c.task = task;
  if (!parts.model.classifier.empty()) {
    const std::size_t labels = parts.model.classifier.out.n();
    NameLabels(*config, &c, labels);
    c.task = labels == 1 ? Task::kReranker : Task::kClassification;
  }
  c.has_sparse = !parts.model.vocabulary_head.empty();
  MALMOI_TRY(Complete(options, &modules, &parts));
  MALMOI_TRY(LoadTokenHeads(folder, *config, &parts));
  // BERT's embedders had no more than sizes from the first; others are told by their whole file.
  const bool plain = c.family == "bert" && c.task == Task::kEmbedding && modules.identity.empty();
  std::string more = plain ? "" : config->Dump() + modules.identity;
  // f32 adds nothing: what was indexed before there was a choice stays comparable.
  if (options.precision != kernels::Precision::kFloat32) {
    more += kernels::PrecisionName(options.precision);
    // Counts what has changed in int8, so that older vectors are not compared with these: values in
    // bfloat16 (2), wide inputs in it (3), rounding for sampled texts (4).
    if (options.precision == kernels::Precision::kInt8) more += sampled ? "/4" : "/3";
  }
  parts.fingerprint = Fingerprint(c, more, parts.model.stack.activation, *file);
  return MakeStackEncoder(std::move(parts));
}

}  // namespace

Result<std::shared_ptr<const Encoder>> Encoder::Open(const std::string& directory,
                                                     const OpenOptions& options) {
  return OpenStack(directory, options).With("open model '" + directory + "'");
}

Result<Buffer<float>> Encoder::Encode(const PackedBatch& batch, os::ThreadPool& pool,
                                      const Cancel* cancel, const EncodeOptions& options) const {
  MALMOI_TRY(Outputs out, Run(batch, {.vectors = true, .options = options}, pool, cancel));
  return std::move(out.vectors);
}

Result<Buffer<float>> Encoder::Logits(const PackedBatch& batch, os::ThreadPool& pool,
                                      const Cancel* cancel) const {
  MALMOI_TRY(Outputs out, Run(batch, {.logits = true}, pool, cancel));
  return std::move(out.logits);
}

Result<std::vector<SparseRow>> Encoder::SparseRows(const PackedBatch& batch, os::ThreadPool& pool,
                                                   const Cancel* cancel) const {
  MALMOI_TRY(Outputs out, Run(batch, {.sparse = true}, pool, cancel));
  return std::move(out.sparse);
}

Result<TokenRows> Encoder::TokenVectors(const PackedBatch& batch, os::ThreadPool& pool,
                                        const Cancel* cancel) const {
  MALMOI_TRY(Outputs out, Run(batch, {.tokens = true}, pool, cancel));
  return std::move(out.tokens);
}

}  // namespace malmoi::model

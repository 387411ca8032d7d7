#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "json/value.h"
#include "model/config_internal.h"
#include "model/encoder.h"
#include "model/heads_internal.h"
#include "model/samples_internal.h"
#include "model/stack_internal.h"
#include "model/weights_internal.h"

namespace malmoi::model {

// What a family's reader gets: config.json, the weights and what the model is to do.
struct FamilySource {
  const json::Value& config;
  WeightReader reader;
  Task task = Task::kEmbedding;
  std::int64_t yes_id = -1, no_id = -1;  // Tokens whose logits a yes/no reranker compares.
  // What goes into each layer's products, for int8; empty: not known.
  std::vector<LayerInputs> inputs = {};

  const LayerInputs* InputsOf(std::int64_t layer) const {
    return inputs.empty() ? nullptr : &inputs[static_cast<std::size_t>(layer)];
  }
};

// And what it gives: everything but sentence-transformers' modules. config's task, poolings and
// labels are filled in by the caller; max_tokens is what the positions leave.
struct FamilyModel {
  EncoderConfig config;
  Stack stack;
  ClassifierHead classifier;       // For kClassification and kReranker.
  VocabularyHead vocabulary_head;  // For kSparse.
};

// One function a family, each in families/. Errors: kUnsupported, kCorruption.
Result<FamilyModel> LoadBert(FamilySource source);  // RoBERTa, XLM-R, CamemBERT, ELECTRA too.
Result<FamilyModel> LoadDistilBert(FamilySource source);
Result<FamilyModel> LoadMpnet(FamilySource source);
Result<FamilyModel> LoadModernBert(FamilySource source);
Result<FamilyModel> LoadNomicBert(FamilySource source);
Result<FamilyModel> LoadDeberta(FamilySource source);  // v2 and v3.
Result<FamilyModel> LoadGte(FamilySource source);
Result<FamilyModel> LoadJina(FamilySource source);
Result<FamilyModel> LoadDecoder(FamilySource source);  // Qwen3, Qwen2, Gemma3, Llama, Mistral.

// By config.json's model_type. Errors: kUnsupported naming it (CheckFamily: that alone); the
// family's.
Status CheckFamily(const json::Value& config);
Result<FamilyModel> LoadFamily(FamilySource source);

// Fills the stack's sizes from the configuration's, one key head for each query head.
void UseSizes(const EncoderConfig& config, Stack* stack);

// The layers that `load` gives for 0 .. count, on the cores the process may use (at most eight):
// most of opening a model is reading, rounding and packing them. `load` runs on several threads at
// once. The first error by number.
Result<std::vector<Layer>> LoadLayers(std::int64_t count,
                                      const std::function<Result<Layer>(std::int64_t)>& load);

// A layer whose norms follow its residuals, by the names of its tensors. `qkv` has one name (of all
// three, stacked) or three; `up` one, or two where the part is gated: the activated half first.
struct LayerNames {
  std::vector<std::string> qkv;
  std::string out, attention_norm;
  std::vector<std::string> up;
  std::string down, feed_norm;
  std::int64_t following = 0;           // Layers after this one.
  const LayerInputs* inputs = nullptr;  // In int8: what its products are rounded for.
};
// As transformers names them in its own NomicBERT and GTE.
LayerNames GatedNames(const std::string& layer, std::int64_t following);
// In int8 without `inputs` the values' product stays in bfloat16, as AttentionLayer::value, in the
// last five layers: what int8 loses there reaches the result undiminished, and is more than in all
// other products together (docs/decisions/0009-own-products.md).
Result<Layer> LoadPostNormLayer(const WeightReader& reader, const Stack& stack, float eps,
                                const LayerNames& names);

// A classification head of two products, read below different prefixes.
struct ClassifierNames {
  std::string dense, out;
};
Result<ClassifierHead> LoadClassifierHead(const WeightReader& dense, const WeightReader& out,
                                          const ClassifierNames& names, std::size_t hidden,
                                          Activation activation);

// The decoder of a masked-language-model head over the vocabulary: `name`.weight below `top`, or
// where the file has none the input's table `words` below `base` (tied); the bias is `name`.bias or
// `bias`, where one exists.
struct TiedDecoder {
  std::string name, bias, words;
};
Result<Linear> LoadDecoderLayer(const WeightReader& top, const WeightReader& base,
                                const TiedDecoder& names, const EncoderConfig& config);

// Rows of the last product of a classification head: the number of labels.
Result<std::size_t> OutputRows(const WeightReader& reader, const std::string& name);

}  // namespace malmoi::model

#include "model/activation.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/vector.h"

namespace malmoi::model {
namespace {

constexpr struct {
  std::string_view name;
  Activation value;
} kNames[] = {{"gelu", Activation::kGelu},
              {"gelu_python", Activation::kGelu},
              {"gelu_new", Activation::kGeluTanh},
              {"gelu_pytorch_tanh", Activation::kGeluTanh},
              {"gelu_python_tanh", Activation::kGeluTanh},
              {"gelu_accurate", Activation::kGeluTanh},
              {"gelu_fast", Activation::kGeluFast},
              {"gelu_10", Activation::kGelu10},
              {"quick_gelu", Activation::kQuickGelu},
              {"relu", Activation::kRelu},
              {"relu2", Activation::kRelu2},
              {"relu6", Activation::kRelu6},
              {"leaky_relu", Activation::kLeakyRelu},
              {"silu", Activation::kSilu},
              {"swish", Activation::kSilu},
              {"mish", Activation::kMish},
              {"hardswish", Activation::kHardSwish},
              {"sigmoid", Activation::kSigmoid},
              {"tanh", Activation::kTanh},
              {"linear", Activation::kLinear}};

float Sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

float GeluFast(float x) {
  return 0.5f * x * (1.0f + std::tanh(x * 0.7978845608f * (1.0f + 0.044715f * x * x)));
}

float Mish(float x) {
  const float softplus = x > 20 ? x : std::log1p(std::exp(x));
  return x * std::tanh(softplus);
}

float HardSwish(float x) {
  return x * std::min(std::max(x + 3.0f, 0.0f), 6.0f) / 6.0f;
}

template <class F>
void Map(std::span<float> x, F f) {
  for (float& v : x) v = f(v);
}

}  // namespace

Result<Activation> ActivationByName(std::string_view name, std::string_view field) {
  for (const auto& entry : kNames) {
    if (entry.name == name) return entry.value;
  }
  return Error(Code::kUnsupported, std::string(field) + " '" + std::string(name) +
                                       "' is no activation that is implemented (gelu, gelu_new, "
                                       "relu, silu, tanh and their variants are)");
}

void Activate(Activation activation, std::span<float> x) {
  switch (activation) {
    case Activation::kLinear:
      return;
    case Activation::kGelu:
      return kernels::Gelu(x);
    case Activation::kGeluTanh:
      return kernels::GeluTanh(x);
    case Activation::kGeluFast:
      return Map(x, GeluFast);
    case Activation::kGelu10:
      kernels::Gelu(x);
      return Map(x, [](float v) { return std::min(std::max(v, -10.0f), 10.0f); });
    case Activation::kQuickGelu:
      return Map(x, [](float v) { return v * Sigmoid(1.702f * v); });
    case Activation::kRelu:
      return Map(x, [](float v) { return v > 0 ? v : v * 0; });  // NaN stays.
    case Activation::kRelu2:
      return Map(x, [](float v) { return v > 0 ? v * v : v * 0; });
    case Activation::kRelu6:
      return Map(x, [](float v) { return std::min(std::max(v, 0.0f), 6.0f); });
    case Activation::kLeakyRelu:
      return Map(x, [](float v) { return v > 0 ? v : 0.01f * v; });
    case Activation::kSilu:
      return Map(x, [](float v) { return v * Sigmoid(v); });
    case Activation::kMish:
      return Map(x, Mish);
    case Activation::kHardSwish:
      return Map(x, HardSwish);
    case Activation::kSigmoid:
      return Map(x, Sigmoid);
    case Activation::kTanh:
      return Map(x, [](float v) { return std::tanh(v); });
  }
}

kernels::Epilogue FusedEpilogue(Activation activation) {
  if (activation == Activation::kGelu) return kernels::Epilogue::kBiasGelu;
  if (activation == Activation::kGeluTanh) return kernels::Epilogue::kBiasGeluTanh;
  return kernels::Epilogue::kBias;
}

}  // namespace malmoi::model

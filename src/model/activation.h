#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "kernels/gemm.h"

namespace malmoi::model {

// transformers' names (ACT2FN) with their formulas.
enum class Activation : std::uint8_t {
  kLinear,     // x
  kGelu,       // x Phi(x), by erf
  kGeluTanh,   // "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"
  kGeluFast,   // The tanh form with rounded constants.
  kGelu10,     // gelu clipped to [-10, 10]
  kQuickGelu,  // x sigmoid(1.702 x)
  kRelu,
  kRelu2,  // relu(x)^2
  kRelu6,
  kLeakyRelu,  // slope 0.01
  kSilu,       // x sigmoid(x)
  kMish,       // x tanh(softplus(x))
  kHardSwish,  // x relu6(x + 3) / 6
  kSigmoid,
  kTanh,
};

// Errors: kUnsupported naming `field` and the name.
Result<Activation> ActivationByName(std::string_view name, std::string_view field);

// In place; absolute error below 2e-6.
void Activate(Activation activation, std::span<float> x);

// The epilogue that does it while a product is stored; kBias where there is none.
kernels::Epilogue FusedEpilogue(Activation activation);

}  // namespace malmoi::model

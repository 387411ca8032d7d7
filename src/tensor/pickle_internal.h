#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/safetensors.h"

namespace malmoi::tensor {

// A tensor that a torch pickle names: which storage, from where.
struct PickledTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::string storage;       // Entry data/STORAGE of the archive.
  std::uint64_t offset = 0;  // Elements.
  std::vector<std::int64_t> shape;
};

// The tensors of a pickled dict (protocol 2 as torch writes it). Nested dicts give names with dots.
// Errors: kCorruption, kUnsupported; see OpenTorch.
Result<std::vector<PickledTensor>> ReadPickle(std::string_view bytes);

}  // namespace malmoi::tensor

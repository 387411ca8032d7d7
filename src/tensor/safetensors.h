#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"

namespace malmoi::tensor {

enum class DType : std::uint8_t { kF64, kF32, kF16, kBf16, kI64, kI32, kI16, kI8, kU8, kBool };
std::size_t DTypeSize(DType dtype);
std::string_view DTypeName(DType dtype);  // safetensors' names: "F32", "BF16".

// A named array inside a mapped file: row-major, little-endian, not necessarily aligned.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::string_view bytes;  // Lives as long as the SafeTensors object.

  std::size_t elements() const;
};

// A *.safetensors file (or the shards that model.safetensors.index.json names), memory-mapped and
// checked once at opening: header length, offsets inside the file, sizes equal to shape x dtype, no
// overlap, no tensor twice.
// Format: https://huggingface.co/docs/safetensors. Thread-safe after opening.
class SafeTensors {
 public:
  // `path` is a file, or a directory with model.safetensors or its index.
  // Errors: kNotFound, kIo, kCorruption naming the tensor and the offset.
  static Result<std::shared_ptr<const SafeTensors>> Open(const std::string& path);
  virtual ~SafeTensors() = default;

  virtual const TensorView* Find(std::string_view name) const = 0;  // Null where there is none.
  virtual std::vector<std::string> Names() const = 0;               // Sorted.
  // A value of the header's __metadata__; empty where there is none.
  virtual std::string Metadata(std::string_view /*key*/) const { return {}; }
};

// F64, F32, F16 or BF16: what the functions below can read.
bool IsFloating(DType dtype);

// The tensor of that name, checked. Errors: kNotFound; kInvalidArgument where the shape is not
// `shape` or the type not floating.
Result<const TensorView*> FindFloating(const SafeTensors& file, std::string_view name,
                                       const std::vector<std::int64_t>& shape);

// Elements begin .. begin + out.size() of a floating tensor as f32 (F16 and BF16 widened exactly,
// F64 rounded): one row of a large table without loading the rest. The range must lie inside.
void WidenF32(const TensorView& view, std::size_t begin, std::span<float> out);

// The whole tensor as f32. Errors: those of FindFloating.
Result<Buffer<float>> LoadF32(const SafeTensors& file, std::string_view name,
                              const std::vector<std::int64_t>& shape);

}  // namespace malmoi::tensor

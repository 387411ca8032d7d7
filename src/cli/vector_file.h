#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/vfs.h"

namespace malmoi::cli {

// A matrix of numbers, row-major.
struct Matrix {
  std::size_t rows = 0;
  std::size_t dim = 0;
  std::vector<float> values{};
  std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * dim, dim);
  }
};

// The vectors of a file: ".npy" (two dimensions, f4 or f2, little-endian, C order), ".fvecs" or
// ".bvecs" (each row i32 dimension, then f32 or u8). At most `limit` rows; 0: all. Errors:
// kNotFound, kIo, kInvalidArgument with what is wrong.
Result<Matrix> ReadVectors(os::Vfs& vfs, const std::string& path, std::size_t limit = 0);

}  // namespace malmoi::cli

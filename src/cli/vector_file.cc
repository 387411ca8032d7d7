#include "cli/vector_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "kernels/distance.h"

namespace malmoi::cli {
namespace {

constexpr std::size_t kDimMax = 65'536;

Error Bad(const std::string& path, const std::string& what) {
  return Error(Code::kInvalidArgument, "'" + path + "': " + what);
}

// Numbers of "(149324, 384)".
std::vector<std::size_t> Shape(std::string_view header) {
  std::vector<std::size_t> out;
  const std::size_t key = header.find("'shape'");
  if (key == std::string_view::npos) return out;
  std::size_t at = header.find('(', key);
  const std::size_t end = std::min(header.find(')', key), header.size());
  while (at < end) {
    std::size_t n = 0;
    const auto [stop, error] = std::from_chars(header.data() + at, header.data() + end, n);
    if (error == std::errc()) {
      out.push_back(n);
      at = static_cast<std::size_t>(stop - header.data());
    } else {
      ++at;
    }
  }
  return out;
}

Result<Matrix> Numpy(const std::string& path, std::string_view bytes, std::size_t limit) {
  if (bytes.size() < 12 || bytes.substr(0, 6) != "\x93NUMPY") {
    return Bad(path, "no .npy file, which begins with \\x93NUMPY: write one with numpy.save");
  }
  const bool second = bytes[6] >= 2;
  const std::size_t at = second ? 12 : 10;
  const std::size_t n = second ? Load<std::uint32_t>(bytes.data() + 8)
                               : std::size_t{Load<std::uint16_t>(bytes.data() + 8)};
  if (n > bytes.size() - at) return Bad(path, "the header is cut");
  const std::string_view header = bytes.substr(at, n);
  const auto shape = Shape(header);
  const bool single = header.find("'<f4'") != std::string_view::npos;
  const bool half = header.find("'<f2'") != std::string_view::npos;
  const bool rows_first = header.find("'fortran_order': False") != std::string_view::npos;
  if (shape.size() != 2 || shape[1] == 0 || shape[1] > kDimMax || !rows_first ||
      (!single && !half)) {
    return Bad(path, "needs two dimensions of <f4 or <f2 in C order, at most 65,536 wide; has " +
                         std::string(header));
  }
  const std::size_t row_bytes = shape[1] * (single ? 4 : 2);
  if (shape[0] > (bytes.size() - at - n) / row_bytes) return Bad(path, "the file is cut");
  Matrix out{.rows = limit == 0 ? shape[0] : std::min(limit, shape[0]), .dim = shape[1]};
  out.values.resize(out.rows * out.dim);
  const char* data = bytes.data() + at + n;
  if (single) {
    std::memcpy(out.values.data(), data, out.values.size() * 4);
  } else {
    kernels::HalfToFloat(data, out.values);
  }
  return out;
}

Result<Matrix> Vecs(const std::string& path, std::string_view bytes, std::size_t limit,
                    std::size_t size) {
  if (bytes.size() < 4) return Bad(path, "it is empty");
  const auto dim = Load<std::int32_t>(bytes.data());
  if (dim < 1 || dim > static_cast<std::int32_t>(kDimMax)) {
    return Bad(path, "its first row has dimension " + std::to_string(dim));
  }
  Matrix out{.dim = static_cast<std::size_t>(dim)};
  const std::size_t stride = 4 + out.dim * size;
  if (bytes.size() % stride != 0) return Bad(path, "it is no whole number of rows");
  out.rows = bytes.size() / stride;
  if (limit != 0) out.rows = std::min(out.rows, limit);
  out.values.resize(out.rows * out.dim);
  for (std::size_t r = 0; r < out.rows; ++r) {
    const char* row = bytes.data() + r * stride;
    if (Load<std::int32_t>(row) != dim) {
      return Bad(path, "row " + std::to_string(r) + " has another dimension");
    }
    float* to = out.values.data() + r * out.dim;
    if (size == 4) {
      std::memcpy(to, row + 4, out.dim * 4);
    } else {
      for (std::size_t i = 0; i < out.dim; ++i) to[i] = static_cast<std::uint8_t>(row[4 + i]);
    }
  }
  return out;
}

}  // namespace

Result<Matrix> ReadVectors(os::Vfs& vfs, const std::string& path, std::size_t limit) {
  MALMOI_TRY(const auto mapping, vfs.Map(path));
  if (path.ends_with(".npy")) return Numpy(path, mapping.bytes, limit);
  if (path.ends_with(".fvecs")) return Vecs(path, mapping.bytes, limit, 4);
  if (path.ends_with(".bvecs")) return Vecs(path, mapping.bytes, limit, 1);
  return Bad(path, "its name does not end in .npy, .fvecs or .bvecs");
}

}  // namespace malmoi::cli

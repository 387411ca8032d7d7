#include "kernels/vector.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/vector_internal.h"

namespace malmoi::kernels {
namespace {

const VectorTable& Table() {
  switch (os::BaseCpuLevel(os::ActiveCpuLevel())) {
#if defined(__x86_64__)
    case os::CpuLevel::kAvx512:
      return kAvx512Vector;
    case os::CpuLevel::kAvx2:
      return kAvx2Vector;
#endif
    default:
      return kScalarVector;
  }
}

struct Scored {
  float score;
  std::uint32_t index;
};

bool Better(const Scored& a, const Scored& b) {
  const bool a_nan = std::isnan(a.score);
  const bool b_nan = std::isnan(b.score);
  if (a_nan != b_nan) return b_nan;
  if (!a_nan && a.score != b.score) return a.score > b.score;
  return a.index < b.index;
}

}  // namespace

os::CpuLevel VectorLevel() {
  return static_cast<os::CpuLevel>(Table().level);
}

float Dot(std::span<const float> a, std::span<const float> b) {
  MALMOI_CHECK(a.size() == b.size());
  return Table().dot(a.data(), b.data(), a.size());
}

void DotRows(const float* rows, std::size_t stride, std::span<const float> query,
             std::span<float> out) {
  MALMOI_CHECK(stride >= query.size() || out.size() <= 1);
  Table().dot_rows(rows, stride, query.data(), query.size(), out.data(), out.size());
}

void NormalizeL2(std::span<float> x) {
  const VectorTable& table = Table();
  const float norm = std::sqrt(table.dot(x.data(), x.data(), x.size()));
  if (norm != 0) table.scale(x.data(), x.size(), 1.0f / norm);
}

void LayerNorm(const float* x, float* y, std::size_t rows, std::size_t dim, const float* gamma,
               const float* beta, float eps) {
  Table().layer_norm(x, y, rows, dim, gamma, beta, eps);
}

void Softmax(std::span<float> x, float scale) {
  Table().softmax(x.data(), x.size(), scale);
}

void Gelu(std::span<float> x) {
  Table().gelu(x.data(), x.size());
}

void GeluTanh(std::span<float> x) {
  Table().gelu_tanh(x.data(), x.size());
}

std::vector<std::uint32_t> TopK(std::span<const float> scores, std::size_t k) {
  // A heap of the best so far whose front is the worst of them.
  std::vector<Scored> heap;
  heap.reserve(std::min(k, scores.size()));
  for (std::size_t i = 0; i < scores.size() && k > 0; ++i) {
    const Scored next{scores[i], static_cast<std::uint32_t>(i)};
    if (heap.size() == k) {
      if (!Better(next, heap.front())) continue;
      std::pop_heap(heap.begin(), heap.end(), Better);
      heap.pop_back();
    }
    heap.push_back(next);
    std::push_heap(heap.begin(), heap.end(), Better);
  }
  std::sort_heap(heap.begin(), heap.end(), Better);
  std::vector<std::uint32_t> out;
  out.reserve(heap.size());
  for (const Scored& s : heap) out.push_back(s.index);
  return out;
}

}  // namespace malmoi::kernels

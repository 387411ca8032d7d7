#include <algorithm>
#include <cmath>
#include <map>

#include "kernels/vector.h"
#include "model/heads_internal.h"
#include "model/pooling.h"

namespace malmoi::model {
namespace {

// Rows of logits at a time: 16 rows of 250,000 are 16 MB.
constexpr std::size_t kDecoderRows = 16;

void ApplyOne(const Linear& linear, const float* x, float* y) {
  linear.Apply({.x = x, .ldx = linear.k(), .rows = 1, .y = y, .ldy = linear.n()}, nullptr);
}

}  // namespace

void ClassifierHead::Apply(const float* x, std::size_t tokens, std::span<float> logits) const {
  Buffer<float> pooled(dense.empty() ? out.k() : dense.k());
  Pool(pooling, x, tokens, pooled.span());
  if (!dense.empty()) {
    Buffer<float> next(dense.n());
    ApplyOne(dense, pooled.data(), next.data());
    pooled = std::move(next);
  }
  Activate(activation, pooled.span());
  if (!norm.empty()) norm.Apply(pooled.data(), pooled.data(), 1);
  ApplyOne(out, pooled.data(), logits.data());
}

SparseRow VocabularyHead::Apply(const float* x, std::size_t tokens, os::ThreadPool* team) const {
  const std::size_t hidden = decoder.k();
  const std::size_t vocabulary = decoder.n();
  Buffer<float> transformed(kDecoderRows * hidden);
  Buffer<float> logits(kDecoderRows * vocabulary);
  Buffer<float> best(vocabulary);  // Zero, as relu's least.
  for (std::size_t row = 0; row < tokens; row += kDecoderRows) {
    const std::size_t rows = std::min(kDecoderRows, tokens - row);
    const float* from = x + row * hidden;
    if (!dense.empty()) {
      dense.Apply({.x = from, .ldx = hidden, .rows = rows, .y = transformed.data(), .ldy = hidden},
                  team);
      Activate(activation, {transformed.data(), rows * hidden});
      if (!norm.empty()) norm.Apply(transformed.data(), transformed.data(), rows);
      from = transformed.data();
    }
    decoder.Apply({.x = from, .ldx = hidden, .rows = rows, .y = logits.data(), .ldy = vocabulary},
                  team);
    for (std::size_t r = 0; r < rows; ++r) {
      const float* l = logits.data() + r * vocabulary;
      for (std::size_t i = 0; i < vocabulary; ++i) {
        if (sum) {
          const float once = std::log1p(std::max(l[i], 0.0f));
          best[i] += twice_log ? std::log1p(once) : once;
        } else {
          best[i] = std::max(best[i], l[i]);  // log1p rises: it can wait.
        }
      }
    }
  }
  SparseRow out;
  for (std::size_t i = 0; i < vocabulary; ++i) {
    if (!(best[i] > 0)) continue;
    const float once = sum ? best[i] : std::log1p(best[i]);
    out.ids.push_back(static_cast<std::uint32_t>(i));
    out.weights.push_back(twice_log && !sum ? std::log1p(once) : once);
  }
  return out;
}

SparseRow TokenHeads::ApplySparse(const float* x, std::span<const std::int32_t> ids) const {
  std::map<std::uint32_t, float> best;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    if (std::find(unused.begin(), unused.end(), ids[t]) != unused.end()) continue;
    float weight = 0;
    ApplyOne(sparse, x + t * sparse.k(), &weight);
    if (!(weight > 0)) continue;
    float& at = best[static_cast<std::uint32_t>(ids[t])];
    at = std::max(at, weight);
  }
  SparseRow out;
  for (const auto& [id, weight] : best) {
    out.ids.push_back(id);
    out.weights.push_back(weight);
  }
  return out;
}

void TokenHeads::ApplyVectors(const float* x, std::size_t tokens, float* out) const {
  const std::size_t skip = skip_first ? 1 : 0;
  if (tokens <= skip) return;
  vectors.Apply({.x = x + skip * vectors.k(),
                 .ldx = vectors.k(),
                 .rows = tokens - skip,
                 .y = out,
                 .ldy = vectors.n()},
                nullptr);
  for (std::size_t t = 0; t < tokens - skip; ++t) {
    kernels::NormalizeL2({out + t * vectors.n(), vectors.n()});
  }
}

}  // namespace malmoi::model

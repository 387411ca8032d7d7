#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>

#include "base/check.h"
#include "model/batch_internal.h"
#include "model/post_norm_internal.h"
#include "model/samples_internal.h"
#include "os/cpu_info.h"
#include "os/thread_pool.h"

namespace malmoi::model {
namespace {

// Of one text over the tokens of one product's input: sums, sums of squares, greatest magnitudes.
struct Sums {
  std::vector<double> sum, squares;
  std::vector<float> most;
};

// A layer's products, in the order of LayerInputs.
constexpr std::size_t kProducts = 4;
using Members = InputSamples LayerInputs::*;
constexpr Members kMembers[kProducts] = {&LayerInputs::qkv, &LayerInputs::out, &LayerInputs::up,
                                         &LayerInputs::down};

// One text's sums for each product of each layer.
class TextSums {
 public:
  explicit TextSums(const Stack& stack) : sums_(stack.layers.size() * kProducts) {
    for (std::size_t l = 0; l < stack.layers.size(); ++l) {
      const Layer& layer = stack.layers[l];
      const Linear* products[kProducts] = {&layer.attention.qkv, &layer.attention.out,
                                           &layer.feed.up, &layer.feed.down};
      for (std::size_t p = 0; p < kProducts; ++p) {
        place_[products[p]] = l * kProducts + p;
        const std::size_t k = products[p]->k();
        sums_[l * kProducts + p] = {std::vector<double>(k), std::vector<double>(k),
                                    std::vector<float>(k)};
      }
    }
  }

  void Add(const Linear& product, const float* x, std::size_t ldx, std::size_t rows) {
    const auto found = place_.find(&product);
    MALMOI_CHECK(found != place_.end());
    Sums& to = sums_[found->second];
    for (std::size_t row = 0; row < rows; ++row, x += ldx) {
      for (std::size_t j = 0; j < to.sum.size(); ++j) {
        to.sum[j] += x[j];
        to.squares[j] += static_cast<double>(x[j]) * x[j];
        to.most[j] = std::max(to.most[j], std::fabs(x[j]));
      }
    }
  }
  const Sums& at(std::size_t layer, std::size_t product) const {
    return sums_[layer * kProducts + product];
  }
  bool Finite() const {
    return std::all_of(sums_.begin(), sums_.end(), [](const Sums& s) {
      return std::all_of(s.squares.begin(), s.squares.end(),
                         [](double square) { return std::isfinite(square); });
    });
  }

 private:
  std::map<const Linear*, std::size_t> place_;
  std::vector<Sums> sums_;
};

std::vector<PackedBatch> Usable(const EncoderConfig& config,
                                const std::vector<std::vector<std::int32_t>>& texts) {
  std::vector<PackedBatch> out;
  for (const auto& text : texts) {
    PackedBatch batch;
    batch.ids.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(
                                                      std::min(text.size(), config.max_tokens)));
    batch.starts = {0, static_cast<std::uint32_t>(batch.ids.size())};
    if (CheckBatch(batch, config).ok()) out.push_back(std::move(batch));
  }
  return out;
}

// What is known of one product's input over the texts.
InputSamples Gather(const std::vector<TextSums>& texts, const std::vector<PackedBatch>& batches,
                    std::size_t layer, std::size_t product) {
  const std::size_t k = texts.front().at(layer, product).sum.size();
  InputSamples out{.means = Buffer<float>(texts.size() * k),
                   .spread = Buffer<float>(k),
                   .most = Buffer<float>(k)};
  for (std::size_t t = 0; t < texts.size(); ++t) {
    if (!texts[t].Finite()) continue;
    const Sums& sums = texts[t].at(layer, product);
    const auto tokens = static_cast<double>(batches[t].ids.size());
    float* row = out.means.data() + out.count++ * k;
    for (std::size_t j = 0; j < k; ++j) {
      const double mean = sums.sum[j] / tokens;
      row[j] = static_cast<float>(mean);
      out.spread[j] += static_cast<float>(std::max(sums.squares[j] / tokens - mean * mean, 0.0));
      out.most[j] = std::max(out.most[j], sums.most[j]);
    }
  }
  for (float& spread : out.spread.span()) {
    spread /= static_cast<float>(std::max<std::size_t>(out.count, 1));
  }
  return out;
}

}  // namespace

std::vector<LayerInputs> SampleInputs(const Stack& stack, const EncoderConfig& config,
                                      const std::vector<std::vector<std::int32_t>>& texts) {
  MALMOI_CHECK(stack.precision() == kernels::Precision::kFloat32);
  const std::vector<PackedBatch> batches = Usable(config, texts);
  if (batches.empty() || !IsPostNorm(stack)) return {};
  std::vector<TextSums> sums(batches.size(), TextSums(stack));
  std::atomic<std::size_t> next{0};
  constexpr std::size_t kMostThreads = 8;
  os::ThreadPool pool(std::clamp<std::size_t>(os::UsableCores(), 1, kMostThreads), "load");
  pool.ParallelFor(pool.threads(), [&](std::size_t, std::size_t, std::size_t) {
    Arena arena;
    for (std::size_t t = next++; t < batches.size(); t = next++) {
      const InputProbe see = [&](const Linear& product, const float* x, std::size_t ldx,
                                 std::size_t rows) { sums[t].Add(product, x, ldx, rows); };
      arena.Grow(stack, batches[t].ids.size(), batches[t].ids.size(), 1);
      PostNormForward(stack, batches[t], {0, 1}, nullptr, &arena, nullptr, &see);
    }
  });
  std::vector<LayerInputs> out(stack.layers.size());
  for (std::size_t l = 0; l < out.size(); ++l) {
    for (std::size_t p = 0; p < kProducts; ++p) out[l].*kMembers[p] = Gather(sums, batches, l, p);
    out[l].qkv.smooth = true;  // For the values'; elsewhere it gained nothing or lost (0016).
  }
  return out.front().qkv.empty() ? std::vector<LayerInputs>() : std::move(out);
}

}  // namespace malmoi::model

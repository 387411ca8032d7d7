#include <algorithm>
#include <cmath>

#include "kernels/attention.h"
#include "kernels/vector.h"
#include "model/forward_internal.h"

namespace malmoi::model {
namespace {

// Rows that go through both products of the feed-forward part together: 96 rows of 1,536 are
// 590 KB, which a 1 MB L2 keeps.
constexpr std::size_t kRowBlock = 96;

template <class F>
void Split(os::ThreadPool* team, F f) {
  if (team == nullptr) {
    f(std::size_t{0}, std::size_t{1});
    return;
  }
  const std::size_t parts = team->threads();
  team->ParallelFor(parts, [&](std::size_t, std::size_t begin, std::size_t end) {
    for (std::size_t part = begin; part < end; ++part) f(part, parts);
  });
}

class Pass {
 public:
  Pass(const EncoderConfig& config, const BertWeights& weights, const PackedBatch& batch,
       Chunk chunk, os::ThreadPool* team, Arena* arena)
      : config_(config),
        weights_(weights),
        batch_(batch),
        chunk_(chunk),
        team_(team),
        arena_(*arena),
        first_(batch.starts[chunk.begin]),
        tokens_(batch.starts[chunk.end] - first_),
        hidden_(static_cast<std::size_t>(config.hidden)) {}

  void Run() {
    Embed();
    for (const BertLayer& layer : weights_.layers) {
      Product(layer.qkv, {.a = arena_.x.data(),
                          .lda = hidden_,
                          .m = tokens_,
                          .c = arena_.qkv.data(),
                          .ldc = 3 * hidden_,
                          .epilogue = kernels::Epilogue::kBias});
      Attend(layer.qkv.w->level());
      Product(layer.out, {.a = arena_.context.data(),
                          .lda = hidden_,
                          .m = tokens_,
                          .c = arena_.x.data(),
                          .ldc = hidden_,
                          .epilogue = kernels::Epilogue::kBiasResidual,
                          .residual = arena_.x.data(),
                          .ldr = hidden_});
      Normalize(layer.attention_norm, 0, tokens_);
      for (std::size_t row = 0; row < tokens_; row += kRowBlock) FeedForward(layer, row);
    }
  }

 private:
  // x = LayerNorm(word + type + position), added in the reference's order.
  void Embed() {
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      std::int64_t position = config_.position_offset;
      for (std::size_t t = batch_.starts[s]; t < batch_.starts[s + 1]; ++t) {
        const auto id = static_cast<std::size_t>(batch_.ids[t]);
        const auto type =
            batch_.type_ids.empty() ? 0 : static_cast<std::size_t>(batch_.type_ids[t]);
        // RoBERTa does not count padding tokens, wherever they stand.
        const bool padding = batch_.ids[t] == config_.padding_id;
        const auto place = static_cast<std::size_t>(padding ? config_.padding_id : position++);
        const std::span<float> x = arena_.x.span().subspan((t - first_) * hidden_, hidden_);
        tensor::WidenF32(*weights_.words, id * hidden_, x);
        const float* types = weights_.types.data() + type * hidden_;
        const float* positions = weights_.positions.data() + place * hidden_;
        for (std::size_t i = 0; i < hidden_; ++i) x[i] = (x[i] + types[i]) + positions[i];
      }
    }
    Normalize(weights_.norm, 0, tokens_);
  }

  void Product(const Linear& linear, kernels::GemmArgs args) {
    args.bias = linear.bias.data();
    Split(team_, [&](std::size_t part, std::size_t parts) {
      kernels::GemmArgs mine = args;
      mine.part = part;
      mine.parts = parts;
      kernels::Gemm(*linear.w, mine);
    });
  }

  void Attend(os::CpuLevel level) {
    const auto heads = static_cast<std::size_t>(config_.heads);
    const std::size_t dim = hidden_ / heads;
    const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
    Split(team_, [&](std::size_t part, std::size_t parts) {
      float* scratch = arena_.scratch.data() + part * arena_.scratch_size;
      for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
        const std::size_t row = batch_.starts[s] - first_;
        const std::size_t tokens = batch_.starts[s + 1] - batch_.starts[s];
        for (std::size_t h = heads * part / parts; h < heads * (part + 1) / parts; ++h) {
          const float* qkv = arena_.qkv.data() + row * 3 * hidden_ + h * dim;
          kernels::Attention(level,
                             {.q = qkv,
                              .k = qkv + hidden_,
                              .v = qkv + 2 * hidden_,
                              .ld = 3 * hidden_,
                              .tokens = tokens,
                              .head_dim = dim,
                              .scale = scale,
                              .out = arena_.context.data() + row * hidden_ + h * dim,
                              .ldo = hidden_},
                             scratch);
        }
      }
    });
  }

  void FeedForward(const BertLayer& layer, std::size_t row) {
    const auto width = static_cast<std::size_t>(config_.intermediate);
    const std::size_t rows = std::min(kRowBlock, tokens_ - row);
    float* x = arena_.x.data() + row * hidden_;
    Product(layer.up, {.a = x,
                       .lda = hidden_,
                       .m = rows,
                       .c = arena_.middle.data(),
                       .ldc = width,
                       .epilogue = config_.gelu_tanh ? kernels::Epilogue::kBiasGeluTanh
                                                     : kernels::Epilogue::kBiasGelu});
    Product(layer.down, {.a = arena_.middle.data(),
                         .lda = width,
                         .m = rows,
                         .c = x,
                         .ldc = hidden_,
                         .epilogue = kernels::Epilogue::kBiasResidual,
                         .residual = x,
                         .ldr = hidden_});
    Normalize(layer.norm, row, rows);
  }

  void Normalize(const Norm& norm, std::size_t row, std::size_t rows) {
    float* x = arena_.x.data() + row * hidden_;
    kernels::LayerNorm(x, x, rows, hidden_, norm.gamma.data(), norm.beta.data(),
                       config_.layer_norm_eps);
  }

  const EncoderConfig& config_;
  const BertWeights& weights_;
  const PackedBatch& batch_;
  const Chunk chunk_;
  os::ThreadPool* const team_;
  Arena& arena_;
  const std::size_t first_, tokens_, hidden_;
};

}  // namespace

void Arena::Grow(const EncoderConfig& config, std::size_t new_tokens, std::size_t longest,
                 std::size_t threads) {
  const auto hidden = static_cast<std::size_t>(config.hidden);
  if (new_tokens > tokens) {
    tokens = new_tokens;
    x = Buffer<float>(tokens * hidden);
    qkv = Buffer<float>(tokens * 3 * hidden);
    context = Buffer<float>(tokens * hidden);
    middle =
        Buffer<float>(std::min(tokens, kRowBlock) * static_cast<std::size_t>(config.intermediate));
  }
  const std::size_t need =
      kernels::AttentionScratch(longest, hidden / static_cast<std::size_t>(config.heads));
  if (need > scratch_size || threads * scratch_size > scratch.size()) {
    scratch_size = std::max(need, scratch_size);
    scratch = Buffer<float>(threads * scratch_size);
  }
}

void Forward(const EncoderConfig& config, const BertWeights& weights, const PackedBatch& batch,
             Chunk chunk, os::ThreadPool* team, Arena* arena) {
  std::size_t longest = 0;
  for (std::size_t s = chunk.begin; s < chunk.end; ++s) {
    longest = std::max<std::size_t>(longest, batch.starts[s + 1] - batch.starts[s]);
  }
  arena->Grow(config, batch.starts[chunk.end] - batch.starts[chunk.begin], longest,
              team == nullptr ? 1 : team->threads());
  Pass(config, weights, batch, chunk, team, arena).Run();
}

}  // namespace malmoi::model

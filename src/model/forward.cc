#include <algorithm>
#include <cmath>

#include "kernels/attention.h"
#include "model/forward_internal.h"

namespace malmoi::model {
namespace {

using kernels::Precision;

// Rows that go from attention's result to the end of a layer together: 96 rows of 1,536 floats are
// 590 KB, which a 1 MB L2 keeps.
constexpr std::size_t kRowBlock = 96;

// One thread's share of a forward pass. All parts take the same steps and meet after each.
class Pass {
 public:
  Pass(const EncoderConfig& config, const BertWeights& weights, const PackedBatch& batch,
       Chunk chunk, Arena* arena, std::size_t part, std::size_t parts, os::Barrier* barrier)
      : config_(config),
        weights_(weights),
        batch_(batch),
        chunk_(chunk),
        arena_(*arena),
        part_(part),
        parts_(parts),
        barrier_(*barrier),
        first_(batch.starts[chunk.begin]),
        tokens_(batch.starts[chunk.end] - first_),
        hidden_(static_cast<std::size_t>(config.hidden)),
        precision_(weights.layers.front().qkv.w->precision()),
        level_(weights.layers.front().qkv.w->level()),
        bf16_attention_(precision_ != Precision::kFloat32 &&
                        kernels::AttentionTakesBf16(level_, HeadDim())) {}

  void Run() {
    Embed();
    for (const BertLayer& layer : weights_.layers) {
      ProjectQkv(layer.qkv);
      Attend();
      for (std::size_t row = 0; row < tokens_; row += kRowBlock) {
        FinishRows(layer, row, std::min(kRowBlock, tokens_ - row));
      }
    }
  }

 private:
  std::size_t HeadDim() const { return hidden_ / static_cast<std::size_t>(config_.heads); }

  // [0, count) into one range a part.
  struct Range {
    std::size_t begin, end;
  };
  Range Mine(std::size_t count) const {
    return {count * part_ / parts_, count * (part_ + 1) / parts_};
  }

  // x = LayerNorm(word + type + position), added in the reference's order.
  void Embed() {
    const Range mine = Mine(tokens_);
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      std::int64_t position = config_.position_offset;
      for (std::size_t t = batch_.starts[s]; t < batch_.starts[s + 1]; ++t) {
        // RoBERTa does not count padding tokens, wherever they stand.
        const bool padding = batch_.ids[t] == config_.padding_id;
        const auto place = static_cast<std::size_t>(padding ? config_.padding_id : position++);
        if (t - first_ >= mine.begin && t - first_ < mine.end) EmbedToken(t, place);
      }
    }
    Normalize(weights_.norm, 0, tokens_);
  }
  void EmbedToken(std::size_t t, std::size_t place) {
    const auto id = static_cast<std::size_t>(batch_.ids[t]);
    const auto type = batch_.type_ids.empty() ? 0 : static_cast<std::size_t>(batch_.type_ids[t]);
    const std::span<float> x = arena_.x.span().subspan((t - first_) * hidden_, hidden_);
    tensor::WidenF32(*weights_.words, id * hidden_, x);
    const float* types = weights_.types.data() + type * hidden_;
    const float* positions = weights_.positions.data() + place * hidden_;
    for (std::size_t i = 0; i < hidden_; ++i) x[i] = (x[i] + types[i]) + positions[i];
  }

  // This part's columns, then all parts'.
  void Product(const Linear& linear, kernels::GemmArgs args) {
    args.bias = linear.bias.data();
    args.part = part_;
    args.parts = parts_;
    kernels::Gemm(*linear.w, args);
    barrier_.Wait();
  }

  void ProjectQkv(const Linear& qkv) {
    kernels::GemmArgs args{.a = arena_.x.data(),
                           .lda = hidden_,
                           .narrow = arena_.x_narrow.view(),
                           .m = tokens_,
                           .c = reinterpret_cast<float*>(arena_.qkv.data()),
                           .ldc = 3 * hidden_,
                           .epilogue = kernels::Epilogue::kBias};
    if (bf16_attention_) {
      args.out_form = kernels::GemmArgs::Out::kBf16;
      args.out = arena_.qkv.data();
      args.out_stride = 3 * hidden_ * 2;
    }
    Product(qkv, args);
  }

  // Heads in turn; a part takes whole heads.
  void Attend() {
    const auto heads = static_cast<std::size_t>(config_.heads);
    const bool narrow_out = bf16_attention_ && precision_ == Precision::kBfloat16;
    const std::size_t dim = HeadDim(), size = bf16_attention_ ? 2 : 4;
    kernels::AttentionArgs args{.ld = 3 * hidden_,
                                .head_dim = dim,
                                .scale = 1.0f / std::sqrt(static_cast<float>(dim)),
                                .bf16 = bf16_attention_,
                                .out_bf16 = narrow_out};
    args.ldo = narrow_out ? arena_.context_narrow.stride / 2 : hidden_;
    std::uint8_t* const out = narrow_out ? arena_.context_narrow.bytes.data()
                                         : reinterpret_cast<std::uint8_t*>(arena_.context.data());
    const std::size_t out_size = narrow_out ? 2 : 4;
    float* scratch = arena_.scratch.data() + part_ * arena_.scratch_size;
    const Range mine = Mine(heads);
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      const std::size_t row = batch_.starts[s] - first_;
      args.tokens = batch_.starts[s + 1] - batch_.starts[s];
      for (std::size_t h = mine.begin; h < mine.end; ++h) {
        const std::uint8_t* qkv = arena_.qkv.data() + (row * 3 * hidden_ + h * dim) * size;
        args.q = qkv;
        args.k = qkv + hidden_ * size;
        args.v = qkv + 2 * hidden_ * size;
        args.out = out + (row * args.ldo + h * dim) * out_size;
        kernels::Attention(level_, args, scratch);
      }
    }
    barrier_.Wait();
    if (precision_ != Precision::kFloat32 && !narrow_out) NarrowContext();
  }
  void NarrowContext() {
    const Range mine = Mine(tokens_);
    kernels::Narrow(precision_, level_, arena_.context.data() + mine.begin * hidden_, hidden_,
                    mine.end - mine.begin, hidden_, arena_.context_narrow.view().Rows(mine.begin));
    barrier_.Wait();
  }

  // Attention's output product and the feed-forward part, each with its residual and norm.
  void FinishRows(const BertLayer& layer, std::size_t row, std::size_t rows) {
    float* x = arena_.x.data() + row * hidden_;
    kernels::GemmArgs to_x{.m = rows,
                           .c = x,
                           .ldc = hidden_,
                           .epilogue = kernels::Epilogue::kBiasResidual,
                           .residual = x,
                           .ldr = hidden_};
    to_x.a = arena_.context.data() + row * hidden_;
    to_x.lda = hidden_;
    to_x.narrow = arena_.context_narrow.view().Rows(row);
    Product(layer.out, to_x);
    Normalize(layer.attention_norm, row, rows);
    FeedUp(layer.up, row, rows);
    to_x.a = arena_.middle.data();
    to_x.lda = static_cast<std::size_t>(config_.intermediate);
    to_x.narrow = arena_.middle_narrow.view();
    Product(layer.down, to_x);
    Normalize(layer.norm, row, rows);
  }

  void FeedUp(const Linear& up, std::size_t row, std::size_t rows) {
    const auto width = static_cast<std::size_t>(config_.intermediate);
    kernels::GemmArgs args{.a = arena_.x.data() + row * hidden_,
                           .lda = hidden_,
                           .narrow = arena_.x_narrow.view().Rows(row),
                           .m = rows,
                           .c = arena_.middle.data(),
                           .ldc = width,
                           .epilogue = config_.gelu_tanh ? kernels::Epilogue::kBiasGeluTanh
                                                         : kernels::Epilogue::kBiasGelu};
    if (precision_ == Precision::kBfloat16) {
      args.out_form = kernels::GemmArgs::Out::kNext;
      args.out = arena_.middle_narrow.bytes.data();
      args.out_stride = arena_.middle_narrow.stride;
    }
    Product(up, args);
    if (precision_ != Precision::kInt8) return;
    const Range mine = Mine(rows);
    kernels::Narrow(precision_, level_, arena_.middle.data() + mine.begin * width, width,
                    mine.end - mine.begin, width, arena_.middle_narrow.view().Rows(mine.begin));
    barrier_.Wait();
  }

  void Normalize(const Norm& norm, std::size_t row, std::size_t rows) {
    const Range mine = Mine(rows);
    kernels::LayerNormNarrow(
        precision_, level_, arena_.x.data() + (row + mine.begin) * hidden_, mine.end - mine.begin,
        hidden_, norm.gamma.data(), norm.beta.data(), config_.layer_norm_eps,
        precision_ == Precision::kFloat32 ? kernels::Activations{}
                                          : arena_.x_narrow.view().Rows(row + mine.begin));
    barrier_.Wait();
  }

  const EncoderConfig& config_;
  const BertWeights& weights_;
  const PackedBatch& batch_;
  const Chunk chunk_;
  Arena& arena_;
  const std::size_t part_, parts_;
  os::Barrier& barrier_;
  const std::size_t first_, tokens_, hidden_;
  const Precision precision_;
  const os::CpuLevel level_;
  const bool bf16_attention_;
};

}  // namespace

void NarrowBuffer::Grow(Precision precision, os::CpuLevel level, std::size_t rows,
                        std::size_t columns) {
  stride = kernels::ActivationStride(precision, level, columns);
  bytes = Buffer<std::uint8_t>(rows * stride);  // Zero, as what lies past the columns must stay.
  scales = Buffer<kernels::RowScale>(precision == Precision::kInt8 ? rows : 0);
}

void Arena::Grow(const EncoderConfig& config, const BertWeights& weights, std::size_t new_tokens,
                 std::size_t longest, std::size_t threads) {
  const auto hidden = static_cast<std::size_t>(config.hidden);
  const auto width = static_cast<std::size_t>(config.intermediate);
  const kernels::PackedWeights& w = *weights.layers.front().qkv.w;
  if (new_tokens > tokens) {
    tokens = new_tokens;
    x = Buffer<float>(tokens * hidden);
    qkv = Buffer<std::uint8_t>(tokens * 3 * hidden * sizeof(float));
    context = Buffer<float>(tokens * hidden);
    middle = Buffer<float>(std::min(tokens, kRowBlock) * width);
    if (w.precision() != Precision::kFloat32) {
      x_narrow.Grow(w.precision(), w.level(), tokens, hidden);
      context_narrow.Grow(w.precision(), w.level(), tokens, hidden);
      middle_narrow.Grow(w.precision(), w.level(), std::min(tokens, kRowBlock), width);
    }
  }
  const std::size_t need =
      kernels::AttentionScratch(longest, hidden / static_cast<std::size_t>(config.heads));
  if (need > scratch_size || threads * scratch_size > scratch.size()) {
    // Parts of whole cache lines: threads write side by side.
    scratch_size = std::max((need + 15) / 16 * 16, scratch_size);
    scratch = Buffer<float>(threads * scratch_size);
  }
}

void Forward(const EncoderConfig& config, const BertWeights& weights, const PackedBatch& batch,
             Chunk chunk, os::ThreadPool* team, Arena* arena) {
  std::size_t longest = 0;
  for (std::size_t s = chunk.begin; s < chunk.end; ++s) {
    longest = std::max<std::size_t>(longest, batch.starts[s + 1] - batch.starts[s]);
  }
  arena->Grow(config, weights, batch.starts[chunk.end] - batch.starts[chunk.begin], longest,
              team == nullptr ? 1 : team->threads());
  const auto run = [&](std::size_t part, std::size_t parts, os::Barrier& barrier) {
    Pass(config, weights, batch, chunk, arena, part, parts, &barrier).Run();
  };
  if (team != nullptr) {
    team->Together(run);
  } else {
    os::Barrier alone(1);
    run(0, 1, alone);
  }
}

}  // namespace malmoi::model

#include <algorithm>

#include "base/check.h"
#include "kernels/attention.h"
#include "model/post_norm_internal.h"

namespace malmoi::model {
namespace {

using kernels::Precision;

// Rows that go from attention's result to the end of a layer together: 96 rows of 1,536 floats are
// 590 KB, which a 1 MB L2 keeps. Integers are read beside the floats they are made from.
constexpr std::size_t kRowBlock = 96;
constexpr std::size_t kRowBlockInt8 = 48;

// Rows a multiple of this apart fall into few sets of a first-level cache, and a tile of them would
// drive itself out: one line more spreads them.
constexpr std::size_t kAlias = 512;

constexpr std::size_t kLine = 64;
constexpr std::size_t kWordsAhead = 2;

std::size_t MiddleStride(const Stack& stack) {
  return stack.width * sizeof(float) % kAlias == 0 ? stack.width + kMiddlePadding : stack.width;
}

bool AttendsInBf16(const Stack& stack) {
  return stack.precision() != Precision::kFloat32 &&
         kernels::AttentionTakesBf16(stack.level(), stack.head_dim);
}

// One thread's share of a forward pass. All parts take the same steps and meet after each.
class Pass {
 public:
  Pass(const Stack& stack, const PackedBatch& batch, Chunk chunk, Arena* arena, std::size_t part,
       std::size_t parts, os::Barrier* barrier, const InputProbe* inputs)
      : stack_(stack),
        batch_(batch),
        chunk_(chunk),
        arena_(*arena),
        narrow_(arena->narrow),
        part_(part),
        parts_(parts),
        barrier_(*barrier),
        inputs_(inputs),
        first_(batch.starts[chunk.begin]),
        tokens_(batch.starts[chunk.end] - first_),
        hidden_(stack.hidden),
        precision_(stack.precision()),
        level_(stack.level()),
        bf16_attention_(AttendsInBf16(stack)),
        next_(&stack.layers.front()) {}

  void Run(const Probe* probe) {
    Embed();
    See(probe, 0);
    std::size_t done = 0;
    for (const Layer& layer : stack_.layers) {
      next_ = &layer == &stack_.layers.back() ? nullptr : &layer + 1;
      ProjectQkv(layer.attention);
      Attend(layer.attention.out);
      const std::size_t block = precision_ == Precision::kInt8 ? kRowBlockInt8 : kRowBlock;
      for (std::size_t row = 0; row < tokens_; row += block) {
        FinishRows(layer, row, std::min(block, tokens_ - row));
      }
      See(probe, ++done);
    }
  }

 private:
  void See(const Probe* probe, std::size_t state) {
    if (probe == nullptr) return;
    if (part_ == 0) (*probe)(state, arena_.x.data());
    barrier_.Wait();
  }

  // [0, count) into one range a part.
  struct Range {
    std::size_t begin, end;
  };
  Range Mine(std::size_t count) const {
    return {count * part_ / parts_, count * (part_ + 1) / parts_};
  }

  // Rows of the table of words lie anywhere in memory: a token's is asked for some tokens before.
  void AskForWord(const InputEmbedding& input, std::size_t t) const {
    if (t >= batch_.ids.size()) return;
    const std::size_t bytes = hidden_ * tensor::DTypeSize(input.words->dtype);
    const char* row = input.words->bytes.data() + static_cast<std::size_t>(batch_.ids[t]) * bytes;
    for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(row + at);
  }

  // x = norm(word + type + position).
  void Embed() {
    const InputEmbedding& input = stack_.input;
    const Range mine = Mine(tokens_);
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      std::int64_t position = input.position_offset;
      for (std::size_t t = batch_.starts[s]; t < batch_.starts[s + 1]; ++t) {
        const bool padding = batch_.ids[t] == input.padding_id;
        const auto place = static_cast<std::size_t>(padding ? input.padding_id : position++);
        const std::size_t row = t - first_;
        if (row < mine.begin || row >= mine.end) continue;
        AskForWord(input, t + kWordsAhead);
        EmbedToken(input, batch_, t, place, {arena_.x.data() + row * hidden_, hidden_});
      }
    }
    NormalizeLast(input.norm, 0, tokens_);
  }

  // This part's columns, then all parts'.
  void Product(const Linear& linear, kernels::GemmArgs args) {
    if (inputs_ != nullptr) (*inputs_)(linear, args.a, args.lda, args.m);
    args.bias = linear.bias();
    args.part = part_;
    args.parts = parts_;
    kernels::Gemm(linear.weights(), args);
    barrier_.Wait();
  }

  // Queries and keys, and the values where these are not a product of their own.
  void ProjectQkv(const AttentionLayer& layer) {
    ProjectTo(0, layer.qkv, narrow_.x.view());
    if (!layer.value.empty()) ProjectTo(layer.qkv.n(), layer.value, narrow_.value.view());
  }
  void ProjectTo(std::size_t column, const Linear& linear, const kernels::Activations& x) {
    kernels::GemmArgs args{.a = arena_.x.data(),
                           .lda = hidden_,
                           .narrow = x,
                           .m = tokens_,
                           .c = arena_.qkv.data() + column,
                           .ldc = 3 * hidden_,
                           .epilogue = kernels::Epilogue::kBias};
    if (bf16_attention_) {
      args.out_form = kernels::GemmArgs::Out::kBf16;
      args.out = reinterpret_cast<char*>(arena_.qkv.data()) + column * 2;
      args.out_stride = 3 * hidden_ * 2;
    }
    Product(linear, args);
  }

  // Heads in turn; a part takes whole heads.
  void Attend(const Linear& out) {
    const Range mine = Mine(stack_.heads);
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      const std::size_t row = batch_.starts[s] - first_;
      const std::size_t tokens = batch_.starts[s + 1] - batch_.starts[s];
      for (std::size_t h = mine.begin; h < mine.end; ++h) {
        if (bf16_attention_) {
          AttendBf16(row, tokens, h);
        } else {
          AttendFloat(row, tokens, h);
        }
      }
    }
    barrier_.Wait();
    const bool done = bf16_attention_ && precision_ == Precision::kBfloat16;
    if (precision_ != Precision::kFloat32 && !done) NarrowContext(out.factors());
  }
  float* Scratch() { return arena_.scratch.data() + part_ * arena_.scratch_size; }
  void AttendFloat(std::size_t row, std::size_t tokens, std::size_t head) {
    const float* q = arena_.qkv.data() + row * 3 * hidden_ + head * stack_.head_dim;
    kernels::Attention(level_,
                       {.q = q,
                        .k = q + hidden_,
                        .v = q + 2 * hidden_,
                        .ld = 3 * hidden_,
                        .tokens = tokens,
                        .head_dim = stack_.head_dim,
                        .scale = stack_.scale,
                        .out = arena_.context.data() + row * hidden_ + head * stack_.head_dim,
                        .ldo = hidden_},
                       Scratch());
  }
  // From bfloat16; to the form that the next product reads, or to f32 where that is integers.
  void AttendBf16(std::size_t row, std::size_t tokens, std::size_t head) {
    const std::size_t at = head * stack_.head_dim;
    const auto* q =
        reinterpret_cast<const std::uint16_t*>(arena_.qkv.data()) + row * 3 * hidden_ + at;
    kernels::Bf16AttentionArgs args{.q = q,
                                    .k = q + hidden_,
                                    .v = q + 2 * hidden_,
                                    .ld = 3 * hidden_,
                                    .tokens = tokens,
                                    .head_dim = stack_.head_dim,
                                    .scale = stack_.scale};
    if (precision_ == Precision::kBfloat16) {
      args.ldo = narrow_.context.stride / 2;
      args.out = narrow_.context.bytes.data() + (row * args.ldo + at) * 2;
      args.out_bf16 = true;
    } else {
      args.ldo = hidden_;
      args.out = arena_.context.data() + row * hidden_ + at;
    }
    kernels::AttentionBf16(level_, args, Scratch());
  }
  void NarrowContext(const float* factors) {
    const Range mine = Mine(tokens_);
    kernels::Narrow(precision_, level_, arena_.context.data() + mine.begin * hidden_, hidden_,
                    mine.end - mine.begin, hidden_, narrow_.context.view().Rows(mine.begin),
                    factors);
    barrier_.Wait();
  }

  // Attention's output product and the feed-forward part, each with its residual and norm.
  void FinishRows(const Layer& layer, std::size_t row, std::size_t rows) {
    float* x = arena_.x.data() + row * hidden_;
    kernels::GemmArgs to_x{.m = rows,
                           .c = x,
                           .ldc = hidden_,
                           .epilogue = kernels::Epilogue::kBiasResidual,
                           .residual = x,
                           .ldr = hidden_};
    to_x.a = arena_.context.data() + row * hidden_;
    to_x.lda = hidden_;
    to_x.narrow = narrow_.context.view().Rows(row);
    Product(layer.attention.out, to_x);
    Normalize(layer.attention.result, layer.feed.up.factors(), row, rows);
    FeedUp(layer.feed, row, rows);
    to_x.a = arena_.middle.data();
    to_x.lda = MiddleStride(stack_);
    to_x.narrow = narrow_.middle.view();
    FeedDown(layer.feed.down, to_x);
    NormalizeLast(layer.feed.result, row, rows);
  }

  // A part adds the wide inputs' product to its own columns: no one has to wait in between.
  void FeedDown(const Linear& down, kernels::GemmArgs args) {
    if (!down.wide().empty()) {
      args.part = part_;
      args.parts = parts_;
      kernels::GemmArgs wide = args;
      wide.narrow = narrow_.wide.view();
      kernels::Gemm(*down.wide().w, wide);  // The residual is the result itself.
    }
    Product(down, args);
  }

  void FeedUp(const FeedForwardLayer& feed, std::size_t row, std::size_t rows) {
    kernels::GemmArgs args{.a = arena_.x.data() + row * hidden_,
                           .lda = hidden_,
                           .narrow = narrow_.x.view().Rows(row),
                           .m = rows,
                           .c = arena_.middle.data(),
                           .ldc = MiddleStride(stack_),
                           .epilogue = FusedEpilogue(stack_.activation)};
    if (precision_ == Precision::kBfloat16) {
      args.out_form = kernels::GemmArgs::Out::kNext;
      args.out = narrow_.middle.bytes.data();
      args.out_stride = narrow_.middle.stride;
    }
    Product(feed.up, args);
    if (precision_ != Precision::kInt8) return;
    const Range mine = Mine(rows);
    kernels::Narrow(precision_, level_, arena_.middle.data() + mine.begin * MiddleStride(stack_),
                    MiddleStride(stack_), mine.end - mine.begin, stack_.width,
                    narrow_.middle.view().Rows(mine.begin), feed.down.factors());
    if (!feed.down.wide().empty()) NarrowWide(feed.down.wide(), mine);
    barrier_.Wait();
  }
  void NarrowWide(const WideInputs& wide, Range mine) {
    const std::size_t count = wide.at.size();
    float* to = narrow_.gathered.data() + mine.begin * count;
    wide.Gather(arena_.middle.data() + mine.begin * MiddleStride(stack_), MiddleStride(stack_),
                mine.end - mine.begin, to);
    kernels::Narrow(Precision::kBfloat16, level_, to, count, mine.end - mine.begin, count,
                    narrow_.wide.view().Rows(mine.begin));
  }

  // Rows that the next layer's projections read.
  void NormalizeLast(const Norm& norm, std::size_t row, std::size_t rows) {
    const float* factors = next_ == nullptr ? nullptr : next_->attention.qkv.factors();
    if (next_ != nullptr && !next_->attention.value.empty()) {
      const Range mine = Mine(rows);
      NormalizeMine(norm, factors, row, mine);
      kernels::Narrow(Precision::kBfloat16, level_, arena_.x.data() + (row + mine.begin) * hidden_,
                      hidden_, mine.end - mine.begin, hidden_,
                      narrow_.value.view().Rows(row + mine.begin));
      barrier_.Wait();
    } else {
      Normalize(norm, factors, row, rows);
    }
  }
  // `factors`: of the product that reads the rows.
  void Normalize(const Norm& norm, const float* factors, std::size_t row, std::size_t rows) {
    NormalizeMine(norm, factors, row, Mine(rows));
    barrier_.Wait();
  }
  void NormalizeMine(const Norm& norm, const float* factors, std::size_t row, Range mine) {
    kernels::LayerNormNarrow(
        precision_, level_, arena_.x.data() + (row + mine.begin) * hidden_, mine.end - mine.begin,
        hidden_, norm.gamma.data(), norm.beta.data(), norm.eps,
        precision_ == Precision::kFloat32 ? kernels::Activations{}
                                          : narrow_.x.view().Rows(row + mine.begin),
        factors);
  }

  const Stack& stack_;
  const PackedBatch& batch_;
  const Chunk chunk_;
  Arena& arena_;
  NarrowArena& narrow_;
  const std::size_t part_, parts_;
  os::Barrier& barrier_;
  const InputProbe* const inputs_;
  const std::size_t first_, tokens_, hidden_;
  const Precision precision_;
  const os::CpuLevel level_;
  const bool bf16_attention_;
  const Layer* next_;  // Whose projections read the rows that a layer leaves; null after the last.
};

}  // namespace

void NarrowBuffer::Grow(Precision precision, os::CpuLevel level, std::size_t rows,
                        std::size_t columns) {
  stride = kernels::ActivationStride(precision, level, columns);
  if (stride % kAlias == 0) stride += 64;
  bytes = Buffer<std::uint8_t>(rows * stride);  // Zero, as what lies past the columns must stay.
  scales = Buffer<kernels::RowScale>(precision == Precision::kInt8 ? rows : 0);
}

void NarrowArena::Grow(const Stack& stack, std::size_t tokens) {
  const Precision precision = stack.precision();
  if (precision == Precision::kFloat32) return;
  x.Grow(precision, stack.level(), tokens, stack.hidden);
  context.Grow(precision, stack.level(), tokens, stack.hidden);
  middle.Grow(precision, stack.level(), std::min(tokens, kRowBlock), stack.width);
  const auto apart = [](const Layer& layer) { return !layer.attention.value.empty(); };
  if (std::any_of(stack.layers.begin(), stack.layers.end(), apart)) {
    value.Grow(Precision::kBfloat16, stack.level(), tokens, stack.hidden);
  }
  const std::size_t wides = stack.layers.front().feed.down.wide().at.size();
  if (wides > 0) {
    wide.Grow(Precision::kBfloat16, stack.level(), std::min(tokens, kRowBlock), wides);
    gathered = Buffer<float>(std::min(tokens, kRowBlock) * wides);
  }
}

bool IsPostNorm(const Stack& stack) {
  const auto plain = [&](const Layer& layer) {
    const AttentionLayer& a = layer.attention;
    const FeedForwardLayer& f = layer.feed;
    return a.input.empty() && a.query.empty() && a.key.empty() && a.branch.empty() &&
           a.result.kind == NormKind::kLayer && a.rope < 0 && a.disentangled == nullptr &&
           a.before == kernels::kAllTokens && a.after == kernels::kAllTokens && f.input.empty() &&
           f.branch.empty() && f.result.kind == NormKind::kLayer;
  };
  return !stack.gated && stack.kv_heads == stack.heads && !stack.distance_bias &&
         stack.hidden == stack.heads * stack.head_dim && stack.input.projection.empty() &&
         stack.input.width == stack.hidden && stack.input.norm.kind == NormKind::kLayer &&
         stack.final_norm.empty() && FusedEpilogue(stack.activation) != kernels::Epilogue::kBias &&
         std::all_of(stack.layers.begin(), stack.layers.end(), plain);
}

void PostNormForward(const Stack& stack, const PackedBatch& batch, Chunk chunk,
                     os::ThreadPool* team, Arena* arena, const Probe* probe,
                     const InputProbe* inputs) {
  MALMOI_CHECK(inputs == nullptr || (team == nullptr && stack.precision() == Precision::kFloat32));
  const auto run = [&](std::size_t part, std::size_t parts, os::Barrier& barrier) {
    Pass(stack, batch, chunk, arena, part, parts, &barrier, inputs).Run(probe);
  };
  if (team != nullptr) {
    team->Together(run);
  } else {
    os::Barrier alone(1);
    run(0, 1, alone);
  }
}

}  // namespace malmoi::model

#include <algorithm>

#include "kernels/attention.h"
#include "model/forward_internal.h"
#include "model/post_norm_internal.h"

namespace malmoi::model {
namespace {

// Rows that go through both products of the feed-forward part together: 96 rows of 1,536 are
// 590 KB, which a 1 MB L2 keeps.
constexpr std::size_t kRowBlock = 96;

class Pass {
 public:
  Pass(const Stack& stack, const PackedBatch& batch, Chunk chunk, os::ThreadPool* team,
       Arena* arena)
      : stack_(stack),
        batch_(batch),
        chunk_(chunk),
        team_(team),
        arena_(*arena),
        first_(batch.starts[chunk.begin]),
        tokens_(batch.starts[chunk.end] - first_),
        hidden_(stack.hidden) {}

  void Run(const Probe* probe) {
    Embed();
    if (probe != nullptr) (*probe)(0, arena_.x.data());
    std::size_t done = 0;
    for (const Layer& layer : stack_.layers) {
      AttentionPart(layer.attention);
      for (std::size_t row = 0; row < tokens_; row += kRowBlock) FeedForward(layer.feed, row);
      if (probe != nullptr) (*probe)(++done, arena_.x.data());
    }
    if (!stack_.final_norm.empty()) {
      stack_.final_norm.Apply(arena_.x.data(), arena_.x.data(), tokens_);
    }
  }

 private:
  // x = norm(word + type + position), added in BertModel's order.
  void Embed() {
    const InputEmbedding& input = stack_.input;
    const std::size_t width = input.width;
    float* to = input.projection.empty() ? arena_.x.data() : arena_.normed.data();
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      std::int64_t position = input.position_offset;
      for (std::size_t t = batch_.starts[s]; t < batch_.starts[s + 1]; ++t) {
        // RoBERTa does not count padding tokens, wherever they stand.
        const bool padding = batch_.ids[t] == input.padding_id;
        const auto place = static_cast<std::size_t>(padding ? input.padding_id : position++);
        EmbedToken(input, batch_, t, place, {to + (t - first_) * width, width});
      }
    }
    if (!input.norm.empty()) input.norm.Apply(to, to, tokens_);
    if (input.projection.empty()) return;
    input.projection.Apply(
        {.x = to, .ldx = width, .rows = tokens_, .y = arena_.x.data(), .ldy = hidden_}, team_);
    if (!input.projected_norm.empty()) {
      input.projected_norm.Apply(arena_.x.data(), arena_.x.data(), tokens_);
    }
  }

  // The input of a part's product: x, or its norm beside it.
  const float* Input(const Norm& norm, std::size_t row, std::size_t rows) {
    const float* x = arena_.x.data() + row * hidden_;
    if (norm.empty()) return x;
    float* to = arena_.normed.data() + row * hidden_;
    norm.Apply(x, to, rows);
    return to;
  }

  // x += the product of a part, with the norms that the family puts around the addition.
  void Output(const Linear& linear, const float* from, std::size_t ld, const Norm& branch,
              const Norm& result, std::size_t row, std::size_t rows) {
    float* x = arena_.x.data() + row * hidden_;
    float* to = branch.empty() ? x : arena_.normed.data() + row * hidden_;
    LinearArgs args{.x = from, .ldx = ld, .rows = rows, .y = to, .ldy = hidden_};
    if (branch.empty()) {
      args.epilogue = kernels::Epilogue::kBiasResidual;
      args.residual = x;
      args.ldr = hidden_;
    }
    linear.Apply(args, team_);
    if (!branch.empty()) {
      branch.Apply(to, to, rows);
      for (std::size_t i = 0; i < rows * hidden_; ++i) x[i] += to[i];
    }
    if (!result.empty()) result.Apply(x, x, rows);
  }

  void AttentionPart(const AttentionLayer& layer) {
    layer.qkv.Apply({.x = Input(layer.input, 0, tokens_),
                     .ldx = hidden_,
                     .rows = tokens_,
                     .y = arena_.qkv.data(),
                     .ldy = stack_.qkv_width()},
                    team_);
    if (!layer.value.empty()) {
      layer.value.Apply({.x = Input(layer.input, 0, tokens_),
                         .ldx = hidden_,
                         .rows = tokens_,
                         .y = arena_.qkv.data() + layer.qkv.n(),
                         .ldy = stack_.qkv_width()},
                        team_);
    }
    if (layer.rope >= 0 || !layer.query.empty()) Rotate(layer);
    Attend(layer);
    Output(layer.out, arena_.context.data(), stack_.heads * stack_.head_dim, layer.branch,
           layer.result, 0, tokens_);
  }

  // Norms of single heads, then the rotation of queries and keys.
  void Rotate(const AttentionLayer& layer) {
    const std::size_t dim = stack_.head_dim;
    for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
      for (std::size_t t = batch_.starts[s]; t < batch_.starts[s + 1]; ++t) {
        float* q = arena_.qkv.data() + (t - first_) * stack_.qkv_width();
        float* k = q + stack_.heads * dim;
        if (!layer.query.empty()) layer.query.Apply(q, q, stack_.heads);
        if (!layer.key.empty()) layer.key.Apply(k, k, stack_.kv_heads);
        if (layer.rope < 0) continue;
        const auto which = static_cast<std::size_t>(layer.rope);
        ApplyRope(stack_.ropes[which], arena_.ropes[which], t - batch_.starts[s], q,
                  stack_.heads + stack_.kv_heads, dim);  // The keys' heads follow the queries'.
      }
    }
  }

  void Attend(const AttentionLayer& layer) {
    const std::size_t heads = stack_.heads;
    Split(team_, [&](std::size_t part, std::size_t parts) {
      float* scratch = arena_.scratch.data() + part * arena_.scratch_size;
      for (std::size_t s = chunk_.begin; s < chunk_.end; ++s) {
        for (std::size_t h = heads * part / parts; h < heads * (part + 1) / parts; ++h) {
          AttendHead(layer, s, h, scratch);
        }
      }
    });
  }

  void AttendHead(const AttentionLayer& layer, std::size_t s, std::size_t head, float* scratch) {
    const std::size_t dim = stack_.head_dim;
    const std::size_t row = batch_.starts[s] - first_;
    const std::size_t heads = stack_.heads;
    const std::size_t kv = head / (heads / stack_.kv_heads);  // Grouped queries share a key head.
    const float* qkv = arena_.qkv.data() + row * stack_.qkv_width();
    kernels::AttentionArgs args{.q = qkv + head * dim,
                                .k = qkv + (heads + kv) * dim,
                                .v = qkv + (heads + stack_.kv_heads + kv) * dim,
                                .ld = stack_.qkv_width(),
                                .tokens = batch_.starts[s + 1] - batch_.starts[s],
                                .head_dim = dim,
                                .scale = stack_.scale,
                                .out = arena_.context.data() + row * heads * dim + head * dim,
                                .ldo = heads * dim,
                                .before = layer.before,
                                .after = layer.after};
    if (stack_.distance_bias) {
      args.by_distance =
          arena_.distances.data() + head * (2 * arena_.longest - 1) + arena_.longest - 1;
    }
    if (layer.disentangled == nullptr) {
      kernels::Attention(layer.qkv.level(), args, scratch);
    } else {
      layer.disentangled->Attend(layer.qkv.level(), args, head, scratch);
    }
  }

  void FeedForward(const FeedForwardLayer& layer, std::size_t row) {
    const std::size_t width = stack_.width;
    const std::size_t wide = layer.up.n();
    const std::size_t rows = std::min(kRowBlock, tokens_ - row);
    const kernels::Epilogue fused =
        stack_.gated ? kernels::Epilogue::kBias : FusedEpilogue(stack_.activation);
    float* middle = arena_.middle.data();
    layer.up.Apply({.x = Input(layer.input, row, rows),
                    .ldx = hidden_,
                    .rows = rows,
                    .y = middle,
                    .ldy = wide,
                    .epilogue = fused},
                   team_);
    for (std::size_t r = 0; r < rows && fused == kernels::Epilogue::kBias; ++r) {
      float* half = middle + r * wide;
      Activate(stack_.activation, {half, width});
      for (std::size_t i = 0; i < width && stack_.gated; ++i) half[i] *= half[width + i];
    }
    Output(layer.down, middle, wide, layer.branch, layer.result, row, rows);
  }

  const Stack& stack_;
  const PackedBatch& batch_;
  const Chunk chunk_;
  os::ThreadPool* const team_;
  Arena& arena_;
  const std::size_t first_, tokens_, hidden_;
};

}  // namespace

void EmbedToken(const InputEmbedding& input, const PackedBatch& batch, std::size_t t,
                std::size_t place, std::span<float> x) {
  tensor::WidenF32(*input.words, static_cast<std::size_t>(batch.ids[t]) * x.size(), x);
  if (input.scale != 1) {
    for (float& v : x) v *= input.scale;
  }
  if (!input.types.empty()) {
    const auto type = batch.type_ids.empty() ? 0 : static_cast<std::size_t>(batch.type_ids[t]);
    const float* types = input.types.data() + type * x.size();
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += types[i];
  }
  if (!input.positions.empty()) {
    const float* positions = input.positions.data() + place * x.size();
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += positions[i];
  }
}

void Arena::Grow(const Stack& stack, std::size_t new_tokens, std::size_t new_longest,
                 std::size_t threads) {
  if (new_tokens > tokens) {
    tokens = new_tokens;
    x = Buffer<float>(tokens * stack.hidden);
    normed = Buffer<float>(tokens * std::max(stack.hidden, stack.input.width));
    qkv = Buffer<float>(tokens * stack.qkv_width());
    context = Buffer<float>(tokens * stack.heads * stack.head_dim);
    middle = Buffer<float>(std::min(tokens, kRowBlock) *
                           (stack.width * (stack.gated ? 2 : 1) + kMiddlePadding));
    narrow.Grow(stack, tokens);
  }
  if (new_longest > longest) {
    longest = new_longest;
    ropes.resize(stack.ropes.size());
    for (std::size_t i = 0; i < ropes.size(); ++i) ropes[i].Grow(stack.ropes[i], longest);
    if (stack.distance_bias) {
      const auto last = static_cast<std::int64_t>(longest) - 1;
      distances = Buffer<float>(stack.heads * (2 * longest - 1));
      for (std::size_t h = 0; h < stack.heads; ++h) {
        float* at = distances.data() + h * (2 * longest - 1) + last;
        for (std::int64_t d = -last; d <= last; ++d) at[d] = stack.distance_bias(h, d);
      }
    }
  }
  std::size_t need = kernels::AttentionScratch(longest, stack.head_dim);
  if (!stack.layers.empty() && stack.layers.front().attention.disentangled != nullptr) {
    need += stack.layers.front().attention.disentangled->Scratch(longest);
  }
  if (need > scratch_size || threads * scratch_size > scratch.size()) {
    // Parts of whole cache lines: threads write side by side.
    scratch_size = std::max((need + 15) / 16 * 16, scratch_size);
    scratch = Buffer<float>(threads * scratch_size);
  }
}

void Forward(const Stack& stack, const PackedBatch& batch, Chunk chunk, os::ThreadPool* team,
             Arena* arena, const Probe* probe) {
  std::size_t longest = 0;
  for (std::size_t s = chunk.begin; s < chunk.end; ++s) {
    longest = std::max<std::size_t>(longest, batch.starts[s + 1] - batch.starts[s]);
  }
  arena->Grow(stack, batch.starts[chunk.end] - batch.starts[chunk.begin], longest,
              team == nullptr ? 1 : team->threads());
  if (IsPostNorm(stack)) {
    PostNormForward(stack, batch, chunk, team, arena, probe);
  } else {
    Pass(stack, batch, chunk, team, arena).Run(probe);
  }
}

}  // namespace malmoi::model

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "kernels/vector.h"
#include "model/batch_internal.h"
#include "model/forward_internal.h"
#include "model/pooling.h"
#include "model/stack_encoder_internal.h"

namespace malmoi::model {
namespace {

class StackEncoder final : public Encoder {
 public:
  explicit StackEncoder(StackEncoderParts parts) : parts_(std::move(parts)) {}

  const EncoderConfig& config() const override { return parts_.model.config; }
  os::CpuLevel level() const override { return parts_.model.stack.level(); }
  os::CpuLevel kernel_level() const override {
    return parts_.model.stack.layers.front().attention.qkv.weights().kernel_level();
  }
  kernels::Precision precision() const override { return parts_.model.stack.precision(); }
  const std::string& fingerprint() const override { return parts_.fingerprint; }

  Result<Outputs> Run(const PackedBatch& batch, const Wanted& wanted, os::ThreadPool& pool,
                      const Cancel* cancel) const override {
    MALMOI_TRY(CheckBatch(batch, config()));
    MALMOI_TRY(Outputs out, Allocate(batch, wanted));
    std::atomic<std::size_t> broken{batch.count()};
    MALMOI_TRY(
        Pass(batch, pool, cancel, nullptr, [&](Chunk chunk, const float* x, os::ThreadPool* team) {
          for (std::size_t s = chunk.begin; s < chunk.end; ++s) {
            const float* states = x + (batch.starts[s] - batch.starts[chunk.begin]) * hidden();
            if (!Finite(states, (batch.starts[s + 1] - batch.starts[s]) * hidden())) {
              std::size_t least = broken;
              while (s < least && !broken.compare_exchange_weak(least, s)) continue;
            }
            Read(batch, s, states, wanted, team, &out);
          }
        }));
    if (broken < batch.count()) return NotFinite(broken);
    return out;
  }

  Result<Buffer<float>> HiddenStates(const PackedBatch& batch, os::ThreadPool& pool,
                                     const Cancel* cancel) const override {
    MALMOI_TRY(CheckBatch(batch, config()));
    Buffer<float> out(batch.ids.size() * hidden());
    MALMOI_TRY(
        Pass(batch, pool, cancel, nullptr, [&](Chunk chunk, const float* x, os::ThreadPool*) {
          const std::size_t first = batch.starts[chunk.begin];
          std::copy_n(x, (batch.starts[chunk.end] - first) * hidden(),
                      out.data() + first * hidden());
        }));
    return out;
  }

  Result<std::vector<Buffer<float>>> LayerStates(const PackedBatch& batch,
                                                 os::ThreadPool& pool) const override {
    MALMOI_TRY(CheckBatch(batch, config()));
    std::vector<Buffer<float>> out(parts_.model.stack.layers.size() + 1);
    for (auto& state : out) state = Buffer<float>(batch.ids.size() * hidden());
    const auto keep = [&](Chunk chunk, std::size_t state, const float* x) {
      const std::size_t first = batch.starts[chunk.begin];
      std::copy_n(x, (batch.starts[chunk.end] - first) * hidden(),
                  out[state].data() + first * hidden());
    };
    MALMOI_TRY(Pass(batch, pool, nullptr, keep, [](Chunk, const float*, os::ThreadPool*) {}));
    return out;
  }

 private:
  using Keep = std::function<void(Chunk, std::size_t, const float*)>;

  std::size_t hidden() const { return parts_.model.stack.hidden; }

  static bool Finite(const float* x, std::size_t n) {
    float sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += x[i] * 0.0f;  // 0, or NaN once one is not finite.
    return sum == 0;
  }
  static Error NotFinite(std::size_t sequence) {
    return Error(Code::kCorruption, "sequence " + std::to_string(sequence) +
                                        ": the model's result is no finite number: its weights "
                                        "are damaged or do not fit its configuration");
  }

  Result<Outputs> Allocate(const PackedBatch& batch, const Wanted& wanted) const {
    const EncoderConfig& c = config();
    const auto lacks = [](const std::string& what) {
      return Error(Code::kUnsupported, "the model has no " + what);
    };
    if (wanted.logits && c.labels.empty()) return lacks("classification head");
    if (wanted.sparse && !c.has_sparse) {
      return lacks("sparse output: it was not opened as a SPLADE model, or has no such head");
    }
    if (wanted.options.dimensions > c.dim) {
      return Error(Code::kOutOfRange, std::to_string(wanted.options.dimensions) +
                                          " dimensions, the model has " + std::to_string(c.dim));
    }
    Outputs out;
    if (wanted.vectors) out.vectors = Buffer<float>(batch.count() * Dimensions(wanted));
    if (wanted.logits) out.logits = Buffer<float>(batch.count() * c.labels.size());
    if (wanted.sparse) out.sparse.resize(batch.count());
    if (wanted.tokens) {
      out.tokens.dim = c.token_dim;
      const std::uint32_t skip = parts_.token_heads.skip_first ? 1 : 0;
      out.tokens.starts = {0};
      for (std::size_t s = 0; s < batch.count(); ++s) {
        out.tokens.starts.push_back(out.tokens.starts.back() + batch.starts[s + 1] -
                                    batch.starts[s] - skip);
      }
      out.tokens.values = Buffer<float>(out.tokens.starts.back() * c.token_dim);
    }
    return out;
  }

  std::size_t Dimensions(const Wanted& wanted) const {
    return wanted.options.dimensions > 0 ? wanted.options.dimensions : config().dim;
  }

  // All wanted outputs of sequence s from its hidden states.
  void Read(const PackedBatch& batch, std::size_t s, const float* x, const Wanted& wanted,
            os::ThreadPool* team, Outputs* out) const {
    const std::size_t tokens = batch.starts[s + 1] - batch.starts[s];
    const TokenHeads& heads = parts_.token_heads;
    if (wanted.vectors) {
      const std::size_t dim = Dimensions(wanted);
      const std::size_t skip = Skipped(batch, s, tokens);
      Buffer<float> pooled(config().poolings.size() * hidden());
      for (std::size_t p = 0; p < config().poolings.size(); ++p) {
        const bool all = config().poolings[p] == Pooling::kCls;
        Pool(config().poolings[p], all ? x : x + skip * hidden(), all ? tokens : tokens - skip,
             pooled.span().subspan(p * hidden(), hidden()));
      }
      Finish(parts_.post, wanted.options.normalize.value_or(config().normalize), std::move(pooled),
             out->vectors.span().subspan(s * dim, dim));
    }
    if (wanted.logits) {
      const std::size_t labels = config().labels.size();
      parts_.model.classifier.Apply(x, tokens, out->logits.span().subspan(s * labels, labels));
    }
    if (wanted.sparse) {
      out->sparse[s] = heads.sparse.empty()
                           ? parts_.model.vocabulary_head.Apply(x, tokens, team)
                           : heads.ApplySparse(x, {batch.ids.data() + batch.starts[s], tokens});
    }
    if (!wanted.tokens) return;
    float* rows = out->tokens.values.data() + out->tokens.starts[s] * config().token_dim;
    if (heads.vectors.empty()) {
      std::copy_n(x, tokens * hidden(), rows);
    } else {
      heads.ApplyVectors(x, tokens, rows);
    }
  }

  // Tokens of the prompt that pooling leaves out; never all.
  std::size_t Skipped(const PackedBatch& batch, std::size_t s, std::size_t tokens) const {
    if (config().include_prompt || batch.prompt_tokens.empty()) return 0;
    return std::min<std::size_t>(batch.prompt_tokens[s], tokens - 1);
  }

  // Takes every chunk through the model and gives its hidden states to `sink`, on any thread.
  // Threads take the next chunk when they are free: a chunk's bits do not depend on who runs it.
  template <class Sink>
  Status Pass(const PackedBatch& batch, os::ThreadPool& pool, const Cancel* cancel,
              const Keep& keep, Sink sink) const {
    if (batch.count() == 0) return Ok();
    const std::vector<Chunk> chunks = Chunks(batch, pool.threads());
    std::atomic<std::size_t> next{0};
    std::atomic<bool> cancelled{false};
    const auto work = [&](os::ThreadPool* team) {
      auto arena = TakeArena();
      for (std::size_t i = next.fetch_add(1); i < chunks.size(); i = next.fetch_add(1)) {
        if (cancel != nullptr && cancel->IsSet()) {
          cancelled = true;
          break;
        }
        const Probe probe = [&](std::size_t state, const float* x) { keep(chunks[i], state, x); };
        Forward(parts_.model.stack, batch, chunks[i], team, arena.get(), keep ? &probe : nullptr);
        sink(chunks[i], arena->x.data(), team);
      }
      ReturnArena(std::move(arena));
    };
    if (chunks.size() == 1) {
      work(pool.threads() > 1 ? &pool : nullptr);
    } else {
      pool.ParallelFor(pool.threads(),
                       [&](std::size_t, std::size_t, std::size_t) { work(nullptr); });
    }
    if (cancelled) return Error(Code::kCancelled, "encoding was cancelled");
    return Ok();
  }

  std::unique_ptr<Arena> TakeArena() const {
    const std::lock_guard lock(mutex_);
    if (arenas_.empty()) return std::make_unique<Arena>();
    auto arena = std::move(arenas_.back());
    arenas_.pop_back();
    return arena;
  }
  // What a long text needed (10 to 30 KB a token) is given back: touching new memory is little
  // beside its attention.
  void ReturnArena(std::unique_ptr<Arena> arena) const {
    constexpr std::size_t kKeptTokens = 2048;
    if (arena->tokens > kKeptTokens) return;
    const std::lock_guard lock(mutex_);
    arenas_.push_back(std::move(arena));
  }

  const StackEncoderParts parts_;
  mutable std::mutex mutex_;  // guards: arenas_
  mutable std::vector<std::unique_ptr<Arena>> arenas_;
};

}  // namespace

void Finish(const std::vector<PostModule>& post, bool normalize, Buffer<float> pooled,
            std::span<float> out) {
  for (const PostModule& module : post) {
    if (!module.norm.empty()) {
      module.norm.Apply(pooled.data(), pooled.data(), 1);
    } else if (module.dense.empty()) {
      kernels::NormalizeL2(pooled.span());
    } else {
      Buffer<float> next(module.dense.n());
      module.dense.Apply({.x = pooled.data(),
                          .ldx = module.dense.k(),
                          .rows = 1,
                          .y = next.data(),
                          .ldy = next.size()},
                         nullptr);
      Activate(module.activation, next.span());
      pooled = std::move(next);
    }
  }
  std::copy_n(pooled.data(), out.size(), out.data());
  if (normalize) kernels::NormalizeL2(out);
}

Result<std::size_t> DimensionAfter(const std::vector<PostModule>& post, std::size_t dim) {
  for (const PostModule& module : post) {
    const std::size_t in = module.dense.empty() ? module.norm.gamma.size() : module.dense.k();
    if (in != 0 && in != dim) {
      return Error(Code::kCorruption, "a module takes " + std::to_string(in) +
                                          " features, the one before it gives " +
                                          std::to_string(dim));
    }
    if (!module.dense.empty()) dim = module.dense.n();
  }
  return dim;
}

std::shared_ptr<const Encoder> MakeStackEncoder(StackEncoderParts parts) {
  return std::make_shared<StackEncoder>(std::move(parts));
}

std::string Fingerprint(const EncoderConfig& c, const std::string& more, Activation activation,
                        const tensor::SafeTensors& file) {
  Sha256 hash;
  std::string settings = c.family;
  for (const std::int64_t n : {c.hidden, c.layers, c.heads, c.intermediate, c.vocabulary,
                               c.positions, c.type_vocabulary, c.position_offset}) {
    Put(&settings, n);
  }
  Put(&settings, c.padding_id);
  Put(&settings, c.layer_norm_eps);
  Put(&settings, activation == Activation::kGeluTanh);
  Put<std::uint64_t>(&settings, c.max_tokens);
  for (const Pooling pooling : c.poolings) Put(&settings, pooling);
  Put(&settings, c.normalize);
  settings += more;
  hash.Update(settings);
  for (const std::string& name : file.Names()) {
    const tensor::TensorView& view = *file.Find(name);
    std::string header;
    PutString(&header, name);
    PutString(&header, tensor::DTypeName(view.dtype));
    for (const std::int64_t dim : view.shape) Put(&header, dim);
    hash.Update(header);
    hash.Update(view.bytes.substr(0, 4096));
  }
  return hash.HexDigest();
}

}  // namespace malmoi::model

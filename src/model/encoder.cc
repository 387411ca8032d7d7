#include "model/encoder.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "kernels/vector.h"
#include "model/config_internal.h"
#include "model/forward_internal.h"
#include "model/weights_internal.h"

namespace malmoi::model {
namespace {

// Tokens a worker takes through all layers at a time: 256 rows of the widest buffer of the small
// models (3 x 384 floats) are 1.2 MB, about what L2 holds, and a chunk is 30 ms of work at most, so
// cancelling is prompt.
constexpr std::size_t kChunkTokens = 256;

Error OutOfRange(std::size_t sequence, const std::string& what) {
  return Error(Code::kOutOfRange, "sequence " + std::to_string(sequence) + ": " + what);
}

Status CheckSequence(const PackedBatch& batch, std::size_t s, const EncoderConfig& config) {
  const std::size_t length = batch.starts[s + 1] - batch.starts[s];
  if (length == 0) return OutOfRange(s, "no tokens");
  if (length > config.max_tokens) {
    return OutOfRange(s, std::to_string(length) + " tokens, the model takes " +
                             std::to_string(config.max_tokens) + ": cut the text");
  }
  for (std::size_t t = batch.starts[s]; t < batch.starts[s + 1]; ++t) {
    if (batch.ids[t] < 0 || batch.ids[t] >= config.vocabulary) {
      return OutOfRange(s, "token id " + std::to_string(batch.ids[t]) +
                               " is outside the vocabulary of " +
                               std::to_string(config.vocabulary));
    }
    if (!batch.type_ids.empty() &&
        (batch.type_ids[t] < 0 || batch.type_ids[t] >= config.type_vocabulary)) {
      return OutOfRange(s, "type id " + std::to_string(batch.type_ids[t]) + " is not below " +
                               std::to_string(config.type_vocabulary));
    }
  }
  return Ok();
}

Status CheckBatch(const PackedBatch& batch, const EncoderConfig& config) {
  if (batch.count() == 0) return Ok();
  const bool types_fit = batch.type_ids.empty() || batch.type_ids.size() == batch.ids.size();
  if (batch.starts.front() != 0 || batch.starts.back() != batch.ids.size() || !types_fit ||
      !std::is_sorted(batch.starts.begin(), batch.starts.end())) {
    return Error(Code::kInvalidArgument,
                 "batch: starts do not rise from 0 to the number of ids, or type_ids differ in "
                 "number from ids");
  }
  for (std::size_t s = 0; s < batch.count(); ++s) MALMOI_TRY(CheckSequence(batch, s, config));
  return Ok();
}

// Consecutive sequences of up to kChunkTokens, fewer where that leaves threads without work.
std::vector<Chunk> Chunks(const PackedBatch& batch, std::size_t threads) {
  const std::size_t share = (batch.ids.size() + threads - 1) / threads;
  const std::size_t limit = std::min(share, kChunkTokens);
  std::vector<Chunk> chunks;
  for (std::size_t s = 0; s < batch.count(); ++s) {
    if (chunks.empty() || batch.starts[s + 1] - batch.starts[chunks.back().begin] > limit) {
      chunks.push_back({s, s});
    }
    chunks.back().end = s + 1;
  }
  return chunks;
}

// One sequence's vector from its hidden states x [tokens, dim].
void Pool(Pooling pooling, const float* x, std::size_t tokens, std::span<float> out) {
  const std::size_t dim = out.size();
  if (pooling == Pooling::kLast) x += (tokens - 1) * dim;
  for (std::size_t i = 0; i < dim; ++i) out[i] = x[i];
  if (pooling == Pooling::kCls || pooling == Pooling::kLast) return;
  for (std::size_t t = 1; t < tokens; ++t) {
    const float* row = x + t * dim;
    if (pooling == Pooling::kMax) {
      for (std::size_t i = 0; i < dim; ++i) out[i] = std::max(out[i], row[i]);
    } else {
      for (std::size_t i = 0; i < dim; ++i) out[i] += row[i];
    }
  }
  if (pooling == Pooling::kMean) {
    for (float& v : out) v /= static_cast<float>(tokens);
  }
}

std::string Fingerprint(const EncoderConfig& c, const tensor::SafeTensors& file,
                        kernels::Precision precision) {
  Sha256 hash;
  std::string settings = c.family;
  for (const std::int64_t n : {c.hidden, c.layers, c.heads, c.intermediate, c.vocabulary,
                               c.positions, c.type_vocabulary, c.position_offset}) {
    Put(&settings, n);
  }
  Put(&settings, c.padding_id);
  Put(&settings, c.layer_norm_eps);
  Put(&settings, c.gelu_tanh);
  Put<std::uint64_t>(&settings, c.max_tokens);
  Put(&settings, c.pooling);
  Put(&settings, c.normalize);
  // f32 adds nothing: what was indexed before there was a choice stays comparable.
  if (precision != kernels::Precision::kFloat32) {
    PutString(&settings, kernels::PrecisionName(precision));
  }
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

class BertEncoder final : public Encoder {
 public:
  BertEncoder(EncoderConfig config, BertWeights weights)
      : config_(std::move(config)),
        weights_(std::move(weights)),
        fingerprint_(Fingerprint(config_, *weights_.file, precision())) {}

  const EncoderConfig& config() const override { return config_; }
  os::CpuLevel level() const override { return weights_.layers.front().qkv.w->level(); }
  os::CpuLevel kernel_level() const override {
    return weights_.layers.front().qkv.w->kernel_level();
  }
  kernels::Precision precision() const override {
    return weights_.layers.front().qkv.w->precision();
  }

  const std::string& fingerprint() const override { return fingerprint_; }

  Result<Buffer<float>> Encode(const PackedBatch& batch, os::ThreadPool& pool,
                               const Cancel* cancel) const override {
    const auto dim = static_cast<std::size_t>(config_.hidden);
    MALMOI_TRY(CheckBatch(batch, config_));
    Buffer<float> out(batch.count() * dim);
    MALMOI_TRY(Run(batch, pool, cancel, [&](Chunk chunk, const float* x) {
      for (std::size_t s = chunk.begin; s < chunk.end; ++s) {
        const std::size_t row = batch.starts[s] - batch.starts[chunk.begin];
        const std::span<float> to = out.span().subspan(s * dim, dim);
        Pool(config_.pooling, x + row * dim, batch.starts[s + 1] - batch.starts[s], to);
        if (config_.normalize) kernels::NormalizeL2(to);
      }
    }));
    return out;
  }

  Result<Buffer<float>> HiddenStates(const PackedBatch& batch,
                                     os::ThreadPool& pool) const override {
    const auto dim = static_cast<std::size_t>(config_.hidden);
    MALMOI_TRY(CheckBatch(batch, config_));
    Buffer<float> out(batch.ids.size() * dim);
    MALMOI_TRY(Run(batch, pool, nullptr, [&](Chunk chunk, const float* x) {
      const std::size_t first = batch.starts[chunk.begin];
      std::copy_n(x, (batch.starts[chunk.end] - first) * dim, out.data() + first * dim);
    }));
    return out;
  }

 private:
  // Takes every chunk through the model and gives its hidden states to `sink`, on any thread.
  // Threads take the next chunk when they are free: a chunk's bits do not depend on who runs it.
  template <class Sink>
  Status Run(const PackedBatch& batch, os::ThreadPool& pool, const Cancel* cancel,
             Sink sink) const {
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
        Forward(config_, weights_, batch, chunks[i], team, arena.get());
        sink(chunks[i], arena->x.data());
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
  void ReturnArena(std::unique_ptr<Arena> arena) const {
    const std::lock_guard lock(mutex_);
    arenas_.push_back(std::move(arena));
  }

  const EncoderConfig config_;
  const BertWeights weights_;
  const std::string fingerprint_;
  mutable std::mutex mutex_;  // guards: arenas_
  mutable std::vector<std::unique_ptr<Arena>> arenas_;
};

}  // namespace

Result<std::shared_ptr<const Encoder>> Encoder::Open(const std::string& directory,
                                                     const EncoderOptions& options) {
  const std::string where = "open model '" + directory + "'";
  MALMOI_TRY(auto config, ReadEncoderConfig(directory).With(where));
  MALMOI_TRY(auto weights, LoadBert(directory, config, options.precision).With(where));
  return std::shared_ptr<const Encoder>(
      std::make_shared<BertEncoder>(std::move(config), std::move(weights)));
}

}  // namespace malmoi::model

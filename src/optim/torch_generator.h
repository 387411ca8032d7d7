#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace malmoi::os {
class ThreadPool;
}

namespace malmoi::optim {

// torch's CPU generator: the numbers that torch.randn, torch.randperm and torch.bernoulli give
// after torch.manual_seed(seed), so that optimizers that draw can be compared. Normals of 16 and
// more elements differ from torch's in the last bits, where its vector logarithm and circle do
// (normal_bodies.h); they are equal on every processor level. Thread safety: none.
class TorchGenerator {
 public:
  explicit TorchGenerator(std::uint64_t seed);

  // The bytes of torch.get_rng_state(): torch's own layout, little endian.
  static constexpr std::size_t kStateBytes = 5056;
  // Goes on where torch is. Errors: kInvalidArgument for another size or a position outside.
  static Result<TorchGenerator> FromTorch(std::span<const std::byte> state);
  // What FromTorch took, moved on by what was drawn since: for torch.set_rng_state().
  void ToTorch(std::span<std::byte, kStateBytes> state) const;

  std::uint32_t Random();
  std::uint64_t Random64();
  // Standard normals, as torch.randn of that many f32 (f64) elements. With a pool its threads share
  // what follows the drawing: logarithms and circles.
  void Normal(std::span<float> out, os::ThreadPool* pool = nullptr);
  // The same for torch.randn of bf16 or f16 elements, before it rounds them: the last, where their
  // number is no multiple of 16, are drawn otherwise.
  void NormalOfLow(std::span<float> out, os::ThreadPool* pool = nullptr);
  void Normal(std::span<double> out, os::ThreadPool* pool = nullptr);
  // The order of torch.randperm(n).
  std::vector<std::int64_t> Permutation(std::int64_t n);
  // torch.bernoulli of one f32 probability.
  bool Bernoulli(double p);
  // numpy.random.random() after numpy.random.seed(seed), which has the same engine.
  double NumpyUniform();

 private:
  double SmallNormal();  // Pairs, of which the second is kept for the next call.
  void Turn();           // The engine over: 624 new numbers.
  template <class T>
  T Uniform();
  void Uniforms(std::span<float> out);
  void Uniforms(std::span<double> out);
  template <class T>
  void Fill(std::span<T> out, std::size_t drawn, os::ThreadPool* pool);

  std::array<std::uint32_t, 624> state_;
  int next_ = 624;
  std::optional<double> kept_;
};

}  // namespace malmoi::optim

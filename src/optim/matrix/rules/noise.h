#pragma once

#include <map>
#include <memory>
#include <vector>

#include "optim/optimizer.h"
#include "optim/rule.h"
#include "optim/torch_generator.h"

namespace malmoi::optim::matrix {

// Random numbers for rules that draw, in the reference's order: tensor by tensor over all groups,
// from one generator a step. A rule visits its tensors twice: Visited of the first visit draws.
struct Noise {
  std::shared_ptr<TorchGenerator> generator;
  std::uint64_t seed = 0;
  bool seeded = false;
  TorchGenerator* given = nullptr;                   // The caller's: the numbers are taken from it.
  std::map<std::size_t, std::vector<double>> drawn;  // By tensor.

  void Accept(const StepInputs& inputs) {
    seeded = inputs.has_seed;
    seed = inputs.seed;
    given = inputs.generator;
  }
  // Once a step, on the first group's rule; the others take the same generator.
  void Start(std::int64_t step) {
    if (given != nullptr) {
      generator = std::shared_ptr<TorchGenerator>(given, [](TorchGenerator*) {});
      return;
    }
    generator = std::make_shared<TorchGenerator>(
        seeded ? seed : 0x5bd1e995U + static_cast<std::uint64_t>(step));
  }
  template <class T>
  void Draw(std::size_t tensor, std::size_t n) {
    std::vector<T> values(n);
    generator->Normal(std::span<T>(values));
    std::vector<double>& all = drawn[tensor];
    all.insert(all.end(), values.begin(), values.end());
  }
  const std::vector<double>& Of(std::size_t tensor) const { return drawn.at(tensor); }
};

}  // namespace malmoi::optim::matrix

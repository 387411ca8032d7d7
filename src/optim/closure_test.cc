// Goal: a closure may put its gradients anywhere, as autograd does after zero_grad(set_to_none).
// Method: the same quadratic by a closure that writes into one buffer, and by one that takes
// another buffer every time; then by one that leaves a parameter without a gradient.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "optim/optimizer.h"

namespace malmoi::optim {
namespace {

struct Quadratic {
  std::vector<float> p = {1.0F, -2.0F, 0.5F, 3.0F};
  std::vector<std::vector<float>> buffers;
  bool moves = false, drops = false;
  int calls = 0;
  std::unique_ptr<Optimizer> optimizer;

  explicit Quadratic(bool moving) : buffers(64, std::vector<float>(4)), moves(moving) {
    std::vector<Group> groups(1);
    // No gradient before the first closure, as in PyTorch.
    groups[0].parameters.push_back({.name = "p", .shape = {4}, .data = p.data()});
    auto made = Optimizer::Create(
        "lbfgs", std::move(groups),
        json::Parse(R"({"lr": 0.3, "max_iter": 3, "line_search_fn": "strong_wolfe"})").value());
    REQUIRE_MESSAGE(made.ok(), made.error().message());
    optimizer = std::move(made).value();
  }
  double Loss() {
    std::vector<float>& g = buffers[moves ? static_cast<std::size_t>(++calls % 64) : 0];
    double loss = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const float a = static_cast<float>(i + 1);
      g[i] = a * p[i];
      loss += 0.5 * static_cast<double>(a * p[i] * p[i]);
    }
    optimizer->parameters()[0]->grad = drops ? nullptr : g.data();
    return loss;
  }
  Status Step() {
    StepInputs inputs;
    inputs.closure = [this] { return Loss(); };
    MALMOI_TRY(optimizer->Step(inputs));
    return Ok();
  }
};

TEST_CASE("gradients that move in memory are followed") {
  Quadratic still(false), moving(true);
  for (int k = 0; k < 4; ++k) {
    REQUIRE(still.Step().ok());
    REQUIRE(moving.Step().ok());
    CHECK(still.p == moving.p);
  }
  CHECK(still.p != Quadratic(false).p);
}

TEST_CASE("a gradient that a closure drops counts as zero") {
  Quadratic run(true);
  REQUIRE(run.Step().ok());
  const std::vector<float> before = run.p;
  run.optimizer->parameters()[0]->grad = run.buffers[0].data();
  run.drops = true;
  REQUIRE(run.Step().ok());
  CHECK(run.p == before);
}

}  // namespace
}  // namespace malmoi::optim

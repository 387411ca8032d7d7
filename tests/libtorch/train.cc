// Goal: malmoi/torch.hpp is an optimizer as LibTorch's own are.
// Method: AdamW and SGD step beside torch's; a scheduler changes the rate; save and load continue
// bit for bit; a closure's loss comes back; what cannot be stepped is refused by name.
#include <cstdio>
#include <malmoi/torch.hpp>
#include <sstream>

namespace {

int failures = 0;
void Expect(bool good, const char* what) {
  if (good) return;
  ++failures;
  std::printf("failed: %s\n", what);
}

struct Net {
  torch::nn::Linear a{8, 16}, b{16, 1};
  torch::Tensor x = torch::randn({32, 8}), y = torch::randn({32, 1});
  Net() {
    torch::manual_seed(1);
    a = torch::nn::Linear(8, 16), b = torch::nn::Linear(16, 1);
    x = torch::randn({32, 8}), y = torch::randn({32, 1});
  }
  std::vector<torch::Tensor> parameters() const { return {a->weight, a->bias, b->weight, b->bias}; }
  torch::Tensor Loss() { return torch::mse_loss(b(torch::tanh(a(x))), y); }
  void CopyFrom(const Net& other) {
    torch::NoGradGuard guard;
    for (std::size_t i = 0; i < 4; ++i) parameters()[i].copy_(other.parameters()[i]);
  }
  double Distance(const Net& other) const {
    double worst = 0;
    for (std::size_t i = 0; i < 4; ++i)
      worst = std::max(worst, (parameters()[i] - other.parameters()[i]).abs().max().item<double>());
    return worst;
  }
};

template <class Optimizer>
void Train(Net& net, Optimizer& optimizer, int steps) {
  for (int k = 0; k < steps; ++k) {
    optimizer.zero_grad();
    net.Loss().backward();
    optimizer.step();
  }
}

void BesideTorch() {
  Net ours, theirs;
  malmoi::TorchOptimizer mine("adamw", ours.parameters(),
                              malmoi::TorchOptions(1e-2).json(R"({"weight_decay": 0.1})"));
  torch::optim::AdamW other(theirs.parameters(),
                            torch::optim::AdamWOptions(1e-2).weight_decay(0.1));
  Train(ours, mine, 5), Train(theirs, other, 5);
  Expect(ours.Distance(theirs) < 1e-6, "AdamW agrees with torch's");
  torch::optim::StepLR schedule(mine, 1, 0.5), their_schedule(other, 1, 0.5);
  for (int k = 0; k < 3; ++k) {
    Train(ours, mine, 1), Train(theirs, other, 1);
    schedule.step(), their_schedule.step();
  }
  Expect(ours.Distance(theirs) < 1e-6, "a scheduler changes the rate");
}

void SaveAndLoad() {
  for (const char* name : {"adamp", "lion", "soap", "prodigy"}) {
    Net first, second;
    malmoi::TorchOptions options(name == std::string("prodigy") ? 1.0 : 1e-2);
    malmoi::TorchOptimizer a(name, first.parameters(), options);
    Train(first, a, 3);
    std::stringstream stream;
    torch::save(a, stream);
    second.CopyFrom(first);
    malmoi::TorchOptimizer b(name, second.parameters(), options);
    torch::load(b, stream);
    Train(first, a, 3), Train(second, b, 3);
    Expect(first.Distance(second) == 0, name);
  }
}

void ClosureAndRefusals() {
  Net net;
  malmoi::TorchOptimizer optimizer("emonavi", net.parameters(), malmoi::TorchOptions(1e-2));
  const auto loss = optimizer.step([&] {
    optimizer.zero_grad();
    auto l = net.Loss();
    l.backward();
    return l;
  });
  Expect(loss.item<double>() > 0, "the closure's loss comes back");
  bool refused = false;
  try {
    malmoi::TorchOptimizer none("nothing", net.parameters());
  } catch (const c10::Error& e) {
    refused = std::string(e.what()).find("nothing") != std::string::npos;
  }
  Expect(refused, "an unknown name is refused");
  refused = false;
  try {
    malmoi::TorchOptimizer strided("adamw", {torch::randn({4, 6}).t()});
  } catch (const c10::Error&) {
    refused = true;
  }
  Expect(refused, "a strided parameter is refused");
}

}  // namespace

int main() {
  torch::set_num_threads(1);
  BesideTorch();
  SaveAndLoad();
  ClosureAndRefusals();
  if (failures == 0) std::printf("ok\n");
  return failures == 0 ? 0 : 1;
}

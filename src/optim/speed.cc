#include "optim/speed.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "base/strings.h"
#include "optim/engine.h"
#include "optim/optimizer.h"
#include "optim/storage.h"
#include "optim/traffic.h"

namespace malmoi::optim {
namespace {

// A 12-layer transformer of about n parameters: matrices, biases, norms, one embedding.
std::vector<Shape> TransformerShapes(std::size_t n) {
  const auto d = std::max<std::int64_t>(
      8, static_cast<std::int64_t>(std::sqrt(static_cast<double>(n) / 170.0)) / 8 * 8);
  std::vector<Shape> out;
  std::size_t sum = 0;
  const auto add = [&](Shape shape) {
    sum += Elements(shape);
    out.push_back(std::move(shape));
  };
  for (int layer = 0; layer < 12; ++layer) {
    add({3 * d, d}), add({3 * d}), add({d, d}), add({d});
    add({4 * d, d}), add({4 * d}), add({d, 4 * d}), add({d});
    for (int i = 0; i < 4; ++i) add({d});
  }
  const auto left = static_cast<std::int64_t>((n > sum ? n - sum : 0)) / d;
  add({std::max<std::int64_t>(left, 1), d});
  return out;
}

// Options without which a rule cannot be made.
Result<json::Value> Needed(const std::string& name) {
  if (name == "bsam") return json::Parse(R"({"num_data":1000})");
  if (name == "ranger21") return json::Parse(R"({"num_iterations":10000})");
  return json::Parse("{}");
}

struct Kind {
  const char* label;
  Storage grads, states;
};
constexpr Kind kKinds[] = {{"f32", Storage::kF32, Storage::kF32},
                           {"bf16", Storage::kBf16, Storage::kBf16},
                           {"q8", Storage::kBf16, Storage::kQ8}};

// Steps of an optimizer over its own copy of the tensors.
class Bench {
 public:
  Bench(const std::vector<Shape>& shapes, Storage grads) : grad_storage_(grads) {
    for (const Shape& shape : shapes) {
      const std::size_t n = Elements(shape);
      total_ += n;
      Buffer<float> p(n), g(n);
      for (std::size_t i = 0; i < n; ++i) {
        p[i] = 0.02f * static_cast<float>(static_cast<int>(i % 97) - 48);
        g[i] = 0.001f * static_cast<float>(static_cast<int>(i % 89) - 44);
      }
      if (grads == Storage::kBf16) {
        Buffer<std::uint16_t> half(n);
        ToBf16(g.data(), half.data(), n);
        halves_.push_back(std::move(half));
        g = Buffer<float>(0);
      }
      parameters_.push_back(std::move(p));
      grads_.push_back(std::move(g));
      shapes_.push_back(shape);
    }
  }

  Result<double> StepMs(const std::string& name, Storage states, std::size_t threads, int runs,
                        Engine::Traffic* traffic) {
    EngineOptions engine;
    engine.threads = threads;
    engine.state_storage = states;
    std::vector<Group> groups;
    groups.push_back(MakeGroup());
    MALMOI_TRY(const auto options, Needed(name));
    MALMOI_TRY(const auto optimizer, Optimizer::Create(name, std::move(groups), options, engine));
    StepInputs inputs;
    inputs.loss = 1;
    inputs.has_loss = true;
    inputs.closure = [] { return 1.0; };
    if (name == "adahessian" || name == "sophiah") {
      for (const auto& g : grads_) inputs.hessian.push_back(g.data());
    }
    Status failed = Ok();
    const double ms = MedianMs(runs, [&] {
      if (auto step = optimizer->Step(inputs); !step.ok()) failed = std::move(step.error());
    });
    MALMOI_TRY(std::move(failed));
    *traffic = {};
    if (const auto* e = dynamic_cast<const Engine*>(optimizer.get())) *traffic = e->LastTraffic();
    return ms;
  }
  std::size_t total() const { return total_; }

 private:
  Group MakeGroup() {
    Group group;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      Parameter p{.name = "p" + std::to_string(i), .shape = shapes_[i]};
      p.data = parameters_[i].data();
      p.grad = grad_storage_ == Storage::kBf16 ? static_cast<const void*>(halves_[i].data())
                                               : grads_[i].data();
      p.grad_storage = grad_storage_;
      group.parameters.push_back(std::move(p));
    }
    return group;
  }

  Storage grad_storage_;
  std::size_t total_ = 0;
  std::vector<Shape> shapes_;
  std::vector<Buffer<float>> parameters_, grads_;
  std::vector<Buffer<std::uint16_t>> halves_;
};

std::string OneOf() {
  std::string names;
  for (const Kind& kind : kKinds) names += (names.empty() ? "" : ", ") + std::string(kind.label);
  return names;
}

}  // namespace

Result<std::vector<SpeedFigure>> MeasureSpeed(const SpeedOptions& options,
                                              const std::function<void(const SpeedFigure&)>& line) {
  std::vector<std::string> names = options.optimizers;
  if (names.empty()) {
    names = {"adamw", "lion", "ademamix", "adan", "sgd", "adabelief", "lamb", "prodigy"};
  }
  const auto known = OptimizerNames();
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return Error(Code::kNotFound,
                   "no optimizer '" + name + "' to measure; see: malmoi optim list");
    }
  }
  for (const std::string& storage : options.storages) {
    if (std::none_of(std::begin(kKinds), std::end(kKinds),
                     [&](const Kind& k) { return storage == k.label; })) {
      return Error(Code::kInvalidArgument, "storage '" + storage + "': expected " + OneOf());
    }
  }
  const auto shapes = TransformerShapes(options.parameters);
  std::vector<SpeedFigure> out;
  std::map<std::array<double, 3>, double> yards;
  for (const Kind& kind : kKinds) {
    const bool wanted =
        options.storages.empty() ||
        std::count(options.storages.begin(), options.storages.end(), std::string(kind.label)) > 0;
    if (!wanted) continue;
    Bench bench(shapes, kind.grads);
    for (const std::string& name : names) {
      if (options.storages.empty() && kind.grads != Storage::kF32 && name != names.front()) break;
      for (const std::size_t threads : options.threads) {
        SpeedFigure f;
        f.optimizer = name, f.storage = kind.label, f.threads = threads;
        f.parameters = bench.total(), f.tensors = shapes.size();
        Engine::Traffic traffic;
        auto ms = bench.StepMs(name, kind.states, threads, options.runs, &traffic);
        if (!ms.ok()) return std::move(ms.error()).With(name);
        f.step_ms = ms.value();
        f.one_pass = traffic.one_pass;
        const double read = traffic.read * (traffic.one_pass ? 1 : 2);
        f.bytes_per_parameter = read + traffic.written;
        f.gb_per_s = f.bytes_per_parameter * static_cast<double>(bench.total()) / f.step_ms / 1e6;
        if (traffic.read > 0) {
          double& yard = yards[{read, traffic.written, static_cast<double>(threads)}];
          if (yard == 0) {
            yard =
                PlainTraffic(bench.total(), read, traffic.written).Measure(threads, options.runs);
          }
          f.traffic_gb_per_s = yard;
        }
        line(f);
        out.push_back(std::move(f));
      }
    }
  }
  return out;
}

}  // namespace malmoi::optim

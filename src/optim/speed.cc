#include "optim/speed.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/clock.h"
#include "optim/optimizer.h"
#include "optim/registry.h"
#include "optim/storage.h"
#include "optim/traffic_kernels.h"
#include "os/thread_pool.h"

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

double MedianMs(int runs, const std::function<void()>& work) {
  work();
  work();
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const std::int64_t start = MonotonicNs();
    work();
    times.push_back(1e3 * SecondsSince(start));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

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

  Result<double> StepMs(const std::string& name, Storage states, std::size_t threads, int runs) {
    Group group;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      Parameter p{.name = "p" + std::to_string(i), .shape = shapes_[i]};
      p.data = parameters_[i].data();
      p.grad = grad_storage_ == Storage::kBf16 ? static_cast<const void*>(halves_[i].data())
                                               : grads_[i].data();
      p.grad_storage = grad_storage_;
      group.parameters.push_back(std::move(p));
    }
    std::vector<Group> groups;
    groups.push_back(std::move(group));
    EngineOptions engine;
    engine.threads = threads;
    engine.state_storage = states;
    json::Value options;
    MALMOI_TRY(const auto optimizer, Optimizer::Create(name, std::move(groups), options, engine));
    Status failed = Ok();
    const double ms = MedianMs(runs, [&] {
      if (auto step = optimizer->Step(); !step.ok()) failed = std::move(step.error());
    });
    MALMOI_TRY(std::move(failed));
    return ms;
  }

  // Full-size states of the rule.
  std::size_t States(const std::string& name) const {
    const RuleRow* row = FindRule(name);
    if (row == nullptr) return 0;
    StateList list;
    row->make()->Declare(list, shapes_.front());
    std::size_t full = 0;
    for (const auto& item : list.items) full += item.full;
    return full;
  }
  std::size_t total() const { return total_; }

 private:
  Storage grad_storage_;
  std::size_t total_ = 0;
  std::vector<Shape> shapes_;
  std::vector<Buffer<float>> parameters_, grads_;
  std::vector<Buffer<std::uint16_t>> halves_;
};

double TrafficMs(std::size_t n, std::size_t states, std::size_t threads, int runs) {
  const Kernel* kernels[] = {&TrafficOneState, &TrafficOneState, &TrafficTwoStates,
                             &TrafficThreeStates, &TrafficFourStates};
  PassJob job;
  job.kernel = kernels[std::min<std::size_t>(states, 4)];
  std::vector<Buffer<float>> arrays;
  for (std::size_t i = 0; i < states + 2; ++i) arrays.emplace_back(n);
  job.source[0].data = arrays[0].data();
  job.source[1].data = arrays[1].data();
  for (std::size_t i = 0; i < states; ++i) job.source[3 + i].data = arrays[2 + i].data();
  job.n = n;
  os::ThreadPool pool(threads, "traffic");
  constexpr std::size_t kUnit = 4096;
  return MedianMs(runs, [&] {
    pool.ParallelFor((n + kUnit - 1) / kUnit, [&](std::size_t, std::size_t b, std::size_t e) {
      PassSums unused;
      RunRange(job, b * kUnit, std::min(n, e * kUnit), &unused);
    });
  });
}

double Bytes(Storage storage) {
  return storage == Storage::kQ8 ? 1.0 + 4.0 / kQ8Block : storage == Storage::kBf16 ? 2.0 : 4.0;
}

}  // namespace

Result<std::vector<SpeedFigure>> MeasureSpeed(const SpeedOptions& options,
                                              const std::function<void(const SpeedFigure&)>& line) {
  std::vector<std::string> names = options.optimizers;
  if (names.empty()) {
    names = {"adamw", "lion", "ademamix", "adan", "sgd", "adabelief", "lamb", "prodigy"};
  }
  for (const std::string& name : names) {
    if (FindRule(name) == nullptr) {
      return Error(Code::kNotFound, "no rule '" + name + "' to measure; see: malmoi optim list");
    }
  }
  const auto shapes = TransformerShapes(options.parameters);
  std::vector<SpeedFigure> out;
  const struct {
    const char* label;
    Storage grads, states;
  } kinds[] = {{"f32", Storage::kF32, Storage::kF32},
               {"bf16 grads and states", Storage::kBf16, Storage::kBf16},
               {"bf16 grads, 8-bit states", Storage::kBf16, Storage::kQ8}};
  std::map<std::pair<std::size_t, std::size_t>, double> traffic;
  for (const auto& kind : kinds) {
    Bench bench(shapes, kind.grads);
    for (const std::string& name : names) {
      if (kind.grads != Storage::kF32 && name != names.front()) continue;
      const std::size_t states = std::min<std::size_t>(bench.States(name), 4);
      const std::size_t measured = std::max<std::size_t>(states, 1);
      for (const std::size_t threads : options.threads) {
        double& yard = traffic[{measured, threads}];
        const auto n = static_cast<double>(bench.total());
        if (yard == 0) {
          const double ms = TrafficMs(bench.total(), measured, threads, options.runs);
          yard = (12.0 + 8.0 * static_cast<double>(measured)) * n / ms / 1e6;
        }
        SpeedFigure f;
        f.optimizer = name, f.storage = kind.label, f.threads = threads;
        f.parameters = bench.total(), f.tensors = shapes.size();
        f.bytes_per_parameter =
            8.0 + Bytes(kind.grads) + 2.0 * Bytes(kind.states) * static_cast<double>(states);
        MALMOI_TRY(f.step_ms, bench.StepMs(name, kind.states, threads, options.runs));
        f.gb_per_s = f.bytes_per_parameter * n / f.step_ms / 1e6;
        f.traffic_gb_per_s = yard;
        line(f);
        out.push_back(std::move(f));
      }
    }
  }
  return out;
}

}  // namespace malmoi::optim

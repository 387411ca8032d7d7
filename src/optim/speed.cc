#include "optim/speed.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <map>

#include "base/clock.h"
#include "base/strings.h"
#include "optim/engine.h"
#include "optim/optimizer.h"
#include "optim/storage.h"
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

// The median of `runs`, or of as many as fit in ten seconds, at least three.
double MedianMs(int runs, const std::function<void()>& work) {
  const std::int64_t all = MonotonicNs();
  work();
  work();
  std::vector<double> times;
  for (int i = 0; i < runs && (i < 3 || SecondsSince(all) < 10); ++i) {
    const std::int64_t start = MonotonicNs();
    work();
    times.push_back(1e3 * SecondsSince(start));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
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
    MALMOI_TRY(const auto optimizer, Optimizer::Create(name, std::move(groups), {}, engine));
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

// Reads `read` bytes a parameter and writes `written` of them back, one addition an eight bytes, in
// streams of four bytes a parameter that advance together: GB/s, at the best of several block
// sizes. Streams begin a few lines off a page, each elsewhere, as tensors do: at equal offsets they
// would push each other out of the cache, and the yardstick would flatter what it measures.
class PlainTraffic {
 public:
  PlainTraffic(std::size_t parameters, double read, double written) : n_(parameters) {
    AddStreams(written, true);
    AddStreams(read - written, false);
  }
  double Measure(std::size_t threads, int runs) {
    os::ThreadPool pool(threads, "traffic");
    double best = 0;
    for (const std::size_t block : {std::size_t{256}, std::size_t{1024}, std::size_t{4096}}) {
      const std::size_t blocks = n_ / block, piece = std::max<std::size_t>(1, (1 << 18) / block);
      const double ms = MedianMs(runs, [&] {
        std::atomic<std::size_t> next{0};
        pool.ParallelFor(threads, [&](std::size_t, std::size_t, std::size_t) {
          for (std::size_t b = next.fetch_add(piece); b < blocks; b = next.fetch_add(piece)) {
            for (std::size_t i = b; i < std::min(blocks, b + piece); ++i) Move(i, block);
          }
        });
      });
      best = std::max(best, bytes_ / ms / 1e6);
    }
    return best;
  }

 private:
  typedef std::uint64_t Words __attribute__((vector_size(32), aligned(8), may_alias));

  void AddStreams(double bytes, bool writes) {
    for (double left = bytes; left > 0.01; left -= 4) {
      const double width = std::min(left, 4.0);
      widths_.push_back(width);
      writes_.push_back(writes);
      bytes_ += width * static_cast<double>(n_) * (writes ? 2 : 1);
      offsets_.push_back(arrays_.size() * 40);  // Words: five lines further for each.
      arrays_.emplace_back(static_cast<std::size_t>(width * static_cast<double>(n_)) / 64 * 8 + 8 +
                           offsets_.back());
    }
  }

  void Move(std::size_t block, std::size_t size) {
    for (std::size_t s = 0; s < arrays_.size(); ++s) {
      const auto at = [&](std::size_t b) {
        return static_cast<std::size_t>(static_cast<double>(b * size) * widths_[s]) / 32;
      };
      auto* words = reinterpret_cast<Words*>(arrays_[s].data() + offsets_[s]);
      const std::size_t begin = at(block), end = at(block + 1);
      if (writes_[s]) {
        for (std::size_t i = begin; i < end; ++i) words[i] += 1;
      } else {
        Words sum = {};
        for (std::size_t i = begin; i < end; ++i) sum += words[i];
        asm volatile("" ::"m"(sum));
      }
    }
  }

  std::size_t n_;
  double bytes_ = 0;
  std::vector<double> widths_;
  std::vector<bool> writes_;
  std::vector<std::size_t> offsets_;
  std::vector<Buffer<std::uint64_t>> arrays_;
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

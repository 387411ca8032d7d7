// Goal: the engine's promises hold for every rule, not only for those that a golden file shows.
// Method: each rule of the registry steps over random tensors with awkward lengths and values; the
// results must be equal bit for bit between processor levels, numbers of threads, and a run that
// was saved and resumed; AdamW is compared with its formula in double.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "optim/builtin_kernels.h"
#include "optim/optimizer.h"
#include "optim/registry.h"
#include "optim/storage.h"
#include "os/cpu_info.h"
#include "os/paths.h"
#include "os/vfs.h"

namespace malmoi::optim {
namespace {

struct Random {
  std::uint64_t state;
  std::uint32_t Next() {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<std::uint32_t>(state >> 33);
  }
  float Normal() {  // Roughly: the sum of four uniforms.
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(Next() % 65536) / 65536.0f;
    return sum - 2.0f;
  }
};

struct Run {
  std::vector<Shape> shapes;
  std::vector<std::vector<float>> p, g;
  std::unique_ptr<Optimizer> optimizer;
  Random random{7};

  explicit Run(std::vector<Shape> with) : shapes(std::move(with)) {
    for (const Shape& shape : shapes) {
      std::vector<float> values(Elements(shape));
      for (float& v : values) v = random.Normal();
      g.emplace_back(values.size());
      p.push_back(std::move(values));
    }
  }
  Status Create(std::string_view name, std::size_t threads, const char* options = "{}",
                EngineOptions engine = {}) {
    std::vector<Group> groups(1);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      Parameter parameter{.name = "p" + std::to_string(i), .shape = shapes[i]};
      parameter.data = p[i].data();
      parameter.grad = g[i].data();
      groups[0].parameters.push_back(std::move(parameter));
    }
    engine.threads = threads;
    MALMOI_TRY(const auto parsed, json::Parse(options));
    MALMOI_TRY(optimizer, Optimizer::Create(name, std::move(groups), parsed, engine));
    return Ok();
  }
  Status Step() {
    for (auto& values : g) {
      for (float& v : values) v = 0.1f * random.Normal();
    }
    return StepAsIs();
  }
  Status StepAsIs() {
    StepInputs inputs;
    inputs.has_loss = true, inputs.loss = 0.5;
    inputs.seed = 3, inputs.has_seed = true;
    inputs.closure = [] { return 0.5; };
    std::vector<const void*> hessian;
    for (auto& values : g) hessian.push_back(values.data());
    inputs.hessian = hessian;
    MALMOI_TRY(optimizer->Step(inputs));
    return Ok();
  }
};

bool SameBits(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].empty()) continue;  // memcmp takes no null.
    if (std::memcmp(a[i].data(), b[i].data(), a[i].size() * 4) != 0) return false;
  }
  return true;
}

// Options without which a rule cannot be made.
const char* Needed(std::string_view name) {
  if (name == "ranger21") return R"({"num_iterations":20})";
  if (name == "bsam") return R"({"num_data":10})";
  if (name == "adammini") return R"({"num_embeds":8,"num_heads":2})";
  return "{}";
}

std::vector<Shape> TailShapes() {
  std::vector<Shape> out;
  for (std::int64_t n = 0; n <= 65; ++n) out.push_back({n});
  out.push_back({7, 5});
  out.push_back({3, 2, 2});
  out.push_back({5, 37});
  return out;
}

class AtLevel {
 public:
  explicit AtLevel(os::CpuLevel level) : before_(os::SetCpuLevelForTest(level)) {}
  ~AtLevel() { os::SetCpuLevelForTest(before_); }

 private:
  os::CpuLevel before_;
};

}  // namespace

TEST_CASE("every rule gives the same bits on every processor level, for all tails") {
  for (const RuleRow* row : RuleRows()) {
    const std::string rule_name = row->name;
    CAPTURE(rule_name);
    std::vector<std::vector<float>> first;
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      AtLevel at(level);
      Run run(TailShapes());
      REQUIRE(run.Create(row->name, 1, Needed(row->name)).ok());
      for (int i = 0; i < 2; ++i) {
        const auto status = run.Step();
        if (!status.ok()) MESSAGE(status.error().message());
        REQUIRE(status.ok());
      }
      if (first.empty()) first = run.p;
      CAPTURE(os::CpuLevelName(level));
      CHECK(SameBits(first, run.p));
    }
  }
}

TEST_CASE("denormal, infinite and undefined gradients give the same bits on every level") {
  const float inf = std::numeric_limits<float>::infinity();
  const float odd[] = {1e-40f, -1e-42f, 0.0f, -0.0f, inf, -inf, std::nanf(""), 3e38f};
  for (const char* name : {"adamw", "lion", "adan", "adabelief", "sgd", "lamb"}) {
    const std::string rule_name = name;
    CAPTURE(rule_name);
    std::vector<std::vector<float>> first;
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      AtLevel at(level);
      Run run({{37}, {8}});
      REQUIRE(run.Create(name, 1).ok());
      for (std::size_t i = 0; i < run.g[0].size(); ++i) run.g[0][i] = odd[i % 8];
      REQUIRE(run.StepAsIs().ok());
      // A NaN's sign and payload depend on the order of an addition's operands.
      for (auto& values : run.p) {
        for (float& v : values) v = std::isnan(v) ? 0.0f : v;
      }
      if (first.empty()) first = run.p;
      CHECK(SameBits(first, run.p));
    }
  }
}

TEST_CASE("every rule gives the same bits with any number of threads") {
  for (const RuleRow* row : RuleRows()) {
    const std::string rule_name = row->name;
    CAPTURE(rule_name);
    for (const Storage states : {Storage::kF32, Storage::kBf16}) {
      std::vector<std::vector<float>> first;
      for (const std::size_t threads : {1, 2, 3}) {
        Run run({{530, 500}, {9000}, {40, 30}});
        EngineOptions engine;
        engine.state_storage = states;
        REQUIRE(run.Create(row->name, threads, Needed(row->name), engine).ok());
        REQUIRE(run.Step().ok());
        if (first.empty()) first = run.p;
        CHECK(SameBits(first, run.p));
      }
    }
  }
}

namespace {

// Three steps, saved, and two more by the first and by another that has loaded it.
void ResumesBitForBit(const char* name, const std::vector<Shape>& shapes, Storage states,
                      const std::string& path) {
  EngineOptions engine;
  engine.state_storage = states;
  Run a(shapes), b(shapes);
  REQUIRE(a.Create(name, 1, Needed(name), engine).ok());
  for (int i = 0; i < 3; ++i) REQUIRE(a.Step().ok());
  REQUIRE(SaveState(*a.optimizer, path).ok());
  REQUIRE(b.Create(name, 1, Needed(name), engine).ok());
  const auto loaded = LoadState(*b.optimizer, path);
  if (!loaded.ok()) MESSAGE(loaded.error().message());
  REQUIRE(loaded.ok());
  for (std::size_t i = 0; i < a.p.size(); ++i) {
    std::copy(a.p[i].begin(), a.p[i].end(), b.p[i].begin());
  }
  b.random = a.random;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(a.Step().ok());
    REQUIRE(b.Step().ok());
  }
  CHECK(SameBits(a.p, b.p));
}

}  // namespace

TEST_CASE("a saved and resumed run continues bit for bit") {
  const std::string path =
      doctest::getContextOptions() != nullptr ? "optim_resume.safetensors" : "";
  for (const RuleRow* row : RuleRows()) {
    const std::string rule_name = row->name;
    CAPTURE(rule_name);
    ResumesBitForBit(row->name, {{20, 9}, {17}}, Storage::kF32, path);
    // Rounded by numbers that depend on the step. Over more than a block.
    ResumesBitForBit(row->name, {{20, 30}, {17}}, Storage::kQ8, path);
    ResumesBitForBit(row->name, {{20, 30}, {17}}, Storage::kBf16, path);
  }
  CHECK(os::PosixVfs().Remove(path).ok());
}

TEST_CASE("AdamW follows its formula") {
  Run run(std::vector<Shape>{{33}});
  REQUIRE(run.Create("adamw", 1, R"({"lr":0.01,"weight_decay":0.1})").ok());
  std::vector<double> p(run.p[0].begin(), run.p[0].end()), m(33), v(33);
  for (int k = 1; k <= 5; ++k) {
    REQUIRE(run.Step().ok());
    for (std::size_t i = 0; i < 33; ++i) {
      const auto g = static_cast<double>(run.g[0][i]);
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double root = std::sqrt(v[i] / (1 - std::pow(0.999, k))) + 1e-8;
      p[i] = p[i] * (1 - 0.001) - 0.01 * (m[i] / (1 - std::pow(0.9, k))) / root;
      CHECK(static_cast<double>(run.p[0][i]) == doctest::Approx(p[i]).epsilon(1e-5));
    }
  }
}

// Second moments by rows and columns of two batches of matrices, in double.
struct Factors {
  static constexpr std::size_t kRows = 21, kCols = 43, kBatch = 2, kSize = kRows * kCols;
  std::vector<double> row = std::vector<double>(kBatch * kRows);
  std::vector<double> col = std::vector<double>(kBatch * kCols);

  // 1 / sqrt of the outer product, after the means have moved towards v's.
  std::vector<double> Follow(const std::vector<double>& v, double weight) {
    std::vector<double> factor(v.size());
    for (std::size_t b = 0; b < kBatch; ++b) {
      std::vector<double> across(kRows), down(kCols);
      for (std::size_t i = 0; i < kSize; ++i) {
        across[i / kCols] += v[b * kSize + i] / kCols;
        down[i % kCols] += v[b * kSize + i] / kRows;
      }
      double mean = 0;
      for (std::size_t i = 0; i < kRows; ++i) {
        double& state = row[b * kRows + i];
        mean += (state += weight * (across[i] - state)) / kRows;
      }
      for (std::size_t i = 0; i < kCols; ++i) {
        double& state = col[b * kCols + i];
        state += weight * (down[i] - state);
      }
      for (std::size_t i = 0; i < kSize; ++i) {
        factor[b * kSize + i] =
            1 / std::sqrt(row[b * kRows + i / kCols] / mean * col[b * kCols + i % kCols]);
      }
    }
    return factor;
  }
};

double RootMeanSquare(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum / static_cast<double>(x.size()));
}

// Matrices wide enough for passes over grids, which the recorded trajectories are not.
void FollowsItsFormula(const char* name, const char* options, bool came) {
  Run run(std::vector<Shape>{{Factors::kBatch, Factors::kRows, Factors::kCols}});
  REQUIRE(run.Create(name, 2, options).ok());
  std::vector<double> p(run.p[0].begin(), run.p[0].end()), m(p.size()), u(p.size()), r(p.size());
  Factors moments, confidence;
  for (int k = 1; k <= 4; ++k) {
    REQUIRE(run.Step().ok());
    const std::vector<double> g(run.g[0].begin(), run.g[0].end());
    for (std::size_t i = 0; i < u.size(); ++i) u[i] = g[i] * g[i] + 1e-30;
    u = moments.Follow(u, came ? 0.001 : std::max(0.001, std::pow(k, -0.8)));
    for (std::size_t i = 0; i < u.size(); ++i) u[i] *= g[i];
    const double clip = std::max(1.0, RootMeanSquare(u));
    const double scale = std::max(1e-3, RootMeanSquare(p));
    const double rate = came ? 0.01 : std::min(0.01, 1 / std::sqrt(k)) * scale;
    for (std::size_t i = 0; i < u.size(); ++i) {
      u[i] = u[i] / clip * (came ? 1 : rate);
      m[i] += 0.1 * (u[i] - m[i]);
      r[i] = (u[i] - m[i]) * (u[i] - m[i]) + 1e-16;
    }
    if (came) r = confidence.Follow(r, 1e-4);
    double worst = 0;
    for (std::size_t i = 0; i < u.size(); ++i) {
      p[i] = p[i] * (1 - 0.1 * rate) - (came ? rate * r[i] : 1.0) * m[i];
      worst = std::max(worst, std::fabs(p[i] - static_cast<double>(run.p[0][i])));
    }
    CHECK(worst < 1e-5);
  }
}

TEST_CASE("AdaFactor and CAME by rows and columns follow their formulas") {
  FollowsItsFormula("adafactor", R"({"weight_decay":0.1,"momentum_dtype":"torch.float32"})", false);
  FollowsItsFormula("came", R"({"lr":0.01,"weight_decay":0.1})", true);
}

TEST_CASE("states that are points keep 16 bits where 8 are asked for") {
  // z is p's own path: in 8 bits p would be an eighth off, in bf16 it is a 256th.
  for (const char* name : {"schedulefreesgd", "accsgd", "madgrad"}) {
    CAPTURE(name);
    Run exact(std::vector<Shape>{{700}}), coarse(std::vector<Shape>{{700}});
    coarse.p = exact.p;
    EngineOptions engine;
    engine.state_storage = Storage::kQ8;
    REQUIRE(exact.Create(name, 1).ok());
    REQUIRE(coarse.Create(name, 1, "{}", engine).ok());
    for (int k = 0; k < 4; ++k) {
      REQUIRE(exact.Step().ok());
      REQUIRE(coarse.Step().ok());
    }
    for (std::size_t i = 0; i < 700; ++i) {
      CHECK(std::fabs(exact.p[0][i] - coarse.p[0][i]) <= 0.02f * (0.1f + std::fabs(exact.p[0][i])));
    }
  }
}

TEST_CASE("rules by rows and columns give over grids what they give over whole arrays") {
  // A last dimension of one is no grid, and changes nothing else.
  const auto compare = [](const char* name, const char* options) {
    Run grid(std::vector<Shape>{{21, 43}, {40, 16}}), whole({{21, 43, 1}, {40, 16, 1}});
    whole.p = grid.p, whole.random = grid.random;
    // Not every rule has every option.
    if (!grid.Create(name, 2, options).ok()) return;
    CAPTURE(name);
    CAPTURE(options);
    REQUIRE(whole.Create(name, 2, options).ok());
    double worst = 0;
    for (int k = 0; k < 6; ++k) {
      REQUIRE(grid.Step().ok());
      REQUIRE(whole.Step().ok());
      for (std::size_t t = 0; t < grid.p.size(); ++t) {
        for (std::size_t i = 0; i < grid.p[t].size(); ++i) {
          const float a = grid.p[t][i], b = whole.p[t][i];
          worst = std::max(worst, static_cast<double>(std::fabs(a - b) / (1e-2f + std::fabs(b))));
        }
      }
    }
    CHECK(worst < 2e-5);
  };
  for (const char* name : {"nero", "emofact", "adalite", "sm3", "racs", "tam", "adatam"}) {
    for (const char* options : {"{}", R"({"momentum":0.9})", R"({"beta":0.5})",
                                R"({"weight_decay":0.1,"weight_decouple":false})"}) {
      compare(name, options);
    }
  }
  for (const char* options :
       {R"({"num_iterations":20,"lr":0.1})",
        R"({"num_iterations":20,"lr":0.1,"centralize_gradients":false,"beta_softplus":3})",
        R"({"num_iterations":20,"lr":0.1,"use_softplus":false,"normalize_gradients":false})"}) {
    compare("ranger21", options);
  }
}

TEST_CASE("cube roots are right to two units in the last place, at every level") {
  // MADGRAD's first step from p = 0 with momentum 0 and eps 0 is -lr g / cbrt(lr g^2).
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const AtLevel at(level);
    Run run(std::vector<Shape>{{4096}});
    std::fill(run.p[0].begin(), run.p[0].end(), 0.0f);
    REQUIRE(run.Create("madgrad", 1, R"({"lr":1,"momentum":0,"eps":0})").ok());
    for (std::size_t i = 0; i < 4096; ++i) {
      run.g[0][i] =
          std::ldexp(1.0f + static_cast<float>(i % 512) / 512, static_cast<int>(i / 64) - 40);
    }
    REQUIRE(run.StepAsIs().ok());
    for (std::size_t i = 0; i < 4096; ++i) {
      const auto g = static_cast<double>(run.g[0][i]);
      const double want = -g / std::cbrt(static_cast<double>(run.g[0][i] * run.g[0][i]));
      CHECK(static_cast<double>(run.p[0][i]) == doctest::Approx(want).epsilon(3e-7));
    }
  }
}

TEST_CASE("powers and exponentials in f32 are right to 3e-7, at every level") {
  // From p = 0 and without averages AdamG's first step is -lr g^2q sign(g), DiffGrad's
  // -lr sigmoid(|g|) sign(g).
  for (const os::CpuLevel level : os::AvailableCpuLevels()) {
    const AtLevel at(level);
    for (const double q : {0.24, 1.0, -0.5}) {
      Run run(std::vector<Shape>{{4096}});
      std::fill(run.p[0].begin(), run.p[0].end(), 0.0f);
      const std::string options =
          R"({"lr":1,"betas":[0,0,0],"p":1,"eps":1e-38,"q":)" + std::to_string(q) + "}";
      REQUIRE(run.Create("adamg", 1, options.c_str()).ok());
      for (std::size_t i = 0; i < 4096; ++i) {
        run.g[0][i] =
            std::ldexp(1.0f + static_cast<float>(i % 512) / 512, static_cast<int>(i / 64) - 32);
      }
      REQUIRE(run.StepAsIs().ok());
      for (std::size_t i = 0; i < 4096; ++i) {
        const float square = run.g[0][i] * run.g[0][i];
        const double want =
            -std::pow(static_cast<double>(square), static_cast<double>(static_cast<float>(q)));
        CHECK(static_cast<double>(run.p[0][i]) == doctest::Approx(want).epsilon(4e-7));
      }
    }
    Run run(std::vector<Shape>{{4096}});
    std::fill(run.p[0].begin(), run.p[0].end(), 0.0f);
    REQUIRE(run.Create("diffgrad", 1, R"({"lr":1,"betas":[0,0],"eps":1e-38})").ok());
    for (std::size_t i = 0; i < 4096; ++i) run.g[0][i] = 0.02f * static_cast<float>(i + 1);
    REQUIRE(run.StepAsIs().ok());
    for (std::size_t i = 0; i < 4096; ++i) {
      const double want = -1.0 / (1.0 + std::exp(-static_cast<double>(run.g[0][i])));
      CHECK(static_cast<double>(run.p[0][i]) == doctest::Approx(want).epsilon(3e-7));
    }
  }
}

TEST_CASE("grids of bf16 states give the same bits on every level, threads or not") {
  for (const char* name : {"adafactor", "came", "tam", "adatam", "adamp", "adammini"}) {
    CAPTURE(name);
    std::vector<std::vector<float>> first;
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      const AtLevel at(level);
      for (const std::size_t threads : {1, 2}) {
        // Rows longer than what passes through a copy at a time, and of no whole set of lanes.
        Run run(std::vector<Shape>{{9, 1037}, {2, 5, 35}, {300, 301}});
        EngineOptions engine;
        engine.state_storage = Storage::kBf16;
        REQUIRE(run.Create(name, threads, Needed(name), engine).ok());
        for (int i = 0; i < 3; ++i) REQUIRE(run.Step().ok());
        if (first.empty()) first = run.p;
        CHECK(SameBits(first, run.p));
      }
    }
  }
}

TEST_CASE("8-bit codes are on their grid, whatever the length") {
  for (std::size_t n = 1; n <= 300; n += n < 40 ? 1 : 37) {
    CAPTURE(n);
    Random random{n};
    std::vector<float> x(n), back(n);
    for (float& v : x) v = random.Normal();
    x[n / 2] = 0;
    for (const bool non_negative : {false, true}) {
      if (non_negative) {
        for (float& v : x) v = std::fabs(v);
      }
      std::vector<std::uint8_t> codes(n);
      std::vector<float> scales((n + kQ8Block - 1) / kQ8Block);
      ToQ8(x.data(), non_negative, codes.data(), scales.data(), n);
      FromQ8(codes.data(), scales.data(), non_negative, back.data(), n);
      for (std::size_t i = 0; i < n; ++i) {
        // The code on either side; an eighth above the scale is the smallest.
        const float step = 0.125f * std::fabs(x[i]) + 1.2f * scales[i / kQ8Block];
        CHECK(std::fabs(back[i] - x[i]) <= step);
        CHECK(x[i] * back[i] >= 0);
      }
    }
  }
}

TEST_CASE("a step in pieces equals a whole step") {
  for (const char* name : {"adamw", "lamb", "prodigy", "adan"}) {
    CAPTURE(name);
    Run a({{20, 9}, {17}}), b({{20, 9}, {17}});
    REQUIRE(a.Create(name, 1).ok());
    REQUIRE(b.Create(name, 1).ok());
    for (int k = 0; k < 3; ++k) {
      REQUIRE(a.Step().ok());
      b.g[0] = b.g[0], b.random = a.random;
      std::copy(a.g[0].begin(), a.g[0].end(), b.g[0].begin());
      std::copy(a.g[1].begin(), a.g[1].end(), b.g[1].begin());
      REQUIRE(b.optimizer->BeginStep().ok());
      CHECK_FALSE(b.optimizer->StepParam(2).ok());
      REQUIRE(b.optimizer->StepParam(1).ok());
      REQUIRE(b.optimizer->StepParam(0).ok());
      CHECK_FALSE(b.optimizer->StepParam(0).ok());
      REQUIRE(b.optimizer->EndStep().ok());
    }
    CHECK(SameBits(a.p, b.p));
  }
}

TEST_CASE("clipping, scaling and the check for infinities") {
  Run run(std::vector<Shape>{{4}});
  EngineOptions engine;
  engine.clip_norm = 1.0;
  REQUIRE(run.Create("sgd", 1, R"({"lr":1.0})", engine).ok());
  run.p[0] = {0, 0, 0, 0};
  REQUIRE(run.p[0].size() == 4);
  auto* data = static_cast<float*>(run.optimizer->parameters()[0]->data);
  std::fill(data, data + 4, 0.0f);
  run.g[0][0] = 6, run.g[0][1] = 8, run.g[0][2] = 0, run.g[0][3] = 0;
  StepInputs inputs;
  inputs.grad_scale = 0.5;
  const auto report = run.optimizer->Step(inputs);
  REQUIRE(report.ok());
  CHECK(report.value().grad_norm == doctest::Approx(5.0));
  CHECK(data[0] == doctest::Approx(-0.6).epsilon(1e-5));
  CHECK(data[1] == doctest::Approx(-0.8).epsilon(1e-5));
  inputs.check_inf = true;
  run.g[0][2] = std::numeric_limits<float>::infinity();
  const float before = data[0];
  const auto skipped = run.optimizer->Step(inputs);
  REQUIRE(skipped.ok());
  CHECK(skipped.value().skipped);
  CHECK(data[0] == before);
}

TEST_CASE("wrong options, tensors and checkpoints are refused by name") {
  Run run(std::vector<Shape>{{4}});
  const auto refused = [&](const char* name, const char* options, const char* part) {
    const auto status = run.Create(name, 1, options);
    REQUIRE_FALSE(status.ok());
    CAPTURE(status.error().message());
    CHECK(status.error().message().find(part) != std::string::npos);
  };
  refused("adamq", "{}", "no optimizer 'adamq'");
  refused("adamw", R"({"lr":-1})", "lr = -1");
  refused("adamw", R"({"lr":"fast"})", "option 'lr'");
  refused("adamw", R"({"learning_rate":1})", "no option 'learning_rate'");
  refused("adamw", R"({"betas":[0.9]})", "2 numbers");
  refused("adamw", R"({"betas":[0.9,1.5]})", "betas = 1.5");
  refused("a2grad", R"({"variant":"odd"})", "uni|inc|exp");
  std::vector<Group> groups(1);
  float data[8] = {};
  groups[0].parameters.push_back({.name = "a", .shape = {6}, .data = data});
  groups[0].parameters.push_back({.name = "b", .shape = {4}, .data = data + 4});
  const auto overlap = Optimizer::Create("sgd", std::move(groups), json::Value(), {});
  REQUIRE_FALSE(overlap.ok());
  CHECK(overlap.error().message().find("'a' and 'b' overlap") != std::string::npos);
  // State of another optimizer.
  REQUIRE(run.Create("adamw", 1).ok());
  REQUIRE(run.Step().ok());
  auto state = run.optimizer->State(0);
  REQUIRE(state.ok());
  Run other(std::vector<Shape>{{4}});
  REQUIRE(other.Create("lion", 1).ok());
  CHECK_FALSE(other.optimizer->SetState(0, state.value()).ok());
}

TEST_CASE("bf16 parameters: rounding is reproducible, Kahan keeps what rounding loses") {
  const auto train = [](EngineOptions engine, const char* name) {
    std::vector<std::uint16_t> p(64, 0x3f80), g(64, 0x3a00);  // 1.0 and about 5e-4.
    std::vector<Group> groups(1);
    Parameter parameter{.name = "p", .storage = Storage::kBf16, .shape = {64}};
    parameter.data = p.data();
    parameter.grad = g.data();
    parameter.grad_storage = Storage::kBf16;
    groups[0].parameters.push_back(std::move(parameter));
    auto options = json::Parse(R"({"lr":0.01})");
    auto optimizer = Optimizer::Create(name, std::move(groups), options.value(), engine);
    REQUIRE(optimizer.ok());
    for (int i = 0; i < 2000; ++i) REQUIRE(optimizer.value()->Step().ok());
    return p;
  };
  EngineOptions plain, kahan, stochastic;
  kahan.kahan = true;
  stochastic.stochastic_rounding = true;
  stochastic.seed = 11;
  CHECK(train(plain, "sgd")[0] == 0x3f80);  // Each step is below half a unit of 1.0.
  // 2000 * 0.01 * 4.88e-4 = 0.0098 below 1.
  CHECK(train(kahan, "sgd")[0] == 0x3f7d);
  const auto a = train(stochastic, "sgd");
  CHECK(a == train(stochastic, "sgd"));
  double mean = 0;
  for (const std::uint16_t v : a) {
    const std::uint32_t bits = static_cast<std::uint32_t>(v) << 16;
    float f;
    std::memcpy(&f, &bits, 4);
    mean += static_cast<double>(f) / 64;
  }
  CHECK(mean == doctest::Approx(0.9902).epsilon(2e-3));
}

TEST_CASE("a second moment in bf16 or 8 bits falls as one in f32 when gradients do") {
  const auto mean_square = [](Storage states, int steps) {
    Run run(std::vector<Shape>{{20, 100}});
    EngineOptions engine;
    engine.state_storage = states;
    REQUIRE(run.Create("adamw", 1, "{}", engine).ok());
    for (int k = 0; k < steps; ++k) {
      for (float& g : run.g[0]) g = (k < 300 ? 1.0f : 0.1f) * run.random.Normal();
      REQUIRE(run.StepAsIs().ok());
    }
    auto state = run.optimizer->State(0);
    REQUIRE(state.ok());
    for (const StateTensor& t : state.value().tensors) {
      if (t.name != "exp_avg_sq") continue;
      std::vector<float> v(2000);
      if (t.storage == Storage::kBf16) {
        FromBf16(reinterpret_cast<const std::uint16_t*>(t.bytes.data()), v.data(), v.size());
      } else {
        std::memcpy(v.data(), t.bytes.data(), t.bytes.size());
      }
      double sum = 0;
      for (const float x : v) sum += static_cast<double>(x) / 2000;
      return sum;
    }
    return 0.0;
  };
  for (const int steps : {300, 1300, 4000}) {
    CAPTURE(steps);
    const double f32 = mean_square(Storage::kF32, steps);
    CHECK(mean_square(Storage::kBf16, steps) == doctest::Approx(f32).epsilon(0.01));
    CHECK(mean_square(Storage::kQ8, steps) == doctest::Approx(f32).epsilon(0.03));
  }
}

TEST_CASE("8-bit and bf16 states train nearly as f32 states do") {
  const auto loss = [](Storage states) {
    Run run(std::vector<Shape>{{1000}});
    EngineOptions engine;
    engine.state_storage = states;
    REQUIRE(run.Create("adamw", 1, R"({"lr":0.01,"weight_decay":0})", engine).ok());
    auto* p = static_cast<float*>(run.optimizer->parameters()[0]->data);
    double sum = 0;
    for (int k = 0; k < 60; ++k) {
      sum = 0;
      for (std::size_t i = 0; i < 1000; ++i) {
        const float target = 0.001f * static_cast<float>(i) - 0.5f;
        run.g[0][i] = p[i] - target;
        sum += 0.5 * static_cast<double>(run.g[0][i]) * static_cast<double>(run.g[0][i]);
      }
      REQUIRE(run.StepAsIs().ok());
    }
    return sum;
  };
  const double f32 = loss(Storage::kF32);
  CHECK(loss(Storage::kBf16) == doctest::Approx(f32).epsilon(0.02));
  CHECK(loss(Storage::kQ8) == doctest::Approx(f32).epsilon(0.05));
}

TEST_CASE("identities between rules") {
  const auto same = [](const char* a, const char* with_a, const char* b, const char* with_b) {
    Run x({{20, 9}, {17}}), y({{20, 9}, {17}});
    REQUIRE(x.Create(a, 1, with_a).ok());
    REQUIRE(y.Create(b, 1, with_b).ok());
    double worst = 0;
    for (int k = 0; k < 5; ++k) {
      REQUIRE(x.Step().ok());
      REQUIRE(y.Step().ok());
      for (std::size_t t = 0; t < x.p.size(); ++t) {
        for (std::size_t i = 0; i < x.p[t].size(); ++i) {
          worst = std::max(worst, std::fabs(static_cast<double>(x.p[t][i] - y.p[t][i])));
        }
      }
    }
    const std::string pair = std::string(a) + " and " + b;
    CAPTURE(pair);
    CHECK(worst < 2e-6);
  };
  same("qhadam", R"({"nus":[1,1],"lr":0.01})", "adam", R"({"lr":0.01})");
  same("qhm", R"({"momentum":0,"nu":1,"lr":0.01})", "sgd", R"({"lr":0.01})");
  same("sgdw", R"({"momentum":0.9,"lr":0.01})", "sgd", R"({"momentum":0.9,"lr":0.01})");
  same("adamw", R"({"weight_decay":0})", "adam", "{}");
}

}  // namespace malmoi::optim

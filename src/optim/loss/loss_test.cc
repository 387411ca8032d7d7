// Goal: every loss and its gradient equal the reference's: 1e-6 in f32, 1e-12 in f64.
// Method: tests/golden/optim/losses.{json,safetensors}, recorded from pytorch-optimizer 4.1.0 with
// torch 2.15's autograd; and central differences for what the golden file leaves out.
#include "optim/loss/loss.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "tensor/safetensors.h"

namespace malmoi::optim {
namespace {

std::vector<double> Doubles(const tensor::TensorView& v) {
  std::vector<double> out(v.elements());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (v.dtype == tensor::DType::kF32) {
      float f = 0;
      std::memcpy(&f, v.bytes.data() + i * 4, 4);
      out[i] = static_cast<double>(f);
    } else {
      std::memcpy(&out[i], v.bytes.data() + i * 8, 8);
    }
  }
  return out;
}

std::vector<std::int64_t> Integers(const tensor::TensorView& v) {
  std::vector<std::int64_t> out(v.elements());
  std::memcpy(out.data(), v.bytes.data(), out.size() * 8);
  return out;
}

double Worst(const std::vector<double>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return INFINITY;
  double scale = 1e-3;
  double worst = 0;
  for (const double w : want) scale = std::max(scale, std::fabs(w));
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double d = std::fabs(got[i] - want[i]);
    worst = d <= worst ? worst : d;
  }
  return worst / scale;
}

TEST_CASE("losses and gradients are the reference's") {
  const std::string base = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/optim/losses";
  std::ifstream in(base + ".json");
  std::stringstream text;
  text << in.rdbuf();
  auto golden = json::Parse(text.str());
  REQUIRE(golden.ok());
  auto file = tensor::SafeTensors::Open(base + ".safetensors");
  REQUIRE(file.ok());
  int checked = 0;
  for (const json::Value& c : golden.value().Find("cases")->items()) {
    const std::string id(c.GetString("id"));
    const auto& x = *file.value()->Find(id + "/x");
    const auto& y = *file.value()->Find(id + "/y");
    const std::vector<double> prediction = Doubles(x);
    LossInput input{x.shape, prediction, y.shape, {}, {}, x.dtype == tensor::DType::kF32};
    std::vector<double> target;
    std::vector<std::int64_t> classes;
    if (y.dtype == tensor::DType::kI64) {
      classes = Integers(y);
      input.classes = classes;
    } else {
      target = Doubles(y);
      input.target = target;
    }
    auto out = EvaluateLoss(c.GetString("loss"), *c.Find("kwargs"), input);
    INFO(id, " ", c.GetString("loss"), " ", c.Find("kwargs")->Dump(), " single ", input.single);
    REQUIRE_MESSAGE(out.ok(), out.error().message());
    const double tolerance = input.single ? 1e-6 : 1e-12;
    CHECK(Worst(out.value().value, Doubles(*file.value()->Find(id + "/loss"))) <= tolerance);
    CHECK(Worst(out.value().gradient, Doubles(*file.value()->Find(id + "/grad"))) <= tolerance);
    ++checked;
  }
  CHECK(checked >= 114);
}

TEST_CASE("gradients agree with differences where labels are ignored or weighted") {
  const std::vector<double> x{0.3, -0.2, 0.9, 1.1, -0.7, 0.4, 0.2, 0.8, -0.1};
  const std::vector<std::int64_t> labels{0, 2, 1};
  const std::pair<const char*, const char*> cases[] = {
      {"ldamloss", R"({"num_class_list": [3, 5, 9], "weight": [0.5, 1.0, 2.0], "s": 3})"},
      {"bitemperedlogisticloss", R"({"t1": 0.8, "t2": 1.0, "ignore_index": 2})"},
      {"focalcosineloss", R"({"reduction": "sum", "focal_weight": 0.7})"},
  };
  for (const auto& [name, options] : cases) {
    INFO(name);
    auto parsed = json::Parse(options);
    std::vector<double> moved = x;
    LossInput in{{3, 3}, moved, {3}, {}, labels, false};
    auto out = EvaluateLoss(name, parsed.value(), in);
    REQUIRE(out.ok());
    for (std::size_t i = 0; i < x.size(); ++i) {
      constexpr double kStep = 1e-6;
      moved[i] = x[i] + kStep;
      const double up = EvaluateLoss(name, parsed.value(), in).value().value[0];
      moved[i] = x[i] - kStep;
      const double down = EvaluateLoss(name, parsed.value(), in).value().value[0];
      moved[i] = x[i];
      CHECK(out.value().gradient[i] == doctest::Approx((up - down) / (2 * kStep)).epsilon(1e-5));
    }
  }
}

TEST_CASE("wrong shapes, labels and options are refused by name") {
  const std::vector<double> x{0.1, 0.2};
  const std::vector<std::int64_t> labels{7};
  const json::Value none = json::Value::Object({});
  LossInput in{{1, 2}, x, {1}, {}, labels, false};
  CHECK_FALSE(EvaluateLoss("focalcosineloss", none, in).ok());
  CHECK(EvaluateLoss("nothing", none, in).error().code() == Code::kNotFound);
  CHECK_FALSE(EvaluateLoss("bceloss", none, in).ok());
  in.shape = {3};
  CHECK_FALSE(EvaluateLoss("bceloss", none, in).ok());
  CHECK(LossNames().size() == 13);
}

}  // namespace
}  // namespace malmoi::optim

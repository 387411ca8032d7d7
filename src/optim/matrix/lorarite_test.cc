// Goal: LoRA-RITE does what it is for, keeps its state, and refuses what is no pair.
// Method: the same product factored twice takes the same step; a copy of state continues bit for
// bit; wrong pairs leave everything as it was. Values are held to the reference's by
// golden_test.cc.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "optim/matrix/matrix.h"
#include "optim/matrix/register.h"
#include "optim/optimizer.h"

namespace malmoi::optim::matrix {
namespace {

constexpr std::size_t kRank = 3, kIn = 12, kOut = 8;

struct Adapter {
  std::vector<double> a = std::vector<double>(kRank * kIn), b = std::vector<double>(kOut * kRank);
  Numbers<double> ga = Numbers<double>(kRank * kIn), gb = Numbers<double>(kOut * kRank);
  std::unique_ptr<Optimizer> optimizer;

  explicit Adapter(double scale) {
    Register();
    for (std::size_t i = 0; i < a.size(); ++i)
      a[i] = std::sin(1.3 * static_cast<double>(i)) * scale;
    for (std::size_t i = 0; i < b.size(); ++i)
      b[i] = std::cos(0.7 * static_cast<double>(i)) / scale;
    std::vector<Group> groups(1);
    groups[0].parameters = {{.name = "a",
                             .storage = Storage::kF64,
                             .shape = {kRank, kIn},
                             .data = a.data(),
                             .grad = ga.data(),
                             .grad_storage = Storage::kF64},
                            {.name = "b",
                             .storage = Storage::kF64,
                             .shape = {kOut, kRank},
                             .data = b.data(),
                             .grad = gb.data(),
                             .grad_storage = Storage::kF64}};
    auto made = Optimizer::Create(
        "LoRARite", std::move(groups),
        json::Parse(R"({"lr": 0.1, "eps": 1e-12, "update_skipping": 0})").value());
    REQUIRE_MESSAGE(made.ok(), made.error().message());
    optimizer = std::move(made).value();
  }
  Matrix<double> Product() const {
    return Multiply(Matrix<double>(kOut, kRank, b.data()), Matrix<double>(kRank, kIn, a.data()));
  }
  // Gradients of 0.5 |B A - target|^2.
  void Step(int k) {
    Matrix<double> off = Product();
    for (std::size_t i = 0; i < off.size(); ++i)
      off.data[i] -= std::sin(0.1 * static_cast<double>(i) + k);
    ga = Multiply(Matrix<double>(kOut, kRank, b.data()), Op::kTranspose, off, Op::kNone).data;
    gb = Multiply(off, Op::kNone, Matrix<double>(kRank, kIn, a.data()), Op::kTranspose).data;
    optimizer->parameters()[0]->grad = ga.data();
    optimizer->parameters()[1]->grad = gb.data();
    auto report = optimizer->Step();
    REQUIRE_MESSAGE(report.ok(), report.error().message());
  }
};

TEST_CASE("a step does not depend on how the product is factored") {
  Adapter one(1.0), other(8.0);
  for (int k = 0; k < 4; ++k) one.Step(k), other.Step(k);
  const Matrix<double> p = one.Product(), q = other.Product();
  for (std::size_t i = 0; i < p.size(); ++i)
    CHECK(p.data[i] == doctest::Approx(q.data[i]).epsilon(1e-6));
}

TEST_CASE("state goes to another optimizer, which continues bit for bit") {
  Adapter one(1.0);
  for (int k = 0; k < 3; ++k) one.Step(k);
  Adapter other(1.0);
  other.a = one.a, other.b = one.b;
  auto state = one.optimizer->State(0);
  REQUIRE(state.ok());
  CHECK(state.value().tensors.size() == 8);
  REQUIRE(other.optimizer->SetState(0, state.value()).ok());
  REQUIRE(other.optimizer->SetGroupState(0, one.optimizer->GroupState(0)).ok());
  one.Step(3), other.Step(3);
  CHECK(one.a == other.a);
  CHECK(one.b == other.b);
  CHECK_FALSE(other.optimizer->SetState(1, state.value()).ok());
  ParameterState cut = Owned(std::move(state).value());
  cut.tensors.pop_back();
  CHECK_FALSE(other.optimizer->SetState(0, cut).ok());
}

TEST_CASE("factors of different rank are refused and left") {
  Register();
  std::vector<float> a(12, 1.0F), b(12, 2.0F), g(12, 0.5F);
  std::vector<Group> groups(1);
  groups[0].parameters = {{.name = "a", .shape = {3, 4}, .data = a.data(), .grad = g.data()},
                          {.name = "b", .shape = {6, 2}, .data = b.data(), .grad = g.data()}};
  auto made = Optimizer::Create("lorarite", std::move(groups), json::Value::Object({}));
  REQUIRE(made.ok());
  const auto report = made.value()->Step();
  REQUIRE_FALSE(report.ok());
  CHECK(report.error().message().find("'b'") != std::string::npos);
  CHECK(a == std::vector<float>(12, 1.0F));
  CHECK_FALSE(Optimizer::Create("lorarite", {}, json::Parse(R"({"eps": -1})").value()).ok());
}

}  // namespace
}  // namespace malmoi::optim::matrix

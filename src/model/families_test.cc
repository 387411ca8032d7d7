// Goal: every family of encoders, with every head, gives what the reference implementation gives,
// at every CPU level; a sequence has the same bits in a batch of any kind as alone.
// Method: the tiny random models of tools/make_golden/families.py (transformers with torch), layer
// by layer; memcmp for the bits.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "model/encoder.h"
#include "model/golden_check.h"
#include "os/cpu_info.h"
#include "os/vfs.h"

using namespace malmoi;

namespace {

const std::string kFamilies = std::string(MALMOI_SOURCE_DIR) + "/tests/golden/encoder/families/";

std::vector<std::string> Models() {
  auto names = os::PosixVfs().List(kFamilies);
  REQUIRE(names.ok());
  std::sort(names.value().begin(), names.value().end());
  return std::move(names).value();
}

}  // namespace

TEST_CASE("families: layers and outputs equal the reference") {
  os::ThreadPool pool(2, "test");
  const auto models = Models();
  REQUIRE(!models.empty());
  for (const std::string& name : models) {
    for (const os::CpuLevel level : os::AvailableCpuLevels()) {
      const os::CpuLevel before = os::SetCpuLevelForTest(level);
      CAPTURE(name);
      CAPTURE(std::string(os::CpuLevelName(level)));
      const auto found = model::CheckGolden(kFamilies + name, pool);
      os::SetCpuLevelForTest(before);
      if (!found.ok()) FAIL_CHECK(found.error().message());
      if (!found.ok()) continue;
      CHECK(!found.value().empty());
      for (const model::Deviation& d : found.value()) {
        CAPTURE(d.output);
        CHECK(d.largest < 5e-5);
        CHECK(d.cosine > 1 - 1e-7);
      }
    }
  }
}

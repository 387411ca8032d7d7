// Goal: SaRA's penalty falls on the matrix that the reference takes.
// Method: random.choice of CPython 3.11 after random.seed, by numbers.
#include "optim/polar.h"

#include <doctest/doctest.h>

#include <vector>

namespace malmoi::optim {

TEST_CASE("choices are Python's") {
  const std::vector<std::size_t> sizes = {5, 5, 7, 100, 2, 3};
  const auto draw = [&](std::uint64_t seed) {
    PythonChoice choice(seed);
    std::vector<std::size_t> out;
    for (const std::size_t n : sizes) out.push_back(choice(n));
    return out;
  };
  using V = std::vector<std::size_t>;
  CHECK(draw(0) == V{3, 3, 0, 33, 1, 1});
  CHECK(draw(8) == V{1, 2, 3, 16, 0, 2});
  CHECK(draw((std::uint64_t{1} << 40) + 3) == V{1, 0, 4, 12, 1, 2});
}

}  // namespace malmoi::optim

// Goal: norms and sums have torch's bits, whose order of additions is not the obvious one.
// Method: results of torch 2.15 on made numbers, most of which differ from a plain loop's; for bf16
// one vector whose sum says which of its numbers were added first.
#include "optim/torch_norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace malmoi::optim {
namespace {

std::vector<float> Made(std::size_t n) {
  std::vector<float> x(n);
  for (std::uint64_t i = 0; i < n; ++i)
    x[i] = static_cast<float>((i * i * 37 + i * 101 + 5) % 2039 + 1) / 7.0F;
  return x;
}

TEST_CASE("sums of f32 below a vector, of one with a rest, of several, of many") {
  CHECK(TorchSum({}) == 0.0F);
  CHECK(TorchSum(Made(5)) == 0x1.3324920p+8F);
  CHECK(TorchSum(Made(7)) == 0x1.8b00000p+9F);
  CHECK(TorchSum(Made(12)) == 0x1.8f89220p+10F);  // A plain loop: ...24p+10.
  CHECK(TorchSum(Made(40)) == 0x1.74c6dc0p+12F);
  CHECK(TorchSum(Made(100)) == 0x1.ce336c0p+13F);  // ...6e.
  CHECK(TorchSum(Made(500)) == 0x1.19d1240p+16F);  // ...26.
}

TEST_CASE("norms of f32") {
  CHECK(TorchNorm(Made(5)) == 0x1.6546f80p+7F);
  CHECK(TorchNorm(Made(100)) == 0x1.a9d55c0p+10F);
  CHECK(TorchNorm(Made(500)) == 0x1.d254460p+11F);  // In double: ...4a.
}

TEST_CASE("sums of bf16 add the halves of a vector first") {
  std::vector<float> x(32);
  x[0] = 0x1p24F, x[8] = 1, x[1] = -0x1p24F;
  CHECK(TorchSumOfLow(x) == 0.0F);  // 2^24 + 1 is no f32.
  x[8] = 0, x[16] = 1;              // Of another row, which comes later.
  CHECK(TorchSumOfLow(x) == 0.0F);
  x[16] = 0, x[2] = 1;  // A lane of its own.
  CHECK(TorchSumOfLow(x) == 1.0F);
}

TEST_CASE("beyond what is followed the sum is the double's") {
  const std::vector<float> x = Made(5000);
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v);
  CHECK(TorchSum(x) == static_cast<float>(sum));
  CHECK(TorchSumOfLow(x) == static_cast<float>(sum));
}

}  // namespace
}  // namespace malmoi::optim

#pragma once

#include "optim/lane_pass.h"

// What a step must at least move: every stream is read and written once, with one addition each so
// that no load can be left out. The yardstick of the benchmark.
namespace malmoi::optim {

OPTIM_KERNEL(TrafficOneState, kP | kG | kS0, kP | kS0) {
  x.p = x.p + x.g;
  x.s0 = x.s0 + x.g;
}
OPTIM_KERNEL(TrafficTwoStates, kP | kG | kS0 | kS1, kP | kS0 | kS1) {
  x.p = x.p + x.g;
  x.s0 = x.s0 + x.g;
  x.s1 = x.s1 + x.g;
}
OPTIM_KERNEL(TrafficThreeStates, kP | kG | kS0 | kS1 | kS2, kP | kS0 | kS1 | kS2) {
  x.p = x.p + x.g;
  x.s0 = x.s0 + x.g;
  x.s1 = x.s1 + x.g;
  x.s2 = x.s2 + x.g;
}
OPTIM_KERNEL(TrafficFourStates, kP | kG | kS0 | kS1 | kS2 | kS3, kP | kS0 | kS1 | kS2 | kS3) {
  x.p = x.p + x.g;
  x.s0 = x.s0 + x.g;
  x.s1 = x.s1 + x.g;
  x.s2 = x.s2 + x.g;
  x.s3 = x.s3 + x.g;
}

}  // namespace malmoi::optim

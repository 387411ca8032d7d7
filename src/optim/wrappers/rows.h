#pragma once

#include <span>

#include "optim/registry.h"

namespace malmoi::optim {

std::span<const FactoryRow> AroundRows();     // around.cc
std::span<const FactoryRow> SharpnessRows();  // sharpness.cc
std::span<const FactoryRow> PrecisionRows();  // safe_fp16.cc

}  // namespace malmoi::optim

#pragma once

#include <memory>
#include <vector>

#include "optim/optimizer.h"

namespace malmoi::optim::matrix {

// LoRA-RITE over adapters' factors in the order left, right, left, right ... of each group. It is
// no Rule because two tensors share one state, which the left one carries (v_l, v_r, m_l, ...).
// Arithmetic is in double; states are kept in f32 (f64 for f64 parameters). A pair that misses a
// gradient is left alone. Errors of Step: kInvalidArgument for factors of different rank or where a
// factor is not finite; nothing is changed then.
Result<std::unique_ptr<Optimizer>> MakeLoRARite(std::vector<Group> groups,
                                                const json::Value& options,
                                                const EngineOptions& engine);
json::Value LoRARiteDefaults();

}  // namespace malmoi::optim::matrix

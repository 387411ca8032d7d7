#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"
#include "model/encoder.h"

namespace malmoi::model {

// One sequence's vector from its hidden states x [tokens, dim], tokens >= 1, as
// sentence-transformers' Pooling module computes it; out has dim values.
void Pool(Pooling pooling, const float* x, std::size_t tokens, std::span<float> out);

// Of a 1_Pooling/config.json: flags, or pooling_mode (a name or a list); in the order in which
// sentence-transformers concatenates them. Errors: kUnsupported where there is none.
Result<std::vector<Pooling>> ReadPoolings(const json::Value& json);

}  // namespace malmoi::model

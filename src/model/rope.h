#pragma once

#include <cstddef>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "json/value.h"

namespace malmoi::model {

// Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in transformers' form: dimension i
// of a head is paired with i + dim / 2 of the first `dim` dimensions; the rest stay as they are.
struct Rope {
  std::vector<float> frequencies;  // dim / 2 values.
  float factor = 1;                // Multiplies cosine and sine (YaRN's attention factor).
};

struct RopeSettings {
  double theta = 10000;  // Where the configuration has none.
  std::size_t head_dim = 0;
  std::size_t positions = 0;  // max_position_embeddings
};

// From transformers' `rope_parameters` (v5), or rope_theta and rope_scaling (v4). `parameters`:
// that object, or null for the default. Types default, linear, dynamic (as for lengths up to
// max_position_embeddings, where it equals default), yarn, llama3, ntk (GTE's) and proportional;
// others and longrope are kUnsupported.
Result<Rope> ReadRope(const json::Value* parameters, const RopeSettings& settings);

// Cosines and sines of positions 0 .. tokens: [tokens, dim / 2] each.
struct RopeTable {
  std::size_t tokens = 0;
  Buffer<float> cosine, sine;
  void Grow(const Rope& rope, std::size_t new_tokens);
};

// Turns `heads` heads of one token at x in place, heads head_dim apart.
void ApplyRope(const Rope& rope, const RopeTable& table, std::size_t position, float* x,
               std::size_t heads, std::size_t head_dim);

}  // namespace malmoi::model

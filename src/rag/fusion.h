#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/language.h"
#include "vec/point.h"

namespace malmoi::rag {

enum class FusionMethod : std::uint8_t {
  kMinMax,  // Completed min-max, the default: every candidate scored by both legs.
  kRrf,     // Reciprocal rank, 1 / (k + rank), k 60 (Cormack et al. 2009). Kept for compatibility.
  kZScore,
  kDense,  // One leg alone, for comparison.
  kLexical,
};
Result<FusionMethod> ParseFusion(std::string_view name);  // "minmax", "rrf", "zscore".

// One candidate with the score of each leg. has_* is false where the leg could not score it.
struct Candidate {
  vec::PointId id;
  float dense = 0;
  float lexical = 0;
  bool has_dense = false;
  bool has_lexical = false;
  float fused = 0;
  std::string payload;
};

// Share of the dense leg: kDenseShareSame when query and corpus are in one language, else
// kDenseShareAcross. A lexical leg without a single hit leaves everything to the dense one.
inline constexpr float kDenseShareSame = 0.6f;
inline constexpr float kDenseShareAcross = 0.85f;
float DenseShare(text::Language query, text::Language corpus);

// Sets `fused` and sorts best first, ties by smaller id. Missing lexical scores count as 0 (no
// query term in the text), missing dense ones as the lowest of the leg. Deterministic.
void Fuse(FusionMethod method, float dense_share, std::vector<Candidate>* candidates);

}  // namespace malmoi::rag

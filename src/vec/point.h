#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/hash.h"
#include "base/result.h"

namespace malmoi::vec {

// A point's name: an unsigned integer or a UUID, as in Qdrant. Integers order before UUIDs.
using PointId = std::variant<std::uint64_t, Uuid>;
std::string ToString(const PointId& id);

struct SparseVector {
  std::vector<std::uint32_t> indices;  // Strictly rising.
  std::vector<float> values;           // As long as indices; finite.
};

enum class Distance : std::uint8_t { kCosine, kDot, kEuclid };

// The vectors of a point by name; a point may lack any of them.
struct NamedVectors {
  std::map<std::string, std::vector<float>> dense;
  std::map<std::string, SparseVector> sparse;
};

struct Point {
  PointId id;
  NamedVectors vectors;
  std::string payload = "{}";  // A JSON object's text.
};

struct DenseParams {
  std::uint32_t dim = 0;
  Distance distance = Distance::kCosine;  // Cosine vectors are stored normalised.
};
struct SparseParams {
  // Query values are multiplied by ln(1 + (N - df + 0.5) / (df + 0.5)) at query time, N and df
  // counted over the collection's live points that have this vector (Qdrant's modifier "idf").
  bool idf = false;
};
struct CollectionConfig {
  std::map<std::string, DenseParams> dense;
  std::map<std::string, SparseParams> sparse;
  // The owner's own settings (fingerprint, average length bucket), kept as JSON object text and
  // replaced whole by SetMetadata.
  std::string metadata = "{}";
};

}  // namespace malmoi::vec

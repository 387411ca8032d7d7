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

// Several dense vectors under one name (late interaction): row-major [rows, dim], rows >= 1.
struct MultiVector {
  std::uint32_t dim = 0;
  std::vector<float> data;

  std::size_t rows() const { return dim == 0 ? 0 : data.size() / dim; }
};

enum class Distance : std::uint8_t { kCosine, kDot, kEuclid, kManhattan };

// How numbers are stored. f16: rounded to nearest even. u8: cut to an integer in 0..255, the query
// as well; cosine then divides by both lengths at query time (nothing is normalised), as Qdrant.
// Turbo: codes of 4, 8 or 16 bits of the rotated vector (vec/turbo_internal.h), the query as it is.
enum class Datatype : std::uint8_t { kFloat32, kFloat16, kUint8, kTurbo4, kTurbo8, kTurbo16 };

// The vectors of a point by name; "" is the unnamed one. A point may lack any of them.
struct NamedVectors {
  std::map<std::string, std::vector<float>> dense = {};
  std::map<std::string, SparseVector> sparse = {};
  std::map<std::string, MultiVector> multi = {};
};

struct Point {
  PointId id;
  NamedVectors vectors = {};
  std::string payload = "{}";  // A JSON object's text; read back compact, numbers normalised.
  // Of points that are read: the number of the operation that last changed it, at most
  // WriteOutcome::operation_id of that write; 0 where it was written before these were kept.
  std::uint64_t version = 0;
};

struct DenseParams {
  std::uint32_t dim = 0;
  Distance distance = Distance::kCosine;  // Cosine vectors are stored normalised (but u8).
  Datatype datatype = Datatype::kFloat32;
  // MultiVector instead of one vector; compared by MaxSim: the sum over the query's rows of the
  // best similarity to a row of the point.
  bool multivector = false;
  // JSON object text that the engine keeps for the caller: hnsw_config, quantization_config,
  // on_disk, memory. What the engine comes to need it reads from there.
  std::string settings = "{}";
};
// Bytes that one stored vector takes.
std::uint64_t RowBytes(const DenseParams& params);

struct SparseParams {
  // Query values are multiplied by ln(1 + (N - df + 0.5) / (df + 0.5)) at query time, N and df
  // counted over the collection's live points that have this vector (Qdrant's modifier "idf").
  bool idf = false;
  std::string settings = "{}";  // As in DenseParams: index, datatype.
};
struct CollectionConfig {
  std::map<std::string, DenseParams> dense;
  std::map<std::string, SparseParams> sparse;
  // The owner's own settings (fingerprint, average length bucket; Qdrant's `metadata`), kept as
  // JSON object text and replaced whole by SetMetadata.
  std::string metadata = "{}";
  // JSON object text: hnsw_config, optimizers_config, wal_config, quantization_config,
  // strict_mode_config, on_disk_payload, ... Kept and returned; replaced by SetSettings.
  std::string settings = "{}";
};

}  // namespace malmoi::vec

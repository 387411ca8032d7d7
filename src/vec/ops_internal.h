#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vec/schema_internal.h"
#include "vec/write.h"

namespace malmoi::vec {

// A point inside encoded bytes. Vector data is unaligned: copy it out.
struct PointView {
  struct Vector {
    std::uint32_t field = 0;
    std::uint32_t size = 0;      // Dense: the dimension. Multi: rows. Sparse: entries.
    const char* data = nullptr;  // Stored numbers; sparse: u32[size], then f32[size].
    std::size_t bytes = 0;
  };
  PointId id;
  std::vector<Vector> vectors;
  std::string_view payload;  // Packed; of a patch empty where the payload stays.
  // Of patches.
  std::vector<std::uint32_t> removed;  // Fields whose vectors go.
};

// One change, as it stands in the log (docs/formats/wal.md). Kind 1 is of format 1: payloads are
// JSON text and all numbers f32.
enum class OpKind : std::uint8_t {
  kJsonPoints = 1,
  kDelete,
  kMetadata,
  kPoints,
  kPatch,
  kCreateIndex,
  kDropIndex,
  kCreateVector,
  kDropVector,
  kSettings,
  kVectorSettings,
};
struct Op {
  OpKind kind = OpKind::kPoints;
  std::string_view body;
};

void PutId(std::string* out, const PointId& id);
// Appends the vectors as a point of the log has them. The vectors have been checked.
void PutVectors(const Schema& schema, const NamedVectors& vectors, std::string* out);
// The payload's packed form. Errors: kInvalidArgument, kOutOfRange.
Result<std::string> PackPayload(std::string_view json);
// Checks the points against schema and limits and encodes them.
Result<std::string> EncodePoints(const Schema& schema, std::span<const Point> points);
// The same bytes as EncodePoints of ToPoints(columns), and the same errors.
Result<std::string> EncodeColumns(const Schema& schema, const PointColumns& columns);
std::string EncodeDelete(std::span<const PointId> ids);
std::string EncodeFramed(OpKind kind, std::string_view body);
std::string EncodeIndex(const std::string& key, const PayloadIndexParams& params);
std::string EncodeField(const Schema::Field& field);
std::string EncodePair(OpKind kind, const std::string& name, const std::string& value);

// Reads of untrusted bytes; kCorruption where they are not what the encoders write.
Result<std::vector<Op>> DecodeOps(std::string_view bytes);
// `owned` keeps payloads that had to be converted from JSON.
Result<std::vector<PointView>> DecodePoints(const Schema& schema, const Op& op,
                                            std::vector<std::string>* owned);
Result<std::vector<PointView>> DecodePatch(const Schema& schema, std::string_view body);
Result<std::vector<PointId>> DecodeDelete(std::string_view body);
Result<std::pair<std::string, PayloadIndexParams>> DecodeIndex(std::string_view body);
Result<Schema::Field> DecodeField(std::string_view body);
Result<std::pair<std::string, std::string>> DecodePair(std::string_view body);

}  // namespace malmoi::vec

#include <lz4.h>

#include <algorithm>

#include "base/bytes.h"
#include "qdrant/shard_files_internal.h"

// The encodings of shard_files_internal.h, apart from any file.
namespace malmoi::qdrant {
namespace {

constexpr std::size_t kLz4Ratio = 255;  // A block cannot grow more.
// Of a payload or a sparse vector: far more than Qdrant's own limit of a request.
constexpr std::size_t kValueMax = std::size_t{256} << 20;

Error Damaged(const std::string& what) {
  return Error(Code::kCorruption, what);
}

// Ids in the order of their bytes; the maps of both trackers.
constexpr std::uint8_t kInsertNumber = 1, kInsertUuid = 2, kDeleteNumber = 3, kDeleteUuid = 4;

vec::PointId TakeId(ByteReader& in, bool uuid) {
  if (!uuid) return in.Get<std::uint64_t>();
  Uuid id;
  const std::string_view bytes = in.Take(id.bytes.size());
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  return id;
}

std::optional<std::uint64_t> VersionOf(std::string_view versions, std::uint32_t offset) {
  const std::size_t at = std::size_t{offset} * 8;
  if (at + 8 > versions.size()) return std::nullopt;
  return Load<std::uint64_t>(versions.data() + at);
}

}  // namespace

Result<std::string> DecodeLz4(std::string_view bytes) {
  ByteReader in(bytes);
  const std::size_t size = in.Get<std::uint32_t>();
  if (!in.ok() || size > std::min(bytes.size() * kLz4Ratio, kValueMax)) {
    return Damaged("an lz4 block of a wrong size");
  }
  std::string out(size, '\0');
  const std::string_view block = in.Take(std::min(in.left(), kValueMax));
  const int decoded = LZ4_decompress_safe(block.data(), out.data(), static_cast<int>(block.size()),
                                          static_cast<int>(size));
  if (decoded < 0) return Damaged("a damaged lz4 block");
  if (static_cast<std::size_t>(decoded) != size) return Damaged("an lz4 block of a wrong size");
  return out;
}

Result<std::vector<std::uint32_t>> DecodeDeltas(std::string_view bytes, std::size_t count) {
  std::vector<std::uint32_t> out;
  if (count == 0) return out;
  constexpr unsigned kHeaderBits = 6, kBitsMin = 8;
  if (bytes.empty()) return Damaged("no indices of a sparse vector");
  const unsigned bits = (static_cast<unsigned char>(bytes[0]) & 63u) + kBitsMin;
  if (bits > 64 || count > (bytes.size() * 8 - kHeaderBits) / bits) {
    return Damaged("fewer indices than values of a sparse vector");
  }
  out.reserve(count);
  std::uint64_t sum = 0;
  std::size_t at = kHeaderBits;
  for (std::size_t i = 0; i < count; ++i, at += bits) {
    std::uint64_t value = 0;
    for (unsigned bit = 0; bit < bits; ++bit) {
      const std::size_t from = at + bit;
      const auto byte = static_cast<unsigned char>(bytes[from / 8]);
      value |= std::uint64_t{(byte >> (from % 8)) & 1u} << bit;
    }
    if (value > 0xFFFFFFFFu || (sum += value) > 0xFFFFFFFFu || (i > 0 && value == 0)) {
      return Damaged("indices of a sparse vector that do not rise, or past 32 bits");
    }
    out.push_back(static_cast<std::uint32_t>(sum));
  }
  return out;
}

Result<vec::SparseVector> DecodeSparse(std::string_view bytes) {
  ByteReader in(bytes);
  const auto packed_size = in.Get<std::uint64_t>();
  if (packed_size > in.left()) return Damaged("a cut sparse vector");
  const std::string_view packed = in.Take(static_cast<std::size_t>(packed_size));
  const auto count = in.Get<std::uint64_t>();
  if (!in.ok() || count != in.left() / 4 || in.left() % 4 != 0) {
    return Damaged("a cut sparse vector");
  }
  vec::SparseVector out;
  for (std::uint64_t i = 0; i < count; ++i) out.values.push_back(in.Get<float>());
  MALMOI_TRY(out.indices, DecodeDeltas(packed, static_cast<std::size_t>(count)));
  return out;
}

Result<std::vector<SegmentPoint>> DecodeIdLog(std::string_view mappings,
                                              std::string_view versions) {
  std::map<vec::PointId, std::uint32_t> there;
  ByteReader in(mappings);
  while (in.left() > 0) {
    const auto kind = in.Get<std::uint8_t>();
    if (kind < kInsertNumber || kind > kDeleteUuid) {
      return Damaged("mutable_id_tracker.mappings: an entry of kind " + std::to_string(kind));
    }
    const vec::PointId id = TakeId(in, kind == kInsertUuid || kind == kDeleteUuid);
    const bool insert = kind <= kInsertUuid;
    const std::uint32_t offset = insert ? in.Get<std::uint32_t>() : 0;
    if (!in.ok()) break;
    if (insert) {
      there[id] = offset;
    } else {
      there.erase(id);
    }
  }
  std::vector<SegmentPoint> points;
  for (const auto& entry : there) {
    const auto version = VersionOf(versions, entry.second);
    if (version) points.push_back({entry.first, entry.second, *version});
  }
  return points;
}

Result<std::vector<SegmentPoint>> DecodeIdList(std::string_view mappings, std::string_view deleted,
                                               std::string_view versions) {
  ByteReader in(mappings);
  const auto count = in.Get<std::uint64_t>();
  constexpr std::size_t kEntryBytes = 13;  // At least.
  if (!in.ok() || count > in.left() / kEntryBytes) {
    return Damaged("id_tracker.mappings: cut, or of a wrong length");
  }
  std::vector<SegmentPoint> points;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto kind = in.Get<std::uint8_t>();
    if (kind > 1) return Damaged("id_tracker.mappings: an id of kind " + std::to_string(kind));
    const vec::PointId id = TakeId(in, kind == 1);
    const auto offset = in.Get<std::uint32_t>();
    if (!in.ok()) return Damaged("id_tracker.mappings: cut");
    const std::size_t byte = offset / 8;
    const bool gone =
        byte < deleted.size() && (static_cast<unsigned char>(deleted[byte]) >> (offset % 8) & 1);
    const auto version = VersionOf(versions, offset);
    if (!gone && version) points.push_back({id, offset, *version});
  }
  return points;
}

}  // namespace malmoi::qdrant

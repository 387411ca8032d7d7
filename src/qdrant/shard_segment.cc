#include <bit>
#include <cmath>

#include "base/bytes.h"
#include "qdrant/shard_segment_internal.h"

namespace malmoi::qdrant {
namespace {

constexpr std::int64_t kDimMax = 65536;
constexpr std::size_t kOffsetBytes = 12;

Error Unknown(const std::string& directory, const std::string& what) {
  return Error(Code::kUnsupported, "segment '" + directory + "': " + what);
}

// Segments of old servers, whose snapshots have a backup of a database in place of files.
Error InRocksDb(const std::string& directory, const char* part) {
  return Unknown(directory, std::string(part) +
                                " are kept in RocksDB, which is not read here: open the snapshot "
                                "in Qdrant 1.16 or later, which rewrites them, and make a new one, "
                                "or copy from the running server with 'malmoi store copy'");
}

float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00) {
    return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  }
  if (magnitude < 0x400) {
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
}

std::size_t NumberBytes(int number) {
  constexpr std::size_t kBytes[] = {4, 2, 1};
  return kBytes[number];
}

// A name is part of a path, which must not lead out of the snapshot.
Status CheckName(const std::string& directory, const std::string& name) {
  if (name.find_first_of(std::string_view("/\0", 2)) == name.npos) return Ok();
  return Error(Code::kCorruption,
               "segment '" + directory + "': a vector's name that is a path: '" + name + "'");
}

std::string FolderOf(const std::string& directory, const std::string& name) {
  return os::JoinPath(directory, name.empty() ? "vector_storage" : "vector_storage-" + name);
}

bool Has(os::Vfs& vfs, const std::string& folder, const char* name) {
  return vfs.Stat(os::JoinPath(folder, name)).ok();
}

// What a vector is made with, out of a segment's description of it.
json::Value Copied(const json::Value& from, std::initializer_list<const char*> names) {
  std::vector<json::Value::Member> members;
  for (const char* name : names) {
    const json::Value* member = from.Find(name);
    if (member != nullptr && !member->is_null()) members.emplace_back(name, *member);
  }
  return json::Value::Object(std::move(members));
}

}  // namespace

Result<std::unique_ptr<Segment>> Segment::Open(os::Vfs& vfs, const std::string& directory) {
  auto self = std::make_unique<Segment>();
  self->directory_ = directory;
  MALMOI_TRY(const std::string text, os::ReadFile(vfs, os::JoinPath(directory, "segment.json")));
  MALMOI_TRY(const json::Value state, json::Parse(text).With("'" + directory + "/segment.json'"));
  self->version_ = static_cast<std::uint64_t>(state.GetInt("version"));
  const json::Value* config = state.Find("config");
  if (config == nullptr) return Error(Code::kCorruption, "'" + directory + "': no configuration");
  MALMOI_TRY(self->OpenPoints(vfs, directory));
  MALMOI_TRY(self->OpenVectors(vfs, directory, *config));
  const std::string payloads = os::JoinPath(directory, "payload_storage");
  if (!Has(vfs, payloads, "config.json")) return InRocksDb(directory, "payloads");
  MALMOI_TRY(auto grid, Grid::Open(vfs, payloads));
  self->payloads_ = std::make_unique<Grid>(std::move(grid));
  const std::string index = os::JoinPath(directory, "payload_index/config.json");
  if (vfs.Stat(index).ok()) {
    MALMOI_TRY(const std::string shown, os::ReadFile(vfs, index));
    MALMOI_TRY(const json::Value parsed, json::Parse(shown).With("'" + index + "'"));
    if (const json::Value* fields = parsed.Find("indexed_fields")) {
      for (const auto& [field, schema] : fields->members()) self->indexes_[field] = schema;
    }
  }
  return self;
}

Status Segment::OpenPoints(os::Vfs& vfs, const std::string& directory) {
  const auto map = [&](const char* name) { return vfs.Map(os::JoinPath(directory, name)); };
  if (Has(vfs, directory, "id_tracker.i2e")) {
    return Unknown(directory, "its id tracker is kept on disk (id_tracker.i2e), which is not read");
  }
  if (Has(vfs, directory, "id_tracker.mappings")) {
    MALMOI_TRY(const auto mappings, map("id_tracker.mappings"));
    MALMOI_TRY(const auto deleted, map("id_tracker.deleted"));
    MALMOI_TRY(const auto versions, map("id_tracker.versions"));
    MALMOI_TRY(points_, DecodeIdList(mappings.bytes, deleted.bytes, versions.bytes)
                            .With("segment '" + directory + "'"));
    return Ok();
  }
  if (Has(vfs, directory, "mutable_id_tracker.mappings")) {
    MALMOI_TRY(const auto mappings, map("mutable_id_tracker.mappings"));
    MALMOI_TRY(const auto versions, map("mutable_id_tracker.versions"));
    MALMOI_TRY(points_,
               DecodeIdLog(mappings.bytes, versions.bytes).With("segment '" + directory + "'"));
    return Ok();
  }
  const bool database =
      Has(vfs, directory, "CURRENT") || Has(vfs, std::string(os::DirName(directory)), "db_backup");
  if (database) return InRocksDb(directory, "ids");
  return Ok();  // A new segment, which has none yet.
}

Status Segment::OpenVectors(os::Vfs& vfs, const std::string& directory, const json::Value& config) {
  std::vector<json::Value::Member> dense, sparse;
  if (const json::Value* vectors = config.Find("vector_data")) {
    for (const auto& [name, described] : vectors->members()) {
      MALMOI_TRY(CheckName(directory, name));
      Dense vector;
      vector.name = name;
      MALMOI_TRY(OpenDense(vfs, FolderOf(directory, name), described, &vector));
      dense_.push_back(std::move(vector));
      dense.emplace_back(name,
                         Copied(described, {"size", "distance", "datatype", "multivector_config"}));
    }
  }
  if (const json::Value* vectors = config.Find("sparse_vector_data")) {
    for (const auto& [name, described] : vectors->members()) {
      MALMOI_TRY(CheckName(directory, name));
      const std::string folder = FolderOf(directory, name);
      const std::string store = os::JoinPath(folder, "store");
      if (!Has(vfs, store, "config.json")) return InRocksDb(directory, "sparse vectors");
      Sparse vector;
      vector.name = name;
      MALMOI_TRY(vector.store, Grid::Open(vfs, store));
      MALMOI_TRY(vector.missing, Flags::Open(vfs, os::JoinPath(folder, "deleted")));
      sparse_.push_back(std::move(vector));
      sparse.emplace_back(name, Copied(described, {"modifier"}));
    }
  }
  params_ = json::Value::Object({{"vectors", json::Value::Object(std::move(dense))},
                                 {"sparse_vectors", json::Value::Object(std::move(sparse))}});
  return Ok();
}

Status Segment::OpenDense(os::Vfs& vfs, const std::string& folder, const json::Value& config,
                          Dense* vector) {
  const std::int64_t dim = config.GetInt("size");
  if (dim < 1 || dim > kDimMax) {
    return Error(Code::kCorruption,
                 "'" + folder + "': a vector of " + std::to_string(dim) + " numbers");
  }
  vector->dim = static_cast<std::uint32_t>(dim);
  const std::string datatype(config.GetString("datatype", "float32"));
  if (datatype != "float32" && datatype != "float16" && datatype != "uint8") {
    return Unknown(directory_, "vectors of datatype '" + datatype + "' are not read");
  }
  vector->number = datatype == "float16" ? Number::kHalf
                   : datatype == "uint8" ? Number::kByte
                                         : Number::kFloat;
  const std::size_t row = vector->dim * NumberBytes(static_cast<int>(vector->number));
  if (Has(vfs, folder, "matrix.dat")) {
    MALMOI_TRY(vector->rows, Rows::OpenMatrix(vfs, os::JoinPath(folder, "matrix.dat"), row));
    MALMOI_TRY(vector->missing, Flags::OpenDropped(vfs, os::JoinPath(folder, "deleted.dat")));
    return Ok();
  }
  const std::string vectors = os::JoinPath(folder, "vectors");
  if (!Has(vfs, vectors, "config.json")) return InRocksDb(directory_, "vectors");
  MALMOI_TRY(vector->rows, Rows::OpenChunks(vfs, vectors, row));
  MALMOI_TRY(vector->missing, Flags::Open(vfs, os::JoinPath(folder, "deleted")));
  const json::Value* multi = config.Find("multivector_config");
  if (multi == nullptr || multi->is_null()) return Ok();
  MALMOI_TRY(auto offsets, Rows::OpenChunks(vfs, os::JoinPath(folder, "offsets"), kOffsetBytes));
  vector->offsets = std::make_unique<Rows>(std::move(offsets));
  return Ok();
}

Status Segment::ReadDense(const Dense& vector, std::uint32_t offset, vec::NamedVectors* out) const {
  std::uint64_t first = offset, count = 1;
  if (vector.offsets != nullptr) {
    MALMOI_TRY(const std::string_view entry, vector.offsets->Get(offset, 1));
    first = Load<std::uint32_t>(entry.data());
    count = Load<std::uint32_t>(entry.data() + 4);
    if (count == 0) return Ok();
  }
  MALMOI_TRY(const std::string_view bytes, vector.rows.Get(first, count));
  std::vector<float> numbers(static_cast<std::size_t>(count) * vector.dim);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    switch (vector.number) {
      case Number::kFloat:
        numbers[i] = Load<float>(bytes.data() + 4 * i);
        break;
      case Number::kHalf:
        numbers[i] = HalfToFloat(Load<std::uint16_t>(bytes.data() + 2 * i));
        break;
      case Number::kByte:
        numbers[i] = static_cast<float>(static_cast<unsigned char>(bytes[i]));
        break;
    }
  }
  if (vector.offsets == nullptr) {
    out->dense[vector.name] = std::move(numbers);
  } else {
    out->multi[vector.name] = {.dim = vector.dim, .data = std::move(numbers)};
  }
  return Ok();
}

Result<vec::Point> Segment::Read(const SegmentPoint& point) const {
  vec::Point out;
  out.id = point.id;
  for (const Dense& vector : dense_) {
    if (vector.missing.IsSet(point.offset)) continue;
    MALMOI_TRY(ReadDense(vector, point.offset, &out.vectors));
  }
  for (const Sparse& vector : sparse_) {
    if (vector.missing.IsSet(point.offset)) continue;
    MALMOI_TRY(const auto bytes, vector.store.Get(point.offset));
    if (!bytes) continue;
    MALMOI_TRY(out.vectors.sparse[vector.name],
               DecodeSparse(*bytes).With("segment '" + directory_ + "'"));
  }
  MALMOI_TRY(auto payload, payloads_->Get(point.offset));
  if (payload) out.payload = std::move(*payload);
  return out;
}

}  // namespace malmoi::qdrant

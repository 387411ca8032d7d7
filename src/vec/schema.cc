#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "json/value.h"
#include "kernels/vector.h"
#include "vec/limits.h"
#include "vec/schema_internal.h"
#include "vec/turbo_internal.h"

namespace malmoi::vec {
namespace {

Error Wrong(std::string message) {
  return Error(Code::kInvalidArgument, std::move(message));
}

// Whether all are finite. Of an exponent of ones, one more overflows into the sign's bit; sixteen
// at a time without a branch between them, so that the compiler takes them together.
bool AllFinite(std::span<const float> v) {
  constexpr std::size_t kTogether = 16;
  std::uint32_t overflow = 0;
  std::size_t i = 0;
  for (; i + kTogether <= v.size(); i += kTogether) {
    std::array<std::uint32_t, kTogether> bits;
    std::memcpy(bits.data(), v.data() + i, sizeof bits);
    for (std::size_t k = 0; k < kTogether; ++k) overflow |= (bits[k] & 0x7F800000) + 0x00800000;
  }
  for (; i < v.size(); ++i) overflow |= std::isfinite(v[i]) ? 0 : 0x80000000;
  return overflow < 0x80000000;
}

}  // namespace

Status CheckDense(const Schema::Field& field, std::uint32_t dim, std::span<const float> v) {
  if (dim != field.dim || v.size() % field.dim != 0) {
    return Wrong("vector '" + field.name + "' has " + std::to_string(dim) +
                 " numbers, the collection's has " + std::to_string(field.dim));
  }
  if (!AllFinite(v)) return Wrong("vector '" + field.name + "' has a number not finite");
  return Ok();
}

namespace {

Status CheckMulti(const Schema::Field& field, const MultiVector& v) {
  if (v.data.empty() || v.dim == 0) {
    return Wrong("multivector '" + field.name + "' has no vectors");
  }
  if (v.rows() > kLimits.multivector_rows_max) {
    return Error(Code::kOutOfRange, "multivector '" + field.name + "' has " +
                                        std::to_string(v.rows()) + " vectors, at most " +
                                        std::to_string(kLimits.multivector_rows_max));
  }
  return CheckDense(field, v.dim, v.data);
}

Status CheckSparse(const Schema::Field& field, const SparseVector& v) {
  if (v.indices.size() != v.values.size()) {
    return Wrong("sparse vector '" + field.name + "' has " + std::to_string(v.indices.size()) +
                 " indices but " + std::to_string(v.values.size()) + " values");
  }
  if (v.indices.size() > kLimits.sparse_entries_max) {
    return Error(Code::kOutOfRange, "sparse vector '" + field.name + "' has " +
                                        std::to_string(v.indices.size()) + " entries, at most " +
                                        std::to_string(kLimits.sparse_entries_max));
  }
  for (std::size_t i = 0; i < v.indices.size(); ++i) {
    if (i > 0 && v.indices[i] <= v.indices[i - 1]) {
      return Wrong("indices of sparse vector '" + field.name + "' do not rise strictly");
    }
    if (!std::isfinite(v.values[i])) {
      return Wrong("sparse vector '" + field.name + "' has a value not finite");
    }
  }
  return Ok();
}

Result<const Schema::Field*> Named(const Schema& schema, const std::string& name, FieldKind kind,
                                   const char* what) {
  const auto field = schema.Find(name);
  if (!field || schema.fields[*field].kind != kind) {
    return Wrong("the collection has no " + std::string(what) + " vector '" + name + "'");
  }
  return &schema.fields[*field];
}

}  // namespace

std::string ToString(const PointId& id) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) return std::to_string(*number);
  return std::get<Uuid>(id).ToString();
}

std::uint64_t RowBytes(const DenseParams& params) {
  return FieldOf("", params).row_bytes();
}

std::size_t Schema::Field::row_bytes() const {
  if (IsTurbo(datatype)) return TurboRowBytes(datatype, dim);
  const std::size_t each = datatype == Datatype::kFloat32   ? 4
                           : datatype == Datatype::kFloat16 ? 2
                                                            : 1;
  return dim * each;
}

Schema::Field FieldOf(const std::string& name, const DenseParams& params) {
  Schema::Field field;
  field.name = name;
  field.kind = params.multivector ? FieldKind::kMulti : FieldKind::kDense;
  field.dim = params.dim;
  field.distance = params.distance;
  field.datatype = params.datatype;
  field.settings = params.settings;
  return field;
}

Schema::Field FieldOf(const std::string& name, const SparseParams& params) {
  Schema::Field field;
  field.name = name;
  field.kind = FieldKind::kSparse;
  field.distance = Distance::kDot;
  field.idf = params.idf;
  field.settings = params.settings;
  return field;
}

Schema::Schema(const CollectionConfig& config) {
  for (const auto& [name, p] : config.dense) fields.push_back(FieldOf(name, p));
  for (const auto& [name, p] : config.sparse) fields.push_back(FieldOf(name, p));
}

std::optional<std::uint32_t> Schema::Find(std::string_view name) const {
  for (std::uint32_t i = 0; i < fields.size(); ++i) {
    if (!fields[i].dropped && fields[i].name == name) return i;
  }
  return std::nullopt;
}

void Schema::Describe(CollectionConfig* config) const {
  config->dense.clear();
  config->sparse.clear();
  for (const Field& f : fields) {
    if (f.dropped) continue;
    if (f.sparse()) {
      config->sparse[f.name] = {.idf = f.idf, .settings = f.settings};
    } else {
      config->dense[f.name] = {.dim = f.dim,
                               .distance = f.distance,
                               .datatype = f.datatype,
                               .multivector = f.kind == FieldKind::kMulti,
                               .settings = f.settings};
    }
  }
}

Status CheckJsonObject(std::string_view json, std::string_view what) {
  if (json == "{}") return Ok();
  if (json.size() > kLimits.payload_bytes_max) {
    return Error(Code::kOutOfRange, std::string(what) + " of " + std::to_string(json.size()) +
                                        " bytes, at most " +
                                        std::to_string(kLimits.payload_bytes_max));
  }
  const auto value = json::Parse(json);
  if (!value.ok()) return Wrong(std::string(what) + ": " + value.error().message());
  if (!value.value().is_object()) return Wrong(std::string(what) + " is not a JSON object");
  return Ok();
}

Status CheckField(const Schema::Field& field) {
  if (field.name.size() > 255) return Wrong("vector name of more than 255 bytes");
  if (!field.sparse() && (field.dim == 0 || field.dim > kLimits.dim_max)) {
    return Wrong("vector '" + field.name + "': dimension " + std::to_string(field.dim) +
                 " is not in 1.." + std::to_string(kLimits.dim_max));
  }
  return CheckJsonObject(field.settings, "settings of vector '" + field.name + "'");
}

Status CheckConfig(const CollectionConfig& config) {
  if (config.dense.size() + config.sparse.size() > kLimits.vectors_max) {
    return Wrong("more than " + std::to_string(kLimits.vectors_max) + " named vectors");
  }
  for (const auto& field : Schema(config).fields) MALMOI_TRY(CheckField(field));
  for (const auto& [name, p] : config.dense) {
    if (config.sparse.contains(name)) {
      return Wrong("vector name '" + name + "' stands for a dense and a sparse vector");
    }
  }
  MALMOI_TRY(CheckJsonObject(config.metadata, "metadata"));
  return CheckJsonObject(config.settings, "settings");
}

Status CheckVectors(const Schema& schema, const NamedVectors& vectors) {
  for (const auto& [name, v] : vectors.dense) {
    MALMOI_TRY(const auto* field, Named(schema, name, FieldKind::kDense, "dense"));
    MALMOI_TRY(CheckDense(*field, static_cast<std::uint32_t>(v.size()), v));
  }
  for (const auto& [name, v] : vectors.multi) {
    MALMOI_TRY(const auto* field, Named(schema, name, FieldKind::kMulti, "multi"));
    MALMOI_TRY(CheckMulti(*field, v));
  }
  for (const auto& [name, v] : vectors.sparse) {
    MALMOI_TRY(const auto* field, Named(schema, name, FieldKind::kSparse, "sparse"));
    MALMOI_TRY(CheckSparse(*field, v));
  }
  return Ok();
}

// Rounds to nearest, ties to even; too large becomes infinity.
std::uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return static_cast<std::uint16_t>(sign | 0x7E00);
  if (magnitude >= 0x477FF000) return static_cast<std::uint16_t>(sign | 0x7C00);
  if (magnitude < 0x38800000) {  // Subnormal: the sum rounds at the right place.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000));
  }
  const std::uint32_t odd = magnitude >> 13 & 1;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000 + 0xFFF + odd) >> 13));
}

float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) {
    return std::bit_cast<float>(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
  }
  if (magnitude < 0x400) {
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000));
}

namespace {

// So near to length 1 that scaling would only round it again: a vector that was read from a store
// is written to the next one as it is. The bound is Qdrant's.
bool IsUnit(std::span<const float> row) {
  const float square = kernels::Dot(row, row);
  return std::abs(square - 1.0f) <= 1.0e-6f;
}

}  // namespace

std::string StoredDense(const Schema::Field& field, std::span<const float> v) {
  std::string out;
  AppendDense(field, v, &out);
  return out;
}

void AppendDense(const Schema::Field& field, std::span<const float> v, std::string* out) {
  thread_local std::vector<float> normalized;
  if (field.normalized()) {
    normalized.assign(v.begin(), v.end());
    for (std::size_t at = 0; at < v.size(); at += field.dim) {
      const auto row = std::span(normalized).subspan(at, field.dim);
      if (!IsUnit(row)) kernels::NormalizeL2(row);
    }
    v = normalized;
  }
  if (field.datatype == Datatype::kFloat32) {
    out->append(reinterpret_cast<const char*>(v.data()), v.size() * 4);
  } else if (field.datatype == Datatype::kFloat16) {
    for (const float x : v) Put(out, FloatToHalf(x));
  } else if (IsTurbo(field.datatype)) {
    for (std::size_t at = 0; at < v.size(); at += field.dim) {
      AppendTurbo(field.datatype, v.subspan(at, field.dim), out);
    }
  } else {
    for (const float x : v) {
      *out += static_cast<char>(static_cast<std::uint8_t>(x <= 0 ? 0 : x >= 255 ? 255 : x));
    }
  }
}

std::vector<float> LoadDense(const Schema::Field& field, const char* rows, std::size_t count) {
  std::vector<float> out(count * field.dim);
  if (field.datatype == Datatype::kFloat32) {
    std::memcpy(out.data(), rows, out.size() * 4);
  } else if (field.datatype == Datatype::kFloat16) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] = HalfToFloat(Load<std::uint16_t>(rows + i * 2));
    }
  } else if (IsTurbo(field.datatype)) {
    for (std::size_t r = 0; r < count; ++r) {
      LoadTurbo(field.datatype, rows + r * field.row_bytes(),
                std::span(out).subspan(r * field.dim, field.dim));
    }
  } else {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(rows[i]);
  }
  return out;
}

std::uint64_t HashId(const PointId& id) {
  std::uint64_t x;
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    x = *number;
  } else {
    const auto& bytes = std::get<Uuid>(id).bytes;
    x = Load<std::uint64_t>(bytes.data()) ^ (Load<std::uint64_t>(bytes.data() + 8) * 31 + 1);
  }
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace malmoi::vec

#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/strings.h"
#include "json/value.h"
#include "kernels/vector.h"
#include "vec/limits.h"
#include "vec/schema_internal.h"

namespace malmoi::vec {
namespace {

Error Wrong(std::string message) {
  return Error(Code::kInvalidArgument, std::move(message));
}

Status CheckName(const std::string& name) {
  if (name.size() > 255) return Wrong("vector name of more than 255 bytes");
  return Ok();
}

Status CheckDense(const Schema::Field& field, std::span<const float> v) {
  if (v.size() != field.dim) {
    return Wrong("vector '" + field.name + "' has " + std::to_string(v.size()) +
                 " numbers, the collection's has " + std::to_string(field.dim));
  }
  for (const float x : v) {
    if (!std::isfinite(x)) return Wrong("vector '" + field.name + "' has a number not finite");
  }
  return Ok();
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

void PutArray(std::string* out, const void* data, std::size_t bytes) {
  out->append(static_cast<const char*>(data), bytes);
}

PointId GetId(ByteReader& in, bool* ok) {
  const auto tag = in.Get<std::uint8_t>();
  if (tag == 0) return in.Get<std::uint64_t>();
  if (tag != 1) *ok = false;
  return in.Get<Uuid>();
}

std::string Framed(OpKind kind, std::string_view body) {
  std::string out;
  out.reserve(body.size() + 5);
  Put<std::uint8_t>(&out, static_cast<std::uint8_t>(kind));
  PutString(&out, body);
  return out;
}

bool GetVector(const Schema& schema, ByteReader& in, PointView::Vector* v) {
  v->field = in.Get<std::uint16_t>();
  if (!in.ok() || v->field >= schema.fields.size()) return false;
  const auto& field = schema.fields[v->field];
  v->size = field.sparse ? in.Get<std::uint32_t>() : field.dim;
  if (v->size > kLimits.sparse_entries_max) return false;
  v->data = in.Take(static_cast<std::size_t>(v->size) * (field.sparse ? 8 : 4)).data();
  return in.ok();
}

}  // namespace

std::string ToString(const PointId& id) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) return std::to_string(*number);
  return std::get<Uuid>(id).ToString();
}

Schema::Schema(const CollectionConfig& config) {
  for (const auto& [name, p] : config.dense) {
    fields.push_back({.name = name, .dim = p.dim, .distance = p.distance});
  }
  for (const auto& [name, p] : config.sparse) {
    fields.push_back({.name = name, .sparse = true, .idf = p.idf});
  }
}

std::optional<std::uint32_t> Schema::Find(std::string_view name) const {
  for (std::uint32_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return i;
  }
  return std::nullopt;
}

Status CheckConfig(const CollectionConfig& config) {
  if (config.dense.size() + config.sparse.size() > kLimits.vectors_max) {
    return Wrong("more than " + std::to_string(kLimits.vectors_max) + " named vectors");
  }
  for (const auto& [name, p] : config.dense) {
    MALMOI_TRY(CheckName(name));
    if (p.dim == 0 || p.dim > kLimits.dim_max) {
      return Wrong("vector '" + name + "': dimension " + std::to_string(p.dim) + " is not in 1.." +
                   std::to_string(kLimits.dim_max));
    }
    if (config.sparse.contains(name)) {
      return Wrong("vector name '" + name + "' stands for a dense and a sparse vector");
    }
  }
  for (const auto& [name, p] : config.sparse) MALMOI_TRY(CheckName(name));
  const auto metadata = json::Parse(config.metadata);
  if (!metadata.ok() || !metadata.value().is_object()) return Wrong("metadata is not an object");
  return Ok();
}

void PutId(std::string* out, const PointId& id) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    Put<std::uint8_t>(out, 0);
    Put(out, *number);
  } else {
    Put<std::uint8_t>(out, 1);
    Put(out, std::get<Uuid>(id));
  }
}

Status CheckVectors(const Schema& schema, const NamedVectors& vectors) {
  for (const auto& [name, v] : vectors.dense) {
    const auto field = schema.Find(name);
    if (!field || schema.fields[*field].sparse) {
      return Wrong("the collection has no dense vector '" + name + "'");
    }
    MALMOI_TRY(CheckDense(schema.fields[*field], v));
  }
  for (const auto& [name, v] : vectors.sparse) {
    const auto field = schema.Find(name);
    if (!field || !schema.fields[*field].sparse) {
      return Wrong("the collection has no sparse vector '" + name + "'");
    }
    MALMOI_TRY(CheckSparse(schema.fields[*field], v));
  }
  return Ok();
}

std::vector<float> StoredForm(const Schema& schema, const std::string& name, std::vector<float> v) {
  const auto field = schema.Find(name);
  if (field && schema.fields[*field].distance == Distance::kCosine) kernels::NormalizeL2(v);
  return v;
}

Status EncodePoint(const Schema& schema, const Point& point, VectorForm form, std::string* out) {
  MALMOI_TRY(CheckVectors(schema, point.vectors));
  if (point.payload.size() > kLimits.payload_bytes_max) {
    return Error(Code::kOutOfRange, "payload of " + std::to_string(point.payload.size()) +
                                        " bytes, at most " +
                                        std::to_string(kLimits.payload_bytes_max));
  }
  if (point.payload != "{}") {
    const auto payload = json::Parse(point.payload);
    if (!payload.ok()) return Wrong("payload: " + payload.error().message());
    if (!payload.value().is_object()) return Wrong("payload is not a JSON object");
  }
  PutId(out, point.id);
  const std::size_t count = point.vectors.dense.size() + point.vectors.sparse.size();
  Put(out, static_cast<std::uint16_t>(count));
  for (const auto& [name, v] : point.vectors.dense) {
    const std::uint32_t field = *schema.Find(name);
    Put(out, static_cast<std::uint16_t>(field));
    if (form == VectorForm::kGiven) {
      const std::vector<float> stored = StoredForm(schema, name, v);
      PutArray(out, stored.data(), stored.size() * 4);
    } else {
      PutArray(out, v.data(), v.size() * 4);
    }
  }
  for (const auto& [name, v] : point.vectors.sparse) {
    Put(out, static_cast<std::uint16_t>(*schema.Find(name)));
    Put(out, static_cast<std::uint32_t>(v.indices.size()));
    PutArray(out, v.indices.data(), v.indices.size() * 4);
    PutArray(out, v.values.data(), v.values.size() * 4);
  }
  PutString(out, point.payload);
  return Ok();
}

Result<std::string> EncodeUpsert(const Schema& schema, std::span<const Point> points,
                                 VectorForm form) {
  if (points.size() > kLimits.points_per_write_max) {
    return Error(Code::kOutOfRange, std::to_string(points.size()) +
                                        " points in one write, at most " +
                                        std::to_string(kLimits.points_per_write_max));
  }
  std::string body;
  Put(&body, static_cast<std::uint32_t>(points.size()));
  for (const auto& point : points) {
    MALMOI_TRY(EncodePoint(schema, point, form, &body).With("point " + ToString(point.id)));
    if (body.size() > kLimits.write_bytes_max) {
      return Error(Code::kOutOfRange, "a write of more than " +
                                          FormatBytes(kLimits.write_bytes_max) +
                                          "; send fewer points at once");
    }
  }
  return Framed(OpKind::kUpsert, body);
}

std::string EncodeDelete(std::span<const PointId> ids) {
  std::string body;
  Put(&body, static_cast<std::uint32_t>(ids.size()));
  for (const auto& id : ids) PutId(&body, id);
  return Framed(OpKind::kDelete, body);
}

std::string EncodeMetadata(std::string_view json) {
  return Framed(OpKind::kMetadata, json);
}

Result<std::vector<Op>> DecodeOps(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<Op> ops;
  while (in.ok() && in.left() > 0) {
    const auto kind = in.Get<std::uint8_t>();
    const std::string_view body = in.GetString();
    if (!in.ok() || kind < 1 || kind > 3) {
      return Error(Code::kCorruption, "operation " + std::to_string(ops.size()) + " is ill-formed");
    }
    ops.push_back({static_cast<OpKind>(kind), body});
  }
  return ops;
}

Result<std::vector<PointView>> DecodeUpsert(const Schema& schema, std::string_view body) {
  ByteReader in(body);
  const auto count = in.Get<std::uint32_t>();
  bool ok = count <= kLimits.points_per_write_max;
  std::vector<PointView> points;
  for (std::uint32_t i = 0; ok && i < count; ++i) {
    PointView p;
    p.id = GetId(in, &ok);
    const auto vectors = in.Get<std::uint16_t>();
    for (std::uint16_t v = 0; ok && v < vectors; ++v) {
      p.vectors.emplace_back();
      ok = GetVector(schema, in, &p.vectors.back());
    }
    p.payload = in.GetString();
    ok = ok && in.ok();
    points.push_back(std::move(p));
  }
  if (!ok || in.left() > 0) return Error(Code::kCorruption, "a write of points is ill-formed");
  return points;
}

Result<std::vector<PointId>> DecodeDelete(std::string_view body) {
  ByteReader in(body);
  const auto count = in.Get<std::uint32_t>();
  bool ok = true;
  std::vector<PointId> ids;
  for (std::uint32_t i = 0; ok && i < count; ++i) {
    ids.push_back(GetId(in, &ok));
    ok = ok && in.ok();
  }
  if (!ok || in.left() > 0) return Error(Code::kCorruption, "a deletion is ill-formed");
  return ids;
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

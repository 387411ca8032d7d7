#include <algorithm>

#include "base/bytes.h"
#include "base/strings.h"
#include "json/value.h"
#include "vec/limits.h"
#include "vec/ops_internal.h"
#include "vec/packed_internal.h"

namespace malmoi::vec {
namespace {

constexpr std::uint8_t kHasPayload = 1;

Error IllFormed(const char* what) {
  return Error(Code::kCorruption, std::string(what) + " is ill-formed");
}

PointId GetId(ByteReader& in, bool* ok) {
  const auto tag = in.Get<std::uint8_t>();
  if (tag == 0) return in.Get<std::uint64_t>();
  if (tag != 1) *ok = false;
  return in.Get<Uuid>();
}

bool GetVector(const Schema& schema, ByteReader& in, PointView::Vector* v) {
  v->field = in.Get<std::uint16_t>();
  if (!in.ok() || v->field >= schema.fields.size()) return false;
  const auto& field = schema.fields[v->field];
  v->size = field.kind == FieldKind::kDense ? field.dim : in.Get<std::uint32_t>();
  if (v->size > kLimits.sparse_entries_max) return false;
  const std::size_t size = v->size;
  v->bytes = field.kind == FieldKind::kDense   ? field.row_bytes()
             : field.kind == FieldKind::kMulti ? size * field.row_bytes()
                                               : size * 8;
  v->data = in.Take(v->bytes).data();
  return in.ok();
}

bool GetVectors(const Schema& schema, ByteReader& in, PointView* p) {
  const auto count = in.Get<std::uint16_t>();
  for (std::uint16_t i = 0; i < count; ++i) {
    p->vectors.emplace_back();
    if (!GetVector(schema, in, &p->vectors.back())) return false;
  }
  return in.ok();
}

void PutStrings(std::string* out, const std::vector<std::string>& items) {
  Put(out, static_cast<std::uint32_t>(items.size()));
  for (const auto& item : items) PutString(out, item);
}

std::vector<std::string> GetStrings(ByteReader& in) {
  const auto count = in.Get<std::uint32_t>();
  std::vector<std::string> out;
  for (std::uint32_t i = 0; in.ok() && i < count; ++i) out.emplace_back(in.GetString());
  return out;
}

void PutOptional(std::string* out, const std::optional<std::uint32_t>& value) {
  Put(out, value ? static_cast<std::int64_t>(*value) : std::int64_t{-1});
}

std::optional<std::uint32_t> GetOptional(ByteReader& in) {
  const auto value = in.Get<std::int64_t>();
  if (value < 0 || value > 0xFFFFFFFF) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

}  // namespace

void PutId(std::string* out, const PointId& id) {
  if (const auto* number = std::get_if<std::uint64_t>(&id)) {
    Put<std::uint8_t>(out, 0);
    Put(out, *number);
  } else {
    Put<std::uint8_t>(out, 1);
    Put(out, std::get<Uuid>(id));
  }
}

void PutVectors(const Schema& schema, const NamedVectors& vectors, std::string* out) {
  const std::size_t count = vectors.dense.size() + vectors.sparse.size() + vectors.multi.size();
  Put(out, static_cast<std::uint16_t>(count));
  for (const auto& [name, v] : vectors.dense) {
    const std::uint32_t field = *schema.Find(name);
    Put(out, static_cast<std::uint16_t>(field));
    AppendDense(schema.fields[field], v, out);
  }
  for (const auto& [name, v] : vectors.multi) {
    const std::uint32_t field = *schema.Find(name);
    Put(out, static_cast<std::uint16_t>(field));
    Put(out, static_cast<std::uint32_t>(v.rows()));
    AppendDense(schema.fields[field], v.data, out);
  }
  for (const auto& [name, v] : vectors.sparse) {
    Put(out, static_cast<std::uint16_t>(*schema.Find(name)));
    Put(out, static_cast<std::uint32_t>(v.indices.size()));
    out->append(reinterpret_cast<const char*>(v.indices.data()), v.indices.size() * 4);
    out->append(reinterpret_cast<const char*>(v.values.data()), v.values.size() * 4);
  }
}

Result<std::string> PackPayload(std::string_view json) {
  if (json == "{}") return std::string(kEmptyObject);
  if (json.size() > kLimits.payload_bytes_max) {
    return Error(Code::kOutOfRange, "payload of " + std::to_string(json.size()) +
                                        " bytes, at most " +
                                        std::to_string(kLimits.payload_bytes_max));
  }
  if (!json.empty() && json.front() == kEmptyObject.front()) {  // PayloadBuilder's; no JSON.
    if (IsPacked(json)) return std::string(json);
    return Error(Code::kInvalidArgument, "payload is ill-formed");
  }
  if (std::string plain; PackPlain(json, &plain)) return plain;
  MALMOI_TRY(const auto payload, json::Parse(json).With("payload"));
  if (!payload.is_object()) {
    return Error(Code::kInvalidArgument, "payload is not a JSON object");
  }
  std::string out;
  Pack(payload, &out);
  return out;
}

std::string EncodeFramed(OpKind kind, std::string_view body) {
  std::string out;
  out.reserve(body.size() + 5);
  Put<std::uint8_t>(&out, static_cast<std::uint8_t>(kind));
  PutString(&out, body);
  return out;
}

namespace {

// About how many bytes the points take, so that they are not copied as the text grows.
std::size_t EncodedSize(const Schema& schema, std::size_t points, std::size_t payloads) {
  std::size_t row = 64;
  for (const auto& field : schema.fields) row += field.sparse() ? 0 : field.row_bytes() + 8;
  return std::min(16 + points * row + payloads, kLimits.write_bytes_max);
}

// An operation of points, which are put behind what this begins.
Result<std::string> BeginPoints(const Schema& schema, std::size_t count, std::size_t payloads) {
  if (count > kLimits.points_per_write_max) {
    return Error(Code::kOutOfRange, std::to_string(count) + " points in one write, at most " +
                                        std::to_string(kLimits.points_per_write_max));
  }
  std::string out;
  out.reserve(EncodedSize(schema, count, payloads));
  Put<std::uint8_t>(&out, static_cast<std::uint8_t>(OpKind::kPoints));
  Put<std::uint32_t>(&out, 0);  // The length, known at the end.
  Put(&out, static_cast<std::uint32_t>(count));
  return out;
}

void EndPoints(std::string* out) {
  const auto size = static_cast<std::uint32_t>(out->size() - 5);
  std::memcpy(out->data() + 1, &size, 4);
}

Status CheckSize(const std::string& encoded) {
  if (encoded.size() <= kLimits.write_bytes_max) return Ok();
  return Error(Code::kOutOfRange, "a write of more than " + FormatBytes(kLimits.write_bytes_max) +
                                      "; send fewer points at once");
}

}  // namespace

Result<std::string> EncodePoints(const Schema& schema, std::span<const Point> points) {
  std::size_t payloads = 0;
  for (const auto& point : points) payloads += point.payload.size();
  MALMOI_TRY(auto out, BeginPoints(schema, points.size(), payloads));
  for (const auto& point : points) {
    MALMOI_TRY(CheckVectors(schema, point.vectors).With("point " + ToString(point.id)));
    MALMOI_TRY(const auto payload, PackPayload(point.payload).With("point " + ToString(point.id)));
    PutId(&out, point.id);
    PutVectors(schema, point.vectors, &out);
    PutString(&out, payload);
    MALMOI_TRY(CheckSize(out));
  }
  EndPoints(&out);
  return out;
}

Result<std::string> EncodeColumns(const Schema& schema, const PointColumns& columns) {
  const auto number = schema.Find(columns.vector_name);
  if (!number || schema.fields[*number].kind != FieldKind::kDense) {
    return EncodePoints(schema, ToPoints(columns));  // Which says what is wrong.
  }
  const Schema::Field& field = schema.fields[*number];
  MALMOI_TRY(auto out, BeginPoints(schema, columns.ids.size(), columns.payloads.size()));
  for (std::size_t i = 0; i < columns.ids.size(); ++i) {
    const std::span<const float> row(columns.rows.data() + i * columns.dim, columns.dim);
    const std::string_view text = columns.payload(i);
    MALMOI_TRY(CheckDense(field, columns.dim, row).With("point " + ToString(columns.ids[i])));
    MALMOI_TRY(const auto payload,
               PackPayload(text.empty() ? "{}" : text).With("point " + ToString(columns.ids[i])));
    PutId(&out, columns.ids[i]);
    Put<std::uint16_t>(&out, 1);  // One vector.
    Put(&out, static_cast<std::uint16_t>(*number));
    AppendDense(field, row, &out);
    PutString(&out, payload);
    MALMOI_TRY(CheckSize(out));
  }
  EndPoints(&out);
  return out;
}

std::string EncodeDelete(std::span<const PointId> ids) {
  std::string body;
  Put(&body, static_cast<std::uint32_t>(ids.size()));
  for (const auto& id : ids) PutId(&body, id);
  return EncodeFramed(OpKind::kDelete, body);
}

std::string EncodeIndex(const std::string& key, const PayloadIndexParams& params) {
  const TextParams& t = params.text;
  std::string out;
  PutString(&out, key);
  Put(&out, static_cast<std::uint8_t>(params.kind));
  Put(&out, static_cast<std::uint8_t>(t.tokenizer));
  Put(&out, static_cast<std::uint8_t>((t.lowercase ? 1 : 0) | (t.ascii_folding ? 2 : 0) |
                                      (t.phrase_matching ? 4 : 0)));
  PutOptional(&out, t.min_token_len);
  PutOptional(&out, t.max_token_len);
  PutStrings(&out, t.stopword_languages);
  PutStrings(&out, t.stopwords);
  PutString(&out, t.stemmer);
  PutString(&out, params.settings);
  return out;
}

Result<std::pair<std::string, PayloadIndexParams>> DecodeIndex(std::string_view body) {
  ByteReader in(body);
  std::pair<std::string, PayloadIndexParams> out;
  out.first = in.GetString();
  PayloadIndexParams& params = out.second;
  TextParams& t = params.text;
  params.kind = static_cast<IndexKind>(in.Get<std::uint8_t>());
  t.tokenizer = static_cast<Tokenizer>(in.Get<std::uint8_t>());
  const auto flags = in.Get<std::uint8_t>();
  t.lowercase = (flags & 1) != 0;
  t.ascii_folding = (flags & 2) != 0;
  t.phrase_matching = (flags & 4) != 0;
  t.min_token_len = GetOptional(in);
  t.max_token_len = GetOptional(in);
  t.stopword_languages = GetStrings(in);
  t.stopwords = GetStrings(in);
  t.stemmer = in.GetString();
  params.settings = in.GetString();
  if (!in.ok() || in.left() > 0 || params.kind > IndexKind::kText ||
      t.tokenizer > Tokenizer::kCode) {
    return IllFormed("an index");
  }
  return out;
}

std::string EncodeField(const Schema::Field& field) {
  std::string out;
  PutString(&out, field.name);
  Put(&out, static_cast<std::uint8_t>(field.kind));
  Put(&out, field.dim);
  Put(&out, static_cast<std::uint8_t>(field.distance));
  Put(&out, static_cast<std::uint8_t>(field.datatype));
  Put(&out, static_cast<std::uint8_t>((field.idf ? 1 : 0) | (field.dropped ? 2 : 0)));
  PutString(&out, field.settings);
  return out;
}

Result<Schema::Field> DecodeField(std::string_view body) {
  ByteReader in(body);
  Schema::Field field;
  field.name = in.GetString();
  field.kind = static_cast<FieldKind>(in.Get<std::uint8_t>());
  field.dim = in.Get<std::uint32_t>();
  field.distance = static_cast<Distance>(in.Get<std::uint8_t>());
  field.datatype = static_cast<Datatype>(in.Get<std::uint8_t>());
  const auto flags = in.Get<std::uint8_t>();
  field.idf = (flags & 1) != 0;
  field.dropped = (flags & 2) != 0;
  field.settings = in.GetString();
  if (!in.ok() || in.left() > 0 || field.kind > FieldKind::kMulti ||
      field.distance > Distance::kManhattan || field.datatype > Datatype::kTurbo16 ||
      !CheckField(field).ok()) {
    return IllFormed("a vector's description");
  }
  return field;
}

std::string EncodePair(OpKind kind, const std::string& name, const std::string& value) {
  std::string body;
  PutString(&body, name);
  PutString(&body, value);
  return EncodeFramed(kind, body);
}

Result<std::pair<std::string, std::string>> DecodePair(std::string_view body) {
  ByteReader in(body);
  std::pair<std::string, std::string> out;
  out.first = in.GetString();
  out.second = in.GetString();
  if (!in.ok() || in.left() > 0) return IllFormed("a pair");
  return out;
}

Result<std::vector<Op>> DecodeOps(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<Op> ops;
  while (in.ok() && in.left() > 0) {
    const auto kind = in.Get<std::uint8_t>();
    const std::string_view body = in.GetString();
    if (!in.ok() || kind < 1 || kind > static_cast<std::uint8_t>(OpKind::kVectorSettings)) {
      return Error(Code::kCorruption, "operation " + std::to_string(ops.size()) + " is ill-formed");
    }
    ops.push_back({static_cast<OpKind>(kind), body});
  }
  return ops;
}

Result<std::vector<PointView>> DecodePoints(const Schema& schema, const Op& op,
                                            std::vector<std::string>* owned) {
  ByteReader in(op.body);
  const auto count = in.Get<std::uint32_t>();
  bool ok = count <= kLimits.points_per_write_max;
  std::vector<PointView> points;
  for (std::uint32_t i = 0; ok && i < count; ++i) {
    PointView p;
    p.id = GetId(in, &ok);
    ok = ok && GetVectors(schema, in, &p);
    p.payload = in.GetString();
    ok = ok && in.ok();
    if (ok && op.kind == OpKind::kJsonPoints) {
      auto packed = PackPayload(p.payload);
      ok = packed.ok();
      if (ok) owned->push_back(std::move(packed).value());
    } else {
      ok = ok && IsPacked(p.payload);
    }
    points.push_back(std::move(p));
  }
  if (!ok || in.left() > 0) return IllFormed("a write of points");
  for (std::size_t i = 0; i < owned->size(); ++i) points[i].payload = (*owned)[i];
  return points;
}

Result<std::vector<PointView>> DecodePatch(const Schema& schema, std::string_view body) {
  ByteReader in(body);
  const auto count = in.Get<std::uint32_t>();
  bool ok = in.ok();
  std::vector<PointView> points;
  for (std::uint32_t i = 0; ok && i < count; ++i) {
    PointView p;
    p.id = GetId(in, &ok);
    const auto flags = in.Get<std::uint8_t>();
    ok = ok && flags <= kHasPayload && GetVectors(schema, in, &p);
    const auto removed = in.Get<std::uint16_t>();
    for (std::uint16_t r = 0; ok && r < removed; ++r) {
      p.removed.push_back(in.Get<std::uint16_t>());
      ok = p.removed.back() < schema.fields.size();
    }
    if (flags != 0) {
      p.payload = in.GetString();
      ok = ok && IsPacked(p.payload);
    }
    ok = ok && in.ok();
    points.push_back(std::move(p));
  }
  if (!ok || in.left() > 0) return IllFormed("a patch");
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
  if (!ok || in.left() > 0) return IllFormed("a deletion");
  return ids;
}

}  // namespace malmoi::vec

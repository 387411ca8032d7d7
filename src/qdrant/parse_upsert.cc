#include "qdrant/parse_upsert.h"

#include <algorithm>

#include "json/scanner.h"
#include "qdrant/parse.h"

namespace malmoi::qdrant {
namespace {

using json::Scanner;

constexpr std::size_t kBodyMax = 32 << 20;
constexpr std::size_t kNumberBytes = 9;  // Few numbers are shorter, with their comma.

bool ReadIndices(Scanner& in, std::vector<std::uint32_t>* out) {
  if (!in.Take('[')) return false;
  if (in.Take(']')) return true;
  do {
    std::uint64_t index = 0;
    if (!in.Uint(&index) || index > 0xFFFFFFFF) return false;
    out->push_back(static_cast<std::uint32_t>(index));
  } while (in.Take(','));
  return in.Take(']');
}

bool ReadSparse(Scanner& in, vec::SparseVector* out) {
  bool indices = false, values = false;
  if (!in.Take('{')) return false;
  do {
    std::string_view name;
    if (!in.PlainString(&name) || !in.Take(':')) return false;
    if (name == "indices" && !indices) {
      indices = ReadIndices(in, &out->indices);
      if (!indices) return false;
    } else if (name == "values" && !values) {
      values = in.Floats(&out->values);
      if (!values) return false;
    } else {
      return false;
    }
  } while (in.Take(','));
  return indices && values && in.Take('}');
}

bool ReadOne(Scanner& in, VectorData* out) {
  if (in.Peek('{')) return ReadSparse(in, &out->emplace<vec::SparseVector>());
  return in.Floats(&out->emplace<DenseVector>());
}

bool ReadVectors(Scanner& in, VectorMap* out) {
  if (in.Peek('[')) return in.Floats(&(*out)[""].emplace<DenseVector>());
  if (!in.Take('{')) return false;
  if (in.Take('}')) return true;
  do {
    std::string_view name;
    if (!in.PlainString(&name) || !in.Take(':')) return false;
    const auto [it, fresh] = out->try_emplace(std::string(name));
    if (!fresh || !ReadOne(in, &it->second)) return false;
  } while (in.Take(','));
  return in.Take('}');
}

bool ReadId(Scanner& in, PointId* out) {
  if (!in.Peek('"')) return in.Uint(&out->emplace<std::uint64_t>());
  std::string_view text;
  return in.PlainString(&text) && text.size() >= 32 && ParsePointId(text, out);
}

bool ReadPoint(Scanner& in, PointStruct* out) {
  bool id = false, vector = false, payload = false;
  if (!in.Take('{')) return false;
  do {
    std::string_view name;
    if (!in.PlainString(&name) || !in.Take(':')) return false;
    if (name == "id" && !id) {
      id = true;
      if (!ReadId(in, &out->id)) return false;
    } else if (name == "vector" && !vector) {
      vector = true;
      if (!ReadVectors(in, &out->vectors)) return false;
    } else if (name == "payload" && !payload) {
      payload = true;
      if (in.Peek('n')) {
        if (!in.Null()) return false;
      } else {
        std::string_view text;
        if (!in.Peek('{') || !in.Value(&text)) return false;
        out->payload = std::string(text);
      }
    } else {
      return false;
    }
  } while (in.Take(','));
  return id && vector && in.Take('}');
}

// One vector, under the name that all have; the first point's is taken for that.
bool ReadRow(Scanner& in, vec::PointColumns* out) {
  const std::size_t before = out->rows.size();
  std::string_view name;
  const bool named = in.Take('{');
  if (named && (!in.PlainString(&name) || !in.Take(':'))) return false;
  const bool first = out->dim == 0;
  if (first) out->vector_name = name;
  if (name != out->vector_name || !in.MoreFloats(&out->rows)) return false;
  const std::size_t size = out->rows.size() - before;
  if (first) out->dim = static_cast<std::uint32_t>(size);
  return size == out->dim && size > 0 && (!named || in.Take('}'));
}

bool ReadPayload(Scanner& in, std::string* out) {
  if (in.Peek('n')) return in.Null();
  std::string_view text;
  if (!in.Peek('{') || !in.Value(&text)) return false;
  *out += text;
  return true;
}

bool ReadIntoColumns(Scanner& in, vec::PointColumns* out) {
  bool id = false, vector = false, payload = false;
  if (!in.Take('{')) return false;
  do {
    std::string_view name;
    if (!in.PlainString(&name) || !in.Take(':')) return false;
    if (name == "id" && !id) {
      id = ReadId(in, &out->ids.emplace_back());
      if (!id) return false;
    } else if (name == "vector" && !vector) {
      vector = ReadRow(in, out);
      if (!vector) return false;
    } else if (name == "payload" && !payload) {
      payload = ReadPayload(in, &out->payloads);
      if (!payload) return false;
    } else {
      return false;
    }
  } while (in.Take(','));
  out->payload_ends.push_back(out->payloads.size());
  return id && vector && in.Take('}');
}

// {"points": [...]}, each read by `one`.
template <class One>
bool ReadList(std::string_view body, One one) {
  if (body.size() > kBodyMax) return false;
  Scanner in(body);
  std::string_view name;
  if (!in.Take('{') || !in.PlainString(&name) || name != "points" || !in.Take(':') ||
      !in.Take('[')) {
    return false;
  }
  if (!in.Peek(']')) {
    do {
      if (!one(in)) return false;
    } while (in.Take(','));
  }
  return in.Take(']') && in.Take('}') && in.AtEnd();
}

}  // namespace

bool ReadPlainUpsert(std::string_view body, UpsertPoints* out) {
  return ReadList(body, [&](Scanner& in) { return ReadPoint(in, &out->points.emplace_back()); });
}

bool ReadColumns(std::string_view body, vec::PointColumns* out) {
  out->rows.reserve(std::min(body.size(), kBodyMax) / kNumberBytes);
  return ReadList(body, [&](Scanner& in) { return ReadIntoColumns(in, out); }) && !out->ids.empty();
}

UpsertPoints ToUpsert(const vec::PointColumns& columns) {
  UpsertPoints out;
  for (std::size_t i = 0; i < columns.ids.size(); ++i) {
    const auto row = columns.rows.begin() + static_cast<std::ptrdiff_t>(i * columns.dim);
    PointStruct& point = out.points.emplace_back();
    point.id = columns.ids[i];
    point.vectors[columns.vector_name] = DenseVector(row, row + columns.dim);
    const std::string_view payload = columns.payload(i);
    if (!payload.empty()) point.payload = std::string(payload);
  }
  return out;
}

}  // namespace malmoi::qdrant

#include "qdrant/parse_upsert.h"

#include "json/scanner.h"
#include "qdrant/parse.h"

namespace malmoi::qdrant {
namespace {

using json::Scanner;

constexpr std::size_t kBodyMax = 32 << 20;

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

}  // namespace

bool ReadPlainUpsert(std::string_view body, UpsertPoints* out) {
  if (body.size() > kBodyMax) return false;
  Scanner in(body);
  std::string_view name;
  if (!in.Take('{') || !in.PlainString(&name) || name != "points" || !in.Take(':') ||
      !in.Take('[')) {
    return false;
  }
  if (!in.Peek(']')) {
    do {
      if (!ReadPoint(in, &out->points.emplace_back())) return false;
    } while (in.Take(','));
  }
  return in.Take(']') && in.Take('}') && in.AtEnd();
}

}  // namespace malmoi::qdrant

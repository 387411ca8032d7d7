#include <cstring>

#include "base/bytes.h"
#include "qdrant/foreign_wire_internal.h"

namespace malmoi::qdrant {
namespace {

Error Broken() {
  return Error(Code::kCorruption, "what the reader of the snapshot answered is not whole");
}

template <class T>
void PutNumbers(std::string* out, const std::vector<T>& numbers) {
  out->append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T));
}

template <class T>
std::vector<T> GetNumbers(ByteReader* in, std::size_t count) {
  const std::string_view bytes = in->Take(count * sizeof(T));  // A u32: no overflow.
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

// Calls `take` as often as a count in front says, while there are bytes.
template <class Take>
void ForEach(ByteReader* in, const Take& take) {
  const auto count = in->Get<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in->ok(); ++i) take(std::string(in->GetString()));
}

Result<json::Value> GetJson(ByteReader* in) {
  const std::string_view text = in->GetString();
  if (!in->ok()) return Broken();
  return json::Parse(text).With("what the reader of the snapshot answered");
}

void PutPoint(std::string* out, const vec::Point& point) {
  if (const auto* uuid = std::get_if<Uuid>(&point.id)) {
    Put<std::uint8_t>(out, 1);
    out->append(uuid->bytes.begin(), uuid->bytes.end());
  } else {
    Put<std::uint8_t>(out, 0);
    Put(out, std::get<std::uint64_t>(point.id));
  }
  PutString(out, point.payload);
  Put(out, static_cast<std::uint32_t>(point.vectors.dense.size()));
  for (const auto& [name, row] : point.vectors.dense) {
    PutString(out, name);
    Put(out, static_cast<std::uint32_t>(row.size()));
    PutNumbers(out, row);
  }
  Put(out, static_cast<std::uint32_t>(point.vectors.multi.size()));
  for (const auto& [name, rows] : point.vectors.multi) {
    PutString(out, name);
    Put(out, rows.dim);
    Put(out, static_cast<std::uint32_t>(rows.data.size()));
    PutNumbers(out, rows.data);
  }
  Put(out, static_cast<std::uint32_t>(point.vectors.sparse.size()));
  for (const auto& [name, row] : point.vectors.sparse) {
    PutString(out, name);
    Put(out, static_cast<std::uint32_t>(row.values.size()));
    PutNumbers(out, row.indices);
    PutNumbers(out, row.values);
  }
}

vec::Point GetPoint(ByteReader* in) {
  vec::Point point;
  if (in->Get<std::uint8_t>() == 0) {
    point.id = in->Get<std::uint64_t>();
  } else {
    Uuid uuid;
    const std::string_view bytes = in->Take(uuid.bytes.size());
    std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
    point.id = uuid;
  }
  point.payload = std::string(in->GetString());
  ForEach(in, [&](std::string name) {
    point.vectors.dense[std::move(name)] = GetNumbers<float>(in, in->Get<std::uint32_t>());
  });
  ForEach(in, [&](std::string name) {
    vec::MultiVector& rows = point.vectors.multi[std::move(name)];
    rows.dim = in->Get<std::uint32_t>();
    rows.data = GetNumbers<float>(in, in->Get<std::uint32_t>());
  });
  ForEach(in, [&](std::string name) {
    vec::SparseVector& row = point.vectors.sparse[std::move(name)];
    const auto count = in->Get<std::uint32_t>();
    row.indices = GetNumbers<std::uint32_t>(in, count);
    row.values = GetNumbers<float>(in, count);
  });
  return point;
}

}  // namespace

std::string EncodeHead(const ForeignHead& head) {
  std::string out;
  Put(&out, head.points);
  PutString(&out, head.creation.Dump());
  Put(&out, static_cast<std::uint32_t>(head.indexes.size()));
  for (const auto& [field, schema] : head.indexes) {
    PutString(&out, field);
    PutString(&out, schema.Dump());
  }
  return out;
}

Result<ForeignHead> DecodeHead(std::string_view bytes) {
  ByteReader in(bytes);
  ForeignHead head;
  head.points = in.Get<std::uint64_t>();
  MALMOI_TRY(head.creation, GetJson(&in));
  const auto count = in.Get<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string field(in.GetString());
    MALMOI_TRY(head.indexes[field], GetJson(&in));
  }
  if (!in.ok() || in.left() > 0) return Broken();
  return head;
}

std::string EncodePoints(const std::vector<vec::Point>& points) {
  std::string out;
  for (const vec::Point& point : points) PutPoint(&out, point);
  return out;
}

Result<std::vector<vec::Point>> DecodePoints(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<vec::Point> points;
  while (in.left() > 0 && points.size() < kForeignBatch) points.push_back(GetPoint(&in));
  if (!in.ok() || in.left() > 0) return Broken();
  return points;
}

std::string EncodeOperations(const std::vector<json::Value>& operations) {
  std::string out;
  for (const json::Value& operation : operations) PutString(&out, operation.Dump());
  return out;
}

Result<std::vector<json::Value>> DecodeOperations(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<json::Value> operations;
  while (in.left() > 0) {
    MALMOI_TRY(auto operation, GetJson(&in));
    operations.push_back(std::move(operation));
  }
  if (!in.ok()) return Broken();
  return operations;
}

}  // namespace malmoi::qdrant

#ifdef MALMOI_GRPC
#include <map>

#include "rpc/qdrant/forms_internal.h"
#include "rpc/qdrant/link_internal.h"

namespace malmoi::rpc::store {
namespace {

using google::protobuf::Message;
using json::Value;

template <class Numbers>
Value Floats(const Numbers& numbers) {
  std::vector<Value> items;
  items.reserve(static_cast<std::size_t>(numbers.size()));
  for (const float number : numbers) items.push_back(Value::Double(static_cast<double>(number)));
  return Value::Array(std::move(items));
}

// Servers before 1.16 answer with `data` alone, which `indices` or `vectors_count` explain; newer
// ones fill the oneof too, or it alone.
void ToVector(pb::VectorOutput* from, pb::Vector* to) {
  switch (from->vector_case()) {
    case pb::VectorOutput::kDense:
      to->mutable_dense()->Swap(from->mutable_dense());
      return;
    case pb::VectorOutput::kSparse:
      to->mutable_sparse()->Swap(from->mutable_sparse());
      return;
    case pb::VectorOutput::kMultiDense:
      to->mutable_multi_dense()->Swap(from->mutable_multi_dense());
      return;
    default:
      break;
  }
  if (from->has_indices()) {
    to->mutable_sparse()->mutable_values()->Swap(from->mutable_data());
    to->mutable_sparse()->mutable_indices()->Swap(from->mutable_indices()->mutable_data());
  } else if (from->has_vectors_count() && from->vectors_count() > 0) {
    const int dim = from->data_size() / static_cast<int>(from->vectors_count());
    for (int at = 0; dim > 0 && at + dim <= from->data_size(); at += dim) {
      const float* row = from->data().data() + at;
      to->mutable_multi_dense()->add_vectors()->mutable_data()->Add(row, row + dim);
    }
  } else {
    to->mutable_dense()->mutable_data()->Swap(from->mutable_data());
  }
}

void ToVectors(pb::VectorsOutput* from, pb::Vectors* to) {
  if (from->has_vector()) {
    ToVector(from->mutable_vector(), to->mutable_vector());
    return;
  }
  auto* named = to->mutable_vectors()->mutable_vectors();
  for (auto& [name, vector] : *from->mutable_vectors()->mutable_vectors()) {
    ToVector(&vector, &(*named)[name]);
  }
}

Value ShownVector(const pb::Vector& vector) {
  if (vector.has_sparse()) {
    std::vector<Value> indices;
    for (const std::uint32_t index : vector.sparse().indices()) {
      indices.push_back(Value::Uint(index));
    }
    return Value::Object({{"indices", Value::Array(std::move(indices))},
                          {"values", Floats(vector.sparse().values())}});
  }
  if (!vector.has_multi_dense()) return Floats(vector.dense().data());
  std::vector<Value> rows;
  for (const auto& row : vector.multi_dense().vectors()) rows.push_back(Floats(row.data()));
  return Value::Array(std::move(rows));
}

Value ShownVectors(const pb::Vectors& vectors) {
  if (vectors.has_vector()) return ShownVector(vectors.vector());
  std::vector<Value::Member> members;
  for (const auto& [name, vector] : vectors.vectors().vectors()) {
    members.emplace_back(name, ShownVector(vector));
  }
  return Value::Object(std::move(members));
}

Value ShownPayload(const Payload& payload);
Value ShownValue(const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kDoubleValue:
      return Value::Double(value.double_value());
    case pb::Value::kIntegerValue:
      return Value::Int(value.integer_value());
    case pb::Value::kStringValue:
      return Value::String(value.string_value());
    case pb::Value::kBoolValue:
      return Value::Bool(value.bool_value());
    case pb::Value::kStructValue:
      return ShownPayload(value.struct_value().fields());
    case pb::Value::kListValue: {
      std::vector<Value> items;
      for (const pb::Value& item : value.list_value().values()) items.push_back(ShownValue(item));
      return Value::Array(std::move(items));
    }
    default:
      return {};
  }
}
Value ShownPayload(const Payload& payload) {
  // A map has no order; by name, the text is the same each time.
  std::map<std::string_view, const pb::Value*> sorted;
  for (const auto& [name, value] : payload) sorted.emplace(name, &value);
  std::vector<Value::Member> members;
  for (const auto& [name, value] : sorted) {
    members.emplace_back(std::string(name), ShownValue(*value));
  }
  return Value::Object(std::move(members));
}

Value ShownId(const pb::PointId& id) {
  return ToJson(static_cast<const Message&>(id));
}

template <class P>
std::vector<Value::Member> Parts(const P& point) {
  std::vector<Value::Member> members;
  members.emplace_back("id", ShownId(point.id()));
  members.emplace_back("payload", ShownPayload(point.payload()));
  if (point.has_vectors()) {
    pb::VectorsOutput copy = point.vectors();
    pb::Vectors vectors;
    ToVectors(&copy, &vectors);
    members.emplace_back("vector", ShownVectors(vectors));
  }
  if (point.has_order_value()) {
    const auto& order = point.order_value();
    members.emplace_back(
        "order_value", order.has_int_() ? Value::Int(order.int_()) : Value::Double(order.float_()));
  }
  return members;
}

}  // namespace

Value Shown(const pb::RetrievedPoint& point) {
  return Value::Object(Parts(point));
}

Value Shown(const pb::ScoredPoint& point) {
  auto members = Parts(point);
  members.emplace_back("score", Value::Double(static_cast<double>(point.score())));
  members.emplace_back("version", Value::Uint(point.version()));
  return Value::Object(std::move(members));
}

MessagePage::MessagePage(pb::ScrollResponse answer) {
  if (answer.has_next_page_offset()) next = ShownId(answer.next_page_offset());
  points_.set_wait(true);
  for (pb::RetrievedPoint& from : *answer.mutable_result()) {
    pb::PointStruct* to = points_.add_points();
    to->mutable_id()->Swap(from.mutable_id());
    to->mutable_payload()->swap(*from.mutable_payload());
    // A point without vectors has them empty: an upsert demands the member.
    ToVectors(from.mutable_vectors(), to->mutable_vectors());
    if (!to->vectors().has_vector()) to->mutable_vectors()->mutable_vectors();
  }
}

Result<Value> MessagePage::Ids() const {
  std::vector<Value> ids;
  for (const pb::PointStruct& point : points_.points()) {
    ids.push_back(ShownId(point.id()));
    if (ids.back().is_null()) {
      return Error(Code::kCorruption, "the store answered a point without an id");
    }
  }
  return Value::Array(std::move(ids));
}

Result<Value> MessagePage::Points() const {
  MALMOI_TRY(Ids());  // Each has one.
  std::vector<Value> points;
  for (const pb::PointStruct& point : points_.points()) {
    points.push_back(Value::Object({{"id", ShownId(point.id())},
                                    {"vector", ShownVectors(point.vectors())},
                                    {"payload", ShownPayload(point.payload())}}));
  }
  return Value::Array(std::move(points));
}

}  // namespace malmoi::rpc::store
#endif

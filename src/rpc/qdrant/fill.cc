#ifdef MALMOI_GRPC
#include <map>

#include "rpc/qdrant/fill_internal.h"
#include "rpc/qdrant/forms_internal.h"
#include "rpc/qdrant/queries.pb.h"
#include "vec/filter.h"

namespace malmoi::rpc::store {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using json::Value;
using Type = FieldDescriptor::CppType;

Error Wrong(const Value& value, const std::string& what) {
  std::string shown = value.Dump();
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  return Error(Code::kInvalidArgument, "say " + shown + " over gRPC: it is no " + what);
}

const FieldDescriptor* FieldNamed(const Message& message, const std::string& member) {
  static const std::map<std::string_view, std::string> kOther = {
      {"with_vector", "with_vectors"}, {"vector", "vectors"}, {"shard_key", "shard_key_selector"}};
  const auto* descriptor = message.GetDescriptor();
  if (const auto* field = descriptor->FindFieldByName(member)) return field;
  const auto other = kOther.find(member);
  return other == kOther.end() ? nullptr : descriptor->FindFieldByName(other->second);
}

Status SetEnum(const Value& value, const FieldDescriptor* field, Message* message, bool one) {
  const auto* type = field->enum_type();
  for (int i = 0; i < type->value_count() && value.is_string(); ++i) {
    if (SnakeCase(type->value(i)->name()) != SnakeCase(*value.AsString())) continue;
    const Reflection* r = message->GetReflection();
    one ? r->SetEnum(message, field, type->value(i)) : r->AddEnum(message, field, type->value(i));
    return Ok();
  }
  return Wrong(value, type->name());
}

// One value into the field, or into one more of a repeated one.
Status SetScalar(const Value& value, const FieldDescriptor* field, Message* message, bool one) {
  const Reflection* r = message->GetReflection();
  const auto whole = value.AsUint();
  const auto number = value.AsDouble();
  switch (field->cpp_type()) {
    case Type::CPPTYPE_BOOL:
      if (!value.is_bool()) break;
      r->SetBool(message, field, *value.AsBool());
      return Ok();
    case Type::CPPTYPE_INT64:
      if (!value.AsInt()) break;
      one ? r->SetInt64(message, field, *value.AsInt())
          : r->AddInt64(message, field, *value.AsInt());
      return Ok();
    case Type::CPPTYPE_UINT32:
      if (!whole || *whole > 0xFFFFFFFFu) break;
      one ? r->SetUInt32(message, field, static_cast<std::uint32_t>(*whole))
          : r->AddUInt32(message, field, static_cast<std::uint32_t>(*whole));
      return Ok();
    case Type::CPPTYPE_UINT64:
      if (!whole) break;
      one ? r->SetUInt64(message, field, *whole) : r->AddUInt64(message, field, *whole);
      return Ok();
    case Type::CPPTYPE_FLOAT:
      if (!number) break;
      one ? r->SetFloat(message, field, static_cast<float>(*number))
          : r->AddFloat(message, field, static_cast<float>(*number));
      return Ok();
    case Type::CPPTYPE_DOUBLE:
      if (!number) break;
      one ? r->SetDouble(message, field, *number) : r->AddDouble(message, field, *number);
      return Ok();
    case Type::CPPTYPE_STRING:
      if (!value.is_string()) break;
      one ? r->SetString(message, field, std::string(*value.AsString()))
          : r->AddString(message, field, std::string(*value.AsString()));
      return Ok();
    case Type::CPPTYPE_ENUM:
      return SetEnum(value, field, message, one);
    default:
      break;
  }
  return Wrong(value, "'" + field->name() + "' of " + message->GetDescriptor()->name());
}

Status SetMap(const Value& value, const FieldDescriptor* field, Message* message) {
  if (!value.is_object()) return Wrong(value, field->name());
  const auto* type = field->message_type();
  for (const auto& [name, member] : value.members()) {
    Message* entry = message->GetReflection()->AddMessage(message, field);
    entry->GetReflection()->SetString(entry, type->FindFieldByNumber(1), name);
    MALMOI_TRY(
        Fill(member, entry->GetReflection()->MutableMessage(entry, type->FindFieldByNumber(2))));
  }
  return Ok();
}

Status SetField(const Value& value, const FieldDescriptor* field, Message* message) {
  if (value.is_null()) return Ok();
  const Reflection* r = message->GetReflection();
  const bool nested = field->cpp_type() == Type::CPPTYPE_MESSAGE;
  if (field->is_map()) return SetMap(value, field, message);
  if (!field->is_repeated()) {
    return nested ? Fill(value, r->MutableMessage(message, field))
                  : SetScalar(value, field, message, /*one=*/true);
  }
  const auto add = [&](const Value& item) {
    return nested ? Fill(item, r->AddMessage(message, field))
                  : SetScalar(item, field, message, /*one=*/false);
  };
  if (!value.is_array()) return add(value);  // REST takes one in place of a list of one.
  for (const Value& item : value.items()) MALMOI_TRY(add(item));
  return Ok();
}

Status SetField(const Value& value, const char* name, Message* message) {
  return SetField(value, message->GetDescriptor()->FindFieldByName(name), message);
}

Status Generic(const Value& value, Message* message) {
  if (!value.is_object()) return Wrong(value, message->GetDescriptor()->name());
  for (const auto& [name, member] : value.members()) {
    const FieldDescriptor* field = FieldNamed(*message, name);
    if (field == nullptr && !member.is_null()) {
      return Wrong(value, message->GetDescriptor()->name() + ": member '" + name +
                              "' is not known to version 1.20 there");
    }
    if (field != nullptr) MALMOI_TRY(SetField(member, field, message));
  }
  return Ok();
}

// A message that wraps a list or a map stands in REST without its name.
Status First(const Value& value, Message* message) {
  return SetField(value, message->GetDescriptor()->field(0), message);
}

Status Id(const Value& value, Message* message) {
  return SetField(value, value.is_string() ? "uuid" : "num", message);
}

bool IsMatrix(const Value& value) {
  return value.is_array() && !value.items().empty() && value.items().front().is_array();
}

// The field of a vector in any of REST's forms; null: it is none of them.
const char* VectorField(const Value& value) {
  if (value.is_array()) return IsMatrix(value) ? "multi_dense" : "dense";
  const auto has = [&](std::string_view name) { return value.Find(name) != nullptr; };
  if (has("indices") && has("values")) return "sparse";
  if (!has("model") && !has("text")) return nullptr;
  if (const Value* text = value.Find("text")) return text->is_string() ? "document" : nullptr;
  return has("image") ? "image" : has("object") ? "object" : nullptr;
}

Status Vector(const Value& value, Message* message) {
  const char* field = VectorField(value);
  if (field == nullptr) return Wrong(value, "vector");
  return SetField(value, field, message);
}

Status Vectors(const Value& value, Message* message) {
  auto& vectors = static_cast<pb::Vectors&>(*message);
  if (VectorField(value) != nullptr) return Fill(value, vectors.mutable_vector());
  return SetField(value, "vectors", vectors.mutable_vectors());
}

Status Input(const Value& value, Message* message) {
  if (value.is_string() || value.is_number()) return SetField(value, "id", message);
  return Vector(value, message);
}

Status Floats(const Value& value, Message* message) {
  auto* data = static_cast<pb::DenseVector*>(message)->mutable_data();
  data->Reserve(static_cast<int>(value.items().size()));
  for (const Value& item : value.items()) {
    const auto number = item.AsDouble();
    if (!number) return Wrong(item, "number of a vector");
    data->Add(static_cast<float>(*number));
  }
  return value.is_array() ? Ok() : Status(Wrong(value, "vector"));
}

Status Context(const Value& value, Message* message) {
  return SetField(value, "pairs", message);
}

Status QueryOf(const Value& value, Message* message) {
  auto& query = static_cast<pb::Query&>(*message);
  const Value* text = value.Find("text");
  if (!value.is_object() || (VectorField(value) != nullptr && value.Find("model") != nullptr)) {
    return Fill(value, query.mutable_nearest());
  }
  if (VectorField(value) != nullptr && text == nullptr) return Fill(value, query.mutable_nearest());
  if (value.Find("mmr") != nullptr) return Fill(value, query.mutable_nearest_with_mmr());
  if (const Value* formula = value.Find("formula")) {
    MALMOI_TRY(Fill(*formula, query.mutable_formula()->mutable_expression()));
    const Value* defaults = value.Find("defaults");
    return defaults == nullptr ? Ok() : SetField(*defaults, "defaults", query.mutable_formula());
  }
  if (text == nullptr) return Generic(value, message);
  if (text->is_string()) {
    query.mutable_text()->set_query(std::string(*text->AsString()));
    return Ok();
  }
  MALMOI_TRY(SetField(Value::String(std::string(text->GetString("query"))), "query",
                      query.mutable_text()));
  const Value* scoring = text->Find("scoring");
  const Value* bm25 = scoring == nullptr ? nullptr : scoring->Find("bm25");
  return bm25 == nullptr ? Ok() : Fill(*bm25, query.mutable_text()->mutable_bm25());
}

Status Order(const Value& value, Message* message) {
  return value.is_string() ? SetField(value, "key", message) : Generic(value, message);
}

Status Start(const Value& value, Message* message) {
  if (value.is_string()) return SetField(value, "datetime", message);
  return SetField(value, value.kind() == Value::Kind::kDouble ? "float" : "integer", message);
}

Status Lookup(const Value& value, Message* message) {
  for (const auto& [name, member] : value.members()) {
    const char* field = name == "collection" ? "collection_name"
                        : name == "vector"   ? "vector_name"
                                             : "shard_key_selector";
    MALMOI_TRY(SetField(member, field, message));
  }
  return Ok();
}

Status WithLookup(const Value& value, Message* message) {
  return value.is_string() ? SetField(value, "collection", message) : Generic(value, message);
}

// true, ["a", "b"], {"include": [...]}, {"exclude": [...]}
Status Selector(const Value& value, Message* message) {
  if (value.is_bool()) return SetField(value, "enable", message);
  if (value.is_array()) return SetField(value, "include", message);
  return Generic(value, message);
}

Status ShardKeys(const Value& value, Message* message) {
  if (!value.is_object()) return SetField(value, "shard_keys", message);
  const Value* target = value.Find("target");
  const Value* fallback = value.Find("fallback");
  if (target == nullptr || fallback == nullptr) return Wrong(value, "shard key with a fallback");
  MALMOI_TRY(SetField(*target, "shard_keys", message));
  return SetField(*fallback, "fallback", message);
}

Status ShardKey(const Value& value, Message* message) {
  return SetField(value, value.is_string() ? "keyword" : "number", message);
}

Status Stamp(const Value& value, Message* message) {
  const auto text = value.AsString();
  const auto micros = text ? vec::ParseDatetime(*text) : std::nullopt;
  if (!micros) return Wrong(value, "date and time");
  auto& stamp = static_cast<google::protobuf::Timestamp&>(*message);
  constexpr std::int64_t kSecond = 1'000'000;
  const std::int64_t seconds = (*micros - (*micros < 0 ? kSecond - 1 : 0)) / kSecond;
  stamp.set_seconds(seconds);
  stamp.set_nanos(static_cast<std::int32_t>((*micros - seconds * kSecond) * 1000));
  return Ok();
}

Status MatchOf(const Value& value, Message* message) {
  for (const auto& [name, member] : value.members()) {
    const bool list = name == "any" || name == "except";
    if (name != "value" && !list) continue;
    if (value.members().size() != 1) return Wrong(value, "Match");
    if (list) {
      const bool words = !member.items().empty() && member.items().front().is_string();
      const std::string kind = words ? "keywords" : "integers";
      return SetField(member, (name == "any" ? kind : "except_" + kind).c_str(), message);
    }
    return SetField(member,
                    member.is_string() ? "keyword"
                    : member.is_bool() ? "boolean"
                                       : "integer",
                    message);
  }
  return Generic(value, message);
}

bool IsTimeRange(const Value& range) {
  for (const auto& [name, bound] : range.members()) {
    if (bound.is_string()) return true;
  }
  return false;
}

// A condition on a field, a filter inside the filter, or one of the forms with a name.
Status ConditionOf(const Value& value, Message* message) {
  auto& condition = static_cast<pb::Condition&>(*message);
  if (!value.is_object()) return Wrong(value, "condition");
  if (value.Find("key") != nullptr) {
    pb::FieldCondition* field = condition.mutable_field();
    for (const auto& [name, member] : value.members()) {
      const bool time = name == "range" && IsTimeRange(member);
      const auto* to = FieldNamed(*field, time ? "datetime_range" : name);
      if (to == nullptr) return Wrong(value, "condition: '" + name + "' is not known");
      MALMOI_TRY(SetField(member, to, field));
    }
    return Ok();
  }
  for (const std::string_view part : {"must", "should", "must_not", "min_should"}) {
    if (value.Find(part) != nullptr) return Generic(value, condition.mutable_filter());
  }
  if (value.members().empty()) {
    condition.mutable_filter();
    return Ok();
  }
  return Generic(value, message);
}

Status ExpressionOf(const Value& value, Message* message) {
  auto& expression = static_cast<pb::Expression&>(*message);
  if (value.is_number()) return SetField(value, "constant", message);
  if (value.is_string()) return SetField(value, "variable", message);
  const bool operation = value.members().size() == 1 &&
                         message->GetDescriptor()->FindFieldByName(value.members()[0].first);
  return operation ? Generic(value, message) : Fill(value, expression.mutable_condition());
}

Status PayloadValue(const Value& value, Message* message) {
  FromJson(value, message);
  return Ok();
}

using Filler = Status (*)(const Value&, Message*);
const std::map<std::string_view, Filler>& Fillers() {
  static const std::map<std::string_view, Filler> fillers = {
      {"PointId", Id},
      {"Vector", Vector},
      {"Vectors", Vectors},
      {"VectorInput", Input},
      {"DenseVector", Floats},
      {"MultiDenseVector", First},
      {"ContextInput", Context},
      {"Query", QueryOf},
      {"OrderBy", Order},
      {"StartFrom", Start},
      {"LookupLocation", Lookup},
      {"WithLookup", WithLookup},
      {"WithPayloadSelector", Selector},
      {"WithVectorsSelector", Selector},
      {"PayloadIncludeSelector", First},
      {"PayloadExcludeSelector", First},
      {"VectorsSelector", First},
      {"ShardKeySelector", ShardKeys},
      {"ShardKey", ShardKey},
      {"Timestamp", Stamp},
      {"Match", MatchOf},
      {"RepeatedStrings", First},
      {"RepeatedIntegers", First},
      {"Condition", ConditionOf},
      {"HasIdCondition", First},
      {"HasVectorCondition", First},
      {"Expression", ExpressionOf},
      {"MultExpression", First},
      {"SumExpression", First},
      {"MaxExpression", First},
      {"MinExpression", First},
      {"Value", PayloadValue},
      {"PointsIdsList", First},
  };
  return fillers;
}

}  // namespace

Status Fill(const Value& value, Message* message) {
  const auto filler = Fillers().find(message->GetDescriptor()->name());
  return filler == Fillers().end() ? Generic(value, message) : filler->second(value, message);
}

Status FillSelector(const Value& request, pb::PointsSelector* selector) {
  const Value* filter = request.Find("filter");
  const Value* points = request.Find("points");
  const bool some = points != nullptr && !points->is_null();
  if (filter != nullptr && !filter->is_null()) {
    // REST takes the points of both; a filter in their place would change others.
    if (some) return Wrong(request, "selection by points or by a filter, but by both");
    return Fill(*filter, selector->mutable_filter());
  }
  if (!some || !points->is_array()) return Wrong(request, "selection of points");
  return Fill(*points, selector->mutable_points());
}

}  // namespace malmoi::rpc::store
#endif

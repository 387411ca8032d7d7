#ifdef MALMOI_GRPC
#include <cctype>
#include <ctime>
#include <map>

#include "rpc/qdrant/config.pb.h"
#include "rpc/qdrant/filter.pb.h"
#include "rpc/qdrant/forms_internal.h"
#include "rpc/qdrant/queries.pb.h"
#include "vec/filter.h"

namespace malmoi::rpc::store {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using json::Value;
using Members = std::vector<Value::Member>;
using Type = FieldDescriptor::CppType;

std::string_view NameOf(const Descriptor* descriptor) {
  return descriptor->name();
}

// The field's name over REST.
std::string MemberName(const FieldDescriptor* field) {
  if (field->name() == "turboquant") return "turbo";
  if (field->name() == "vectors_config") return "vectors";
  if (field->name() == "sparse_vectors_config") return "sparse_vectors";
  if (field->name() == "deprecated_max_optimization_threads") return "max_optimization_threads";
  return field->name();
}

// Names of distances and of fusions' kin are as they are; "unknown" and "default" say nothing.
Value EnumText(const google::protobuf::EnumValueDescriptor* value) {
  const std::string& name = value->name();
  if (value->type()->name() == "Distance") return Value::String(name);
  if (name.starts_with("Unknown") || name == "MemoryUnknown") return {};
  if (name == "Default" && value->type()->name() == "Datatype") return {};
  return Value::String(SnakeCase(name));
}

// One value of the field: the i-th of a repeated one, or the only one (i < 0).
Value FieldValue(const Message& message, const FieldDescriptor* field, int i) {
  const Reflection* r = message.GetReflection();
  const bool one = i < 0;
  switch (field->cpp_type()) {
    case Type::CPPTYPE_BOOL:
      return Value::Bool(one ? r->GetBool(message, field) : r->GetRepeatedBool(message, field, i));
    case Type::CPPTYPE_INT32:
      return Value::Int(one ? r->GetInt32(message, field) : r->GetRepeatedInt32(message, field, i));
    case Type::CPPTYPE_INT64:
      return Value::Int(one ? r->GetInt64(message, field) : r->GetRepeatedInt64(message, field, i));
    case Type::CPPTYPE_UINT32:
      return Value::Uint(one ? r->GetUInt32(message, field)
                             : r->GetRepeatedUInt32(message, field, i));
    case Type::CPPTYPE_UINT64:
      return Value::Uint(one ? r->GetUInt64(message, field)
                             : r->GetRepeatedUInt64(message, field, i));
    case Type::CPPTYPE_FLOAT: {
      // By its shortest text, so that 0.99f is 0.99.
      const float number =
          one ? r->GetFloat(message, field) : r->GetRepeatedFloat(message, field, i);
      char text[48];
      std::snprintf(text, sizeof text, "%.9g", static_cast<double>(number));
      for (int digits = 1; digits < 9; ++digits) {
        char shorter[48];
        std::snprintf(shorter, sizeof shorter, "%.*g", digits, static_cast<double>(number));
        if (std::strtof(shorter, nullptr) != number) continue;
        return Value::Double(std::strtod(shorter, nullptr));
      }
      return Value::Double(std::strtod(text, nullptr));
    }
    case Type::CPPTYPE_DOUBLE:
      return Value::Double(one ? r->GetDouble(message, field)
                               : r->GetRepeatedDouble(message, field, i));
    case Type::CPPTYPE_STRING:
      return Value::String(one ? r->GetString(message, field)
                               : r->GetRepeatedString(message, field, i));
    case Type::CPPTYPE_ENUM:
      return EnumText(one ? r->GetEnum(message, field) : r->GetRepeatedEnum(message, field, i));
    case Type::CPPTYPE_MESSAGE:
      return ToJson(one ? r->GetMessage(message, field) : r->GetRepeatedMessage(message, field, i));
  }
  return {};
}

Value MapValue(const Message& message, const FieldDescriptor* field) {
  Members members;
  const int n = message.GetReflection()->FieldSize(message, field);
  const FieldDescriptor* key = field->message_type()->FindFieldByNumber(1);
  const FieldDescriptor* value = field->message_type()->FindFieldByNumber(2);
  for (int i = 0; i < n; ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
    members.emplace_back(entry.GetReflection()->GetString(entry, key),
                         FieldValue(entry, value, -1));
  }
  return Value::Object(std::move(members));
}

Value AnyValue(const Message& message, const FieldDescriptor* field) {
  if (field->is_map()) return MapValue(message, field);
  if (!field->is_repeated()) return FieldValue(message, field, -1);
  std::vector<Value> items;
  const int n = message.GetReflection()->FieldSize(message, field);
  for (int i = 0; i < n; ++i) items.push_back(FieldValue(message, field, i));
  return Value::Array(std::move(items));
}

Value Generic(const Message& message) {
  Members members;
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const bool there = field->is_repeated()    ? reflection->FieldSize(message, field) > 0
                       : field->has_presence() ? reflection->HasField(message, field)
                                               : true;
    if (!there) continue;
    Value value = AnyValue(message, field);
    if (!value.is_null()) members.emplace_back(MemberName(field), std::move(value));
  }
  return Value::Object(std::move(members));
}

Value One(std::string name, Value value) {
  return Value::Object({{std::move(name), std::move(value)}});
}

// The first field alone, even where it is empty: messages that wrap a list, a map or a number.
Value Unwrapped(const Message& message) {
  return AnyValue(message, message.GetDescriptor()->field(0));
}

// The alternative that is set, without its name.
Value Chosen(const Message& message) {
  const auto* field = message.GetReflection()->GetOneofFieldDescriptor(
      message, message.GetDescriptor()->oneof_decl(0));
  return field == nullptr ? Value() : FieldValue(message, field, -1);
}

Value TimeText(const Message& message) {
  const auto& stamp = static_cast<const google::protobuf::Timestamp&>(message);
  const std::time_t seconds = static_cast<std::time_t>(stamp.seconds());
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return Value::String("out of range");
  char text[64];
  const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + n, sizeof text - n, ".%06dZ", stamp.nanos() / 1000);
  return Value::String(text);
}

Value MatchForm(const Message& message) {
  const auto& match = static_cast<const pb::Match&>(message);
  switch (match.match_value_case()) {
    case pb::Match::kKeyword:
      return One("value", Value::String(match.keyword()));
    case pb::Match::kInteger:
      return One("value", Value::Int(match.integer()));
    case pb::Match::kBoolean:
      return One("value", Value::Bool(match.boolean()));
    case pb::Match::kKeywords:
      return One("any", Unwrapped(match.keywords()));
    case pb::Match::kIntegers:
      return One("any", Unwrapped(match.integers()));
    case pb::Match::kExceptKeywords:
      return One("except", Unwrapped(match.except_keywords()));
    case pb::Match::kExceptIntegers:
      return One("except", Unwrapped(match.except_integers()));
    default:
      return Generic(match);
  }
}

Value ConditionForm(const Message& message) {
  const auto& condition = static_cast<const pb::Condition&>(message);
  switch (condition.condition_one_of_case()) {
    case pb::Condition::kField: {
      Members members;
      const Value generic = Generic(condition.field());
      for (const auto& [name, value] : generic.members()) {
        members.emplace_back(name == "datetime_range" ? "range" : name, value);
      }
      return Value::Object(std::move(members));
    }
    case pb::Condition::kFilter:
      return Generic(condition.filter());
    default:
      return Generic(condition);
  }
}

Value ExpressionForm(const Message& message) {
  const auto& expression = static_cast<const pb::Expression&>(message);
  switch (expression.variant_case()) {
    case pb::Expression::kConstant:
    case pb::Expression::kVariable:
    case pb::Expression::kCondition:
      return Chosen(message);
    default:
      return Generic(message);
  }
}

Value VectorsForm(const Message& message) {
  const auto& config = static_cast<const pb::VectorsConfig&>(message);
  return config.has_params_map() ? Unwrapped(config.params_map()) : Chosen(message);
}

Value VectorChanges(const Message& message) {
  const auto& config = static_cast<const pb::VectorsConfigDiff&>(message);
  if (config.has_params_map()) return Unwrapped(config.params_map());
  return One("", Chosen(message));
}

Value QuantizationChange(const Message& message) {
  const auto& change = static_cast<const pb::QuantizationConfigDiff&>(message);
  return change.has_disabled() ? Value::String("Disabled") : Generic(message);
}

Value StemmerForm(const Message& message) {
  const auto& stemmer = static_cast<const pb::StemmingAlgorithm&>(message);
  if (!stemmer.has_snowball()) return One("type", Value::String("none"));
  return Value::Object({{"type", Value::String("snowball")},
                        {"language", Value::String(stemmer.snowball().language())}});
}

// {"type": "keyword", ...}
Value IndexForm(const Message& message) {
  const auto* field = message.GetReflection()->GetOneofFieldDescriptor(
      message, message.GetDescriptor()->oneof_decl(0));
  if (field == nullptr) return {};
  Members members;
  members.emplace_back("type",
                       Value::String(field->name().substr(0, field->name().find("_index_params"))));
  const Value params = Generic(message.GetReflection()->GetMessage(message, field));
  for (const auto& member : params.members()) members.push_back(member);
  return Value::Object(std::move(members));
}

Value True(const Message&) {
  return Value::Bool(true);
}

Value ValueForm(const Message& message) {
  Payload one;
  one["value"] = static_cast<const pb::Value&>(message);
  return *ToJson(one).Find("value");
}

using Form = Value (*)(const Message&);
const std::map<std::string_view, Form>& Forms() {
  static const std::map<std::string_view, Form> forms = {
      {"PointId", Chosen},
      {"Timestamp", TimeText},
      {"Match", MatchForm},
      {"Condition", ConditionForm},
      {"HasIdCondition", Unwrapped},
      {"HasVectorCondition", Unwrapped},
      {"Expression", ExpressionForm},
      {"MultExpression", Unwrapped},
      {"SumExpression", Unwrapped},
      {"MaxExpression", Unwrapped},
      {"MinExpression", Unwrapped},
      {"StartFrom", Chosen},
      {"MaxOptimizationThreads", Chosen},
      {"BinaryQuantizationQueryEncoding", Chosen},
      {"VectorsConfig", VectorsForm},
      {"VectorsConfigDiff", VectorChanges},
      {"QuantizationConfigDiff", QuantizationChange},
      {"SparseVectorConfig", Unwrapped},
      {"StrictModeSparseConfig", Unwrapped},
      {"StrictModeMultivectorConfig", Unwrapped},
      {"StemmingAlgorithm", StemmerForm},
      {"PayloadIndexParams", IndexForm},
      {"KeywordPrefixParams", True},
      {"Value", ValueForm},
  };
  return forms;
}

// The other way.

const FieldDescriptor* FieldOf(const Message& message, const std::string& member) {
  const Descriptor* descriptor = message.GetDescriptor();
  if (const auto* field = descriptor->FindFieldByName(member)) return field;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    if (MemberName(descriptor->field(i)) == member) return descriptor->field(i);
  }
  return nullptr;
}

void SetEnum(const std::string& text, const FieldDescriptor* field, Message* message) {
  const auto* type = field->enum_type();
  for (int i = 0; i < type->value_count(); ++i) {
    if (SnakeCase(type->value(i)->name()) != SnakeCase(text)) continue;
    message->GetReflection()->SetEnum(message, field, type->value(i));
  }
}

void SetScalar(const Value& value, const FieldDescriptor* field, Message* message) {
  const Reflection* r = message->GetReflection();
  const auto number = value.AsDouble();
  switch (field->cpp_type()) {
    case Type::CPPTYPE_BOOL:
      if (const auto flag = value.AsBool()) r->SetBool(message, field, *flag);
      return;
    case Type::CPPTYPE_INT64:
      if (const auto n = value.AsInt()) r->SetInt64(message, field, *n);
      return;
    case Type::CPPTYPE_UINT32:
      if (const auto n = value.AsUint()) {
        r->SetUInt32(message, field, static_cast<std::uint32_t>(*n));
      }
      return;
    case Type::CPPTYPE_UINT64:
      if (const auto n = value.AsUint()) r->SetUInt64(message, field, *n);
      return;
    case Type::CPPTYPE_FLOAT:
      if (number) r->SetFloat(message, field, static_cast<float>(*number));
      return;
    case Type::CPPTYPE_DOUBLE:
      if (number) r->SetDouble(message, field, *number);
      return;
    case Type::CPPTYPE_STRING:
      if (value.is_string()) r->SetString(message, field, std::string(*value.AsString()));
      return;
    case Type::CPPTYPE_ENUM:
      if (value.is_string()) SetEnum(std::string(*value.AsString()), field, message);
      return;
    default:
      return;
  }
}

void SetMap(const Value& value, const FieldDescriptor* field, Message* message) {
  for (const auto& [name, member] : value.members()) {
    Message* entry = message->GetReflection()->AddMessage(message, field);
    const Descriptor* type = field->message_type();
    entry->GetReflection()->SetString(entry, type->FindFieldByNumber(1), name);
    FromJson(member, entry->GetReflection()->MutableMessage(entry, type->FindFieldByNumber(2)));
  }
}

void SetField(const Value& value, const FieldDescriptor* field, Message* message) {
  const Reflection* r = message->GetReflection();
  if (value.is_null() || value.AsBool() == false) {
    if (field->cpp_type() != Type::CPPTYPE_BOOL) return;
  }
  if (field->is_map()) {
    SetMap(value, field, message);
  } else if (field->is_repeated()) {
    for (const Value& item : value.items()) {
      if (field->cpp_type() == Type::CPPTYPE_MESSAGE) {
        FromJson(item, r->AddMessage(message, field));
      } else if (item.is_string()) {
        r->AddString(message, field, std::string(*item.AsString()));
      }
    }
  } else if (field->cpp_type() == Type::CPPTYPE_MESSAGE) {
    FromJson(value, r->MutableMessage(message, field));
  } else {
    SetScalar(value, field, message);
  }
}

void FillIndex(const Value& value, Message* message) {
  const std::string name = std::string(value.GetString("type")) + "_index_params";
  const auto* field = message->GetDescriptor()->FindFieldByName(name);
  if (field != nullptr) SetField(value, field, message);
}

// Whether the message was one whose form is not that of its fields.
bool FillSpecial(const Value& value, Message* message) {
  const std::string_view name = NameOf(message->GetDescriptor());
  const auto first = [&] { SetField(value, message->GetDescriptor()->field(0), message); };
  if (name == "MaxOptimizationThreads" || name == "BinaryQuantizationQueryEncoding") {
    const int i = value.is_string() ? message->GetDescriptor()->field_count() - 1 : 0;
    SetField(value, message->GetDescriptor()->field(i), message);
  } else if (name == "VectorsConfig") {
    const Value* size = value.Find("size");
    const bool one = size != nullptr && size->is_number();
    auto& config = static_cast<pb::VectorsConfig&>(*message);
    if (one) {
      FromJson(value, config.mutable_params());
    } else {
      FromJson(value, config.mutable_params_map());
    }
  } else if (name == "VectorParamsMap" || name == "SparseVectorConfig" ||
             name == "StrictModeSparseConfig" || name == "StrictModeMultivectorConfig") {
    first();
  } else if (name == "StemmingAlgorithm") {
    auto& stemmer = static_cast<pb::StemmingAlgorithm&>(*message);
    if (value.GetString("type") == "snowball") {
      stemmer.mutable_snowball()->set_language(std::string(value.GetString("language")));
    } else {
      stemmer.mutable_disabled();
    }
  } else if (name == "StopwordsSet" && value.is_string()) {
    static_cast<pb::StopwordsSet&>(*message).add_languages(std::string(*value.AsString()));
  } else if (name == "PayloadIndexParams") {
    FillIndex(value, message);
  } else if (name == "Timestamp") {
    const auto time = vec::ParseDatetime(value.AsString().value_or(""));
    auto& stamp = static_cast<google::protobuf::Timestamp&>(*message);
    if (time) stamp.set_seconds(*time / 1'000'000);
    if (time) stamp.set_nanos(static_cast<int>(*time % 1'000'000 * 1000));
  } else if (name == "Value") {
    Payload one;
    FromJson(Value::Object({{"value", value}}), &one);
    static_cast<pb::Value&>(*message) = one["value"];
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string SnakeCase(std::string_view camel) {
  std::string out;
  for (std::size_t i = 0; i < camel.size(); ++i) {
    const auto c = static_cast<unsigned char>(camel[i]);
    if (std::isupper(c) && i > 0 && std::islower(static_cast<unsigned char>(camel[i - 1]))) {
      out.push_back('_');
    }
    out.push_back(static_cast<char>(std::tolower(c)));
  }
  return out;
}

Value ToJson(const Message& message) {
  const auto form = Forms().find(NameOf(message.GetDescriptor()));
  return form == Forms().end() ? Generic(message) : form->second(message);
}

void FromJson(const Value& value, Message* message) {
  if (FillSpecial(value, message)) return;
  for (const auto& [name, member] : value.members()) {
    if (const FieldDescriptor* field = FieldOf(*message, name)) SetField(member, field, message);
  }
}

}  // namespace malmoi::rpc::store
#endif

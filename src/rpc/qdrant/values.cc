#ifdef MALMOI_GRPC
#include <cmath>

#include "json/writer.h"
#include "rpc/qdrant/forms_internal.h"
#include "vec/payload_builder.h"

// json_with_int: payload values on the wire.
namespace malmoi::rpc::store {
namespace {

using json::Value;
using json::Writer;

// 1.0 stays a number that is no integer, as Value::Dump has it.
void PutFinite(double value, Writer* writer) {
  writer->PutRaw(Value::Double(value).Dump());
}
void PutFinite(double value, vec::PayloadBuilder* writer) {
  writer->Put(value);
}

template <class W>
void PutDouble(double value, W* writer) {
  if (std::isfinite(value)) {
    PutFinite(value, writer);
  } else {
    writer->PutNull();  // As JSON has it.
  }
}

// To a json::Writer or a vec::PayloadBuilder.
template <class W>
void Write(const pb::Value& value, W* writer);

template <class W>
void Write(const Payload& fields, W* writer) {
  writer->BeginObject();
  for (const auto& [name, value] : fields) {
    writer->Key(name);
    Write(value, writer);
  }
  writer->EndObject();
}

template <class W>
void Write(const pb::Value& value, W* writer) {
  switch (value.kind_case()) {
    case pb::Value::kDoubleValue:
      PutDouble(value.double_value(), writer);
      return;
    case pb::Value::kIntegerValue:
      writer->Put(std::int64_t{value.integer_value()});
      return;
    case pb::Value::kStringValue:
      writer->Put(std::string_view(value.string_value()));
      return;
    case pb::Value::kBoolValue:
      writer->Put(value.bool_value());
      return;
    case pb::Value::kStructValue:
      Write(value.struct_value().fields(), writer);
      return;
    case pb::Value::kListValue:
      writer->BeginArray();
      for (const pb::Value& item : value.list_value().values()) Write(item, writer);
      writer->EndArray();
      return;
    default:
      writer->PutNull();
  }
}

void Fill(const Value& value, pb::Value* out) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      out->set_null_value(pb::NULL_VALUE);
      return;
    case Value::Kind::kBool:
      out->set_bool_value(*value.AsBool());
      return;
    case Value::Kind::kInt:
      out->set_integer_value(*value.AsInt());
      return;
    case Value::Kind::kUint:  // Past int64, which is all that the wire has.
    case Value::Kind::kDouble:
      out->set_double_value(*value.AsDouble());
      return;
    case Value::Kind::kString:
      out->set_string_value(std::string(*value.AsString()));
      return;
    case Value::Kind::kArray: {
      auto* list = out->mutable_list_value();
      for (const Value& item : value.items()) Fill(item, list->add_values());
      return;
    }
    case Value::Kind::kObject:
      FromJson(value, out->mutable_struct_value()->mutable_fields());
      return;
  }
}

}  // namespace

std::string PackedPayload(const Payload& payload) {
  vec::PayloadBuilder out;
  Write(payload, &out);
  return out.Take();
}

std::string PayloadText(const Payload& payload) {
  Writer writer;
  Write(payload, &writer);
  return std::move(writer).Take();
}

Value ToJson(const Payload& payload) {
  auto parsed = json::Parse(PayloadText(payload));
  return parsed.ok() ? std::move(parsed).value() : Value::Object({});
}

void FromJson(const Value& object, Payload* payload) {
  for (const auto& [name, value] : object.members()) Fill(value, &(*payload)[name]);
}

}  // namespace malmoi::rpc::store
#endif

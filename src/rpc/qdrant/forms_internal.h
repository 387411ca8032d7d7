#pragma once

#include <google/protobuf/map.h>
#include <google/protobuf/message.h>

#include <string>

#include "json/value.h"
#include "rpc/qdrant/payload.pb.h"

// Messages of configuration, filters and formulas in the form that they have over REST, so that
// both wires are read, checked and answered by the same code of src/qdrant. By reflection: a
// member is a field of the same name but for what forms.cc lists.
namespace malmoi::rpc::store {

namespace pb = ::qdrant;
using Payload = google::protobuf::Map<std::string, pb::Value>;

// Fields without presence are always there; those that are not set, and enumerators for "unknown",
// are left out.
json::Value ToJson(const google::protobuf::Message& message);
// Members without a field of their name, nulls and values of another kind are left out.
void FromJson(const json::Value& value, google::protobuf::Message* message);

// "AverageVector" as "average_vector", "Scalar4Bits" as "scalar4bits".
std::string SnakeCase(std::string_view camel);

json::Value ToJson(const Payload& payload);
// The text of the object; integers stay integers.
std::string PayloadText(const Payload& payload);
// The same for vec::Point::payload, which keeps integers and doubles apart (vec/payload_builder.h).
std::string PackedPayload(const Payload& payload);
void FromJson(const json::Value& object, Payload* payload);

}  // namespace malmoi::rpc::store

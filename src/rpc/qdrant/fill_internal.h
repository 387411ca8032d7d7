#pragma once

#include <google/protobuf/message.h>

#include "base/result.h"
#include "json/value.h"
#include "rpc/qdrant/points.pb.h"

namespace malmoi::rpc::store {

namespace pb = ::qdrant;

// Requests as REST has them into messages, for a client: the way back of convert_*.cc and of
// ToJson (forms_internal.h). Unlike FromJson, which shows what the server itself wrote, it refuses
// what it cannot say: a condition of a filter that were left out would select other points.
//
// Errors: kInvalidArgument naming member and message. Nulls are left out.
Status Fill(const json::Value& value, google::protobuf::Message* message);

// The selection of a request that has `points` or `filter` beside its other members.
Status FillSelector(const json::Value& request, pb::PointsSelector* selector);

}  // namespace malmoi::rpc::store

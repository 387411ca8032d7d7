#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"
#include "os/vfs.h"

namespace malmoi::qdrant {

// A CBOR item as JSON: 16 bytes are a UUID's text. Errors: kCorruption, also for what the log of a
// shard does not hold (tags, other byte strings, keys that are no text, nesting past 200).
Result<json::Value> DecodeCbor(std::string_view bytes);

// The log of a shard (folder "wal"): operations in their order with their numbers, from `after` + 1
// on. A damaged or cut end is the end, as in Qdrant. Errors: kCorruption; those of `take`.
Status ReadShardLog(
    os::Vfs& vfs, const std::string& folder, std::uint64_t after,
    const std::function<Status(std::uint64_t number, const json::Value& operation)>& take);

// An operation as REST has it in a batch ({"upsert": {...}}), or the body that makes an index
// ({"field_name", "field_schema"}), or {"drop": FIELD}. Errors: kUnsupported with its name.
Result<json::Value> OperationOfLog(const json::Value& operation);

}  // namespace malmoi::qdrant

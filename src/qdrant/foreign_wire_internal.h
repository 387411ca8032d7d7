#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "qdrant/foreign_reader_internal.h"

// What a child that reads a snapshot hands to its parent, as bytes. Decoding takes any bytes: it
// allocates at most a small multiple of them, and what is not whole is kCorruption. What values
// say is checked where every point and every request is, by the collection that takes them.
//
//   head        u64 points, string creation, u32 indexes, each: string field, string schema
//   points      each: u8 1 and UUID, or u8 0 and u64; string payload;
//               u32 dense, each: string name, u32 numbers, f32 numbers;
//               u32 multi, each: string name, u32 dimension, u32 numbers, f32 numbers;
//               u32 sparse, each: string name, u32 numbers, u32 indices, f32 values
//   operations  each: string JSON
//
// A string is a u32 length and bytes. Little-endian.
namespace malmoi::qdrant {

std::string EncodeHead(const ForeignHead& head);
Result<ForeignHead> DecodeHead(std::string_view bytes);
std::string EncodePoints(const std::vector<vec::Point>& points);
Result<std::vector<vec::Point>> DecodePoints(std::string_view bytes);
std::string EncodeOperations(const std::vector<json::Value>& operations);
Result<std::vector<json::Value>> DecodeOperations(std::string_view bytes);

}  // namespace malmoi::qdrant

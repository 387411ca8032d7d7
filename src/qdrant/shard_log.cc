#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/strings.h"
#include "qdrant/shard_log_internal.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

constexpr int kDepthMax = 200;
constexpr std::size_t kHeaderBytes = 8, kSumBytes = 4;
constexpr std::uint8_t kBreak = 0xff;

Error Damaged(const std::string& what) {
  return Error(Code::kCorruption, "an operation of the log: " + what);
}

std::uint64_t Swapped(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

double HalfValue(std::uint64_t half) {
  const int exponent = static_cast<int>(half >> 10 & 31);
  const auto mantissa = static_cast<double>(half & 1023);
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? std::nan("")
                                            : std::ldexp(mantissa + 1024, exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

// Takes one item after another off untrusted bytes.
class Cbor {
 public:
  explicit Cbor(std::string_view bytes) : in_(bytes), rest_(bytes) {}

  Result<Value> Item(int depth) {
    if (depth > kDepthMax) return Damaged("nested too deep");
    if (rest_.empty()) return Damaged("cut");
    const auto head = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    const int major = head >> 5, minor = head & 31;
    const bool open = minor == 31;
    std::uint64_t count = static_cast<std::uint64_t>(minor);
    if (minor >= 24 && !open) {
      const std::size_t bytes = minor <= 27 ? std::size_t{1} << (minor - 24) : 0;
      if (bytes == 0 || bytes > rest_.size()) return Damaged("cut");
      count = Swapped(rest_.substr(0, bytes));
      rest_.remove_prefix(bytes);
    }
    switch (major) {
      case 0:
        return Value::Uint(count);
      case 1:
        if (count > 0x7fffffffffffffffull) return Damaged("a number past 64 bits");
        return Value::Int(-1 - static_cast<std::int64_t>(count));
      case 2:
      case 3:
        return Bytes(major == 3, open, count);
      case 4:
        return List(open, count, depth);
      case 5:
        return Map(open, count, depth);
      case 7:
        return Simple(minor, count);
      default:
        return Damaged("a tag");
    }
  }
  bool done() const { return rest_.empty(); }

 private:
  Result<Value> Bytes(bool text, bool open, std::uint64_t count) {
    if (open || count > rest_.size()) return Damaged("a cut string");
    std::string bytes(rest_.substr(0, static_cast<std::size_t>(count)));
    rest_.remove_prefix(static_cast<std::size_t>(count));
    if (text) return Value::String(std::move(bytes));
    Uuid uuid;
    if (bytes.size() != uuid.bytes.size()) return Damaged("bytes that are no UUID");
    std::copy(bytes.begin(), bytes.end(), uuid.bytes.begin());
    return Value::String(uuid.ToString());
  }
  bool Ends(bool open, std::uint64_t count, std::uint64_t at) {
    if (!open) return at == count;
    if (rest_.empty() || static_cast<std::uint8_t>(rest_[0]) != kBreak) return false;
    rest_.remove_prefix(1);
    return true;
  }
  Result<Value> List(bool open, std::uint64_t count, int depth) {
    std::vector<Value> items;
    for (std::uint64_t i = 0; !Ends(open, count, i); ++i) {
      MALMOI_TRY(auto item, Item(depth + 1));
      items.push_back(std::move(item));
    }
    return Value::Array(std::move(items));
  }
  Result<Value> Map(bool open, std::uint64_t count, int depth) {
    std::vector<Value::Member> members;
    for (std::uint64_t i = 0; !Ends(open, count, i); ++i) {
      MALMOI_TRY(const Value key, Item(depth + 1));
      if (!key.is_string()) return Damaged("a key that is no text");
      MALMOI_TRY(auto value, Item(depth + 1));
      members.emplace_back(std::string(*key.AsString()), std::move(value));
    }
    return Value::Object(std::move(members));
  }
  static Result<Value> Simple(int minor, std::uint64_t count) {
    switch (minor) {
      case 20:
      case 21:
        return Value::Bool(minor == 21);
      case 22:
      case 23:
        return Value();
      case 25:
        return Value::Double(HalfValue(count));
      case 26:
        return Value::Double(
            static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(count))));
      case 27:
        return Value::Double(std::bit_cast<double>(count));
      default:
        return Damaged("a simple value " + std::to_string(minor));
    }
  }

  std::string_view in_, rest_;
};

std::uint32_t Reversed(std::uint32_t x) {
  std::uint32_t out = 0;
  for (int i = 0; i < 32; ++i, x >>= 1) out = out << 1 | (x & 1);
  return out;
}

// Entries [u64 length][bytes][padding to 8 with the sum][CRC32C of all before, seeded by the one of
// the entry before, its bits turned round]. Calls `take` with each.
Status ReadFile(std::string_view file, const std::function<Status(std::string_view)>& take) {
  if (file.size() < kHeaderBytes || !file.starts_with(std::string_view("wal\0", 4))) {
    return Error(Code::kCorruption, "a file of the shard's log does not begin with 'wal'");
  }
  auto sum = Load<std::uint32_t>(file.data() + 4);
  for (std::size_t at = kHeaderBytes; at + kHeaderBytes + kSumBytes < file.size();) {
    const auto length = Load<std::uint64_t>(file.data() + at);
    const std::size_t left = file.size() - at - kHeaderBytes - kSumBytes;
    if (length > left) return Ok();
    const std::size_t padded = static_cast<std::size_t>(length + ((4 - length) & 7));
    if (padded > left) return Ok();
    const std::string_view summed = file.substr(at, kHeaderBytes + padded);
    const auto stored = Load<std::uint32_t>(file.data() + at + kHeaderBytes + padded);
    const std::uint32_t computed = Crc32c(summed, ~Reversed(sum));
    if (computed != stored) return Ok();
    MALMOI_TRY(take(file.substr(at + kHeaderBytes, static_cast<std::size_t>(length))));
    sum = computed;
    at += kHeaderBytes + padded + kSumBytes;
  }
  return Ok();
}

Value One(const char* name, Value value) {
  return Value::Object({{name, std::move(value)}});
}

// Without nulls, which REST refuses in some places.
Value Lean(const Value& value) {
  std::vector<Value::Member> members;
  for (const auto& member : value.members()) {
    if (!member.second.is_null()) members.push_back(member);
  }
  return Value::Object(std::move(members));
}

Value Conditional(const Value& value) {
  std::vector<Value::Member> members;
  if (const Value* points = value.Find("points_op")) members = points->members();
  if (const Value* condition = value.Find("condition")) {
    members.emplace_back("update_filter", *condition);
  }
  const Value* mode = value.Find("update_mode");
  if (mode != nullptr && !mode->is_null()) members.emplace_back("update_mode", *mode);
  return One("upsert", Value::Object(std::move(members)));
}

}  // namespace

Result<Value> DecodeCbor(std::string_view bytes) {
  Cbor in(bytes);
  MALMOI_TRY(auto item, in.Item(0));
  if (!in.done()) return Damaged("more after its end");
  return item;
}

Status ReadShardLog(os::Vfs& vfs, const std::string& folder, std::uint64_t after,
                    const std::function<Status(std::uint64_t, const Value&)>& take) {
  const auto names = vfs.List(folder);
  if (!names.ok()) return Ok();
  // closed-FIRST by the number of their first operation, then open-1, open-2 in their order.
  std::vector<std::pair<std::int64_t, std::string>> closed, open;
  for (const std::string& name : names.value()) {
    for (const auto& [prefix, list] : {std::pair{"closed-", &closed}, std::pair{"open-", &open}}) {
      if (!name.starts_with(prefix)) continue;
      const auto number = ParseInt(std::string_view(name).substr(std::string_view(prefix).size()));
      if (number && *number >= 0) list->emplace_back(*number, name);
    }
  }
  std::ranges::sort(closed);
  std::ranges::sort(open);
  std::uint64_t next = 0;
  for (const auto& list : {closed, open}) {
    for (const auto& entry : list) {
      const bool is_closed = entry.second.starts_with("closed-");
      if (is_closed) next = std::max(next, static_cast<std::uint64_t>(entry.first));
      MALMOI_TRY(const auto file, vfs.Map(os::JoinPath(folder, entry.second)));
      MALMOI_TRY(ReadFile(file.bytes, [&](std::string_view bytes) -> Status {
        const std::uint64_t number = next++;
        if (number <= after) return Ok();
        MALMOI_TRY(const Value operation, DecodeCbor(bytes));
        return take(number, operation);
      }));
    }
  }
  return Ok();
}

Result<Value> OperationOfLog(const Value& operation) {
  for (const auto& [name, value] : operation.members()) {
    if (name == "upsert_points") return One("upsert", value);
    if (name == "upsert_points_conditional") return Conditional(value);
    if (name == "delete_points") {
      const Value* ids = value.Find("ids");
      return One("delete", One("points", ids == nullptr ? Value::Array({}) : *ids));
    }
    if (name == "delete_points_by_filter") return One("delete", One("filter", value));
    if (name == "set_payload" || name == "overwrite_payload" || name == "delete_payload" ||
        name == "clear_payload") {
      return One(name.c_str(), Lean(value));
    }
    if (name == "clear_payload_by_filter") return One("clear_payload", One("filter", value));
    if (name == "update_vectors") return One("update_vectors", Lean(value));
    const bool pair = value.items().size() == 2;
    if (pair && name == "delete_vectors") {
      const Value* points = value.items()[0].Find("points");
      return One("delete_vectors",
                 Value::Object({{"points", points == nullptr ? Value::Array({}) : *points},
                                {"vector", value.items()[1]}}));
    }
    if (pair && name == "delete_vectors_by_filter") {
      return One("delete_vectors",
                 Value::Object({{"filter", value.items()[0]}, {"vector", value.items()[1]}}));
    }
    if (name == "create_index") return Lean(value);
    if (name == "delete_index") return One("drop", value);
    if (name == "clock_tag") continue;
    return Error(Code::kUnsupported, "the shard's log has an operation '" + name +
                                         "' that was not applied yet and is not known here");
  }
  return Damaged("it says nothing");
}

}  // namespace malmoi::qdrant

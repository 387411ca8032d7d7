// What names shards. A single node has one and carries none of this out, but tells a request that
// is no such request from one that it has no use for, as Qdrant does.
#include "qdrant/parse.h"
#include "qdrant/service.h"

namespace malmoi::qdrant {
namespace {

using json::Value;
using Check = bool (*)(const Value& value, Why* why);

template <class T>
bool Is(const Value& value, Why* why) {
  T ignored{};
  return Read(value, &ignored, why);
}

bool IsPositive(const Value& value, Why* why) {
  std::uint32_t number = 0;
  if (!Read(value, &number, why)) return false;
  if (number == 0) *why = "invalid value: integer `0`, expected a nonzero u32";
  return number != 0;
}

bool IsMethod(const Value& value, Why* why) {
  std::size_t i = 0;
  return ReadName(value, {"stream_records", "snapshot", "wal_delta", "resharding_stream_records"},
                  &i, why);
}

bool IsDirection(const Value& value, Why* why) {
  std::size_t i = 0;
  return ReadName(value, {"up", "down"}, &i, why);
}

bool IsReplicaState(const Value& value, Why* why) {
  std::size_t i = 0;
  return ReadName(value,
                  {"Active", "Dead", "Partial", "Initializing", "Listener", "PartialSnapshot",
                   "Recovery", "Resharding", "ReshardingScaleDown", "ActiveRead", "ManualRecovery"},
                  &i, why);
}

struct Member {
  std::string_view name;
  Check check;
  bool required = false;
};
using Members = std::initializer_list<Member>;

bool CheckMembers(const Value& value, std::string_view type, Members members, Why* why) {
  Fields fields(value, type, why);
  for (const Member& member : members) {
    if (!fields.ok()) return false;
    const Value* found = fields.Member(member.name);
    if (found == nullptr) {
      if (member.required) fields.Missing(member.name);
    } else if ((member.required || !found->is_null()) && !member.check(*found, why)) {
      return false;
    }
  }
  return fields.ok();
}

bool CheckTransfer(const Value& value, Why* why) {
  return CheckMembers(value, "struct ShardTransfer",
                      {{"shard_id", Is<std::uint32_t>, true},
                       {"to_peer_id", Is<std::uint64_t>, true},
                       {"from_peer_id", Is<std::uint64_t>, true},
                       {"method", IsMethod}},
                      why);
}

bool CheckRestart(const Value& value, Why* why) {
  return CheckTransfer(value, why) &&
         CheckMembers(value, "struct RestartTransfer", {{"method", IsMethod, true}}, why);
}

bool CheckReplica(const Value& value, Why* why) {
  return CheckMembers(value, "struct Replica",
                      {{"shard_id", Is<std::uint32_t>, true}, {"peer_id", Is<std::uint64_t>, true}},
                      why);
}

bool CheckStart(const Value& value, Why* why) {
  return CheckMembers(value, "struct StartResharding",
                      {{"direction", IsDirection, true},
                       {"peer_id", Is<std::uint64_t>},
                       {"shard_key", Is<ShardKey>}},
                      why);
}

bool CheckAbort(const Value& value, Why* why) {
  return CheckMembers(value, "struct AbortResharding", {}, why);
}

bool CheckReplicatePoints(const Value& value, Why* why) {
  return CheckMembers(value, "struct ReplicatePoints",
                      {{"filter", Is<FilterPtr>},
                       {"from_shard_key", Is<ShardKey>, true},
                       {"to_shard_key", Is<ShardKey>, true}},
                      why);
}

}  // namespace

bool Read(const Value& value, ShardKey* out, Why* why) {
  if (const auto text = value.AsString()) {
    *out = std::string(*text);
    return true;
  }
  if (value.is_number() && value.AsUint()) {
    *out = *value.AsUint();
    return true;
  }
  *why = "Expected a string or an integer";
  return false;
}

Status WithoutShard(const std::vector<ShardKey>& keys, bool write) {
  if (keys.empty()) return Ok();
  const ShardKey& key = keys.front();
  const std::string text = std::holds_alternative<std::string>(key)
                               ? "\"" + std::get<std::string>(key) + "\""
                               : std::to_string(std::get<std::uint64_t>(key));
  const std::string why = "Shard key " + text + " not found";
  return write ? BadInput(why) : BadRequest(why);
}

bool ReadShardKeys(const Value& request, std::vector<ShardKey>* out, Why* why) {
  const Value* value = request.Find("shard_key");
  if (value == nullptr || value->is_null()) return true;
  if (value->is_array()) return Read(*value, out, why);
  if (value->is_object()) {
    ShardKey fallback;
    Fields fields(*value, "struct ShardKeyWithFallback", why);
    fields.Required("target", &out->emplace_back());
    fields.Required("fallback", &fallback);
    return fields.ok();
  }
  return Read(*value, &out->emplace_back(), why);
}

bool CheckShardKeys(const Value& request, Why* why) {
  std::vector<ShardKey> ignored;
  return ReadShardKeys(request, &ignored, why);
}

bool CheckCreateShardKey(const Value& value, Why* why) {
  return CheckMembers(value, "struct CreateShardingKey",
                      {{"shard_key", Is<ShardKey>, true},
                       {"shards_number", IsPositive},
                       {"replication_factor", IsPositive},
                       {"placement", Is<std::vector<std::uint64_t>>},
                       {"initial_state", IsReplicaState}},
                      why);
}

bool CheckDropShardKey(const Value& value, Why* why) {
  return CheckMembers(value, "struct DropShardingKey", {{"shard_key", Is<ShardKey>, true}}, why);
}

bool CheckClusterOperation(const Value& value, Why* why) {
  static constexpr std::pair<std::string_view, Check> kOperations[] = {
      {"move_shard", CheckTransfer},
      {"replicate_shard", CheckTransfer},
      {"abort_transfer", CheckTransfer},
      {"restart_transfer", CheckRestart},
      {"drop_replica", CheckReplica},
      {"create_sharding_key", CheckCreateShardKey},
      {"drop_sharding_key", CheckDropShardKey},
      {"start_resharding", CheckStart},
      {"abort_resharding", CheckAbort},
      {"replicate_points", CheckReplicatePoints},
  };
  for (const auto& [name, check] : kOperations) {
    if (const Value* operation = value.Find(name)) return check(*operation, why);
  }
  *why = "data did not match any variant of untagged enum ClusterOperations";
  return false;
}

}  // namespace malmoi::qdrant

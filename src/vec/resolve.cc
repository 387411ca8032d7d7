#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "vec/limits.h"
#include "vec/nested_index_internal.h"
#include "vec/payload_edit_internal.h"
#include "vec/resolve_internal.h"

namespace malmoi::vec {
namespace {

Error TooMany(std::size_t points) {
  return Error(Code::kOutOfRange,
               "an operation that changes " + std::to_string(points) + " points, at most " +
                   std::to_string(kLimits.points_changed_max) + " and " +
                   std::to_string(kLimits.write_bytes_max) + " bytes; narrow the filter");
}

}  // namespace

class Resolver::PendingSubject : public Subject {
 public:
  PendingSubject(const Resolver& resolver, const PointId& id, const Pending& pending)
      : resolver_(resolver), id_(id), pending_(pending) {}
  PointId Id() const override { return id_; }
  bool HasVector(const std::string& name) const override {
    const auto field = resolver_.schema_.Find(name);
    if (!field) return false;
    if (pending_.vectors.contains(*field)) return true;
    return !pending_.whole && pending_.base && !pending_.removed.contains(*field) &&
           pending_.base->part->Has(*field, pending_.base->row);
  }
  Packed Payload() override { return Packed(resolver_.PayloadOf(pending_, &scratch_)); }

 private:
  const Resolver& resolver_;
  const PointId& id_;
  const Pending& pending_;
  std::string scratch_;
};

Resolver::Resolver(const Snapshot& now) : now_(now), schema_(*now.schema), indexes_(*now.indexes) {}

std::string_view Resolver::PayloadOf(const Pending& pending, std::string* scratch) const {
  if (pending.payload) return *pending.payload;
  if (pending.whole || !pending.base) return kEmptyObject;
  return pending.base->part->Payload(pending.base->row, scratch);
}

Resolver::Pending& Resolver::At(const PointId& id) {
  const auto [it, fresh] = pending_.try_emplace(id);
  if (fresh) {
    it->second.base = now_.Find(id);
    it->second.exists = it->second.base.has_value();
  }
  return it->second;
}

Result<Matcher> Resolver::MatcherOf(const Filter& filter) const {
  return Matcher::Create(filter, schema_, indexes_);
}

bool Resolver::Keeps(const Matcher& matcher, const PointId& id, const Pending& pending) const {
  PendingSubject subject(*this, id, pending);
  return matcher.Keep(subject);
}

Result<std::vector<PointId>> Resolver::Select(const PointSelector& selector) const {
  if (!selector.filter) return selector.ids;
  MALMOI_TRY(const Matcher matcher, MatcherOf(*selector.filter));
  std::vector<PointId> ids;
  os::ThreadPool here(1, "vec-select");
  for (const RowRef& row : Searcher(now_, here, nullptr).Select(&matcher)) {
    PointId id = row.part->Id(row.row);
    if (!pending_.contains(id)) ids.push_back(id);
  }
  MALMOI_TRY(now_.Health());
  for (const auto& [id, pending] : pending_) {
    if (pending.exists && Keeps(matcher, id, pending)) ids.push_back(id);
  }
  return ids;
}

void Resolver::SetVectors(const NamedVectors& vectors, Pending* pending) const {
  const auto set = [&](const NamedVectors& one, const std::string& name) {
    std::string encoded;
    PutVectors(schema_, one, &encoded);
    const std::uint32_t field = *schema_.Find(name);
    pending->vectors[field] = encoded.substr(2);  // Without the count.
    pending->removed.erase(field);
  };
  for (const auto& [name, v] : vectors.dense) set({.dense = {{name, v}}}, name);
  for (const auto& [name, v] : vectors.sparse) set({.sparse = {{name, v}}}, name);
  for (const auto& [name, v] : vectors.multi) set({.multi = {{name, v}}}, name);
}

Status Resolver::Do(const UpsertOp& op, std::uint64_t* changed) {
  std::optional<Matcher> condition;
  if (op.condition) {
    MALMOI_TRY(condition, MatcherOf(*op.condition));
  }
  // By what was there before the operation: of an id that it has twice, both are taken or neither.
  std::map<PointId, bool> taken;
  for (const Point& point : op.points) {
    MALMOI_TRY(CheckVectors(schema_, point.vectors).With("point " + ToString(point.id)));
    MALMOI_TRY(auto payload, PackPayload(point.payload).With("point " + ToString(point.id)));
    Pending& pending = At(point.id);
    const auto [decided, first] = taken.try_emplace(point.id);
    if (first) {
      const bool wanted = !(op.mode == UpdateMode::kInsertOnly && pending.exists) &&
                          !(op.mode == UpdateMode::kUpdateOnly && !pending.exists);
      decided->second =
          wanted && (!condition || !pending.exists || Keeps(*condition, point.id, pending));
    }
    if (!decided->second) continue;
    const auto base = pending.base;
    pending = Pending{.base = base, .exists = true, .whole = true, .changed = true};
    pending.payload = std::move(payload);
    SetVectors(point.vectors, &pending);
    ++*changed;
  }
  return Ok();
}

Status Resolver::Do(const DeletePointsOp& op, std::uint64_t* changed) {
  MALMOI_TRY(const auto ids, Select(op.points));
  for (const PointId& id : ids) {
    Pending& pending = At(id);
    if (!pending.exists) continue;
    const auto base = pending.base;
    pending = Pending{.base = base, .changed = true};
    ++*changed;
  }
  return Ok();
}

Status Resolver::Do(const UpdateVectorsOp& op, std::uint64_t* changed) {
  std::optional<Matcher> condition;
  if (op.condition) {
    MALMOI_TRY(condition, MatcherOf(*op.condition));
  }
  std::map<PointId, bool> taken;  // As of points.
  for (const VectorUpdate& update : op.updates) {
    MALMOI_TRY(CheckVectors(schema_, update.vectors).With("point " + ToString(update.id)));
    Pending& pending = At(update.id);
    if (!pending.exists) continue;
    const auto [decided, first] = taken.try_emplace(update.id, true);
    if (first && condition) decided->second = Keeps(*condition, update.id, pending);
    if (!decided->second) continue;
    SetVectors(update.vectors, &pending);
    pending.changed = true;
    ++*changed;
  }
  return Ok();
}

Status Resolver::Do(const DeleteVectorsOp& op, std::uint64_t* changed) {
  std::vector<std::uint32_t> fields;
  for (const auto& name : op.names) {
    const auto field = schema_.Find(name);
    if (!field) {
      return Error(Code::kInvalidArgument, "the collection has no vector '" + name + "'");
    }
    fields.push_back(*field);
  }
  MALMOI_TRY(const auto ids, Select(op.points));
  if (ids.size() > kLimits.points_changed_max) return TooMany(ids.size());
  for (const PointId& id : ids) {
    Pending& pending = At(id);
    if (!pending.exists) continue;
    for (const std::uint32_t field : fields) {
      pending.vectors.erase(field);
      if (!pending.whole) pending.removed.insert(field);
    }
    pending.changed = true;
    ++*changed;
  }
  return Ok();
}

Status Resolver::Do(const PayloadOp& op, std::uint64_t* changed) {
  MALMOI_TRY(const auto patch, json::Parse(op.payload).With("payload"));
  if (!patch.is_object()) return Error(Code::kInvalidArgument, "payload is not a JSON object");
  std::vector<PathStep> path;
  if (!op.key.empty()) {
    MALMOI_TRY(path, ParsePath(op.key));
  }
  std::vector<std::vector<PathStep>> keys;
  for (const auto& key : op.keys) {
    MALMOI_TRY(auto steps, ParsePath(key));
    keys.push_back(std::move(steps));
  }
  MALMOI_TRY(const auto ids, Select(op.points));
  if (ids.size() > kLimits.points_changed_max ||
      ids.size() * op.payload.size() > kLimits.write_bytes_max) {
    return TooMany(ids.size());
  }
  std::string scratch;
  for (const PointId& id : ids) {
    Pending& pending = At(id);
    if (!pending.exists) continue;
    std::string packed;
    if (op.kind == PayloadOp::Kind::kClear) {
      packed = kEmptyObject;
    } else if (op.kind == PayloadOp::Kind::kOverwrite) {
      Pack(patch, &packed);
    } else {
      const json::Value old = Unpack(Packed(PayloadOf(pending, &scratch)));
      Pack(op.kind == PayloadOp::Kind::kDelete ? DropPaths(old, keys) : MergeAt(old, path, patch),
           &packed);
    }
    if (packed.size() > kLimits.payload_bytes_max) {
      return Error(Code::kOutOfRange, "payload of point " + ToString(id) + " would have " +
                                          std::to_string(packed.size()) + " bytes, at most " +
                                          std::to_string(kLimits.payload_bytes_max));
    }
    pending.payload = std::move(packed);
    pending.changed = true;
    ++*changed;
  }
  return Ok();
}

Status Resolver::Do(const CreateIndexOp& op, std::uint64_t*) {
  MALMOI_TRY(ParsePath(op.key));
  MALMOI_TRY(CheckJsonObject(op.params.settings, "settings of the index"));
  MALMOI_TRY(NestedOf(op.key, op.params));
  if (op.params.kind == IndexKind::kText) MALMOI_TRY(TextRules::For(op.params.text));
  if (indexes_.size() >= kLimits.payload_indexes_max && !indexes_.contains(op.key)) {
    return Error(Code::kOutOfRange,
                 "more than " + std::to_string(kLimits.payload_indexes_max) + " payload indexes");
  }
  indexes_[op.key] = op.params;
  changes_.push_back(EncodeFramed(OpKind::kCreateIndex, EncodeIndex(op.key, op.params)));
  return Ok();
}

Status Resolver::Do(const DropIndexOp& op, std::uint64_t*) {
  if (indexes_.erase(op.key) > 0) changes_.push_back(EncodeFramed(OpKind::kDropIndex, op.key));
  return Ok();
}

Status Resolver::Do(const CreateVectorOp& op, std::uint64_t*) {
  Schema::Field field =
      std::visit([&](const auto& params) { return FieldOf(op.name, params); }, op.params);
  MALMOI_TRY(CheckField(field));
  if (const auto old = schema_.Find(op.name)) {
    if (schema_.fields[*old] == field) return Ok();
    return Error(Code::kAlreadyExists, "vector '" + op.name + "' exists");
  }
  if (schema_.fields.size() >= kLimits.vectors_max) {
    return Error(Code::kOutOfRange, "more than " + std::to_string(kLimits.vectors_max) +
                                        " named vectors, dropped ones counted");
  }
  changes_.push_back(EncodeFramed(OpKind::kCreateVector, EncodeField(field)));
  schema_.fields.push_back(std::move(field));
  return Ok();
}

Status Resolver::Do(const DropVectorOp& op, std::uint64_t*) {
  const auto field = schema_.Find(op.name);
  if (!field) {
    return Error(Code::kNotFound, "the collection has no vector '" + op.name + "'");
  }
  schema_.fields[*field].dropped = true;
  for (auto& [id, pending] : pending_) pending.vectors.erase(*field);
  changes_.push_back(EncodeFramed(OpKind::kDropVector, op.name));
  return Ok();
}

Status Resolver::Do(const SetSettingsOp& op, std::uint64_t*) {
  if (op.metadata) {
    MALMOI_TRY(CheckJsonObject(*op.metadata, "metadata"));
    changes_.push_back(EncodeFramed(OpKind::kMetadata, *op.metadata));
  }
  if (op.settings) {
    MALMOI_TRY(CheckJsonObject(*op.settings, "settings"));
    changes_.push_back(EncodeFramed(OpKind::kSettings, *op.settings));
  }
  for (const auto& [name, settings] : op.vector_settings) {
    const auto field = schema_.Find(name);
    if (!field) {
      return Error(Code::kInvalidArgument, "the collection has no vector '" + name + "'");
    }
    MALMOI_TRY(CheckJsonObject(settings, "settings of vector '" + name + "'"));
    schema_.fields[*field].settings = settings;
    changes_.push_back(EncodePair(OpKind::kVectorSettings, name, settings));
  }
  return Ok();
}

Status Resolver::Add(const Operation& operation, std::uint64_t* changed) {
  return std::visit([&](const auto& op) { return Do(op, changed); }, operation);
}

std::size_t Resolver::rows() const {
  return static_cast<std::size_t>(
      std::count_if(pending_.begin(), pending_.end(),
                    [](const auto& p) { return p.second.exists && p.second.changed; }));
}

// Points that are written whole, in operations of at most as many as a reader of the log takes.
void Resolver::EncodeWhole(std::vector<std::string>* out) const {
  std::string body;
  std::uint32_t count = 0;
  const auto flush = [&] {
    if (count == 0) return;
    std::string framed;
    Put(&framed, count);
    out->push_back(EncodeFramed(OpKind::kPoints, framed + body));
    body.clear();
    count = 0;
  };
  std::string scratch;
  for (const auto& [id, pending] : pending_) {
    if (!pending.exists || !pending.whole) continue;
    PutId(&body, id);
    Put(&body, static_cast<std::uint16_t>(pending.vectors.size()));
    for (const auto& [field, bytes] : pending.vectors) body += bytes;
    PutString(&body, PayloadOf(pending, &scratch));
    if (++count == kLimits.points_per_write_max || body.size() > kLimits.write_bytes_max / 4) {
      flush();
    }
  }
  flush();
}

void Resolver::EncodePatches(std::vector<std::string>* out) const {
  std::string body;
  std::uint32_t count = 0;
  const auto flush = [&] {
    if (count == 0) return;
    std::string framed;
    Put(&framed, count);
    out->push_back(EncodeFramed(OpKind::kPatch, framed + body));
    body.clear();
    count = 0;
  };
  for (const auto& [id, pending] : pending_) {
    if (!pending.exists || pending.whole || !pending.changed) continue;
    PutId(&body, id);
    Put(&body, static_cast<std::uint8_t>(pending.payload ? 1 : 0));
    Put(&body, static_cast<std::uint16_t>(pending.vectors.size()));
    for (const auto& [field, bytes] : pending.vectors) body += bytes;
    Put(&body, static_cast<std::uint16_t>(pending.removed.size()));
    for (const std::uint32_t field : pending.removed) Put(&body, static_cast<std::uint16_t>(field));
    if (pending.payload) PutString(&body, *pending.payload);
    if (++count == kLimits.points_per_write_max || body.size() > kLimits.write_bytes_max / 4) {
      flush();
    }
  }
  flush();
}

std::vector<std::string> Resolver::Encode() const {
  std::vector<std::string> out = changes_;
  EncodeWhole(&out);
  EncodePatches(&out);
  std::vector<PointId> gone;
  for (const auto& [id, pending] : pending_) {
    if (!pending.exists && pending.base) gone.push_back(id);
  }
  if (!gone.empty()) out.push_back(EncodeDelete(gone));
  return out;
}

}  // namespace malmoi::vec

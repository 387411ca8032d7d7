#include <algorithm>

#include "remote/qdrant_collection_internal.h"

namespace malmoi::remote {
namespace {

using json::Writer;

// A request is sent when it is this long: servers refuse more than 32 MB.
constexpr std::size_t kRequestBytes = 8u << 20;

void PrintPoint(const vec::Point& point, Writer* w) {
  w->BeginObject().Key("id");
  PrintId(point.id, w);
  w->Key("vector");
  PrintVectors(point.vectors, w);
  w->Key("payload").PutRaw(point.payload).EndObject();
}

void PrintUpdate(const vec::VectorUpdate& update, Writer* w) {
  w->BeginObject().Key("id");
  PrintId(update.id, w);
  w->Key("vector");
  PrintVectors(update.vectors, w);
  w->EndObject();
}

// Sends `items`, printed one by one, in requests {"points":[...]} of about kRequestBytes.
template <class T, class Print, class Send>
Status InPieces(std::span<const T> items, const Print& print, const Send& send) {
  for (std::size_t at = 0; at < items.size();) {
    Writer w;
    w.BeginObject().Key("points").BeginArray();
    for (; at < items.size() && w.text().size() < kRequestBytes; ++at) print(items[at], &w);
    w.EndArray().EndObject();
    MALMOI_TRY(send(std::move(w).Take()));
  }
  return Ok();
}

void PrintSelector(const vec::PointSelector& points, Writer* w) {
  if (points.filter != nullptr) {
    w->Key("filter");
    vec::PrintFilter(*points.filter, w);
    return;
  }
  w->Key("points");
  PrintIds(points.ids, w);
}

void PutCondition(const std::shared_ptr<const vec::Filter>& condition, Writer* w) {
  if (condition == nullptr) return;
  w->Key("update_filter");
  vec::PrintFilter(*condition, w);
}

Error Unsupported(const char* what) {
  return Error(Code::kUnsupported, std::string("a store on the network is not told to ") + what +
                                       " here: use its own interface");
}

// One element of POST /points/batch. Errors: kUnsupported.
struct OperationPrinter {
  Writer* w;

  Status operator()(const vec::UpsertOp& op) const {
    w->Key("upsert").BeginObject().Key("points").BeginArray();
    for (const vec::Point& point : op.points) PrintPoint(point, w);
    w->EndArray();
    PutCondition(op.condition, w);
    if (op.mode != vec::UpdateMode::kUpsert) {
      w->Field("update_mode",
               op.mode == vec::UpdateMode::kInsertOnly ? "insert_only" : "update_only");
    }
    w->EndObject();
    return Ok();
  }
  Status operator()(const vec::DeletePointsOp& op) const {
    w->Key("delete").BeginObject();
    PrintSelector(op.points, w);
    w->EndObject();
    return Ok();
  }
  Status operator()(const vec::UpdateVectorsOp& op) const {
    w->Key("update_vectors").BeginObject().Key("points").BeginArray();
    for (const vec::VectorUpdate& update : op.updates) PrintUpdate(update, w);
    w->EndArray();
    PutCondition(op.condition, w);
    w->EndObject();
    return Ok();
  }
  Status operator()(const vec::DeleteVectorsOp& op) const {
    w->Key("delete_vectors").BeginObject().Key("vector").BeginArray();
    for (const std::string& name : op.names) w->Put(name);
    w->EndArray();
    PrintSelector(op.points, w);
    w->EndObject();
    return Ok();
  }
  Status operator()(const vec::PayloadOp& op) const {
    using Kind = vec::PayloadOp::Kind;
    const char* name = op.kind == Kind::kSet         ? "set_payload"
                       : op.kind == Kind::kOverwrite ? "overwrite_payload"
                       : op.kind == Kind::kDelete    ? "delete_payload"
                                                     : "clear_payload";
    w->Key(name).BeginObject();
    if (op.kind == Kind::kSet || op.kind == Kind::kOverwrite) w->Key("payload").PutRaw(op.payload);
    if (!op.key.empty()) w->Field("key", op.key);
    if (op.kind == Kind::kDelete) {
      w->Key("keys").BeginArray();
      for (const std::string& key : op.keys) w->Put(key);
      w->EndArray();
    }
    PrintSelector(op.points, w);
    w->EndObject();
    return Ok();
  }
  Status operator()(const vec::CreateIndexOp&) const { return Unsupported("make an index"); }
  Status operator()(const vec::DropIndexOp&) const { return Unsupported("drop an index"); }
  Status operator()(const vec::CreateVectorOp&) const { return Unsupported("add a vector name"); }
  Status operator()(const vec::DropVectorOp&) const { return Unsupported("drop a vector name"); }
  Status operator()(const vec::SetSettingsOp&) const { return Unsupported("change settings"); }
};

}  // namespace

void QdrantCollection::Changed() {
  const std::lock_guard lock(mutex_);
  info_ns_ = 0;
}

Result<vec::WriteOutcome> QdrantCollection::Write(std::span<const vec::Operation> operations,
                                                  const vec::WriteOptions& options) {
  Writer w;
  w.BeginObject().Key("operations").BeginArray();
  for (const vec::Operation& operation : operations) {
    w.BeginObject();
    MALMOI_TRY(std::visit(OperationPrinter{&w}, operation));
    w.EndObject();
  }
  w.EndArray().EndObject();
  const std::string wait = options.wait ? "true" : "false";
  MALMOI_TRY(const auto answer,
             client_.Call("POST", path_ + "/points/batch?wait=" + wait, w.text()));
  Changed();
  vec::WriteOutcome outcome;
  for (const json::Value& done : answer.items()) {
    outcome.operation_id = static_cast<std::uint64_t>(done.GetInt("operation_id"));
  }
  return outcome;
}

Status QdrantCollection::Upsert(std::span<const vec::Point> points,
                                const vec::WriteOptions& options) {
  const std::string target = path_ + "/points?wait=" + (options.wait ? "true" : "false");
  Status done = InPieces(points, PrintPoint, [&](const std::string& body) -> Status {
    MALMOI_TRY(client_.Call("PUT", target, body));
    return Ok();
  });
  Changed();
  return done;
}

Status QdrantCollection::UpdateVectors(std::span<const VectorUpdate> updates) {
  // The interface refuses an update of a point that is gone; here such ones are skipped.
  std::vector<vec::PointId> ids;
  for (const VectorUpdate& update : updates) ids.push_back(update.id);
  const vec::Selection nothing{.payload = {.enabled = false}, .vectors = {}};
  MALMOI_TRY(const auto there, Retrieve(ids, nothing));
  std::vector<vec::PointId> present;
  for (const vec::Point& point : there) present.push_back(point.id);
  std::ranges::sort(present);
  std::vector<VectorUpdate> kept;
  for (const VectorUpdate& update : updates) {
    if (std::ranges::binary_search(present, update.id)) kept.push_back(update);
  }
  Status done = InPieces(
      std::span<const VectorUpdate>(kept), PrintUpdate, [&](const std::string& body) -> Status {
        MALMOI_TRY(client_.Call("PUT", path_ + "/points/vectors?wait=true", body));
        return Ok();
      });
  Changed();
  return done;
}

Status QdrantCollection::Delete(std::span<const vec::PointId> ids) {
  Status done = InPieces(ids, PrintId, [&](const std::string& body) -> Status {
    MALMOI_TRY(client_.Call("POST", path_ + "/points/delete?wait=true", body));
    return Ok();
  });
  Changed();
  return done;
}

Result<std::uint64_t> QdrantCollection::DeleteWhere(const vec::Filter& filter) {
  MALMOI_TRY(const std::uint64_t count, Count(&filter));
  Writer w;
  w.BeginObject().Key("filter");
  vec::PrintFilter(filter, &w);
  w.EndObject();
  MALMOI_TRY(client_.Call("POST", path_ + "/points/delete?wait=true", w.text()));
  Changed();
  return count;
}

// The interface merges metadata: members that are gone are set to null, which removes them.
Status QdrantCollection::SetMetadata(std::string_view json_object) {
  MALMOI_TRY(const json::Value wanted, json::Parse(json_object));
  const vec::CollectionConfig before = config();
  MALMOI_TRY(const json::Value current, json::Parse(before.metadata));
  Writer metadata;
  metadata.BeginObject();
  for (const auto& [name, value] : wanted.members()) metadata.Field(name, value);
  for (const auto& [name, value] : current.members()) {
    if (wanted.Find(name) == nullptr) metadata.Key(name).PutNull();
  }
  metadata.EndObject();
  Writer w;
  w.BeginObject().Key("metadata").PutRaw(metadata.text()).EndObject();
  MALMOI_TRY(client_.Call("PATCH", path_, w.text()));
  const std::lock_guard lock(mutex_);
  config_.metadata = json_object;
  return Ok();
}

Status QdrantCollection::Export(const std::string&) {
  return Error(Code::kUnsupported,
               "a store on the network writes its snapshots itself: POST " + path_ + "/snapshots");
}

}  // namespace malmoi::remote

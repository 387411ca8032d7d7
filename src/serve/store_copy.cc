#include "serve/store_copy.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "json/value.h"
#include "json/writer.h"

namespace malmoi::serve {
namespace {

using json::Value;
using json::Writer;

using remote::Escaped;
using Side = remote::QdrantClient;

// The body that makes a collection like the described one.
std::string CreationBody(const Value& info) {
  Writer writer;
  writer.BeginObject();
  const Value* config = info.Find("config");
  const auto put = [&](std::string_view name, const Value* value) {
    if (value != nullptr && !value->is_null()) writer.Key(name).Put(*value);
  };
  if (config != nullptr) {
    if (const Value* params = config->Find("params")) {
      for (const std::string_view name :
           {"vectors", "sparse_vectors", "on_disk_payload", "payload"}) {
        put(name, params->Find(name));
      }
    }
    put("optimizers_config", config->Find("optimizer_config"));
    for (const std::string_view name :
         {"hnsw_config", "wal_config", "quantization_config", "strict_mode_config", "metadata"}) {
      put(name, config->Find(name));
    }
  }
  writer.EndObject();
  return std::move(writer).Take();
}

// A payload index as it is asked for: the parameters, which name their type, or the type.
std::string IndexBody(const std::string& field, const Value& info) {
  Writer writer;
  writer.BeginObject().Field("field_name", field).Key("field_schema");
  const Value* params = info.Find("params");
  if (params != nullptr && params->is_object()) {
    writer.Put(*params);
  } else {
    writer.Put(info.GetString("data_type"));
  }
  writer.EndObject();
  return std::move(writer).Take();
}

// Equal members, items and texts; numbers equal to `tolerance` of themselves (0: in value and
// kind).
bool Same(const Value& a, const Value& b, double tolerance) {
  if (a.is_number() && b.is_number() && tolerance > 0) {
    const double x = *a.AsDouble(), y = *b.AsDouble();
    return std::abs(x - y) <= tolerance * std::max({1.0, std::abs(x), std::abs(y)});
  }
  if (a.kind() != b.kind() || a.items().size() != b.items().size() ||
      a.members().size() != b.members().size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.items().size(); ++i) {
    if (!Same(a.items()[i], b.items()[i], tolerance)) return false;
  }
  for (const auto& [name, member] : a.members()) {
    const Value* other = b.Find(name);
    if (other == nullptr || !Same(member, *other, tolerance)) return false;
  }
  const bool leaf = !a.is_array() && !a.is_object();
  return !leaf || a.Dump() == b.Dump();
}

// A member, or an empty object where there is none.
const Value& Part(const Value& point, std::string_view name) {
  static const Value kEmpty = Value::Object({});
  const Value* part = point.Find(name);
  return part == nullptr || part->is_null() ? kEmpty : *part;
}

class Copier {
 public:
  Copier(const Side& from, const Side& to, const CopyOptions& options, const CopyProgress& progress)
      : from_(from), to_(to), options_(options), progress_(progress) {}

  Result<CopiedCollection> Copy(const std::string& name) {
    const std::string path = "/collections/" + Escaped(name);
    MALMOI_TRY(const Value info, from_.Call("GET", path));
    MALMOI_TRY(const bool there, to_.Has(name));
    if (there && !options_.resume) {
      return Error(Code::kAlreadyExists, "the destination has a collection '" + name +
                                             "' already: delete it there, or go on with --resume");
    }
    if (!there) MALMOI_TRY(to_.Call("PUT", path, CreationBody(info)));
    CopiedCollection copied{.name = name};
    MALMOI_TRY(const std::uint64_t total, from_.Count(name));
    MALMOI_TRY(CopyPoints(path, name, there, total, &copied));
    if (const Value* schema = info.Find("payload_schema")) {
      for (const auto& [field, index] : schema->members()) {
        MALMOI_TRY(to_.Call("PUT", path + "/index?wait=true", IndexBody(field, index)));
      }
    }
    MALMOI_TRY(const std::uint64_t now, to_.Count(name));
    if (now < copied.points) {
      return Error(Code::kInternal, "collection '" + name + "': " + std::to_string(copied.points) +
                                        " points were read, but the destination counts " +
                                        std::to_string(now) + "; run again with --resume");
    }
    if (options_.verify) {
      // float16 that is normalised once more may change in its last bit.
      const bool half = info.Dump().find("\"float16\"") != std::string::npos;
      MALMOI_TRY(Compare(path, name, half ? 1e-3 : 1e-6, &copied));
    }
    return copied;
  }

 private:
  Status CopyPoints(const std::string& path, const std::string& name, bool there,
                    std::uint64_t total, CopiedCollection* copied) {
    Value offset;
    do {
      if (options_.cancel != nullptr && options_.cancel->IsSet()) {
        return Error(Code::kCancelled, "stopped; run again with --resume to go on");
      }
      MALMOI_TRY(const auto page, from_.Scroll(name, offset, options_.batch));
      const std::size_t count = page->size();
      if (!page->next.is_null() && (count == 0 || page->next.Dump() == offset.Dump())) {
        return Error(Code::kInternal, "the source's pages do not end: the one from " +
                                          offset.Dump() + " leads to " + page->next.Dump());
      }
      bool all_there = false;
      if (there && count > 0) {
        MALMOI_TRY(all_there, AllThere(path, *page));
      }
      offset = page->next;
      if (all_there) {
        copied->skipped += count;
      } else {
        MALMOI_TRY(to_.Upsert(name, *page));
      }
      copied->points += count;
      progress_(name, copied->points, std::max(total, copied->points));
    } while (!offset.is_null());
    return Ok();
  }

  Status Compare(const std::string& path, const std::string& name, double tolerance,
                 CopiedCollection* copied) {
    const std::string label = name + ": comparing";
    Value offset;
    std::uint64_t done = 0;
    do {
      if (options_.cancel != nullptr && options_.cancel->IsSet()) {
        return Error(Code::kCancelled, "stopped while comparing; all points were copied");
      }
      MALMOI_TRY(const auto page, from_.Scroll(name, offset, options_.batch));
      offset = page->next;
      if (page->size() == 0) break;
      MALMOI_TRY(const Value ids, page->Ids());
      MALMOI_TRY(const Value points, page->Points());
      Writer writer;
      writer.BeginObject().Key("ids").Put(ids);
      writer.Field("with_payload", true).Field("with_vector", true).EndObject();
      MALMOI_TRY(const Value found, to_.Call("POST", path + "/points", writer.text()));
      std::map<std::string, const Value*> there;
      for (const Value& point : found.items()) there[Part(point, "id").Dump()] = &point;
      for (const Value& point : points.items()) {
        const auto other = there.find(Part(point, "id").Dump());
        const bool same = other != there.end() &&
                          Same(Part(point, "payload"), Part(*other->second, "payload"), 0) &&
                          Same(Part(point, "vector"), Part(*other->second, "vector"), tolerance);
        copied->different += same ? 0 : 1;
      }
      done += page->size();
      progress_(label, done, std::max(copied->points, done));
    } while (!offset.is_null());
    return Ok();
  }

  Result<bool> AllThere(const std::string& path, const remote::PointPage& page) const {
    MALMOI_TRY(const Value ids, page.Ids());
    Writer writer;
    writer.BeginObject().Key("ids").Put(ids);
    writer.Field("with_payload", false).Field("with_vector", false).EndObject();
    MALMOI_TRY(const Value found, to_.Call("POST", path + "/points", writer.text()));
    return found.items().size() == page.size();
  }

  const Side& from_;
  const Side& to_;
  const CopyOptions& options_;
  const CopyProgress& progress_;
};

Status CopyAliases(const Side& from, const Side& to) {
  MALMOI_TRY(const Value answer, from.Call("GET", "/aliases"));
  const Value* aliases = answer.Find("aliases");
  if (aliases == nullptr || aliases->items().empty()) return Ok();
  Writer writer;
  writer.BeginObject().Key("actions").BeginArray();
  for (const Value& alias : aliases->items()) {
    writer.BeginObject().Key("create_alias").Put(alias).EndObject();
  }
  writer.EndArray().EndObject();
  MALMOI_TRY(to.Call("POST", "/collections/aliases", std::move(writer).Take()));
  return Ok();
}

}  // namespace

Result<std::vector<CopiedCollection>> CopyStore(const StoreAddress& from, const StoreAddress& to,
                                                const CopyOptions& options,
                                                const CopyProgress& progress) {
  const Side source(from, options.cancel), destination(to, options.cancel);
  std::vector<std::string> names = options.collections;
  if (names.empty()) {
    MALMOI_TRY(const Value list, source.Call("GET", "/collections"));
    if (const Value* collections = list.Find("collections")) {
      for (const Value& one : collections->items()) names.emplace_back(one.GetString("name"));
    }
    std::ranges::sort(names);
  }
  std::vector<CopiedCollection> copied;
  Copier copier(source, destination, options, progress);
  for (const std::string& name : names) {
    auto one = copier.Copy(name);
    if (!one.ok()) {
      // A side refused what the other one gave: no fault of who asked for the copy.
      const Code code = one.error().code();
      return Error(code == Code::kInvalidArgument ? Code::kInternal : code, one.error().message())
          .With("copy collection '" + name + "'");
    }
    copied.push_back(std::move(one).value());
  }
  if (options.collections.empty()) MALMOI_TRY(CopyAliases(source, destination));
  return copied;
}

}  // namespace malmoi::serve

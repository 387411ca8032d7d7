#include "remote/qdrant_database.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>

#include "base/strings.h"
#include "json/writer.h"
#include "qdrant/config_store.h"
#include "qdrant/parse.h"
#include "remote/qdrant_collection_internal.h"

namespace malmoi::remote {
namespace {

using json::Value;
using json::Writer;

constexpr std::size_t kOwnerDigits = 16;

std::string RandomHex(std::size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string out;
  while (out.size() < digits) out.push_back(kDigits[random() % 16]);
  return out;
}

Result<std::string> OwnerOf(os::Vfs& vfs, const std::string& file) {
  auto text = os::ReadFile(vfs, file);
  if (text.ok()) {
    const std::string owner(Trim(text.value()));
    const bool good = owner.size() == kOwnerDigits &&
                      owner.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (good) return owner;
    return Error(Code::kCorruption, "'" + file + "' holds no owner of " +
                                        std::to_string(kOwnerDigits) + " hexadecimal digits");
  }
  if (text.error().code() != Code::kNotFound) return std::move(text.error());
  const std::string owner = RandomHex(kOwnerDigits);
  MALMOI_TRY(os::WriteAtomically(vfs, file, owner + "\n"));
  return owner;
}

void PutObject(std::string_view name, const Value& config, std::string_view shown_as, Writer* w) {
  const Value* value = config.Find(shown_as);
  if (value != nullptr && !value->is_null()) w->Key(name).Put(*value);
}

// The body that makes a collection of this configuration.
std::string CreationBody(const vec::CollectionConfig& config) {
  const Value shown = qdrant::ShownConfig(config);
  Writer w;
  w.BeginObject();
  if (const Value* params = shown.Find("params")) {
    PutObject("vectors", *params, "vectors", &w);
    PutObject("sparse_vectors", *params, "sparse_vectors", &w);
  }
  // What the caller chose; the rest is the server's own default.
  const Value settings = qdrant::ParseObject(config.settings);
  PutObject("optimizers_config", settings, "optimizer_config", &w);
  PutObject("hnsw_config", settings, "hnsw_config", &w);
  PutObject("quantization_config", settings, "quantization_config", &w);
  w.Key("metadata").PutRaw(config.metadata).EndObject();
  return std::move(w).Take();
}

// What a described collection was made with.
Result<vec::CollectionConfig> ConfigOf(const Value& described) {
  const Value* config = described.Find("config");
  const Value* params = config == nullptr ? nullptr : config->Find("params");
  if (params == nullptr) return Error(Code::kInternal, "the store described no configuration");
  qdrant::CreateCollection request;
  qdrant::Why why;
  if (!qdrant::Read(*params, &request, &why)) {
    return Error(Code::kUnsupported, "a configuration that is not known here: " + why);
  }
  vec::CollectionConfig stored = qdrant::ToStoredConfig(request);
  const Value* metadata = config->Find("metadata");
  if (metadata != nullptr && metadata->is_object()) stored.metadata = metadata->Dump();
  return stored;
}

class QdrantDatabase final : public vec::Database {
 public:
  QdrantDatabase(QdrantClient client, std::string owner)
      : client_(std::move(client)), prefix_("malmoi-" + owner + "-") {}

  // Reads the aliases, and drops collections that an interrupted Create or Rename left without.
  Status Load() {
    MALMOI_TRY(const Value answer, client_.Call("GET", "/aliases"));
    const std::lock_guard lock(mutex_);
    if (const Value* aliases = answer.Find("aliases")) {
      for (const Value& alias : aliases->items()) {
        const std::string collection(alias.GetString("collection_name"));
        if (!collection.starts_with(prefix_)) continue;
        behind_[std::string(alias.GetString("alias_name"))] = collection;
      }
    }
    MALMOI_TRY(const Value list, client_.Call("GET", "/collections"));
    const Value* collections = list.Find("collections");
    if (collections == nullptr) return Ok();
    for (const Value& one : collections->items()) {
      const std::string name(one.GetString("name"));
      const bool named =
          std::ranges::any_of(behind_, [&](const auto& entry) { return entry.second == name; });
      if (name.starts_with(prefix_) && !named) MALMOI_TRY(Remove(name));
    }
    return Ok();
  }

  Result<std::shared_ptr<vec::Collection>> Create(const std::string& name,
                                                  const vec::CollectionConfig& config) override {
    const std::lock_guard lock(mutex_);
    // Both a collection's own name and an alias answer here.
    MALMOI_TRY(const bool taken, client_.Has(name));
    if (taken) {
      return Error(Code::kAlreadyExists, "the store at " + client_.address().url +
                                             " has a collection or alias '" + name +
                                             "' of its own: choose another name with --collection");
    }
    const std::string collection = prefix_ + RandomHex(8);
    MALMOI_TRY(client_.Call("PUT", "/collections/" + collection, CreationBody(config)));
    MALMOI_TRY(SwitchAliases({}, name, collection));
    behind_[name] = collection;
    return Open(name, config);
  }

  Result<std::shared_ptr<vec::Collection>> Get(const std::string& name) const override {
    const std::lock_guard lock(mutex_);
    if (!behind_.contains(name)) return Missing(name);
    if (const auto at = open_.find(name); at != open_.end()) return at->second;
    MALMOI_TRY(const Value described, client_.Call("GET", "/collections/" + Escaped(name)));
    MALMOI_TRY(const auto config, ConfigOf(described));
    return Open(name, config);
  }

  Status Drop(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    const auto at = behind_.find(name);
    if (at == behind_.end()) return Missing(name);
    MALMOI_TRY(Remove(at->second));  // Its aliases go with it.
    behind_.erase(at);
    open_.erase(name);
    return Ok();
  }

  Status Rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    const auto at = behind_.find(from);
    if (at == behind_.end()) return Missing(from);
    const std::string collection = at->second;
    const auto replaced = behind_.find(to);
    const std::string old = replaced == behind_.end() ? "" : replaced->second;
    std::vector<std::string> gone = {from};
    if (!old.empty()) gone.push_back(to);
    MALMOI_TRY(SwitchAliases(gone, to, collection));
    behind_.erase(from);
    behind_[to] = collection;
    open_.erase(from);
    open_.erase(to);
    return old.empty() ? Ok() : Remove(old);
  }

  Result<std::shared_ptr<vec::Collection>> Import(const std::string&, const std::string&) override {
    return Error(Code::kUnsupported,
                 "a store on the network takes no folder: malmoi store copy FOLDER " +
                     client_.address().url);
  }
  std::vector<std::string> List() const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, collection] : behind_) names.push_back(name);
    return names;
  }
  std::vector<std::pair<std::string, std::string>> damaged() const override { return {}; }
  std::string owner_state() const override {
    const std::lock_guard lock(mutex_);
    return owner_state_;
  }
  Status SetOwnerState(std::string_view json_object) override {
    const std::lock_guard lock(mutex_);
    owner_state_ = json_object;
    return Ok();
  }

 private:
  static Error Missing(const std::string& name) {
    return Error(Code::kNotFound, "no collection '" + name + "'");
  }
  std::shared_ptr<vec::Collection> Open(const std::string& name,
                                        const vec::CollectionConfig& config) const {
    return open_[name] = std::make_shared<QdrantCollection>(client_, name, config);
  }
  // In one step of the server.
  Status SwitchAliases(const std::vector<std::string>& gone, const std::string& name,
                       const std::string& collection) const {
    Writer w;
    w.BeginObject().Key("actions").BeginArray();
    for (const std::string& alias : gone) {
      w.BeginObject().Key("delete_alias").BeginObject().Field("alias_name", alias);
      w.EndObject().EndObject();
    }
    w.BeginObject().Key("create_alias").BeginObject().Field("alias_name", name);
    w.Field("collection_name", collection).EndObject().EndObject();
    w.EndArray().EndObject();
    MALMOI_TRY(client_.Call("POST", "/collections/aliases", w.text()));
    return Ok();
  }
  Status Remove(const std::string& collection) const {
    MALMOI_TRY(client_.Call("DELETE", "/collections/" + collection));
    return Ok();
  }

  const QdrantClient client_;
  const std::string prefix_;
  mutable std::mutex mutex_;                   // guards: all below; held over calls.
  std::map<std::string, std::string> behind_;  // Collections by alias.
  mutable std::map<std::string, std::shared_ptr<vec::Collection>> open_;
  std::string owner_state_ = "{}";
};

}  // namespace

Result<std::unique_ptr<vec::Database>> OpenQdrant(const StoreAddress& address, os::Vfs& vfs,
                                                  const std::string& owner_file) {
  MALMOI_TRY(auto owner, OwnerOf(vfs, owner_file));
  auto database = std::make_unique<QdrantDatabase>(QdrantClient(address), std::move(owner));
  MALMOI_TRY(database->Load().With("open the store at " + address.url +
                                   " (is it running, and the key right?)"));
  return std::unique_ptr<vec::Database>(std::move(database));
}

}  // namespace malmoi::remote

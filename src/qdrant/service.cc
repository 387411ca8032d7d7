#include "qdrant/service.h"

#include <algorithm>

#include "base/clock.h"
#include "json/writer.h"
#include "qdrant/config_store.h"

namespace malmoi::qdrant {
namespace {

using json::Value;

// {"aliases": {alias: collection}} of vec's owner state.
std::map<std::string, std::string> ParseAliases(const std::string& state) {
  std::map<std::string, std::string> aliases;
  const Value object = ParseObject(state);
  const Value* list = object.Find("aliases");
  if (list == nullptr) return aliases;
  for (const auto& [alias, collection] : list->members()) {
    if (collection.is_string()) aliases[alias] = std::string(*collection.AsString());
  }
  return aliases;
}

}  // namespace

Service::Service(const ServiceOptions& options) : options_(options), quotas_(options.directory) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::Open(const ServiceOptions& options) {
  auto service = std::unique_ptr<Service>(new Service(options));
  MALMOI_TRY(service->database_,
             vec::Database::Open(*options.vfs, options.directory, options.threads,
                                 options.memory_bytes, vec::Opening::kAtFirstUse));
  const std::string state = service->database_->owner_state();
  service->aliases_ = ParseAliases(state);
  const Value object = ParseObject(state);
  if (const Value* kept = object.Find("quotas")) {
    QuotaConfig quotas;
    Why why;
    if (ReadQuotas(*kept, &quotas, &why)) service->quotas_.Set(quotas);
  }
  return service;
}

Status Service::Remember(const std::string& name, std::shared_ptr<vec::Collection> store) const {
  auto open = std::make_shared<OpenCollection>();
  open->name = name;
  open->settings = ParseObject(store->config().settings);
  open->store = std::move(store);
  const std::unique_lock lock(map_mutex_);
  open_[name] = std::move(open);
  return Ok();
}

std::string Service::Resolve(const std::string& name) const {
  const std::shared_lock lock(map_mutex_);
  const auto alias = aliases_.find(name);
  return alias == aliases_.end() ? name : alias->second;
}

Result<OpenCollectionPtr> Service::Find(const std::string& name) const {
  const std::string real = Resolve(name);
  {
    const std::shared_lock lock(map_mutex_);
    const auto found = open_.find(real);
    if (found != open_.end()) return found->second;
  }
  if (!options_.recovery_reason.empty()) {
    if (!CollectionExists(real)) return CollectionMissing(name);
    return ServiceFailed("Failed to open collection `" + real +
                         "`: this server is in recovery mode: " + options_.recovery_reason);
  }
  const std::lock_guard opening(opening_mutex_);
  if (hidden_ != real) {
    auto store = database_->Get(real);
    if (store.ok()) {
      const std::shared_lock lock(map_mutex_);
      const auto found = open_.find(real);  // By another, while this one waited.
      if (found != open_.end()) return found->second;
    }
    if (!store.ok() && store.error().code() != Code::kNotFound) {
      return ServiceFailed("collection `" + real + "` is damaged: " + store.error().message());
    }
    if (store.ok()) {
      MALMOI_TRY(Remember(real, std::move(store).value()));
      const std::shared_lock lock(map_mutex_);
      return open_.at(real);
    }
  }
  return CollectionMissing(name);
}

Status Service::CreateCollection(const std::string& name, const qdrant::CreateCollection& request) {
  for (const auto& [vector, params] : request.vectors) {
    Checks checks;
    ValidateVectorName(vector, "", &checks);
    if (!checks.ok()) return BadInput("Invalid dense vector name `" + vector + "`");
  }
  for (const auto& [vector, params] : request.sparse_vectors) {
    if (vector.empty()) return BadInput("Sparse vector name cannot be empty");
    Checks checks;
    ValidateVectorName(vector, "", &checks);
    if (!checks.ok()) return BadInput("Invalid sparse vector name `" + vector + "`");
    if (request.vectors.contains(vector)) {
      return BadInput("Dense and sparse vector names must be unique - duplicate found with '" +
                      vector + "'");
    }
  }
  const std::lock_guard change(change_mutex_);
  if (Resolve(name) != name) {
    return BadInput("Can't create collection with name " + name +
                    ". Alias with the same name already exists");
  }
  if (CollectionExists(name)) return AlreadyThere("Collection `" + name + "` already exists!");
  vec::CollectionConfig config = ToStoredConfig(request);
  SetCreatedAt(vec::FormatDatetime(WallNs() / 1000), &config);
  auto store = database_->Create(name, config);
  if (!store.ok()) return FromStore(std::move(store.error()));
  return Remember(name, std::move(store).value());
}

Status Service::UpdateCollection(const std::string& name, const qdrant::UpdateCollection& request) {
  const std::lock_guard change(change_mutex_);
  MALMOI_TRY(const auto collection, Find(name));
  MALMOI_TRY(auto op, ToStoredChange(collection->store->config(), request));
  const vec::Operation operation = std::move(op);
  auto written = collection->store->Write({&operation, 1});
  if (!written.ok()) return FromStore(std::move(written.error()));
  return Remember(collection->name, collection->store);
}

// Not by an alias, as in Qdrant: who drops a name that stands for another collection keeps its
// data.
Result<bool> Service::DeleteCollection(const std::string& name) {
  const std::lock_guard change(change_mutex_);
  const std::lock_guard opening(opening_mutex_);  // Nobody opens it anew before it is gone.
  const bool damaged =
      std::ranges::any_of(database_->damaged(), [&](const auto& d) { return d.first == name; });
  if (!damaged && !std::ranges::binary_search(ListCollections(), name)) return false;
  {
    const std::unique_lock lock(map_mutex_);
    open_.erase(name);
  }
  issues_.Forget(name);
  std::map<std::string, std::string> aliases;
  {
    const std::shared_lock lock(map_mutex_);
    aliases = aliases_;
  }
  if (std::erase_if(aliases, [&](const auto& a) { return a.second == name; }) > 0) {
    MALMOI_TRY(SaveAliases(aliases));
  }
  auto dropped = database_->Drop(name);
  if (!dropped.ok()) return FromStore(std::move(dropped.error()));
  return true;
}

std::vector<std::string> Service::ListCollections() const {
  std::vector<std::string> names = database_->List();
  const std::shared_lock lock(map_mutex_);
  std::erase(names, hidden_);
  return names;
}

bool Service::CollectionExists(const std::string& name) const {
  return std::ranges::binary_search(ListCollections(), Resolve(name));
}

Result<CollectionDescription> Service::DescribeCollection(const std::string& name) const {
  MALMOI_TRY(auto collection, Find(name));
  CollectionDescription description;
  description.config = collection->store->config();
  description.info = collection->store->Info();
  description.indexes = collection->store->PayloadIndexes();
  description.collection = std::move(collection);
  return description;
}

Result<vec::Glance> Service::GlanceAtCollection(const std::string& name) const {
  const std::string real = Resolve(name);
  auto glance = database_->GlanceAt(real);
  if (glance.ok() || glance.error().code() == Code::kNotFound) return glance;
  return ServiceFailed("collection `" + real + "` is damaged: " + glance.error().message());
}

Status Service::SetQuotas(const QuotaConfig& config) {
  const std::lock_guard change(change_mutex_);
  MALMOI_TRY(SaveState(aliases_, config));  // Changed under change_mutex_ alone.
  quotas_.Set(config);
  return Ok();
}

Status Service::SaveAliases(const std::map<std::string, std::string>& aliases) {
  MALMOI_TRY(SaveState(aliases, quotas_.config()));
  const std::unique_lock lock(map_mutex_);
  aliases_ = aliases;
  return Ok();
}

Status Service::SaveState(const std::map<std::string, std::string>& aliases,
                          const QuotaConfig& quotas) {
  json::Writer writer;
  writer.BeginObject().Key("aliases").BeginObject();
  for (const auto& [alias, collection] : aliases) writer.Field(alias, collection);
  writer.EndObject().Key("quotas");
  PrintQuotas(quotas, &writer);
  writer.EndObject();
  auto saved = database_->SetOwnerState(writer.text());
  if (!saved.ok()) return FromStore(std::move(saved.error()));
  return Ok();
}

Status Service::UpdateAliases(const std::vector<AliasAction>& actions) {
  const std::lock_guard change(change_mutex_);
  std::map<std::string, std::string> aliases;
  std::vector<std::string> collections = ListCollections();
  {
    const std::shared_lock lock(map_mutex_);
    aliases = aliases_;
  }
  const auto is_collection = [&](const std::string& name) {
    return std::ranges::binary_search(collections, name);
  };
  for (const AliasAction& action : actions) {
    switch (action.kind) {
      case AliasAction::Kind::kCreate:
        if (!is_collection(action.collection)) return CollectionMissing(action.collection);
        if (is_collection(action.alias)) {
          return AlreadyThere("Collection `" + action.alias + "` already exists!");
        }
        aliases[action.alias] = action.collection;
        break;
      case AliasAction::Kind::kDelete:
        aliases.erase(action.alias);
        break;
      case AliasAction::Kind::kRename: {
        const auto found = aliases.find(action.alias);
        if (found == aliases.end()) {
          return NotFound("Alias " + action.alias + " does not exists!");
        }
        if (is_collection(action.new_alias)) {
          return AlreadyThere("Collection `" + action.new_alias + "` already exists!");
        }
        const std::string collection = found->second;
        aliases.erase(found);
        aliases[action.new_alias] = collection;
        break;
      }
    }
  }
  return SaveAliases(aliases);
}

Result<std::vector<std::pair<std::string, std::string>>> Service::ListAliases(
    const std::optional<std::string>& collection) const {
  if (collection) MALMOI_TRY(Find(*collection));
  const std::shared_lock lock(map_mutex_);
  std::vector<std::pair<std::string, std::string>> list;
  for (const auto& [alias, target] : aliases_) {
    if (!collection || target == *collection) list.emplace_back(alias, target);
  }
  return list;
}

Status Service::Restore(const std::string& name, const std::string& directory) {
  const std::lock_guard change(change_mutex_);
  const std::string shadow = name + ".restoring";
  const std::vector<std::string> names = database_->List();
  if (std::ranges::find(names, shadow) != names.end()) MALMOI_TRY(database_->Drop(shadow));
  Hide(shadow);
  auto done = RestoreFrom(directory, shadow, name);
  Hide("");
  return done;
}

void Service::Hide(std::string name) {
  const std::lock_guard opening(opening_mutex_);
  const std::unique_lock lock(map_mutex_);
  hidden_.swap(name);
}

Status Service::RestoreFrom(const std::string& directory, const std::string& shadow,
                            const std::string& name) {
  MALMOI_TRY(auto imported, database_->Import(shadow, directory));
  imported.reset();
  const std::lock_guard opening(opening_mutex_);
  {
    const std::unique_lock lock(map_mutex_);
    open_.erase(name);
  }
  MALMOI_TRY(database_->Rename(shadow, name));
  MALMOI_TRY(auto store, database_->Get(name));
  return Remember(name, std::move(store));
}

}  // namespace malmoi::qdrant

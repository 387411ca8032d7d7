// Any bytes as messages of the store's gRPC methods: the first chooses the method, the rest is the
// message, run against a small collection in memory. What is tested: no message makes a call fail
// otherwise than by an error.
#include <memory>

#include "fuzz/input.h"
#include "os/fault_vfs.h"
#include "rpc/qdrant/calls_internal.h"

using malmoi::rpc::store::Message;

namespace {

constexpr int kRuns = 500;  // Then the collection is made anew: a finding depends on few inputs.

// A service with one collection of every kind of vector.
struct World {
  malmoi::os::FaultVfs vfs{1};
  std::unique_ptr<malmoi::qdrant::Service> service;
  std::unique_ptr<malmoi::qdrant::Snapshots> snapshots;
  malmoi::serve::StoreSettings settings;
  std::unique_ptr<malmoi::rpc::store::Backend> backend;

  World() {
    malmoi::qdrant::ServiceOptions options;
    options.vfs = &vfs;
    options.directory = "/db";
    options.threads = 1;
    service = malmoi::qdrant::Service::Open(options).value();
    snapshots = std::make_unique<malmoi::qdrant::Snapshots>(*service, vfs, "/snapshots");
    backend.reset(new malmoi::rpc::store::Backend{*service, *snapshots, settings});
    malmoi::qdrant::CreateCollection create;
    create.vectors[""].size = 2;
    create.vectors[""].distance = malmoi::vec::Distance::kDot;
    create.sparse_vectors["s"];
    if (!service->CreateCollection("c", create).ok()) std::abort();
  }
};

std::vector<malmoi::rpc::store::Method> Methods() {
  std::vector<malmoi::rpc::store::Method> out;
  for (auto* group : {malmoi::rpc::store::WriteMethods, malmoi::rpc::store::ReadMethods,
                      malmoi::rpc::store::QueryMethods, malmoi::rpc::store::CollectionMethods}) {
    for (auto& method : group()) out.push_back(std::move(method));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<malmoi::rpc::store::Method> methods = Methods();
  static std::unique_ptr<World> world;
  static int runs = 0;
  if (size < 1) return 0;
  if (world == nullptr || ++runs % kRuns == 0) {
    world.reset();
    world = std::make_unique<World>();
  }
  const malmoi::rpc::store::Method& method = methods[data[0] % methods.size()];
  malmoi::rpc::store::Arena arena;
  Message* request = method.request(&arena);
  if (!request->ParseFromArray(data + 1, static_cast<int>(size - 1))) return 0;
  const auto* name = request->GetDescriptor()->FindFieldByName("collection_name");
  if (name != nullptr && size % 8 != 0) request->GetReflection()->SetString(request, name, "c");
  malmoi::rpc::store::Call call{*world->backend};
  (void)method.run(call, *request, method.answer(&arena)).ok();
  return 0;
}

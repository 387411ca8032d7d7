#pragma once

#include <memory>
#include <string>
#include <vector>

namespace grpc {
class Service;
}

namespace malmoi::rpc {

// grpc.reflection.v1.ServerReflection over the messages that are linked into the program. gRPC's
// own plugin, which servers have beside it, knows v1alpha alone; clients of today ask for v1 first.
// `services`: full names of what the server has, apart from reflection itself.
// Not thread-safe to make; serves concurrently.
std::unique_ptr<grpc::Service> MakeReflection(std::vector<std::string> services);

}  // namespace malmoi::rpc

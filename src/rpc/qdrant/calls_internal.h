#pragma once

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "qdrant/service.h"
#include "qdrant/snapshots.h"
#include "rpc/qdrant/payload.pb.h"
#include "serve/qdrant/store_access.h"

namespace malmoi::rpc::store {

namespace pb = ::qdrant;
using google::protobuf::Arena;
using google::protobuf::Message;

// What all calls share.
struct Backend {
  qdrant::Service& service;
  qdrant::Snapshots& snapshots;
  const serve::StoreSettings& settings;
};

// One call being answered.
struct Call {
  Backend& backend;
  std::string_view key = {};  // API key or token.
  qdrant::InferenceUsage usage = {};

  qdrant::Service& service() const { return backend.service; }
};

// A method of a service. Requests and answers live on the call's arena; members "time" and "usage"
// of the answer are filled by the server.
struct Method {
  std::string path;  // "/qdrant.Points/Upsert"
  std::string name;  // As the operation is called over REST: "upsert_points".
  serve::Access access;
  Message* (*request)(Arena* arena);
  Message* (*answer)(Arena* arena);
  Status (*run)(Call& call, const Message& request, Message* answer);
};

// "upsert_points" of "/qdrant.Points/Upsert".
std::string OperationName(const std::string& path);

template <class Function>
struct Types;
template <class In, class Out>
struct Types<Status (*)(Call&, const In&, Out*)> {
  using Request = In;
  using Answer = Out;
};

template <auto run>
Method Of(std::string path, serve::Access access) {
  using Request = typename Types<decltype(run)>::Request;
  using Answer = typename Types<decltype(run)>::Answer;
  std::string name = OperationName(path);
  return {.path = std::move(path),
          .name = std::move(name),
          .access = access,
          .request = [](Arena* arena) -> Message* { return Arena::CreateMessage<Request>(arena); },
          .answer = [](Arena* arena) -> Message* { return Arena::CreateMessage<Answer>(arena); },
          .run = [](Call& call, const Message& request, Message* answer) -> Status {
            return run(call, static_cast<const Request&>(request), static_cast<Answer*>(answer));
          }};
}

// The services, each in a file or two.
std::vector<Method> CollectionMethods();
std::vector<Method> WriteMethods();
std::vector<Method> ReadMethods();
std::vector<Method> QueryMethods();
std::vector<Method> SnapshotMethods();

// What validation found, as this wire says it.
Status Checked(const qdrant::Checks& checks);
// An error of reading JSON, which names no JSON here.
Error WithoutJson(Error error);

// A request of qdrant's from the JSON form of a message.
template <class T>
Result<T> ReadForm(const json::Value& form) {
  auto out = qdrant::ReadAs<T>(form);
  if (!out.ok()) return WithoutJson(std::move(out.error()));
  return out;
}

}  // namespace malmoi::rpc::store

#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>
#include <vector>

#include "remote/store_link.h"
#include "rpc/qdrant/answers.pb.h"
#include "rpc/qdrant/store_link.h"

namespace malmoi::rpc::store {

namespace pb = ::qdrant;

// One connection to a server. Thread-safe.
class Channel {
 public:
  virtual ~Channel() = default;
  // One call, e.g. of "/qdrant.Points/Scroll", tried again as LinkOptions say.
  virtual Status Call(const char* path, const google::protobuf::Message& request,
                      google::protobuf::Message* answer, const Cancel* cancel) = 0;
};
Result<std::unique_ptr<Channel>> OpenChannel(const LinkOptions& options);

// A request of REST, taken apart.
struct Asked {
  Channel& channel;
  std::string method, path;
  std::vector<std::string> args;  // What stands for "{}" in the route.
  std::map<std::string, std::string> parameters;
  json::Value body;
  const Cancel* cancel = nullptr;
};
// What REST answers in `result` (link_routes.cc). Errors: kUnsupported where no call says it.
Result<json::Value> Answer(Asked& asked);

// Points of an answer as REST shows them (link_points.cc).
json::Value Shown(const pb::RetrievedPoint& point);
json::Value Shown(const pb::ScoredPoint& point);

// Points on their way from one store to the next, in the form of an upsert.
class MessagePage final : public remote::PointPage {
 public:
  explicit MessagePage(pb::ScrollResponse answer);
  std::size_t size() const override { return static_cast<std::size_t>(points_.points_size()); }
  Result<json::Value> Ids() const override;
  Result<json::Value> Points() const override;
  pb::UpsertPoints& points() { return points_; }

 private:
  pb::UpsertPoints points_;
};

}  // namespace malmoi::rpc::store

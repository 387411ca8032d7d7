#include "rpc/qdrant/store_link.h"

#ifdef MALMOI_GRPC
#include "rpc/qdrant/fill_internal.h"
#include "rpc/qdrant/link_internal.h"

namespace malmoi::rpc::store {
namespace {

class GrpcLink final : public remote::StoreLink {
 public:
  explicit GrpcLink(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  Result<json::Value> Call(const std::string& method, const std::string& path,
                           const std::string& body, const Cancel* cancel) override {
    Asked asked{.channel = *channel_,
                .method = method,
                .path = path,
                .args = {},
                .parameters = {},
                .body = {},
                .cancel = cancel};
    if (!body.empty()) {
      MALMOI_TRY(asked.body, json::Parse(body).With("request"));
    }
    return Answer(asked);
  }

  Result<std::unique_ptr<remote::PointPage>> Scroll(const std::string& collection,
                                                    const json::Value& offset, std::size_t limit,
                                                    const Cancel* cancel) override {
    pb::ScrollPoints request;
    request.set_collection_name(collection);
    request.set_limit(static_cast<std::uint32_t>(limit));
    request.mutable_with_payload()->set_enable(true);
    request.mutable_with_vectors()->set_enable(true);
    if (offset.is_string()) request.mutable_offset()->set_uuid(std::string(*offset.AsString()));
    if (const auto number = offset.AsUint()) request.mutable_offset()->set_num(*number);
    pb::ScrollResponse answer;
    MALMOI_TRY(channel_->Call("/qdrant.Points/Scroll", request, &answer, cancel));
    return std::unique_ptr<remote::PointPage>(std::make_unique<MessagePage>(std::move(answer)));
  }

  Status Upsert(const std::string& collection, remote::PointPage& page,
                const Cancel* cancel) override {
    if (auto* own = dynamic_cast<MessagePage*>(&page)) {
      own->points().set_collection_name(collection);
      return Send(&own->points(), cancel);
    }
    MALMOI_TRY(const json::Value points, page.Points());
    pb::UpsertPoints request;
    request.set_collection_name(collection);
    request.set_wait(true);
    for (const json::Value& point : points.items()) {
      pb::PointStruct* to = request.add_points();
      for (const auto& [name, member] : point.members()) {
        if (name != "id" && name != "vector" && name != "payload") continue;
        MALMOI_TRY(Fill(json::Value::Object({{name, member}}), to));
      }
    }
    return Send(&request, cancel);
  }

 private:
  Status Send(pb::UpsertPoints* request, const Cancel* cancel) {
    if (request->points().empty()) return Ok();
    pb::PointsOperationResponse answer;
    Status done = channel_->Call("/qdrant.Points/Upsert", *request, &answer, cancel);
    if (done.ok() || done.error().code() != Code::kOutOfRange || request->points_size() == 1) {
      return done;
    }
    pb::UpsertPoints half;
    half.set_collection_name(request->collection_name());
    half.set_wait(true);
    const int keep = request->points_size() / 2, rest = request->points_size() - keep;
    std::vector<pb::PointStruct*> moved(static_cast<std::size_t>(rest));
    request->mutable_points()->ExtractSubrange(keep, rest, moved.data());
    for (pb::PointStruct* point : moved) half.mutable_points()->AddAllocated(point);
    MALMOI_TRY(Send(request, cancel));
    return Send(&half, cancel);
  }

  const std::unique_ptr<Channel> channel_;
};

}  // namespace

Result<std::shared_ptr<remote::StoreLink>> ConnectStore(const LinkOptions& options) {
  MALMOI_TRY(auto channel, OpenChannel(options));
  return std::shared_ptr<remote::StoreLink>(std::make_shared<GrpcLink>(std::move(channel)));
}

bool HasGrpc() {
  return true;
}

}  // namespace malmoi::rpc::store

#else

namespace malmoi::rpc::store {

bool HasGrpc() {
  return false;
}

Result<std::shared_ptr<remote::StoreLink>> ConnectStore(const LinkOptions& options) {
  return Error(Code::kUnsupported, "reach " + options.url +
                                       ": this program was built without gRPC; give the REST "
                                       "address, qdrant://HOST:6333");
}

}  // namespace malmoi::rpc::store

#endif

namespace malmoi::rpc::store {

Result<remote::StoreAddress> StoreAddressOf(const std::string& text, const std::string& key,
                                            const remote::StoreTls& tls) {
  remote::StoreAddress address{.url = {}, .key = key, .tls = tls};
  MALMOI_TRY(address.url, remote::StoreUrl(text));
  if (!remote::IsGrpcUrl(address.url)) return address;
  MALMOI_TRY(address.link, ConnectStore({.url = address.url, .key = key, .tls = tls}));
  return address;
}

}  // namespace malmoi::rpc::store

#include "rpc/qdrant/points_client.h"

#ifdef MALMOI_GRPC
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <vector>

#include "json/value.h"
#include "rpc/qdrant/convert_internal.h"
#include "rpc/qdrant/points.pb.h"

namespace malmoi::rpc::store {
namespace {

namespace pb = ::qdrant;

Status FillPayload(const std::string& text, pb::PointStruct* out) {
  MALMOI_TRY(const auto payload, json::Parse(text).With("payload"));
  for (const auto& [name, value] : payload.members()) {
    pb::Value& to = (*out->mutable_payload())[name];
    if (const auto integer = value.AsInt()) {
      to.set_integer_value(*integer);
    } else if (const auto number = value.AsDouble()) {
      to.set_double_value(*number);
    } else if (const auto string = value.AsString()) {
      to.set_string_value(std::string(*string));
    } else {
      return Error(Code::kUnsupported, "payload member '" + name + "' is no number and no string");
    }
  }
  return Ok();
}

class PointsClientImpl final : public PointsClient {
 public:
  explicit PointsClientImpl(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    method_ = std::make_unique<grpc::internal::RpcMethod>(
        "/qdrant.Points/Upsert", grpc::internal::RpcMethod::NORMAL_RPC, channel_);
  }

  Result<std::size_t> Prepare(const std::string& collection,
                              std::span<const vec::Point> points) override {
    auto& request = requests_.emplace_back();
    request.set_collection_name(collection);
    request.set_wait(true);
    for (const vec::Point& point : points) {
      pb::PointStruct* to = request.add_points();
      const auto vector = point.vectors.dense.find("");
      if (vector == point.vectors.dense.end()) {
        return Error(Code::kUnsupported, "a point without an unnamed dense vector");
      }
      auto* data = to->mutable_vectors()->mutable_vector()->mutable_dense()->mutable_data();
      data->Add(vector->second.begin(), vector->second.end());
      MALMOI_TRY(FillPayload(point.payload, to));
    }
    return requests_.size() - 1;
  }

  Status Send(std::size_t number, std::uint64_t first) override {
    auto& request = requests_[number];
    for (auto& point : *request.mutable_points()) point.mutable_id()->set_num(first++);
    grpc::ClientContext context;
    pb::PointsOperationResponse answer;
    using Lite = google::protobuf::MessageLite;
    const grpc::Status status =
        grpc::internal::BlockingUnaryCall<pb::UpsertPoints, pb::PointsOperationResponse, Lite,
                                          Lite>(channel_.get(), *method_, &context, request,
                                                &answer);
    if (status.ok()) return Ok();
    return Error(Code::kUnavailable, "upsert over gRPC: " + status.error_message());
  }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::internal::RpcMethod> method_;
  std::vector<pb::UpsertPoints> requests_;
};

}  // namespace

Result<std::unique_ptr<PointsClient>> PointsClient::Create(const std::string& address) {
  return std::unique_ptr<PointsClient>(std::make_unique<PointsClientImpl>(address));
}

}  // namespace malmoi::rpc::store

#else

namespace malmoi::rpc::store {

Result<std::unique_ptr<PointsClient>> PointsClient::Create(const std::string&) {
  return Error(Code::kUnsupported, "this program was built without gRPC");
}

}  // namespace malmoi::rpc::store

#endif

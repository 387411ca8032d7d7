#include "rpc/tei/server.h"

#ifdef MALMOI_GRPC
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "rpc/tei/calls_internal.h"
#include "rpc/tei/tei.grpc.pb.h"

namespace malmoi::rpc::tei {
namespace {

constexpr int kMessageBytesMax = 32 << 20;

grpc::Status StatusOf(const Error& error) {
  switch (error.code()) {
    case Code::kNotFound:
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return {grpc::StatusCode::INVALID_ARGUMENT, error.message()};
    case Code::kOverloaded:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.message()};
    case Code::kUnavailable:
      return {grpc::StatusCode::UNAVAILABLE, error.message()};
    case Code::kCancelled:
      return {grpc::StatusCode::CANCELLED, error.message()};
    default:
      return {grpc::StatusCode::FAILED_PRECONDITION, error.message()};
  }
}

// What the five services share: key, one message, a stream of messages.
class Front {
 public:
  explicit Front(const serve::tei::Service& service)
      : service_(service),
        wanted_(service.options.api_key.empty() ? "" : "Bearer " + service.options.api_key) {}

  grpc::Status CheckKey(const grpc::ServerContext& context) const {
    if (wanted_.empty()) return grpc::Status::OK;
    const auto found = context.client_metadata().find("authorization");
    if (found != context.client_metadata().end() &&
        std::string_view(found->second.data(), found->second.size()) == wanted_) {
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::UNAUTHENTICATED, "No valid auth token"};
  }

  template <class Request, class Response>
  grpc::Status One(grpc::ServerContext* context,
                   Result<Response> (*handle)(const Call&, const Request&), const Request* request,
                   Response* response) const {
    if (grpc::Status status = CheckKey(*context); !status.ok()) return status;
    return Handle(handle, *request, response);
  }

  template <class Request, class Response>
  grpc::Status Many(grpc::ServerContext* context,
                    Result<Response> (*handle)(const Call&, const Request&),
                    grpc::ServerReaderWriter<Response, Request>* stream) const {
    if (grpc::Status status = CheckKey(*context); !status.ok()) return status;
    for (Request request; stream->Read(&request);) {
      Response response;
      if (grpc::Status s = Handle(handle, request, &response); !s.ok()) return s;
      if (!stream->Write(response)) break;
    }
    return grpc::Status::OK;
  }

 private:
  // An exception must not reach gRPC's thread.
  template <class Request, class Response>
  grpc::Status Handle(Result<Response> (*handle)(const Call&, const Request&),
                      const Request& request, Response* response) const {
    try {
      const Cancel never;
      auto result = handle({service_, never, MonotonicNs()}, request);
      if (!result.ok()) return StatusOf(result.error());
      *response = std::move(result).value();
      return grpc::Status::OK;
    } catch (const std::exception& e) {
      return {grpc::StatusCode::INTERNAL, e.what()};
    }
  }

  const serve::tei::Service& service_;
  const std::string wanted_;
};

class InfoService final : public pb::Info::Service {
 public:
  explicit InfoService(const Front& front) : front_(front) {}
  grpc::Status Info(grpc::ServerContext* context, const pb::InfoRequest* request,
                    pb::InfoResponse* response) override {
    return front_.One(context, tei::Info, request, response);
  }

 private:
  const Front& front_;
};

class EmbedService final : public pb::Embed::Service {
 public:
  explicit EmbedService(const Front& front) : front_(front) {}
  grpc::Status Embed(grpc::ServerContext* context, const pb::EmbedRequest* request,
                     pb::EmbedResponse* response) override {
    return front_.One(context, tei::Embed, request, response);
  }
  grpc::Status EmbedStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::EmbedResponse, pb::EmbedRequest>* stream) override {
    return front_.Many(context, tei::Embed, stream);
  }
  grpc::Status EmbedSparse(grpc::ServerContext* context, const pb::EmbedSparseRequest* request,
                           pb::EmbedSparseResponse* response) override {
    return front_.One(context, tei::EmbedSparse, request, response);
  }
  grpc::Status EmbedSparseStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::EmbedSparseResponse, pb::EmbedSparseRequest>* stream) override {
    return front_.Many(context, tei::EmbedSparse, stream);
  }
  grpc::Status EmbedAll(grpc::ServerContext* context, const pb::EmbedAllRequest* request,
                        pb::EmbedAllResponse* response) override {
    return front_.One(context, tei::EmbedAll, request, response);
  }
  grpc::Status EmbedAllStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::EmbedAllResponse, pb::EmbedAllRequest>* stream) override {
    return front_.Many(context, tei::EmbedAll, stream);
  }

 private:
  const Front& front_;
};

class PredictService final : public pb::Predict::Service {
 public:
  explicit PredictService(const Front& front) : front_(front) {}
  grpc::Status Predict(grpc::ServerContext* context, const pb::PredictRequest* request,
                       pb::PredictResponse* response) override {
    return front_.One(context, tei::Predict, request, response);
  }
  grpc::Status PredictPair(grpc::ServerContext* context, const pb::PredictPairRequest* request,
                           pb::PredictResponse* response) override {
    return front_.One(context, tei::PredictPair, request, response);
  }
  grpc::Status PredictStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::PredictResponse, pb::PredictRequest>* stream) override {
    return front_.Many(context, tei::Predict, stream);
  }
  grpc::Status PredictPairStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::PredictResponse, pb::PredictPairRequest>* stream) override {
    return front_.Many(context, tei::PredictPair, stream);
  }

 private:
  const Front& front_;
};

class RerankService final : public pb::Rerank::Service {
 public:
  RerankService(const Front& front, std::size_t texts_max) : front_(front), texts_max_(texts_max) {}
  grpc::Status Rerank(grpc::ServerContext* context, const pb::RerankRequest* request,
                      pb::RerankResponse* response) override {
    return front_.One(context, tei::Rerank, request, response);
  }

  // Options are those of the first message; its query is the query.
  grpc::Status RerankStream(grpc::ServerContext* context,
                            grpc::ServerReader<pb::RerankStreamRequest>* reader,
                            pb::RerankResponse* response) override {
    pb::RerankRequest all;
    for (pb::RerankStreamRequest one; reader->Read(&one);) {
      if (all.texts().empty()) {
        all.set_query(one.query());
        all.set_truncate(one.truncate());
        all.set_raw_scores(one.raw_scores());
        all.set_return_text(one.return_text());
        all.set_truncation_direction(one.truncation_direction());
      }
      all.add_texts(std::move(*one.mutable_text()));
      // One too many is enough for the error; more would only fill memory.
      if (static_cast<std::size_t>(all.texts_size()) > texts_max_) break;
    }
    return front_.One(context, tei::Rerank, &std::as_const(all), response);
  }

 private:
  const Front& front_;
  const std::size_t texts_max_;
};

class TokenizeService final : public pb::Tokenize::Service {
 public:
  explicit TokenizeService(const Front& front) : front_(front) {}
  grpc::Status Tokenize(grpc::ServerContext* context, const pb::EncodeRequest* request,
                        pb::EncodeResponse* response) override {
    return front_.One(context, tei::Tokenize, request, response);
  }
  grpc::Status TokenizeStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::EncodeResponse, pb::EncodeRequest>* stream) override {
    return front_.Many(context, tei::Tokenize, stream);
  }
  grpc::Status Decode(grpc::ServerContext* context, const pb::DecodeRequest* request,
                      pb::DecodeResponse* response) override {
    return front_.One(context, tei::Decode, request, response);
  }
  grpc::Status DecodeStream(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<pb::DecodeResponse, pb::DecodeRequest>* stream) override {
    return front_.Many(context, tei::Decode, stream);
  }

 private:
  const Front& front_;
};

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const serve::tei::Service& service)
      : front_(service),
        info_(front_),
        embed_(front_),
        predict_(front_),
        rerank_(front_, service.options.max_client_batch_size),
        tokenize_(front_) {}
  ~ServerImpl() override { Stop(0); }

  Status Listen(const std::string& host, std::uint16_t port) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    int chosen = 0;
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    builder.AddListeningPort(name + ":" + std::to_string(port), grpc::InsecureServerCredentials(),
                             &chosen);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A taken port is an error.
    for (grpc::Service* service :
         {static_cast<grpc::Service*>(&info_), static_cast<grpc::Service*>(&embed_),
          static_cast<grpc::Service*>(&predict_), static_cast<grpc::Service*>(&rerank_),
          static_cast<grpc::Service*>(&tokenize_)}) {
      builder.RegisterService(service);
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || chosen == 0) {
      return Error(Code::kUnavailable, "listen for gRPC on " + name + ":" + std::to_string(port) +
                                           ": the address is taken or not local; choose another "
                                           "port");
    }
    port_ = static_cast<std::uint16_t>(chosen);
    return Ok();
  }

  std::uint16_t port() const override { return port_; }
  void Stop(double seconds) override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() +
                      std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
    server_->Wait();
    server_.reset();
  }

 private:
  const Front front_;
  InfoService info_;
  EmbedService embed_;
  PredictService predict_;
  RerankService rerank_;
  TokenizeService tokenize_;
  std::unique_ptr<grpc::Server> server_;
  std::uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const serve::tei::Service& service,
                                              const std::string& host, std::uint16_t port) {
  auto server = std::make_unique<ServerImpl>(service);
  MALMOI_TRY(server->Listen(host, port));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace malmoi::rpc::tei

#else

namespace malmoi::rpc::tei {

Result<std::unique_ptr<Server>> Server::Start(const serve::tei::Service&, const std::string&,
                                              std::uint16_t) {
  return Error(Code::kUnsupported,
               "this program was built without gRPC: install libgrpc++-dev and build again");
}

}  // namespace malmoi::rpc::tei

#endif

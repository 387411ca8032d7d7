#include "rpc/tei/server.h"

#ifdef MALMOI_GRPC
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/method_handler.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "os/vfs.h"
#include "rpc/reflection_internal.h"
#include "rpc/tei/calls_internal.h"
#include "rpc/tei/pipeline_internal.h"

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

// Streams that are open, so that one on which nothing happens does not hold up the end.
class OpenStreams {
 public:
  class Entry {
   public:
    Entry(OpenStreams* all, grpc::ServerContext* context, std::function<bool()> idle)
        : all_(all), context_(context) {
      const std::lock_guard lock(all_->mutex_);
      all_->streams_[context_] = std::move(idle);
    }
    ~Entry() {
      const std::lock_guard lock(all_->mutex_);
      all_->streams_.erase(context_);
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    OpenStreams* const all_;
    grpc::ServerContext* const context_;
  };

  void CancelIdle() {
    const std::lock_guard lock(mutex_);
    for (const auto& [context, idle] : streams_) {
      if (idle()) context->TryCancel();
    }
  }

 private:
  std::mutex mutex_;  // guards: streams_
  std::map<grpc::ServerContext*, std::function<bool()>> streams_;
};

template <class Request, class Response>
using Handler = Result<Response> (*)(const Call&, const Request&);

// One service of the interface. What generated code does with a class a service is done by a
// table here: Register() below.
class TableService final : public grpc::Service {
 public:
  TableService(const serve::tei::Service& service, OpenStreams* streams)
      : service_(service),
        streams_(streams),
        wanted_(service.options.api_key.empty() ? "" : "Bearer " + service.options.api_key) {}

  // One message in, one out.
  template <class Request, class Response>
  void Add(const char* path, Handler<Request, Response> handle) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        path, grpc::internal::RpcMethod::NORMAL_RPC,
        new grpc::internal::RpcMethodHandler<TableService, Request, Response,
                                             google::protobuf::MessageLite,
                                             google::protobuf::MessageLite>(
            [handle](TableService* self, grpc::ServerContext* context, const Request* request,
                     Response* response) {
              if (grpc::Status key = self->CheckKey(*context); !key.ok()) return key;
              return self->Handle(handle, *request, response);
            },
            this)));
  }

  // The same for each message of a stream, in order.
  template <class Request, class Response>
  void AddStream(const char* path, Handler<Request, Response> handle) {
    using Stream = grpc::ServerReaderWriter<Response, Request>;
    AddMethod(new grpc::internal::RpcServiceMethod(
        path, grpc::internal::RpcMethod::BIDI_STREAMING,
        new grpc::internal::BidiStreamingHandler<TableService, Request, Response>(
            [handle](TableService* self, grpc::ServerContext* context, Stream* stream) {
              return self->Many(context, handle, stream);
            },
            this)));
  }

  // Texts one by one, then their ranks. Options are those of the first message, as is the query.
  void AddRerankStream(const char* path) {
    using Reader = grpc::ServerReader<pb::RerankStreamRequest>;
    AddMethod(new grpc::internal::RpcServiceMethod(
        path, grpc::internal::RpcMethod::CLIENT_STREAMING,
        new grpc::internal::ClientStreamingHandler<TableService, pb::RerankStreamRequest,
                                                   pb::RerankResponse>(
            [](TableService* self, grpc::ServerContext* context, Reader* reader,
               pb::RerankResponse* response) { return self->RerankAll(context, reader, response); },
            this)));
  }

 private:
  grpc::Status CheckKey(const grpc::ServerContext& context) const {
    if (wanted_.empty()) return grpc::Status::OK;
    const auto found = context.client_metadata().find("authorization");
    if (found != context.client_metadata().end() &&
        std::string_view(found->second.data(), found->second.size()) == wanted_) {
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::UNAUTHENTICATED, "No valid auth token"};
  }

  // An exception must not reach gRPC's thread.
  template <class Request, class Response>
  grpc::Status Handle(Handler<Request, Response> handle, const Request& request,
                      Response* response) const {
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

  template <class Request, class Response>
  grpc::Status Many(grpc::ServerContext* context, Handler<Request, Response> handle,
                    grpc::ServerReaderWriter<Response, Request>* stream) const {
    if (grpc::Status status = CheckKey(*context); !status.ok()) return status;
    Pipeline<Request, Response, grpc::Status> pipeline(
        [&](const Request& request, Response* response) {
          return Handle(handle, request, response);
        },
        [&](const Response& response) { return stream->Write(response); });
    const OpenStreams::Entry entry(streams_, context, [&] { return pipeline.idle(); });
    for (Request request; stream->Read(&request);) {
      if (!pipeline.Push(std::move(request))) break;
    }
    return pipeline.Finish();
  }

  grpc::Status RerankAll(grpc::ServerContext* context,
                         grpc::ServerReader<pb::RerankStreamRequest>* reader,
                         pb::RerankResponse* response) const {
    if (grpc::Status status = CheckKey(*context); !status.ok()) return status;
    const auto texts_max = static_cast<int>(service_.options.inputs_max());
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
      if (all.texts_size() > texts_max) break;
    }
    return Handle(tei::Rerank, all, response);
  }

  const serve::tei::Service& service_;
  OpenStreams* const streams_;
  const std::string wanted_;
};

// The interface: tei.proto's services and their methods.
void Register(TableService* info, TableService* embed, TableService* predict, TableService* rerank,
              TableService* tokenize) {
  info->Add("/tei.v1.Info/Info", tei::Info);
  embed->Add("/tei.v1.Embed/Embed", tei::Embed);
  embed->AddStream("/tei.v1.Embed/EmbedStream", tei::Embed);
  embed->Add("/tei.v1.Embed/EmbedSparse", tei::EmbedSparse);
  embed->AddStream("/tei.v1.Embed/EmbedSparseStream", tei::EmbedSparse);
  embed->Add("/tei.v1.Embed/EmbedAll", tei::EmbedAll);
  embed->AddStream("/tei.v1.Embed/EmbedAllStream", tei::EmbedAll);
  predict->Add("/tei.v1.Predict/Predict", tei::Predict);
  predict->AddStream("/tei.v1.Predict/PredictStream", tei::Predict);
  predict->Add("/tei.v1.Predict/PredictPair", tei::PredictPair);
  predict->AddStream("/tei.v1.Predict/PredictPairStream", tei::PredictPair);
  rerank->Add("/tei.v1.Rerank/Rerank", tei::Rerank);
  rerank->AddRerankStream("/tei.v1.Rerank/RerankStream");
  tokenize->Add("/tei.v1.Tokenize/Tokenize", tei::Tokenize);
  tokenize->AddStream("/tei.v1.Tokenize/TokenizeStream", tei::Tokenize);
  tokenize->Add("/tei.v1.Tokenize/Decode", tei::Decode);
  tokenize->AddStream("/tei.v1.Tokenize/DecodeStream", tei::Decode);
}

Result<std::shared_ptr<grpc::ServerCredentials>> Credentials(
    const serve::tei::ServerOptions& options) {
  if (options.tls_cert.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl;
  MALMOI_TRY(auto certificate, os::ReadFile(os::PosixVfs(), options.tls_cert));
  MALMOI_TRY(auto key, os::ReadFile(os::PosixVfs(), options.tls_key));
  ssl.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
  return grpc::SslServerCredentials(ssl);
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(const serve::tei::Service& service) : options_(service.options) {
    for (auto& table : tables_) table = std::make_unique<TableService>(service, &streams_);
    Register(tables_[0].get(), tables_[1].get(), tables_[2].get(), tables_[3].get(),
             tables_[4].get());
    std::vector<std::string> names;
    const auto* file = pb::InfoRequest::descriptor()->file();
    for (int i = 0; i < file->service_count(); ++i) names.push_back(file->service(i)->full_name());
    reflection_ = MakeReflection(std::move(names));
  }
  ~ServerImpl() override { Stop(0); }

  Status Listen(const std::string& host, std::uint16_t port) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    MALMOI_TRY(const auto credentials, Credentials(options_).With("serve gRPC with TLS"));
    grpc::ServerBuilder builder;
    int chosen = 0;
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    builder.AddListeningPort(name + ":" + std::to_string(port), credentials, &chosen);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A taken port is an error.
    for (auto& table : tables_) builder.RegisterService(table.get());
    builder.RegisterService(reflection_.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || chosen == 0) {
      return Error(Code::kUnavailable,
                   "listen for gRPC on " + name + ":" + std::to_string(port) +
                       ": the address is taken or not local, or the TLS certificate and key do "
                       "not fit; choose another port or other files");
    }
    port_ = static_cast<std::uint16_t>(chosen);
    return Ok();
  }

  std::uint16_t port() const override { return port_; }
  void Stop(double seconds) override {
    if (server_ == nullptr) return;
    std::atomic<bool> done{false};
    std::thread closing([&] {
      server_->Shutdown(std::chrono::system_clock::now() +
                        std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
      done = true;
    });
    while (!done) {
      streams_.CancelIdle();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    closing.join();
    server_->Wait();
    server_.reset();
  }

 private:
  const serve::tei::ServerOptions& options_;
  OpenStreams streams_;
  std::array<std::unique_ptr<TableService>, 5> tables_;  // Info, Embed, Predict, Rerank, Tokenize.
  std::unique_ptr<grpc::Service> reflection_;
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

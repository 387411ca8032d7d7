#include "rpc/qdrant/server.h"

#ifdef MALMOI_GRPC
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/method_handler.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "base/clock.h"
#include "base/strings.h"
#include "os/vfs.h"
#include "qdrant/errors.h"
#include "rpc/qdrant/calls_internal.h"
#include "rpc/qdrant/certificates_internal.h"
#include "rpc/qdrant/convert_internal.h"
#include "rpc/qdrant/forms_internal.h"
#include "rpc/reflection_internal.h"

namespace malmoi::rpc::store {
namespace {

constexpr int kMessageBytesMax = 256 << 20;
constexpr int kFrameBytes = 1 << 20;
constexpr std::size_t kShownBytesMax = 1 << 20;  // Of a slow call; a larger one is told by size.
constexpr int kWindowBytes = 4 << 20;
constexpr std::size_t kArenaFirst = 1 << 10, kArenaPiece = 1 << 20;

grpc::StatusCode CodeOf(const Error& error) {
  using grpc::StatusCode;
  switch (error.code()) {
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return StatusCode::INVALID_ARGUMENT;
    case Code::kNotFound:
      return StatusCode::NOT_FOUND;
    case Code::kAlreadyExists:
      return StatusCode::ALREADY_EXISTS;
    case Code::kPermissionDenied:
      return StatusCode::PERMISSION_DENIED;
    case Code::kUnsupported:
      return StatusCode::UNIMPLEMENTED;
    case Code::kDeadline:
      return StatusCode::DEADLINE_EXCEEDED;
    case Code::kOverloaded:
      return StatusCode::RESOURCE_EXHAUSTED;
    case Code::kUnavailable:
      return StatusCode::UNAVAILABLE;
    case Code::kIo:
      return qdrant::IsFull(error) ? StatusCode::RESOURCE_EXHAUSTED : StatusCode::INTERNAL;
    default:
      return StatusCode::INTERNAL;
  }
}

std::string_view Metadata(const grpc::ServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

std::string_view KeyOf(const grpc::ServerContext& context) {
  const std::string_view key = Metadata(context, "api-key");
  if (!key.empty()) return key;
  const std::string_view header = Metadata(context, "authorization");
  return header.starts_with("Bearer ") ? header.substr(7) : std::string_view();
}

// "ipv4:127.0.0.1:50412" and "ipv6:%5B::1%5D:50412" without scheme and port.
std::string AddressOf(const std::string& peer) {
  const std::size_t begin = peer.find(':') + 1;
  const std::string address = peer.substr(begin, std::max(peer.rfind(':'), begin) - begin);
  return ReplaceAll(ReplaceAll(address, "%5B", "["), "%5D", "]");
}

std::string CollectionOf(const Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("collection_name");
  return field == nullptr ? "" : request.GetReflection()->GetString(request, field);
}

// Of every request that names a collection, which one that is made has to do more for.
Status CheckCollectionName(const Message& request) {
  constexpr std::size_t kNameMax = 255;
  if (request.GetDescriptor()->FindFieldByName("collection_name") == nullptr) return Ok();
  const std::string name = CollectionOf(request);
  if (!name.empty() && name.size() <= kNameMax) return Ok();
  return Error(Code::kInvalidArgument, "Validation error in body: [collection_name: value " +
                                           json::Value::String(name).Dump() +
                                           " invalid, must be from 1 to 255 characters]");
}

void FillCommon(const Call& call, double seconds, Message* answer) {
  const auto* reflection = answer->GetReflection();
  if (const auto* time = answer->GetDescriptor()->FindFieldByName("time")) {
    reflection->SetDouble(answer, time, seconds);
  }
  const auto* usage = answer->GetDescriptor()->FindFieldByName("usage");
  if (usage == nullptr || call.usage.empty()) return;
  FromUsage(call.usage, static_cast<pb::Usage*>(reflection->MutableMessage(answer, usage)));
}

// One service of the interface. What generated code does with a class a service, done by a table:
// messages are read and written here, so that no other file sees gRPC's headers.
class TableService final : public grpc::Service {
 public:
  TableService(Backend& backend, serve::StoreRecords& records)
      : backend_(backend), records_(records) {}

  // `method` outlives the service.
  void Add(const Method& method) {
    using Handler =
        grpc::internal::RpcMethodHandler<TableService, grpc::ByteBuffer, grpc::ByteBuffer,
                                         grpc::ByteBuffer, grpc::ByteBuffer>;
    AddMethod(new grpc::internal::RpcServiceMethod(
        method.path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC,
        new Handler(
            [&method](TableService* self, grpc::ServerContext* context, const grpc::ByteBuffer* in,
                      grpc::ByteBuffer* out) { return self->Handle(method, context, *in, out); },
            this)));
  }

 private:
  grpc::Status Handle(const Method& method, grpc::ServerContext* context,
                      const grpc::ByteBuffer& in, grpc::ByteBuffer* out) {
    const auto start = MonotonicNs();
    grpc::Status status;
    try {
      status = Run(method, context, in, start, out);
    } catch (const std::exception& e) {  // Must not reach gRPC's thread.
      status = {grpc::StatusCode::INTERNAL, std::string("Service internal error: ") + e.what()};
    }
    records_.grpc.Add(method.path, static_cast<int>(status.error_code()), Seconds(start));
    return status;
  }

  grpc::Status Run(const Method& method, grpc::ServerContext* context, grpc::ByteBuffer in,
                   std::int64_t start, grpc::ByteBuffer* out) {
    // About what a message of points takes, in few pieces.
    google::protobuf::ArenaOptions pieces;
    pieces.start_block_size = std::clamp(2 * in.Length(), kArenaFirst, kArenaPiece);
    pieces.max_block_size = kArenaPiece;
    Arena arena(pieces);
    Message* request = method.request(&arena);
    grpc::Status read = grpc::GenericDeserialize<grpc::ProtoBufferReader, Message>(&in, request);
    if (!read.ok()) return {grpc::StatusCode::INVALID_ARGUMENT, "malformed message"};
    Call call{.backend = backend_, .key = KeyOf(*context)};
    const serve::Verdict verdict = serve::CheckKey(backend_.service, backend_.settings, call.key,
                                                   method.access, CollectionOf(*request));
    Audit(method, *context, *request, verdict);
    if (!verdict.allowed) {
      return {verdict.status == 401 ? grpc::StatusCode::UNAUTHENTICATED
                                    : grpc::StatusCode::PERMISSION_DENIED,
              verdict.message};
    }
    if (auto named = CheckCollectionName(*request); !named.ok()) {
      return StatusOf(named.error(), context);
    }
    const Slow slow{*this, method, *request, start};
    Message* answer = method.answer(&arena);
    if (auto done = method.run(call, *request, answer); !done.ok()) {
      return StatusOf(done.error(), context);
    }
    FillCommon(call, Seconds(start), answer);
    bool own = false;
    return grpc::GenericSerialize<grpc::ProtoBufferWriter, Message>(*answer, out, &own);
  }

  void Audit(const Method& method, const grpc::ServerContext& context, const Message& request,
             const serve::Verdict& verdict) {
    serve::AuditLog* log = records_.audit.get();
    if (log == nullptr || method.access == serve::Access::kPublic) return;
    serve::AuditEvent event{.method = method.name, .auth = verdict.auth};
    event.subject = verdict.subject;
    if (log->settings().log_api || verdict.status == 401) event.api = method.path;
    event.remote = AddressOf(context.peer());
    if (log->settings().trust_forwarded) {
      const std::string_view forwarded = Metadata(context, "x-forwarded-for");
      const std::string_view first = Trim(forwarded.substr(0, forwarded.find(',')));
      if (!first.empty()) event.remote = std::string(first);
    }
    event.collection = CollectionOf(request);
    event.tracing_id = serve::TracingId([&](const char* name) { return Metadata(context, name); });
    if (!verdict.allowed) event.error = verdict.message;
    log->Write(event);
  }

  // Writes a call down when it ends, where it took long.
  struct Slow {
    TableService& service;
    const Method& method;
    const Message& request;
    std::int64_t start;

    ~Slow() {
      const double seconds = Seconds(start);
      if (seconds < serve::SlowRequests::kShortestSeconds) return;
      const std::string_view kind = serve::SlowKind(method.name);
      if (kind.empty()) return;
      const std::size_t bytes = request.ByteSizeLong();
      json::Value body = bytes > kShownBytesMax
                             ? json::Value::Object({{"bytes", json::Value::Uint(bytes)}})
                             : ToJson(request);
      service.records_.slow.Add({kind, CollectionOf(request), seconds, std::move(body)});
    }
  };

  static grpc::Status StatusOf(const Error& error, grpc::ServerContext* context) {
    const std::size_t at = error.message().find("Retry after ");
    if (error.code() == Code::kOverloaded && at != std::string::npos) {
      const std::string rest = error.message().substr(at + 12);
      context->AddTrailingMetadata("retry-after", rest.substr(0, rest.find('s')));
    }
    return {CodeOf(error), error.message()};
  }

  static double Seconds(std::int64_t start) {
    return static_cast<double>(MonotonicNs() - start) / 1e9;
  }

  Backend& backend_;
  serve::StoreRecords& records_;
};

// With `files` null: without TLS.
std::shared_ptr<grpc::ServerCredentials> Credentials(const Certificates* files,
                                                     std::uint64_t reload_seconds) {
  if (files == nullptr) return grpc::InsecureServerCredentials();
  namespace tls = grpc::experimental;
  constexpr std::uint64_t kLookMax = 10;  // The copies in memory are looked at more often.
  const std::string identity = files->identity(), authorities = files->authorities();
  const auto seconds =
      static_cast<unsigned>(std::clamp<std::uint64_t>(reload_seconds, 1, kLookMax));
  tls::TlsServerCredentialsOptions watched(std::make_shared<tls::FileWatcherCertificateProvider>(
      identity, identity, authorities, seconds));
  watched.watch_identity_key_cert_pairs();
  if (!authorities.empty()) watched.watch_root_certs();
  watched.set_cert_request_type(authorities.empty()
                                    ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                    : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return tls::TlsServerCredentials(watched);
}

class ServerImpl final : public Server {
 public:
  ServerImpl(qdrant::Service& service, qdrant::Snapshots& snapshots,
             const serve::StoreSettings& settings, serve::StoreRecords& records)
      : backend_{.service = service, .snapshots = snapshots, .settings = settings} {
    for (auto* group :
         {CollectionMethods, WriteMethods, ReadMethods, QueryMethods, SnapshotMethods}) {
      for (Method& method : group()) methods_.push_back(std::move(method));
    }
    for (const Method& method : methods_) {
      auto& table = services_[method.path.substr(0, method.path.rfind('/'))];
      if (table == nullptr) table = std::make_unique<TableService>(backend_, records);
      table->Add(method);
    }
    std::vector<std::string> names;
    for (const auto& entry : services_) names.push_back(entry.first.substr(1));
    reflection_ = MakeReflection(std::move(names));
  }
  ~ServerImpl() override { Stop(0); }

  Status Listen() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    const serve::StoreSettings& settings = backend_.settings;
    if (settings.enable_tls) {
      MALMOI_TRY(certificates_, Certificates::Open(settings, *backend_.service.options().vfs));
    }
    const auto credentials = Credentials(certificates_.get(), settings.tls_reload);
    grpc::ServerBuilder builder;
    int port = 0;
    const bool v6 = settings.host.find(':') != std::string::npos;
    const std::string address = (v6 ? "[" + settings.host + "]" : settings.host) + ":" +
                                std::to_string(*settings.grpc_port);
    builder.AddListeningPort(address, credentials, &port);
    builder.SetMaxReceiveMessageSize(kMessageBytesMax);
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // A taken port is an error.
    // Batches of points are megabytes: clients may send them in few frames and ahead of the reader.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kFrameBytes);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
    builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS,
                                static_cast<int>(settings.workers));
    for (auto& [name, service] : services_) builder.RegisterService(service.get());
    builder.RegisterService(reflection_.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return Error(Code::kUnavailable, "listen for gRPC on " + address +
                                           ": the address is taken or not local; set another "
                                           "service.grpc_port, or null for none");
    }
    port_ = static_cast<std::uint16_t>(port);
    return Ok();
  }

  std::uint16_t port() const override { return port_; }
  void Stop(double seconds) override {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now() +
                      std::chrono::milliseconds(static_cast<int>(seconds * 1000)));
    server_->Wait();
    server_.reset();
  }

 private:
  Backend backend_;
  std::vector<Method> methods_;
  std::map<std::string, std::unique_ptr<TableService>> services_;  // By "/NAME".
  std::unique_ptr<grpc::Service> reflection_;
  std::uint16_t port_ = 0;
  std::unique_ptr<Certificates> certificates_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

std::string OperationName(const std::string& path) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"/qdrant.Points/Upsert", "upsert_points"},
      {"/qdrant.Points/Delete", "delete_points"},
      {"/qdrant.Points/UpdateBatch", "batch_update"},
      {"/qdrant.Points/Get", "get_points"},
      {"/qdrant.Points/Scroll", "scroll_points"},
      {"/qdrant.Points/Count", "count_points"},
      {"/qdrant.Points/Query", "query_points"},
      {"/qdrant.Points/QueryBatch", "query_batch_points"},
      {"/qdrant.Points/QueryGroups", "query_points_groups"},
      {"/qdrant.Points/Search", "search_points"},
      {"/qdrant.Points/SearchBatch", "search_batch_points"},
      {"/qdrant.Points/SearchGroups", "search_point_groups"},
      {"/qdrant.Points/Recommend", "recommend_points"},
      {"/qdrant.Points/RecommendBatch", "recommend_batch_points"},
      {"/qdrant.Points/RecommendGroups", "recommend_point_groups"},
      {"/qdrant.Points/Discover", "discover_points"},
      {"/qdrant.Points/DiscoverBatch", "discover_batch_points"},
      {"/qdrant.Collections/Get", "get_collection"},
      {"/qdrant.Collections/List", "get_collections"},
      {"/qdrant.Collections/Create", "create_collection"},
      {"/qdrant.Collections/Update", "update_collection"},
      {"/qdrant.Collections/Delete", "delete_collection"},
      {"/qdrant.Snapshots/Create", "create_snapshot"},
      {"/qdrant.Snapshots/List", "list_snapshots"},
      {"/qdrant.Snapshots/Delete", "delete_snapshot"}};
  for (const auto& [from, to] : kNames) {
    if (path == from) return std::string(to);
  }
  return SnakeCase(path.substr(path.rfind('/') + 1));
}

Status Checked(const qdrant::Checks& checks) {
  return checks.Finish("body");
}

Error WithoutJson(Error error) {
  for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{
                                     "Validation error in JSON body", "Validation error in body"},
                                 {"Format error in JSON body: ", ""}}) {
    if (!error.message().starts_with(from)) continue;
    return Error(error.code(), std::string(to) + error.message().substr(from.size()));
  }
  return error;
}

Result<std::unique_ptr<Server>> Server::Start(qdrant::Service& service,
                                              qdrant::Snapshots& snapshots,
                                              const serve::StoreSettings& settings,
                                              serve::StoreRecords& records) {
  auto server = std::make_unique<ServerImpl>(service, snapshots, settings, records);
  MALMOI_TRY(server->Listen());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace malmoi::rpc::store

#else

namespace malmoi::rpc::store {

Result<std::unique_ptr<Server>> Server::Start(qdrant::Service&, qdrant::Snapshots&,
                                              const serve::StoreSettings&, serve::StoreRecords&) {
  return Error(Code::kUnsupported,
               "serve gRPC: this program was built without it; set service.grpc_port to null");
}

}  // namespace malmoi::rpc::store

#endif

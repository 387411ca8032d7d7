#ifdef MALMOI_GRPC
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/strings.h"
#include "os/vfs.h"
#include "rpc/qdrant/link_internal.h"

namespace malmoi::rpc::store {
namespace {

using google::protobuf::Message;

constexpr double kRetryAfterMax = 30;
constexpr auto kLook = std::chrono::milliseconds(100);  // So often, whether it was cancelled.
constexpr std::size_t kTextMax = 500;                   // Of a server's message.
// What to look at where a server is not reached; one that is busy says so itself.
constexpr const char* kNobody =
    "; is the server running, and is this its gRPC port (6334 unless it was told otherwise) and "
    "not that of REST? With TLS the address begins with qdrant+grpcs://";

// Both sides of a message limit say RESOURCE_EXHAUSTED (grpc-core) or OUT_OF_RANGE (tonic).
bool IsTooLarge(const grpc::Status& status) {
  const std::string text = AsciiLower(status.error_message());
  return text.find("larger than max") != std::string::npos ||
         text.find("message length too large") != std::string::npos ||
         text.find("larger than allowed") != std::string::npos;
}

Code CodeOf(const grpc::Status& status) {
  if (IsTooLarge(status)) return Code::kOutOfRange;
  switch (status.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
      return Code::kInvalidArgument;
    case grpc::StatusCode::NOT_FOUND:
      return Code::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
      return Code::kAlreadyExists;
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return Code::kPermissionDenied;
    case grpc::StatusCode::OUT_OF_RANGE:
      return Code::kOutOfRange;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return Code::kOverloaded;
    case grpc::StatusCode::UNAVAILABLE:
      return Code::kUnavailable;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Code::kDeadline;
    case grpc::StatusCode::CANCELLED:
      return Code::kCancelled;
    case grpc::StatusCode::UNIMPLEMENTED:
      return Code::kUnsupported;
    default:
      return Code::kInternal;
  }
}

bool IsSet(const Cancel* cancel) {
  return cancel != nullptr && cancel->IsSet();
}

// Seconds of the trailing metadata "retry-after"; 0: none.
double RetryAfter(const grpc::ClientContext& context) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find("retry-after");
  if (found == metadata.end()) return 0;
  const auto seconds = ParseDouble({found->second.data(), found->second.size()});
  return seconds ? std::clamp(*seconds, 0.0, kRetryAfterMax) : 0;
}

// False: cancelled meanwhile.
bool Pause(double seconds, const Cancel* cancel) {
  const std::int64_t begin = MonotonicNs();
  while (SecondsSince(begin) < seconds) {
    if (IsSet(cancel)) return false;
    const double left = seconds - SecondsSince(begin);
    std::this_thread::sleep_for(std::chrono::duration<double>(std::clamp(left, 0.0, 0.1)));
  }
  return !IsSet(cancel);
}

class GrpcChannel final : public Channel {
 public:
  GrpcChannel(const LinkOptions& options, std::shared_ptr<grpc::Channel> channel)
      : options_(options), stub_(std::move(channel)) {}

  Status Call(const char* path, const Message& request, Message* answer,
              const Cancel* cancel) override {
    double pause = options_.first_pause_seconds;
    for (int left = options_.tries;; pause *= 2) {
      if (IsSet(cancel)) return Error(Code::kCancelled, "stopped");
      double wanted = 0;
      const grpc::Status status = Try(path, request, answer, cancel, &wanted);
      if (status.ok()) return Ok();
      const Code code = CodeOf(status);
      const bool again = code == Code::kUnavailable || code == Code::kOverloaded;
      if (again && --left > 0 && Pause(std::max(pause, wanted), cancel)) continue;
      if (IsSet(cancel)) return Error(Code::kCancelled, "stopped");
      return Error(code, std::string(path).substr(1) + " of " + options_.url + ": status " +
                             std::to_string(status.error_code()) + ": " +
                             status.error_message().substr(0, kTextMax) +
                             (code == Code::kUnavailable ? kNobody : ""));
    }
  }

 private:
  grpc::Status Try(const char* path, const Message& request, Message* answer, const Cancel* cancel,
                   double* retry_after) {
    grpc::ClientContext context;
    context.set_deadline(
        std::chrono::system_clock::now() +
        std::chrono::milliseconds(static_cast<std::int64_t>(options_.call_seconds_max * 1000)));
    if (!options_.key.empty()) context.AddMetadata("api-key", options_.key);
    grpc::ByteBuffer sent, got;
    bool own = false;
    grpc::Status status =
        grpc::GenericSerialize<grpc::ProtoBufferWriter, Message>(request, &sent, &own);
    if (!status.ok()) return status;
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareUnaryCall(&context, path, sent, &queue);
    call->StartCall();
    call->Finish(&got, &status, this);
    void* tag = nullptr;
    bool ok = false, asked = false;
    while (queue.AsyncNext(&tag, &ok, std::chrono::system_clock::now() + kLook) ==
           grpc::CompletionQueue::TIMEOUT) {
      if (!asked && IsSet(cancel)) context.TryCancel();
      asked = asked || IsSet(cancel);
    }
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    if (!status.ok()) {
      *retry_after = RetryAfter(context);
      return status;
    }
    answer->Clear();
    return grpc::GenericDeserialize<grpc::ProtoBufferReader, Message>(&got, answer);
  }

  const LinkOptions options_;
  grpc::GenericStub stub_;
};

Result<std::string> Read(const std::string& path) {
  if (path.empty()) return std::string();
  return os::ReadFile(os::PosixVfs(), path);
}

Result<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const LinkOptions& options) {
  if (!options.url.starts_with("grpcs://")) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions files;
  MALMOI_TRY(files.pem_root_certs, Read(options.tls.authorities));
  MALMOI_TRY(files.pem_cert_chain, Read(options.tls.certificate));
  MALMOI_TRY(files.pem_private_key, Read(options.tls.key));
  if (files.pem_cert_chain.empty() != files.pem_private_key.empty()) {
    return Error(Code::kInvalidArgument, "a certificate to show comes with its key: give both");
  }
  return grpc::SslCredentials(files);
}

}  // namespace

Result<std::unique_ptr<Channel>> OpenChannel(const LinkOptions& options) {
  const std::size_t slashes = options.url.find("://");
  if (!remote::IsGrpcUrl(options.url)) {
    return Error(Code::kInvalidArgument, "'" + options.url + "' is no gRPC address");
  }
  MALMOI_TRY(const auto credentials, Credentials(options));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(options.answer_bytes_max);
  arguments.SetMaxSendMessageSize(-1);
  // Connections of one link are its own: another one may have other credentials or be to a server
  // that came back on the same port.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // Ours are below.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  const std::string target = "dns:///" + options.url.substr(slashes + 3);
  return std::unique_ptr<Channel>(std::make_unique<GrpcChannel>(
      options, grpc::CreateCustomChannel(target, credentials, arguments)));
}

}  // namespace malmoi::rpc::store
#endif

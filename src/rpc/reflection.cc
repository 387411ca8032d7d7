#include "rpc/reflection_internal.h"

#ifdef MALMOI_GRPC
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/method_handler.h>

#include <algorithm>
#include <set>

#include "rpc/reflection.pb.h"

namespace malmoi::rpc {
namespace {

namespace pb = grpc::reflection::v1;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using Stream = grpc::ServerReaderWriter<pb::ServerReflectionResponse, pb::ServerReflectionRequest>;

constexpr const char* kPath = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

// A file once, whatever imports it.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>* there,
             pb::FileDescriptorResponse* out) {
  if (!there->insert(&file).second) return;
  google::protobuf::FileDescriptorProto described;
  file.CopyTo(&described);
  out->add_file_descriptor_proto(described.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), there, out);
}

class Reflection final : public grpc::Service {
 public:
  explicit Reflection(std::vector<std::string> services) : services_(std::move(services)) {
    services_.push_back(pb::ServerReflectionRequest::descriptor()->file()->service(0)->full_name());
    services_.emplace_back("grpc.reflection.v1alpha.ServerReflection");
    std::ranges::sort(services_);
    using Handler = grpc::internal::BidiStreamingHandler<Reflection, pb::ServerReflectionRequest,
                                                         pb::ServerReflectionResponse>;
    AddMethod(new grpc::internal::RpcServiceMethod(
        kPath, grpc::internal::RpcMethod::BIDI_STREAMING,
        new Handler([](Reflection* self, grpc::ServerContext*,
                       Stream* stream) { return self->Serve(stream); },
                    this)));
  }

 private:
  grpc::Status Serve(Stream* stream) const {
    pb::ServerReflectionRequest request;
    while (stream->Read(&request)) {
      pb::ServerReflectionResponse answer;
      answer.set_valid_host(request.host());
      *answer.mutable_original_request() = request;
      Answer(request, &answer);
      if (!stream->Write(answer)) break;
    }
    return grpc::Status::OK;
  }

  void Answer(const pb::ServerReflectionRequest& request,
              pb::ServerReflectionResponse* answer) const {
    const DescriptorPool& pool = *DescriptorPool::generated_pool();
    switch (request.message_request_case()) {
      case pb::ServerReflectionRequest::kListServices:
        for (const std::string& name : services_) {
          answer->mutable_list_services_response()->add_service()->set_name(name);
        }
        return;
      case pb::ServerReflectionRequest::kFileByFilename:
        return AnswerFile(pool.FindFileByName(request.file_by_filename()), answer);
      case pb::ServerReflectionRequest::kFileContainingSymbol:
        return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), answer);
      case pb::ServerReflectionRequest::kFileContainingExtension: {
        const auto& wanted = request.file_containing_extension();
        const auto* type = pool.FindMessageTypeByName(wanted.containing_type());
        const auto* field =
            type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
        return AnswerFile(field == nullptr ? nullptr : field->file(), answer);
      }
      case pb::ServerReflectionRequest::kAllExtensionNumbersOfType:
        return AnswerNumbers(request.all_extension_numbers_of_type(), answer);
      default:
        return Refuse(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing", answer);
    }
  }

  static void Refuse(grpc::StatusCode code, const char* text,
                     pb::ServerReflectionResponse* answer) {
    answer->mutable_error_response()->set_error_code(static_cast<int>(code));
    answer->mutable_error_response()->set_error_message(text);
  }

  static void AnswerFile(const FileDescriptor* file, pb::ServerReflectionResponse* answer) {
    if (file == nullptr) return Refuse(grpc::StatusCode::NOT_FOUND, "not found", answer);
    std::set<const FileDescriptor*> there;
    AddFile(*file, &there, answer->mutable_file_descriptor_response());
  }

  static void AnswerNumbers(const std::string& name, pb::ServerReflectionResponse* answer) {
    const DescriptorPool& pool = *DescriptorPool::generated_pool();
    const auto* type = pool.FindMessageTypeByName(name);
    if (type == nullptr) return Refuse(grpc::StatusCode::NOT_FOUND, "not found", answer);
    auto* numbers = answer->mutable_all_extension_numbers_response();
    numbers->set_base_type_name(name);
    std::vector<const google::protobuf::FieldDescriptor*> extensions;
    pool.FindAllExtensions(type, &extensions);
    for (const auto* field : extensions) numbers->add_extension_number(field->number());
  }

  std::vector<std::string> services_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeReflection(std::vector<std::string> services) {
  return std::make_unique<Reflection>(std::move(services));
}

}  // namespace malmoi::rpc
#endif

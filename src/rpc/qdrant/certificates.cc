#include <algorithm>
#include <chrono>

#include "base/strings.h"
#include "net/tls_files.h"
#include "obs/log.h"
#include "rpc/qdrant/certificates_internal.h"

namespace malmoi::rpc::store {
namespace {

constexpr std::uint64_t kReloadMax = 1 << 30;

}  // namespace

Result<Certificates::Bytes> Certificates::Read() const {
  Bytes bytes;
  MALMOI_TRY(const std::string chain, os::ReadFile(vfs_, settings_.tls_certificate));
  MALMOI_TRY(const std::string key, os::ReadFile(vfs_, settings_.tls_key));
  bytes.identity = chain + "\n" + key;
  if (settings_.verify_grpc_clients) {
    MALMOI_TRY(bytes.authorities, os::ReadFile(vfs_, settings_.tls_ca));
  }
  // The bytes are tried, not the files, which may change meanwhile.
  MALMOI_TRY(const auto tried_chain, os::MemoryFile::Create(chain));
  MALMOI_TRY(const auto tried_key, os::MemoryFile::Create(key));
  MALMOI_TRY(const auto tried_authorities, os::MemoryFile::Create(bytes.authorities));
  const bool verify = settings_.verify_grpc_clients;
  Status tried = net::CheckTlsFiles(tried_chain->path(), tried_key->path(),
                                    verify ? tried_authorities->path() : std::string());
  if (tried.ok()) return bytes;
  std::string text = tried.error().message();
  for (const auto& [file, real] : {std::pair{tried_chain->path(), settings_.tls_certificate},
                                   std::pair{tried_key->path(), settings_.tls_key},
                                   std::pair{tried_authorities->path(), settings_.tls_ca}}) {
    text = ReplaceAll(text, "'" + file + "'", "'" + real + "'");
  }
  return Error(tried.error().code(), text);
}

Result<std::unique_ptr<Certificates>> Certificates::Open(const serve::StoreSettings& settings,
                                                         os::Vfs& vfs) {
  if (settings.verify_grpc_clients && settings.tls_ca.empty()) {
    return Error(Code::kInvalidArgument,
                 "service.verify_grpc_client_certificate needs tls.ca_cert, a PEM file of the "
                 "authorities whose certificates clients may show");
  }
  std::unique_ptr<Certificates> self(new Certificates(settings, vfs));
  MALMOI_TRY(self->shown_, self->Read());
  MALMOI_TRY(self->identity_, os::MemoryFile::Create(self->shown_.identity));
  if (settings.verify_grpc_clients) {
    MALMOI_TRY(self->authorities_, os::MemoryFile::Create(self->shown_.authorities));
  }
  if (settings.tls_reload > 0) self->thread_ = std::thread([raw = self.get()] { raw->Run(); });
  return self;
}

Certificates::~Certificates() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status Certificates::Reload() {
  MALMOI_TRY(Bytes fresh, Read());
  if (fresh.identity != shown_.identity) MALMOI_TRY(identity_->Replace(fresh.identity));
  if (authorities_ && fresh.authorities != shown_.authorities) {
    MALMOI_TRY(authorities_->Replace(fresh.authorities));
  }
  shown_ = std::move(fresh);
  return Ok();
}

void Certificates::Run() {
  const std::chrono::seconds pause(std::min(settings_.tls_reload, kReloadMax));
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, pause, [&] { return end_; })) {
    lock.unlock();
    if (const Status done = Reload(); !done.ok()) {
      obs::LogLine(obs::Level::kError, "tls_reload_failed")
          .Field("wire", "grpc")
          .Field("error", done.error().message())
          .Field("now", "the certificate read before stays in use");
    }
    lock.lock();
  }
}

}  // namespace malmoi::rpc::store

#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "os/memory_file.h"
#include "os/vfs.h"
#include "serve/qdrant/store_settings.h"

namespace malmoi::rpc::store {

// The certificate files of a server's settings, read again every tls.cert_ttl seconds by a thread
// of its own. gRPC takes new ones from files that it watches, and one that it cannot use ends all
// further connections; so it watches copies in memory, which are replaced by files that were tried
// before. Such that cannot be used are logged (tls_reload_failed) and change nothing.
class Certificates {
 public:
  // Errors: kIo, kInvalidArgument naming the file. `settings` and `vfs` outlive it.
  static Result<std::unique_ptr<Certificates>> Open(const serve::StoreSettings& settings,
                                                    os::Vfs& vfs);
  ~Certificates();

  // Files to watch: chain and key in one; the authorities of clients, empty where none are asked
  // for a certificate.
  std::string identity() const { return identity_->path(); }
  std::string authorities() const { return authorities_ ? authorities_->path() : std::string(); }

 private:
  struct Bytes {
    std::string identity, authorities;
  };
  Certificates(const serve::StoreSettings& settings, os::Vfs& vfs)
      : settings_(settings), vfs_(vfs) {}
  Result<Bytes> Read() const;
  Status Reload();
  void Run();

  const serve::StoreSettings& settings_;
  os::Vfs& vfs_;
  std::unique_ptr<os::MemoryFile> identity_, authorities_;
  Bytes shown_;  // What the files hold. Of the thread.
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace malmoi::rpc::store

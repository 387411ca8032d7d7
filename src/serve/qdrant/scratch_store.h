#pragma once

#include <memory>

#include "os/scratch_dir.h"
#include "os/vfs.h"
#include "qdrant/snapshots.h"
#include "serve/qdrant/store_settings.h"

namespace malmoi::serve {

// A store in a scratch folder, for tests of what serves it: free ports of loopback, an API key. A
// server over it is a member declared behind it, or a class derived from it.
struct ScratchStore {
  os::ScratchDir folder;
  std::unique_ptr<qdrant::Service> service;
  std::unique_ptr<qdrant::Snapshots> snapshots;
  StoreSettings settings;

  ScratchStore() {
    qdrant::ServiceOptions options;
    options.vfs = &os::PosixVfs();
    options.directory = folder.At("collections");
    service = qdrant::Service::Open(options).value();
    snapshots =
        std::make_unique<qdrant::Snapshots>(*service, os::PosixVfs(), folder.At("snapshots"));
    settings.http_port = 0;
    settings.grpc_port = 0;
    settings.storage = folder.path();
    settings.api_key = "secret";
  }
};

}  // namespace malmoi::serve

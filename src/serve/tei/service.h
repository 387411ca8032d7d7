#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "embed/engine.h"
#include "net/server.h"
#include "serve/tei/metrics.h"
#include "serve/tei/server.h"

namespace malmoi::serve::tei {

struct Served {
  std::string model_id;  // As it was asked for.
  std::string name;      // served_model_name.
  std::shared_ptr<embed::Engine> engine;

  bool Classifies() const;  // Classifier or reranker.
};

// What every route works with.
struct Service {
  ServerOptions options;
  std::vector<Served> models = {};
  Metrics metrics = {};

  // The model that a request names. With one model any name will do, as for the tool that this
  // follows; with several an unknown name is an error (kNotFound). Without a name: the first of the
  // kinds wanted, else the first.
  Result<const Served*> Pick(std::string_view name, std::span<const embed::ModelKind> wanted) const;
};

// One request, whatever way it came.
struct Call {
  const Service& service;
  const Cancel& cancel;
  std::int64_t start_ns;
};
struct Context : Call {
  const net::Request& request;
};

inline constexpr const char* kVersion = "1.9.3";  // Of the interface.

}  // namespace malmoi::serve::tei

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/result.h"
#include "cli/settings.h"
#include "rag/library.h"
#include "rag/request.h"

namespace malmoi::cli {

// Where a command's work is done: in this process, which then owns the data directory, or by the
// running server that owns it. Results are the JSON of the HTTP API, so that both look the same.
class Backend {
 public:
  // `needs_generator`: open the configured language model (local backend only).
  static Result<std::unique_ptr<Backend>> Open(const Settings& settings, bool needs_generator);
  virtual ~Backend() = default;

  virtual Result<std::string> Index(const std::string& path, const std::string& collection,
                                    const std::function<void(const rag::IndexProgress&)>& progress,
                                    const Cancel* cancel) = 0;
  virtual Result<std::string> Search(const rag::SearchRequest& request, const Cancel* cancel) = 0;
  virtual Result<std::string> Ask(const rag::SearchRequest& request,
                                  const std::function<bool(std::string_view)>& on_text,
                                  const Cancel* cancel) = 0;
  virtual Result<std::string> Verify(const std::string& collection, const std::string& answer) = 0;
  virtual Result<std::string> StatusOf(const std::string& collection) = 0;
};

// Options of the embedded library as the settings say. Errors: those of OpenGenerator.
Result<rag::LibraryOptions> MakeLibraryOptions(const Settings& settings, bool needs_generator);

// What a server leaves in its data directory for commands to find it: DATA/server.json.
Status WriteServerFile(const Settings& settings, const std::string& host, unsigned port);
void RemoveServerFile(const Settings& settings);

}  // namespace malmoi::cli

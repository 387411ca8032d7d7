#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

namespace malmoi::llm {

struct Message {
  std::string role;  // "system", "user", "assistant".
  std::string content;
};

struct GenerateOptions {
  std::size_t max_tokens = 512;
  double temperature = 0;  // 0: the likeliest token each time, reproducible.
  std::vector<std::string> stop = {};
  const Cancel* cancel = nullptr;
};

struct Generation {
  std::string text;
  std::string finish_reason;  // "stop", "length".
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
};

// A chat model, embedded or remote. Thread-safe: the embedded engine serves one call at a time and
// refuses more waiters than it has room for with kOverloaded.
class Generator {
 public:
  virtual ~Generator() = default;
  // `on_text` gets the answer piece by piece, always whole code points; returning false cancels.
  // Errors: kUnavailable (endpoint or model missing), kOutOfRange (prompt longer than the context,
  // with both numbers), kDeadline, kCancelled, kOverloaded, kPermissionDenied.
  virtual Result<Generation> Generate(const std::vector<Message>& messages,
                                      const GenerateOptions& options,
                                      const std::function<bool(std::string_view)>& on_text) = 0;
  virtual std::string name() const = 0;            // "smollm2-135m-instruct", "gpt-x".
  virtual std::size_t context_tokens() const = 0;  // 0 where it is not known.
  virtual std::size_t CountTokens(std::string_view text) const = 0;  // An estimate for remote ones.
};

struct EndpointOptions {
  std::string url;      // Up to and including "/v1"; "/chat/completions" is added.
  std::string api_key;  // Sent as a bearer token; empty: none.
  std::string model;    // Empty: the first that GET /models names.
};
// Any OpenAI-compatible chat endpoint, streamed.
Result<std::unique_ptr<Generator>> OpenEndpoint(const EndpointOptions& options);

struct LocalOptions {
  std::string gguf = {};  // A file; empty: the asset llm/*.gguf.
  std::size_t context = 4096;
  std::size_t threads = 0;  // 0: usable cores.
};
// llama.cpp through its C API, loaded at run time from the asset llama/ (dlopen).
// Errors: kUnavailable naming the missing file and how to get it.
Result<std::unique_ptr<Generator>> OpenLocal(const LocalOptions& options);

}  // namespace malmoi::llm

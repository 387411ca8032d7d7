#include "cli/backend.h"

#include <unistd.h>

#include "json/value.h"
#include "json/writer.h"
#include "net/client.h"
#include "net/http.h"
#include "os/paths.h"
#include "os/vfs.h"
#include "rag/parts.h"
#include "rpc/qdrant/store_link.h"

namespace malmoi::cli {
namespace {

class LocalBackend : public Backend {
 public:
  explicit LocalBackend(std::unique_ptr<rag::Library> library) : library_(std::move(library)) {}

  Result<std::string> Index(const std::string& path, const std::string& collection,
                            const std::function<void(const rag::IndexProgress&)>& progress,
                            const Cancel* cancel) override {
    MALMOI_TRY(const auto report, library_->Index(path, collection, progress, cancel));
    return rag::ToJson(report);
  }
  Result<std::string> Search(const rag::SearchRequest& request, const Cancel* cancel) override {
    MALMOI_TRY(const auto options, rag::ToRetrieveOptions(request));
    MALMOI_TRY(const auto report,
               library_->Search(request.collection, request.query, options, cancel));
    return rag::ToJson(report);
  }
  Result<std::string> Ask(const rag::SearchRequest& request,
                          const std::function<bool(std::string_view)>& on_text,
                          const Cancel* cancel) override {
    MALMOI_TRY(const auto options, rag::ToAskOptions(request));
    MALMOI_TRY(const auto answer,
               library_->Ask(request.collection, request.query, options, on_text, cancel));
    return rag::AnswerToJson(answer);
  }
  Result<std::string> Verify(const std::string& collection, const std::string& text) override {
    MALMOI_TRY(const auto answer, rag::AnswerFromJson(text));
    MALMOI_TRY(const auto checks, library_->Verify(collection, answer));
    return rag::ToJson(checks);
  }
  Result<std::string> StatusOf(const std::string& collection) override {
    MALMOI_TRY(const auto status, library_->StatusOf(collection));
    return rag::ToJson(status);
  }

 private:
  std::unique_ptr<rag::Library> library_;
};

Code CodeFromName(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    if (CodeName(static_cast<Code>(i)) == name) return static_cast<Code>(i);
  }
  return Code::kInternal;
}

class RemoteBackend : public Backend {
 public:
  RemoteBackend(std::string url, std::string api_key)
      : url_(std::move(url)), api_key_(std::move(api_key)) {}

  Result<std::string> Index(const std::string& path, const std::string& collection,
                            const std::function<void(const rag::IndexProgress&)>& progress,
                            const Cancel* cancel) override {
    json::Writer w;
    w.BeginObject().Field("path", os::AbsolutePath(path)).Field("collection", collection);
    w.Field("stream", true).EndObject();
    std::string report;
    MALMOI_TRY(Stream("/api/index", w.text(), cancel, [&](const json::Value& event) {
      if (const json::Value* p = event.Find("progress")) {
        rag::IndexProgress out;
        out.files_total = static_cast<std::uint64_t>(p->GetInt("files_total"));
        out.files_done = static_cast<std::uint64_t>(p->GetInt("files_done"));
        out.chunks_total = static_cast<std::uint64_t>(p->GetInt("chunks_total"));
        out.chunks_done = static_cast<std::uint64_t>(p->GetInt("chunks_done"));
        out.phase = p->GetString("phase") == "vectors" ? "vectors" : "read";
        if (progress) progress(out);
      }
      if (const json::Value* done = event.Find("report")) report = done->Dump();
      return true;
    }));
    return report;
  }
  Result<std::string> Search(const rag::SearchRequest& request, const Cancel* cancel) override {
    return Call("POST", "/api/search", rag::ToJson(request), cancel);
  }
  Result<std::string> Ask(const rag::SearchRequest& request,
                          const std::function<bool(std::string_view)>& on_text,
                          const Cancel* cancel) override {
    if (!on_text) return Call("POST", "/api/ask", rag::ToJson(request), cancel);
    std::string body = rag::ToJson(request);
    body.insert(1, "\"stream\":true,");
    std::string answer;
    MALMOI_TRY(Stream("/api/ask", body, cancel, [&](const json::Value& event) {
      if (const json::Value* done = event.Find("report")) answer = done->Dump();
      const auto text = event.GetString("text");
      return text.empty() || on_text(text);
    }));
    return answer;
  }
  Result<std::string> Verify(const std::string& collection, const std::string& answer) override {
    return Call("POST", "/api/verify?collection=" + net::UrlEncode(collection), answer, nullptr);
  }
  Result<std::string> StatusOf(const std::string& collection) override {
    return Call("GET", "/api/status?collection=" + net::UrlEncode(collection), "", nullptr);
  }

 private:
  net::ClientRequest MakeRequest(const char* method, const std::string& target, std::string body,
                                 const Cancel* cancel) const {
    net::ClientRequest out;
    out.method = method;
    out.url = url_ + target;
    out.body = std::move(body);
    out.headers.emplace_back("Content-Type", "application/json");
    if (!api_key_.empty()) out.headers.emplace_back("Authorization", "Bearer " + api_key_);
    out.stall_seconds_max = 600;
    out.cancel = cancel;
    return out;
  }
  static Error FromBody(int status, const std::string& body) {
    const auto parsed = json::Parse(body);
    const json::Value* error = parsed.ok() ? parsed.value().Find("error") : nullptr;
    if (error == nullptr) {
      return Error(Code::kInternal, "the server answered " + std::to_string(status));
    }
    return Error(CodeFromName(error->GetString("code")), std::string(error->GetString("message")));
  }
  Result<std::string> Call(const char* method, const std::string& target, const std::string& body,
                           const Cancel* cancel) const {
    MALMOI_TRY(const auto response, net::Fetch(MakeRequest(method, target, body, cancel)));
    if (response.status != 200) return FromBody(response.status, response.body);
    return response.body;
  }
  // Newline-delimited JSON: events, then {"report": ...} or {"error": ...}.
  Status Stream(const std::string& target, const std::string& body, const Cancel* cancel,
                const std::function<bool(const json::Value&)>& event) const {
    std::string buffer;
    std::string failure;
    const auto sink = [&](std::string_view bytes) {
      buffer += bytes;
      for (std::size_t end; (end = buffer.find('\n')) != std::string::npos;) {
        const auto parsed = json::Parse(std::string_view(buffer).substr(0, end));
        if (parsed.ok() && parsed.value().Find("error") != nullptr) {
          failure = buffer.substr(0, end);
        } else if (parsed.ok() && !event(parsed.value())) {
          return false;
        }
        buffer.erase(0, end + 1);
      }
      return true;
    };
    MALMOI_TRY(const auto response, net::Fetch(MakeRequest("POST", target, body, cancel), sink));
    if (response.status != 200) return FromBody(response.status, response.body);
    if (!failure.empty()) return FromBody(response.status, failure);
    return Ok();
  }

  std::string url_;
  std::string api_key_;
};

std::string ServerFile(const Settings& settings) {
  return os::JoinPath(settings.Get("data"), "server.json");
}

}  // namespace

Result<rag::LibraryOptions> MakeLibraryOptions(const Settings& settings, bool needs_generator) {
  rag::LibraryOptions options;
  options.data_directory = settings.Get("data");
  if (const std::string store = settings.Get("store"); !store.empty()) {
    MALMOI_TRY(options.store, rpc::store::StoreAddressOf(store, settings.Get("store-key"),
                                                         {.authorities = settings.Get("store-ca"),
                                                          .certificate = settings.Get("store-cert"),
                                                          .key = settings.Get("store-cert-key")}));
  }
  options.model = settings.Get("model");
  options.model_key = settings.Get("model-key");
  options.threads = static_cast<std::size_t>(settings.GetInt("threads"));
  MALMOI_TRY(options.precision, kernels::ParsePrecision(settings.Get("dtype")));
  options.jobs = static_cast<std::size_t>(settings.GetInt("jobs"));
  if (needs_generator) {
    MALMOI_TRY(options.generator, rag::OpenGenerator({.llm = settings.Get("llm"),
                                                      .model = settings.Get("llm-model"),
                                                      .api_key = settings.Get("llm-key"),
                                                      .threads = options.threads}));
  }
  return options;
}

Result<std::unique_ptr<Backend>> Backend::Open(const Settings& settings, bool needs_generator) {
  MALMOI_TRY(const auto options, MakeLibraryOptions(settings, needs_generator));
  auto library = rag::Library::Open(options);
  if (library.ok()) {
    return std::unique_ptr<Backend>(new LocalBackend(std::move(library).value()));
  }
  if (library.error().code() != Code::kAlreadyExists) return std::move(library.error());
  const auto file = os::ReadFile(os::PosixVfs(), ServerFile(settings));
  if (!file.ok()) return std::move(library.error());
  MALMOI_TRY(const json::Value server, json::Parse(file.value()));
  return std::unique_ptr<Backend>(
      new RemoteBackend(std::string(server.GetString("url")), settings.Get("api-key")));
}

Status WriteServerFile(const Settings& settings, const std::string& host, unsigned port) {
  // A server on all addresses is reached through loopback.
  const bool any = host == "0.0.0.0" || host == "::";
  const bool v6 = host.find(':') != std::string::npos;
  const std::string name = any ? (v6 ? "[::1]" : "127.0.0.1") : v6 ? "[" + host + "]" : host;
  json::Writer w;
  w.BeginObject().Field("url", "http://" + name + ":" + std::to_string(port));
  w.Field("pid", static_cast<int>(::getpid())).EndObject();
  return os::WriteAtomically(os::PosixVfs(), ServerFile(settings), w.text() + "\n");
}

void RemoveServerFile(const Settings& settings) {
  // Nothing to do about a failure: the file's reader checks the directory's lock first.
  (void)os::PosixVfs().Remove(ServerFile(settings)).ok();
}

}  // namespace malmoi::cli

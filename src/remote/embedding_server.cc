#include "remote/embedding_server.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/strings.h"
#include "json/value.h"
#include "json/writer.h"
#include "net/client.h"
#include "os/thread_pool.h"

namespace malmoi::remote {
namespace {

using json::Value;
using json::Writer;

constexpr double kPatienceSeconds = 30;
constexpr std::size_t kDefaultBatch = 32;  // TEI's max_client_batch_size.
constexpr std::size_t kDefaultTokens = 512;

Code CodeOf(int status) {
  if (status == 401 || status == 403) return Code::kPermissionDenied;
  if (status == 413 || status == 422) return Code::kOutOfRange;
  if (status == 429) return Code::kOverloaded;
  if (status >= 400 && status < 500) return Code::kInvalidArgument;
  return Code::kUnavailable;
}

struct Address {
  std::string url, model;
  bool openai = false;
};

Result<Address> ParseAddress(std::string text) {
  Address address;
  if (const std::size_t mark = text.find('#'); mark != std::string::npos) {
    address.model = text.substr(mark + 1);
    text.resize(mark);
  }
  while (text.ends_with('/')) text.pop_back();
  for (const auto& [scheme, real] :
       {std::pair<std::string_view, std::string_view>{"tei://", "http://"},
        {"teis://", "https://"}}) {
    if (!text.starts_with(scheme)) continue;
    std::string rest = text.substr(scheme.size());
    if (rest.rfind(':') == std::string::npos || rest.ends_with(']')) rest += ":8080";
    address.url = std::string(real) + rest;
    return address;
  }
  if (!text.starts_with("http://") && !text.starts_with("https://")) {
    return Error(Code::kInvalidArgument,
                 "'" + text + "' is no embedding server: give tei://HOST:PORT or http://HOST/v1");
  }
  address.url = text;
  address.openai = text.ends_with("/v1");
  return address;
}

class ServerEmbedder final : public embed::Embedder {
 public:
  ServerEmbedder(Address address, const EmbeddingServerOptions& options)
      : address_(std::move(address)),
        key_(options.key),
        pool_(std::max<std::size_t>(options.connections, 1), "embed-client") {}

  Status Load() {
    std::string revision, dtype;
    if (address_.openai) {
      MALMOI_TRY(FirstModel());
      id_ = address_.model;
    } else {
      MALMOI_TRY(const Value info, Call("GET", "/info", "", nullptr));
      const Value* type = info.Find("model_type");
      if (type == nullptr || type->Find("embedding") == nullptr) {
        return Error(Code::kInvalidArgument, address_.url + " serves no embedding model");
      }
      id_ = info.GetString("model_id");
      revision = info.GetString("model_sha");
      dtype = info.GetString("model_dtype");
      max_tokens_ = static_cast<std::size_t>(info.GetInt("max_input_length", kDefaultTokens));
      batch_ = static_cast<std::size_t>(
          std::max<std::int64_t>(info.GetInt("max_client_batch_size", kDefaultBatch), 1));
    }
    const std::string lower = AsciiLower(id_);
    if (lower.find("e5-") != std::string::npos && lower.find("instruct") == std::string::npos) {
      query_prompt_ = "query: ";
      passage_prompt_ = "passage: ";
    }
    const std::string_view probe = "dimension";
    MALMOI_TRY(const auto rows, Batch({&probe, 1}, embed::Prompt::kNone, nullptr));
    if (rows.empty() || rows.front().empty()) {
      return Error(Code::kInternal, address_.url + " answered no vector");
    }
    dim_ = rows.front().size();
    fingerprint_ =
        Sha256Hex("server" + std::string(1, '\0') + id_ + '\0' + revision + '\0' + dtype + '\0' +
                  std::to_string(dim_) + '\0' + query_prompt_ + '\0' + passage_prompt_);
    return Ok();
  }

  Result<embed::Embeddings> Embed(std::span<const std::string_view> texts, embed::Prompt prompt,
                                  const Cancel* cancel) override {
    embed::Embeddings out{.dim = dim_, .values = Buffer<float>(texts.size() * dim_)};
    const std::size_t batches = (texts.size() + batch_ - 1) / batch_;
    std::vector<std::optional<Error>> errors(pool_.threads());
    pool_.ParallelFor(batches, [&](std::size_t part, std::size_t begin, std::size_t end) {
      for (std::size_t b = begin; b < end && !errors[part]; ++b) {
        const std::size_t first = b * batch_;
        const auto some = texts.subspan(first, std::min(batch_, texts.size() - first));
        auto rows = Batch(some, prompt, cancel);
        if (!rows.ok()) {
          errors[part] = std::move(rows.error());
          return;
        }
        for (std::size_t i = 0; i < some.size(); ++i) {
          if (rows.value()[i].size() != dim_) {
            errors[part] = Error(Code::kInternal, address_.url + " answered vectors of " +
                                                      std::to_string(rows.value()[i].size()) +
                                                      " numbers, not " + std::to_string(dim_));
            return;
          }
          std::ranges::copy(rows.value()[i], out.values.data() + (first + i) * dim_);
        }
      }
    });
    for (auto& error : errors) {
      if (error) return std::move(*error);
    }
    return out;
  }

  std::size_t dim() const override { return dim_; }
  std::size_t max_tokens() const override { return max_tokens_; }
  // An estimate, three bytes a token: the tokenizer is not here.
  std::size_t CountTokens(std::string_view text) const override { return text.size() / 3 + 2; }
  const std::string& id() const override { return id_; }
  const std::string& fingerprint() const override { return fingerprint_; }

 private:
  using Rows = std::vector<std::vector<float>>;

  Status FirstModel() {
    if (!address_.model.empty()) return Ok();
    MALMOI_TRY(const Value list, Call("GET", "/models", "", nullptr));
    const Value* data = list.Find("data");
    if (data == nullptr || data->items().empty()) {
      return Error(Code::kInvalidArgument, address_.url + " lists no model: give URL#MODEL");
    }
    address_.model = data->items().front().GetString("id");
    return Ok();
  }

  Result<Rows> Batch(std::span<const std::string_view> texts, embed::Prompt prompt,
                     const Cancel* cancel) {
    const std::string& prefix = prompt == embed::Prompt::kQuery     ? query_prompt_
                                : prompt == embed::Prompt::kPassage ? passage_prompt_
                                                                    : no_prompt_;
    Writer w;
    w.BeginObject();
    if (address_.openai) w.Field("model", address_.model).Field("encoding_format", "float");
    w.Key(address_.openai ? "input" : "inputs").BeginArray();
    for (const std::string_view text : texts) w.Put(prefix + std::string(text));
    w.EndArray();
    if (!address_.openai) w.Field("truncate", true);
    w.EndObject();
    MALMOI_TRY(const Value answer,
               Call("POST", address_.openai ? "/embeddings" : "/embed", w.text(), cancel));
    return ReadRows(answer, texts.size());
  }

  Result<Rows> ReadRows(const Value& answer, std::size_t count) const {
    Rows rows(count);
    const Value* data = address_.openai ? answer.Find("data") : &answer;
    if (data == nullptr || data->items().size() != count) {
      return Error(Code::kInternal, address_.url + " did not answer " + std::to_string(count) +
                                        " vectors: " + answer.Dump().substr(0, 200));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Value& item = data->items()[i];
      // OpenAI's have their place in `index`.
      const auto place =
          address_.openai
              ? static_cast<std::size_t>(item.GetInt("index", static_cast<std::int64_t>(i)))
              : i;
      const Value* row = address_.openai ? item.Find("embedding") : &item;
      if (row == nullptr || place >= count) {
        return Error(Code::kInternal, address_.url + " answered an embedding without its place");
      }
      for (const Value& number : row->items()) {
        const double value = number.AsDouble().value_or(std::nan(""));
        if (!std::isfinite(value)) {
          return Error(Code::kInternal,
                       address_.url + " answered a vector that is no list of numbers");
        }
        rows[place].push_back(static_cast<float>(value));
      }
    }
    return rows;
  }

  Result<Value> Call(const std::string& method, const std::string& path, const std::string& body,
                     const Cancel* cancel) const {
    net::ClientRequest request;
    request.method = method;
    request.url = address_.url + path;
    request.headers = {{"Content-Type", "application/json"}};
    if (!key_.empty()) request.headers.emplace_back("Authorization", "Bearer " + key_);
    request.body = body;
    request.body_bytes_max = 1ull << 30;
    request.stall_seconds_max = 300;
    request.cancel = cancel;
    const std::int64_t start = MonotonicNs();
    for (auto pause = std::chrono::milliseconds(100);;
         pause = std::min(pause * 2, decltype(pause)(2000))) {
      MALMOI_TRY(const auto answer, net::Fetch(request));
      if (answer.status == 200) return json::Parse(answer.body).With(request.url);
      const bool full = answer.status == 429 || answer.status == 503;
      const bool stopped = cancel != nullptr && cancel->IsSet();
      if (!full || stopped || SecondsSince(start) > kPatienceSeconds) {
        return Error(CodeOf(answer.status), request.url + " answered " +
                                                std::to_string(answer.status) + ": " +
                                                answer.body.substr(0, 300));
      }
      std::this_thread::sleep_for(pause);
    }
  }

  Address address_;
  const std::string key_;
  const std::string no_prompt_;
  os::ThreadPool pool_;
  std::string id_, fingerprint_, query_prompt_, passage_prompt_;
  std::size_t dim_ = 0, max_tokens_ = kDefaultTokens, batch_ = kDefaultBatch;
};

}  // namespace

bool IsEmbeddingServer(std::string_view model) {
  return model.find("://") != std::string_view::npos;
}

Result<std::shared_ptr<embed::Embedder>> OpenEmbeddingServer(
    const EmbeddingServerOptions& options) {
  MALMOI_TRY(auto address, ParseAddress(options.url));
  auto embedder = std::make_shared<ServerEmbedder>(std::move(address), options);
  MALMOI_TRY(embedder->Load().With("embedding server"));
  return std::shared_ptr<embed::Embedder>(std::move(embedder));
}

}  // namespace malmoi::remote

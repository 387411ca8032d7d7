#include "serve/tei/infer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "serve/tei/errors_internal.h"

namespace malmoi::serve::tei {
namespace {

bool Classifies(embed::Output output) {
  return output == embed::Output::kScores;
}

// Tokenises into jobs; the error of the first input that cannot be.
Status PrepareAll(const Call& call, const Served& served, std::span<const embed::Input> inputs,
                  const Wish& wish, Outcome* out) {
  const Metrics& metrics = call.service.metrics;
  const embed::PrepareOptions options = {
      .truncate = wish.truncate.value_or(call.service.options.auto_truncate),
      .cut_left = wish.cut_left,
      .prompt_name = wish.prompt_name};
  for (const embed::Input& input : inputs) {
    out->characters += input.characters();
    (Classifies(wish.output) ? metrics.predict_count : metrics.embed_count).Add();
    auto job = input.empty()
                   ? Result<embed::Job>(Error(Code::kNotFound, "`inputs` cannot be empty"))
                   : served.engine->Prepare(input, options);
    if (!job.ok()) {
      metrics.Failure("tokenization");
      return FromEngine(std::move(job.error()));
    }
    job.value().output = wish.output;
    metrics.input_length.Observe(static_cast<double>(job.value().tokens()));
    out->tokens += job.value().tokens();
    out->jobs.push_back(std::move(job).value());
  }
  return Ok();
}

// In parts of max_client_batch_size, so that a long list is admitted beside other callers' work and
// does not go before it as a whole.
Status Submit(const Call& call, const Served& served, Outcome* out) {
  const Metrics& metrics = call.service.metrics;
  const std::span<embed::Job> jobs = out->jobs;
  const std::size_t part = call.service.options.max_client_batch_size;
  for (std::size_t at = 0; at < jobs.size(); at += part) {
    const auto some = jobs.subspan(at, std::min(part, jobs.size() - at));
    if (Status status = served.engine->Submit(some, &call.cancel); !status.ok()) {
      metrics.Failure("overloaded");
      return FromEngine(std::move(status.error()));
    }
    if (some.back().error) break;  // Cancelled, mostly: the rest would be so too.
  }
  for (embed::Job& job : out->jobs) {
    if (!job.error) continue;
    metrics.Failure(job.error->code() == Code::kCancelled ? "dropped" : "inference");
    return FromEngine(std::move(*job.error));
  }
  return Ok();
}

void AppendInt(const char* name, std::int64_t value, net::Headers* out) {
  out->emplace_back(name, std::to_string(value));
}

}  // namespace

Status CheckBatch(const Call& call, std::size_t size, const char* name) {
  const Metrics& metrics = call.service.metrics;
  if (size == 0) {
    metrics.Failure("validation");
    return Error(Code::kNotFound, "`" + std::string(name) + "` cannot be empty");
  }
  const std::size_t limit = call.service.options.inputs_max();
  if (size <= limit) return Ok();
  metrics.Failure("batch_size");
  return Error(Code::kOutOfRange, "batch size " + std::to_string(size) +
                                      " > maximum allowed batch size " + std::to_string(limit));
}

Result<Outcome> Infer(const Call& call, const Served& served, std::span<const embed::Input> inputs,
                      const Wish& wish) {
  const Metrics& metrics = call.service.metrics;
  (wish.single ? metrics.single_count : metrics.batch_count).Add();
  Outcome out;
  out.start_ns = call.start_ns;
  out.jobs.reserve(inputs.size());
  const std::int64_t start = MonotonicNs();
  MALMOI_TRY(PrepareAll(call, served, inputs, wish, &out));
  const auto count = static_cast<std::int64_t>(inputs.size());
  out.tokenization_ns = (MonotonicNs() - start) / count;
  MALMOI_TRY(Submit(call, served, &out));
  const std::int64_t total = MonotonicNs() - start;
  const bool classifies = Classifies(wish.output);
  for (const embed::Job& job : out.jobs) {
    out.queue_ns += job.queue_ns / count;
    out.inference_ns += job.inference_ns / count;
    (classifies ? metrics.predict_success : metrics.embed_success).Add();
    (classifies ? metrics.predict : metrics.embed)
        .Observe(total, out.tokenization_ns, job.queue_ns, job.inference_ns);
  }
  return out;
}

net::Headers Finish(const Call& call, const Outcome& outcome, bool single) {
  const Metrics& metrics = call.service.metrics;
  (single ? metrics.single_success : metrics.batch_success).Add();
  const std::int64_t total = MonotonicNs() - outcome.start_ns;
  metrics.request.Observe(total, outcome.tokenization_ns, outcome.queue_ns, outcome.inference_ns);
  constexpr std::int64_t kMs = 1'000'000;
  net::Headers headers;
  headers.reserve(8);
  headers.emplace_back("x-compute-type", "gpu+optimized");  // What the imitated tool always says.
  AppendInt("x-compute-time", total / kMs, &headers);
  AppendInt("x-compute-characters", static_cast<std::int64_t>(outcome.characters), &headers);
  AppendInt("x-compute-tokens", static_cast<std::int64_t>(outcome.tokens), &headers);
  AppendInt("x-total-time", total / kMs, &headers);
  AppendInt("x-tokenization-time", outcome.tokenization_ns / kMs, &headers);
  AppendInt("x-queue-time", outcome.queue_ns / kMs, &headers);
  AppendInt("x-inference-time", outcome.inference_ns / kMs, &headers);
  return headers;
}

net::Response JsonResponse(std::string body, net::Headers headers) {
  net::Response response;
  response.body = std::move(body);
  response.headers = std::move(headers);
  return response;
}

Error WrongModel(const Call& call, const char* message) {
  call.service.metrics.Failure("model_type");
  return FromEngine(Error(Code::kUnsupported, message));
}

Error Invalid(const Call& call, Code code, std::string message) {
  call.service.metrics.Failure("validation");
  return FromEngine(Error(code, std::move(message)));
}

Status Shape(const Call& call, const VectorShape& shape, std::vector<embed::Job>* jobs) {
  for (embed::Job& job : *jobs) {
    if (shape.dimensions) {
      if (*shape.dimensions > job.values.size()) {
        return Invalid(call, Code::kInvalidArgument,
                       "`dimensions` should be smaller than the maximum embedding dimension.");
      }
      job.values.resize(static_cast<std::size_t>(*shape.dimensions));
      job.width = job.values.size();
    }
    if (!shape.normalize) continue;
    double sum = 0;
    for (const float v : job.values) sum += static_cast<double>(v) * v;
    const auto scale = static_cast<float>(1.0 / std::sqrt(sum));
    for (float& v : job.values) v *= scale;
  }
  return Ok();
}

void AppendFloats(std::span<const float> values, std::string* out) {
  constexpr std::size_t kDigitsMax = 18;  // "-1.17549435e-38" and ".0," fit.
  const std::size_t at = out->size();
  out->resize(at + values.size() * kDigitsMax + 2);
  char* const begin = out->data() + at;
  char* p = begin;
  *p++ = '[';
  for (const float v : values) {
    if (p != begin + 1) *p++ = ',';
    if (!std::isfinite(v)) {
      std::memcpy(p, "null", 4);
      p += 4;
      continue;
    }
    char* const end = std::to_chars(p, p + kDigitsMax, v).ptr;
    // A whole number must still read as a float.
    const bool whole = std::find_if(p, end, [](char c) { return c == '.' || c == 'e'; }) == end;
    p = end;
    if (whole) {
      *p++ = '.';
      *p++ = '0';
    }
  }
  *p++ = ']';
  out->resize(at + static_cast<std::size_t>(p - begin));
}

std::string Base64(std::string_view bytes) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t size = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < size ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= size ? kAlphabet[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return out;
}

}  // namespace malmoi::serve::tei

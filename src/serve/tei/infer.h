#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "embed/engine.h"
#include "net/server.h"
#include "serve/tei/service.h"

namespace malmoi::serve::tei {

// What a request asks of its inputs.
struct Wish {
  bool single = false;  // For the metrics: "single" or "batch".
  std::optional<bool> truncate = std::nullopt;
  bool cut_left = false;
  std::optional<std::string> prompt_name = std::nullopt;
  embed::Output output = embed::Output::kPooled;
};

// Results, one job an input, and what they took. Times are means over the inputs.
struct Outcome {
  std::vector<embed::Job> jobs;
  std::size_t characters = 0, tokens = 0;
  std::int64_t start_ns = 0, tokenization_ns = 0, queue_ns = 0, inference_ns = 0;
};

// Errors: kNotFound for no inputs, kInvalidArgument for more than the limit; then those of the
// first input that fails, in the words of FromEngine. `name`: "inputs".
Status CheckBatch(const Call& call, std::size_t size, const char* name);
Result<Outcome> Infer(const Call& call, const Served& served, std::span<const embed::Input> inputs,
                      const Wish& wish);

// Counts the request as done; its x-* headers.
net::Headers Finish(const Call& call, const Outcome& outcome, bool single);
net::Response JsonResponse(std::string body, net::Headers headers = {});

// kUnsupported, counted as "model_type": the model does not do this.
Error WrongModel(const Call& call, const char* message);
// Counts a request that its own members make impossible.
Error Invalid(const Call& call, Code code, std::string message);

// Cuts to `dimensions` and normalises. Errors: kInvalidArgument where it has fewer.
struct VectorShape {
  bool normalize = true;
  std::optional<std::uint64_t> dimensions;
};
Status Shape(const Call& call, const VectorShape& shape, std::vector<embed::Job>* jobs);

// "[0.25,-1.0]": shortest digits that read back as the same float; NaN and infinities as null.
void AppendFloats(std::span<const float> values, std::string* out);
std::string Base64(std::string_view bytes);

}  // namespace malmoi::serve::tei

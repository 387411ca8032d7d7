#pragma once

#include "base/result.h"
#include "net/server.h"
#include "serve/tei/errors_internal.h"
#include "serve/tei/requests_internal.h"
#include "serve/tei/service.h"

namespace malmoi::serve::tei {

// The native routes on requests that were read, for the routes that wrap others. Errors: as
// NativeError and FromEngine describe them.
Result<net::Response> Embed(const Context& context, const EmbedRequest& request);
Result<net::Response> EmbedAll(const Context& context, const EmbedRequest& request);
Result<net::Response> EmbedSparse(const Context& context, const EmbedRequest& request);
Result<net::Response> Similarity(const Context& context, const SimilarityRequest& request);
Result<net::Response> Predict(const Context& context, const PredictRequest& request);
Result<net::Response> Rerank(const Context& context, const RerankRequest& request);

// Errors carry this message when a request names an unknown model: they are answered with 404.
inline constexpr const char* kNoSuchModel = "no such model: ";

// Reads the body with `read`, answers with `handle`; errors in the shape of `shape`.
template <class Handle, class Read>
net::Response Answer(const Context& context, Handle handle, Read read,
                     net::Response (*shape)(const Error&) = NativeError) {
  const auto body = Body::Parse(context.request.body);
  if (!body.ok()) return RejectBody(body.error());
  const auto request = read(body.value());
  if (!request.ok()) return RejectBody(request.error());
  auto response = handle(context, request.value());
  if (response.ok()) return std::move(response).value();
  if (response.error().message().starts_with(kNoSuchModel)) return NoSuchModel(response.error());
  return shape(response.error());
}

}  // namespace malmoi::serve::tei

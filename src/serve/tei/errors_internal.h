#pragma once

#include <string>

#include "base/result.h"
#include "net/server.h"

namespace malmoi::serve::tei {

// Error codes as this API's types and statuses:
//   kNotFound                        Empty       400   an input that is empty
//   kInvalidArgument, kOutOfRange    Validation  422
//   kCorruption                      Tokenizer   422
//   kUnavailable                     Unhealthy   503
//   kOverloaded                      Overloaded  429, with Retry-After
//   kCancelled                       Backend     499   the client is gone
//   all others                       Backend     424

// {"error": MESSAGE, "error_type": TYPE}
net::Response NativeError(const Error& error);
// {"message": MESSAGE, "code": STATUS, "type": TYPE}
net::Response OpenAiError(const Error& error);
// {"error": MESSAGE}
net::Response OllamaError(const Error& error);
// Of a body that could not be read (errors of Body): 400 or 422 in plain text.
net::Response RejectBody(const Error& error);
net::Response PlainText(int status, std::string text);

// The name of a model that is not served: 404 in the shape of OpenAI's errors.
net::Response NoSuchModel(const Error& error);

// Gives an error of the engine the words in front of it that clients see.
Error FromEngine(Error error);

}  // namespace malmoi::serve::tei

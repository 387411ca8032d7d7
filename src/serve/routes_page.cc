// The page: three files that the build embeds (web/).
#include "base/hash.h"
#include "net/http.h"
#include "serve/page_files_internal.h"
#include "serve/router_internal.h"

namespace malmoi::serve {
namespace {

// Nothing but this server's own files runs or loads; no inline script; not framed by others.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace

Status RoutePage(const Services&, const net::Request& request, net::Responder& responder) {
  for (const PageFile& file : PageFiles()) {
    if (request.path != file.path) continue;
    const std::string tag = "\"" + Sha256Hex(file.bytes).substr(0, 16) + "\"";
    net::Response response;
    response.content_type = file.content_type;
    response.headers = {{"Content-Security-Policy", kPolicy},
                        {"X-Content-Type-Options", "nosniff"},
                        {"Referrer-Policy", "no-referrer"},
                        {"Cache-Control", "no-cache"},
                        {"ETag", tag}};
    if (net::FindHeader(request.headers, "If-None-Match") == tag) {
      response.status = 304;
    } else {
      response.body = file.bytes;
    }
    responder.Send(response);
    return Ok();
  }
  return Error(Code::kNotFound, request.path + ": no such file");
}

}  // namespace malmoi::serve

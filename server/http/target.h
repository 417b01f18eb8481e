// A request target (RFC 9112 section 3.2) as a path below the root. Pure text.
#pragma once

#include <string>
#include <string_view>

#include "server/http/request.h"

namespace ringserve::http {

struct Target {
  std::string path;        // decoded, no "." or "..", no empty segment, no leading slash; may end
                           // in a slash; "" is the root itself. Bytes, not necessarily UTF-8.
  std::string_view query;  // with its '?', undecoded; points into the request's target
  // Of the absolute form, well-formed, into the request's target: it is the host, whatever the Host
  // field says (section 3.2.2). Empty for the other forms.
  std::string_view authority;
  bool hidden = false;  // some segment begins with a dot, other than a leading "/.well-known" (RFC
                        // 8615), which is there to be found
};

// 0, or the status that refuses the target: 400 for a malformed one or one that climbs above the
// root, 404 for a name that no file can have (an encoded slash). "*" is the whole server, with the
// path "", and for OPTIONS only.
int decode_target(std::string_view target, Target& out, Method method = Method::get);

// The path as it stands in a Location field: percent-encoded, beginning with exactly one slash, so
// that it never names another host (RFC 3986 section 4.2).
std::string encode_path(std::string_view path);

}  // namespace ringserve::http

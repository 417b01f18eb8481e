// The authority a request is for: RFC 9110 section 7.2, RFC 3986 section 3.2, without user
// information, which no request may carry (RFC 9110 section 4.2.4). Pure text.
#pragma once

#include <string>
#include <string_view>

namespace ringserve::http {

// uri-host [":" port], or nothing at all, which is what a client sends whose URI has no authority
// (RFC 9112 section 3.2). One pass, no allocation.
bool is_authority(std::string_view text);

// The host of an authority as sites are named: lower case, without port, without the one dot that
// may end a full name; an IPv6 literal keeps its brackets. False, and `out` empty, where it is
// malformed or a name has an empty label or a star. An empty authority is an empty host.
bool normalise_host(std::string_view authority, std::string& out);

// `pattern` is a normalised host, or "*.example.org" for every name below example.org, at any
// depth, but not for example.org itself. `host` comes from normalise_host().
bool host_matches(std::string_view pattern, std::string_view host);

}  // namespace ringserve::http

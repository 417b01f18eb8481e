// Redirects that a site asks for, and the Location of each. Pure text. What a client writes can
// never choose the host it is sent to: that is the rule's alone.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringserve::http {

struct Rule {
  std::string from;  // "/old", or "/old/*" for "/old/" and everything below; decoded
  std::string to;    // "/new", "https://host/new", or one of them with "*" at its end; encoded
};

// Whether the rule can be followed: `from` begins with a slash; `to` begins with exactly one slash,
// or with http:// or https:// and a host, and has no white space, control or non-ASCII character. A
// rule that cannot is never applied.
bool is_usable(const Rule& rule);

// The Location for a path (as in Target::path: decoded, below the root) by the first rule that
// applies, or nothing. What the rule's `*` stood for is put, percent-encoded, where `to` has one.
// The request's query (with its '?', or empty) is kept, behind one that `to` has itself.
std::optional<std::string> location_for(std::span<const Rule> rules, std::string_view path,
                                        std::string_view query);

}  // namespace ringserve::http

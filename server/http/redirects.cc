// A Location is the rule's `to`, what `*` stood for with everything encoded that could end a path,
// and the query. Where `to` is a URL the slash behind its host is made sure of, or "https://host*"
// would let a client append to the host's name.
#include "server/http/redirects.h"

#include <algorithm>

#include "server/http/host.h"
#include "server/http/target.h"
#include "server/http/text.h"

namespace ringserve::http {
namespace {

bool is_visible(char c) { return c > ' ' && c < '\x7F'; }

// Of a URL, scheme and authority ("https://host:1"), the latter apart too; nothing of a path.
std::string_view origin_of(std::string_view to, std::string_view& authority) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_ignoring_case(to, scheme)) continue;
    const std::string_view origin = to.substr(0, to.find_first_of("/?#", scheme.size()));
    authority = origin.substr(scheme.size());
    return origin;
  }
  return {};
}

bool is_usable_target(std::string_view to) {
  if (!std::all_of(to.begin(), to.end(), is_visible)) return false;
  if (to.ends_with('*')) to.remove_suffix(1);
  std::string_view authority;
  if (!origin_of(to, authority).empty()) return !authority.empty() && is_authority(authority);
  return to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\");
}

// Whether the rule is for this path (no leading slash), and what its `*` stands for.
bool applies(std::string_view from, std::string_view path, std::string_view& rest) {
  if (!from.starts_with('/')) return false;
  from.remove_prefix(1);
  if (from != "*" && !from.ends_with("/*")) return path == from;
  from.remove_suffix(1);
  if (!path.starts_with(from)) return false;
  rest = path.substr(from.size());
  return true;
}

// Everything but unreserved characters (RFC 3986 section 2.3) encoded: a value within a query.
std::string encode_value(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || c == '/';
    plain ? out.push_back(c) : append_percent_encoded(c, out);
  }
  return out;
}

// Puts `rest` behind `location`, which is all of `to` before its `*`.
void append_rest(std::string_view rest, std::string& location) {
  if (location.find_first_of("?#") != std::string::npos) {
    location += encode_value(rest);
    return;
  }
  while (rest.starts_with('/')) rest.remove_prefix(1);  // no "//": it would begin a host
  std::string_view authority;
  const bool ends_with_host = origin_of(location, authority).size() == location.size();
  location.append(encode_path(rest), ends_with_host ? 0 : 1);
}

void append_query(std::string_view query, std::string& location) {
  if (query.empty()) return;
  std::string text;
  for (const char c : query) {
    is_visible(c) && c != '#' ? text.push_back(c) : append_percent_encoded(c, text);
  }
  const size_t fragment = std::min(location.find('#'), location.size());
  if (location.find('?') < fragment) text.front() = '&';
  location.insert(fragment, text);
}

}  // namespace

bool is_usable(const Rule& rule) { return rule.from.starts_with('/') && is_usable_target(rule.to); }

std::optional<std::string> location_for(std::span<const Rule> rules, std::string_view path,
                                        std::string_view query) {
  for (const Rule& rule : rules) {
    std::string_view rest;
    if (!applies(rule.from, path, rest) || !is_usable(rule)) continue;
    std::string location = rule.to;
    if (location.ends_with('*')) {
      location.pop_back();
      append_rest(rest, location);
    }
    append_query(query, location);
    return location;
  }
  return std::nullopt;
}

}  // namespace ringserve::http

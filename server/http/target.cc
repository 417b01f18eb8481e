// Decodes once, then removes dot segments (RFC 3986 section 5.2.4) from the decoded form, so that
// %2e%2e is what it means. openat2(2) below the root is the sandbox; this is only the syntax.
#include "server/http/target.h"

#include <array>
#include <cstring>

#include "server/http/host.h"
#include "server/http/text.h"

namespace ringserve::http {
namespace {

// Leaves path and query of an absolute-form target, without the leading slash.
int strip_authority(std::string_view& target, std::string_view& authority) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_ignoring_case(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    authority = target.substr(0, target.find_first_of("/?#"));
    target.remove_prefix(authority.size());
    if (target.starts_with('/')) target.remove_prefix(1);
    // RFC 9110 section 4.2.1: a URI without a host is invalid.
    return authority.empty() || !is_authority(authority) ? 400 : 0;
  }
  return 400;
}

int percent_decode(std::string_view raw, std::string& out) {
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      out.push_back(raw[i]);
      continue;
    }
    if (i + 2 >= raw.size()) return 400;
    const int high = hex_digit(raw[i + 1]);
    const int low = hex_digit(raw[i + 2]);
    if (high < 0 || low < 0) return 400;
    const char byte = static_cast<char>(high * 16 + low);
    if (byte == '\0') return 400;
    if (byte == '/') return 404;
    out.push_back(byte);
    i += 2;
  }
  return 0;
}

// Rewrites `path` in place without ".", ".." and empty segments.
int remove_dot_segments(std::string& path) {
  size_t written = 0;
  for (size_t at = 0; at < path.size();) {
    size_t end = path.find('/', at);
    const bool has_slash = end != std::string::npos;
    if (!has_slash) end = path.size();
    const std::string_view segment(path.data() + at, end - at);
    const size_t next = has_slash ? end + 1 : end;
    if (segment == "..") {
      if (written == 0) return 400;
      written = path.rfind('/', written - 2);
      written = written == std::string::npos ? 0 : written + 1;
    } else if (!segment.empty() && segment != ".") {
      std::memmove(path.data() + written, path.data() + at, next - at);
      written += next - at;
    }
    at = next;
  }
  path.resize(written);
  return 0;
}

bool has_dot_name(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != std::string_view::npos;
}

bool is_hidden(std::string_view path) {
  constexpr std::string_view kWellKnown = ".well-known";
  if (path.starts_with(kWellKnown)) {
    const std::string_view rest = path.substr(kWellKnown.size());
    if (rest.empty() || rest.front() == '/') path = rest;
  }
  return has_dot_name(path);
}

// Characters of a path that means what it says; a slash only if no slash or dot is behind it.
constexpr std::array<bool, 256> kPlainChars = [] {
  std::array<bool, 256> table{};
  for (unsigned c = 0x21; c < 0x7F; ++c) table[c] = true;
  for (const char c : std::string_view("%?#")) table[static_cast<unsigned char>(c)] = false;
  return table;
}();

// Most targets: "/" and a path with nothing to decode, remove, hide or cut off.
bool is_plain(std::string_view target) {
  char before = '\0';
  for (const char c : target) {
    if (!kPlainChars[static_cast<unsigned char>(c)]) return false;
    if (before == '/' && (c == '/' || c == '.')) return false;
    before = c;
  }
  return target.starts_with('/');
}

}  // namespace

int decode_target(std::string_view target, Target& out, Method method) {
  out.path.clear();
  out.query = out.authority = {};
  out.hidden = false;
  if (is_plain(target)) {
    out.path.assign(target.substr(1));
    return 0;
  }
  if (target.starts_with('/')) {
    target.remove_prefix(1);
  } else if (target == "*") {
    return method == Method::options ? 0 : 400;
  } else if (const int status = strip_authority(target, out.authority); status != 0) {
    return status;
  }
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  if (question != std::string_view::npos) {
    out.query = target.substr(question);
    target = target.substr(0, question);
  }
  if (target.find('\0') != std::string_view::npos) return 400;
  if (target.find('%') == std::string_view::npos) {
    out.path.assign(target);
  } else if (const int status = percent_decode(target, out.path); status != 0) {
    return status;
  }
  const bool plain = out.path.find("//") == std::string::npos && !has_dot_name(out.path) &&
                     (out.path.empty() || out.path.front() != '/');
  if (!plain) {
    if (const int status = remove_dot_segments(out.path); status != 0) return status;
    out.hidden = is_hidden(out.path);
  }
  return 0;
}

std::string encode_path(std::string_view path) {
  std::string out = "/";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    // RFC 3986 section 3.3: pchar, and the slash between segments.
    const bool plain =
        (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
        (byte != 0 && byte < 0x80 && std::strchr("-._~!$&'()*+,;=:@/", c) != nullptr);
    plain ? out.push_back(c) : append_percent_encoded(c, out);
  }
  return out;
}

}  // namespace ringserve::http

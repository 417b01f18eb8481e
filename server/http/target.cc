// Decodes once, then removes dot segments (RFC 3986 section 5.2.4) from the decoded form, so that
// %2e%2e is what it means. openat2(2) below the root is the sandbox; this is only the syntax.
#include "server/http/target.h"

#include <strings.h>

#include <cstring>

namespace ringserve::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The path of an origin-form or absolute-form target, without the leading slash.
int strip_to_path(std::string_view& target) {
  constexpr std::string_view kScheme = "http://";
  if (!target.empty() && target.front() != '/' && target.size() >= kScheme.size() &&
      ::strncasecmp(target.data(), kScheme.data(), kScheme.size()) == 0) {
    target.remove_prefix(kScheme.size());
    const size_t end = target.find_first_of("/?");
    target.remove_prefix(end == std::string_view::npos ? target.size() : end);
    if (target.empty() || target.front() == '?') return 0;
  }
  if (target.empty() || target.front() != '/') return 400;
  target.remove_prefix(1);
  return 0;
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

bool has_hidden_segment(std::string_view path) {
  return (!path.empty() && path.front() == '.') || path.find("/.") != std::string_view::npos;
}

}  // namespace

int decode_target(std::string_view target, Target& out) {
  out.path.clear();
  out.query = {};
  out.hidden = false;
  if (const int status = strip_to_path(target); status != 0) return status;
  target = target.substr(0, target.find('#'));
  const size_t question = target.find('?');
  if (question != std::string_view::npos) {
    out.query = target.substr(question);
    target = target.substr(0, question);
  }
  if (target.find('%') == std::string_view::npos) {
    out.path.assign(target);
  } else if (const int status = percent_decode(target, out.path); status != 0) {
    return status;
  }
  const bool plain = out.path.find("//") == std::string::npos && !has_hidden_segment(out.path) &&
                     (out.path.empty() || out.path.front() != '/');
  if (!plain) {
    if (const int status = remove_dot_segments(out.path); status != 0) return status;
    out.hidden = has_hidden_segment(out.path);
  }
  return 0;
}

std::string encode_path(std::string_view path) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out = "/";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    // RFC 3986 section 3.3: pchar, and the slash between segments.
    const bool plain =
        (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
        (byte != 0 && byte < 0x80 && std::strchr("-._~!$&'()*+,;=:@/", c) != nullptr);
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 0xF]);
    }
  }
  return out;
}

}  // namespace ringserve::http

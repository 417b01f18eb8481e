// Request targets: whatever is decoded stays below the root, is what a slow reading of RFC 3986
// says, and survives the way out and back in again. Input: the method, the target.
#include "server/http/target.h"

#include <optional>
#include <string>
#include <vector>

#include "common/check.h"
#include "server/http/host.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::decode_target;
using ringserve::http::encode_path;
using ringserve::http::is_authority;
using ringserve::http::Method;
using ringserve::http::Target;

// Nothing where it is malformed, or has a byte that no name can have.
std::optional<std::string> decode_segment(std::string_view raw) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string segment;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '%') {
      const std::string digits = fuzz::lower_case(raw.substr(i + 1, 2));
      if (digits.size() < 2) return std::nullopt;
      const size_t high = kHex.find(digits[0]);
      const size_t low = kHex.find(digits[1]);
      if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
      segment.push_back(static_cast<char>(high * 16 + low));
      i += 2;
      if (segment.back() == '\0' || segment.back() == '/') return std::nullopt;
    } else {
      segment.push_back(raw[i]);
    }
  }
  return segment;
}

// The path as RFC 3986 section 5.2.4 has it, empty segments left out too; nothing where it is
// refused.
std::optional<std::string> path_of(std::string_view raw) {
  std::vector<std::string> segments;
  bool open = true;  // the path ends in a slash
  for (const std::string_view part : fuzz::split(raw, '/')) {
    const auto segment = decode_segment(part);
    if (!segment) return std::nullopt;
    open = segment->empty() || *segment == "." || *segment == "..";
    if (*segment == "..") {
      if (segments.empty()) return std::nullopt;
      segments.pop_back();
    } else if (!open) {
      segments.push_back(*segment);
    }
  }
  std::string path;
  for (const std::string& segment : segments) path += segment + "/";
  if (!open && !path.empty()) path.pop_back();
  return path;
}

bool is_hidden(std::string_view path) {
  bool first = true;
  for (const std::string_view segment : fuzz::split(path, '/')) {
    const bool well_known = first && segment == ".well-known";
    if (segment.substr(0, 1) == "." && !well_known) return true;
    first = false;
  }
  return false;
}

// What openat2(2) and everything behind it is promised.
void check_path(const Target& target) {
  const std::string& path = target.path;
  CHECK(path.find('\0') == std::string::npos);
  CHECK(path.empty() || path.front() != '/');
  const auto segments = fuzz::split(path, '/');
  for (size_t i = 0; i < segments.size(); ++i) {
    CHECK(segments[i] != "." && segments[i] != "..");
    CHECK(!segments[i].empty() || i + 1 == segments.size());  // a slash at the end, or the root
  }
  CHECK(target.hidden == is_hidden(path));
}

void check_round_trip(const Target& target) {
  const std::string encoded = encode_path(target.path);
  CHECK(encoded.front() == '/' && encoded.substr(0, 2) != "//" && encoded.substr(0, 2) != "/\\");
  for (const char c : encoded) {
    CHECK(c > ' ' && c < 0x7f &&
          std::string_view("\"#<>?\\^`{|}").find(c) == std::string_view::npos);
  }
  Target again;
  CHECK(decode_target(encoded, again) == 0);
  CHECK(again.path == target.path && again.hidden == target.hidden && again.query.empty());
}

// Splits an absolute-form target as RFC 3986 does; false where the target is another form.
bool take_authority(std::string_view& rest, std::string_view& authority) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (fuzz::lower_case(rest.substr(0, scheme.size())) != scheme) continue;
    rest.remove_prefix(scheme.size());
    authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(authority.size());
    return true;
  }
  return false;
}

void check_against_slow_reading(std::string_view raw, int status, const Target& target) {
  std::string_view authority;
  std::string_view rest = raw.substr(0, raw.find('#'));
  const bool absolute = take_authority(rest, authority);
  std::string_view query;
  if (const size_t at = rest.find('?'); at != std::string_view::npos) {
    query = rest.substr(at);
    rest = rest.substr(0, at);
  }
  const bool has_path = !rest.empty() && rest.front() == '/';
  if (!has_path && !(absolute && rest.empty())) {
    CHECK(status == 400);
    return;
  }
  const auto path = path_of(has_path ? rest.substr(1) : rest);
  if (!path) {
    CHECK(status == 400 || status == 404);
  } else if (!absolute) {
    CHECK(status == 0);
  }
  if (status != 0) return;  // an absolute form may be refused for its authority
  CHECK(path && target.path == *path && target.query == query);
  CHECK(target.authority == authority && is_authority(authority));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const std::string_view name = input.line();
  const Method method = name == "OPTIONS" ? Method::options : Method::get;
  const fuzz::Exact raw(input.rest());
  // The parser refuses control characters that are not encoded.
  if (fuzz::has_control(raw.view())) return 0;
  Target target;
  target.path = "of the request before";
  const int status = decode_target(raw.view(), target, method);
  CHECK(status == 0 || status == 400 || status == 404);
  if (raw.view() == "*") {
    CHECK((status == 0) == (method == Method::options));
    CHECK(status != 0 || target.path.empty());
    return 0;
  }
  check_against_slow_reading(raw.view(), status, target);
  if (status != 0) return 0;
  check_path(target);
  check_round_trip(target);
  return 0;
}

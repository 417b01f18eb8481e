// Redirects: where a browser goes by a Location is up to the rule, never to the client, and the
// head it stands in stays whole. Input, a line each: FROM, TO, the target of a request.
#include "server/http/redirects.h"

#include <algorithm>
#include <string>

#include "common/check.h"
#include "server/http/target.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::decode_target;
using ringserve::http::is_usable;
using ringserve::http::location_for;
using ringserve::http::Rule;
using ringserve::http::Target;

bool is_slash(char c) { return c == '/' || c == '\\'; }

// Where browsers go: the URL standard takes any backslash for a slash. Empty: the same host.
std::string host_in(std::string_view location) {
  for (const std::string_view scheme : {"http:", "https:"}) {
    if (fuzz::lower_case(location.substr(0, scheme.size())) != scheme) continue;
    location.remove_prefix(scheme.size());
    while (!location.empty() && is_slash(location.front())) location.remove_prefix(1);
    return std::string(location.substr(0, location.find_first_of("/\\?#")));
  }
  CHECK(!location.empty() && location.front() == '/');
  CHECK(location.size() < 2 || !is_slash(location[1]));
  return "";
}

void check_location(const std::string& location, const Rule& rule, const Target& target) {
  for (const char c : location) CHECK(c > ' ' && c < 0x7f);
  std::string_view to = rule.to;
  if (!to.empty() && to.back() == '*') to.remove_suffix(1);
  CHECK(host_in(location) == host_in(to));
  CHECK(location.substr(0, to.size()) == to || to.find_first_of("?#") != std::string_view::npos);
  const std::string_view query = target.query.substr(target.query.empty() ? 0 : 1);
  CHECK(location.find(query) != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const Rule rule{std::string(input.line()), std::string(input.line())};
  const fuzz::Exact raw(input.rest());
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7f; };  // the parser refuses others
  if (!std::all_of(raw.view().begin(), raw.view().end(), is_plain)) return 0;
  Target target;
  if (decode_target(raw.view(), target) != 0) return 0;

  const auto location = location_for(std::span(&rule, 1), target.path, target.query);
  if (!location) {
    // A rule for exactly this path applies, if it can be used at all.
    CHECK(!is_usable(rule) || rule.from != "/" + target.path);
    return 0;
  }
  CHECK(is_usable(rule));
  check_location(*location, rule, target);
  // The first rule that applies decides, and one that cannot be used is as if it were not there.
  const Rule rules[] = {{"/*", "//elsewhere/*"}, rule, {"/*", "/late/*"}};
  CHECK(location_for(rules, target.path, target.query) == location);
  return 0;
}

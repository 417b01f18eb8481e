// Hosts: one way to write each, which is its own; what a site is found by has no port and no upper
// case. Input: an authority, a pattern.
#include "server/http/host.h"

#include <string>

#include "common/check.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::http::host_matches;
using ringserve::http::is_authority;
using ringserve::http::normalise_host;

void check_host(const std::string& host) {
  CHECK(host == fuzz::lower_case(host));
  CHECK(!fuzz::has_control(host));
  CHECK(host.find_first_of(" /?#@\\") == std::string::npos);
  std::string again;
  CHECK(normalise_host(host, again) && again == host);
  if (host.empty()) return;
  CHECK(normalise_host(host + ":8080", again) && again == host);
  CHECK(host_matches(host, host));
  if (host.front() == '[') {
    CHECK(host.back() == ']');
    return;
  }
  CHECK(host.find(':') == std::string::npos);
  CHECK(host.front() != '.' && host.back() != '.' && host.find("..") == std::string::npos);
  CHECK(normalise_host(host + ".:443", again) && again == host);
  CHECK(host_matches("*." + host, "a." + host) && host_matches("*." + host, "b.a." + host));
  CHECK(!host_matches("*." + host, host) && !host_matches("*." + host, "a" + host));
  if (host.substr(0, 2) != "*.") CHECK(!host_matches(host, "a." + host));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const fuzz::Exact authority(input.line());
  const fuzz::Exact pattern(input.line());
  std::string host = "of the request before";
  const bool well_formed = normalise_host(authority.view(), host);
  CHECK(well_formed || host.empty());
  CHECK(!well_formed || is_authority(authority.view()));
  if (!well_formed) return 0;
  check_host(host);
  const bool matches = host_matches(pattern.view(), host);
  if (pattern.view().substr(0, 2) != "*.") {
    CHECK(matches == (pattern.view() == host));
  } else if (matches) {
    const std::string_view below = pattern.view().substr(1);  // ".example.org"
    CHECK(host.size() > below.size() &&
          std::string_view(host).substr(host.size() - below.size()) == below);
  }
  return 0;
}

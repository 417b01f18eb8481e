// A registered name is taken as it stands, percent-encoding included: nobody resolves it here, it
// is only compared. Only inet_pton(3), which is a parser, is asked about IPv6 addresses.
#include "server/http/host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "server/http/text.h"

namespace ringserve::http {
namespace {

// RFC 3986 section 3.2.2: unreserved and sub-delims; '%' has a rule of its own.
constexpr std::array<bool, 256> kNameChars = [] {
  std::array<bool, 256> table{};
  for (unsigned char c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) table[c] = table[c | 0x20] = true;
  for (const char c : std::string_view("-._~!$&'()*+,;="))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool is_name_char(char c) { return kNameChars[static_cast<unsigned char>(c)]; }

// How many bytes at the front are a registered name.
size_t name_bytes(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (is_name_char(text[at])) {
      ++at;
    } else if (text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
               hex_digit(text[at + 2]) >= 0) {
      at += 3;
    } else {
      break;
    }
  }
  return at;
}

// How many bytes at the front are an IPv6 address in brackets; 0 if none. Future versions of IP
// (RFC 3986's IPvFuture) are no addresses of ours.
size_t literal_bytes(std::string_view text) {
  const size_t end = text.find(']');
  char address[INET6_ADDRSTRLEN];
  if (end == std::string_view::npos || end > sizeof address) return 0;
  if (text.substr(0, end).find('\0') != std::string_view::npos) return 0;
  std::memcpy(address, text.data() + 1, end - 1);
  address[end - 1] = '\0';
  in6_addr parsed;
  return ::inet_pton(AF_INET6, address, &parsed) == 1 ? end + 1 : 0;
}

size_t host_bytes(std::string_view text) {
  return !text.empty() && text.front() == '[' ? literal_bytes(text) : name_bytes(text);
}

// What RFC 3986 allows and no name has: an empty label, or a star, which stands for names here.
bool is_odd(std::string_view name) {
  return name.empty() || name.starts_with('.') || name.ends_with('.') ||
         name.find("..") != std::string_view::npos || name.find('*') != std::string_view::npos;
}

}  // namespace

bool is_authority(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), is_name_char)) return true;  // most, and nothing at all
  const size_t host = host_bytes(text);
  if (host == 0) return false;
  const std::string_view port = text.substr(host);
  return port.empty() ||
         (port.front() == ':' &&
          std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; }));
}

bool normalise_host(std::string_view authority, std::string& out) {
  out.clear();
  if (!is_authority(authority)) return false;
  if (authority.empty()) return true;
  std::string_view host = authority.substr(0, host_bytes(authority));
  if (host.back() == '.') host.remove_suffix(1);
  if (is_odd(host)) return false;
  for (const char c : host) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return true;
}

bool host_matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  const std::string_view suffix = pattern.substr(1);
  return host.size() > suffix.size() && host.ends_with(suffix);
}

}  // namespace ringserve::http

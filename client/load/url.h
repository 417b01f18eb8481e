// The URLs ringload loads, as people write them, and where they lead.
#pragma once

#include <string>
#include <string_view>

#include "common/net/address.h"
#include "common/net/result.h"

namespace ringload {

// http://host[:port][/path][?query] or unix:/path.sock[:/path]. Nothing is decoded: the path is
// sent as it was given, "/" where there is none.
struct Url {
  std::string text;  // as given
  std::string host;  // without brackets; empty for Unix sockets
  uint16_t port = 80;
  std::string host_header;  // RFC 9110 section 7.2; "localhost" for Unix sockets
  std::string socket_path;  // of a Unix socket
  std::string path;         // origin-form, RFC 9112 section 3.2.1

  static net::Result<Url> parse(std::string_view text);
};

// The address to connect to. A name with several addresses: the first that accepts a connection
// (one is opened to each in turn, and reset); `family` AF_UNSPEC or that of --source.
net::Result<net::Address> resolve(const Url& url, int family);

// Whether a path can stand in a request line: it starts with '/', and holds no space, control or
// other character that needs escaping.
net::Status check_path(std::string_view path);

}  // namespace ringload

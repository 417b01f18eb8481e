// The addresses a program listens on or connects to, as people write them:
// 127.0.0.1:8080, [::1]:8080, unix:/absolute/path. Host names are not resolved here.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "common/net/result.h"

namespace net {

class Address {
 public:
  static Result<Address> parse(std::string_view text);
  // The address a socket is bound to: getsockname(2).
  static Result<Address> of_socket(int fd);
  // A copy of a socket address that the kernel or getaddrinfo(3) gave; `size` fits it.
  static Address of_sockaddr(const sockaddr* address, socklen_t size);
  // "10.0.0.1" or "::1", with port 0.
  static Result<Address> parse_host(std::string_view host);

  int family() const { return storage_.ss_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  bool is_loopback() const;       // 127.0.0.0/8 or ::1
  uint16_t port() const;          // 0 for Unix sockets
  std::string unix_path() const;  // empty for the others
  std::string text() const;       // the form parse() takes
  std::string host_text() const;  // without port and brackets; empty for Unix sockets
  Address with_port(uint16_t port) const;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace net

// A blocking HTTP/1.1 client on one keep-alive connection that throws bodies away inside the
// kernel (recv with MSG_TRUNC copies nothing), so that what is measured is the server.
#pragma once

#include <cstdint>
#include <string>

#include "common/net/owned_fd.h"

namespace bench {

struct Response {
  std::uint64_t head_bytes = 0;
  std::uint64_t body_bytes = 0;
};

class DiscardingClient {
 public:
  // Throws std::system_error.
  DiscardingClient(const std::string& ipv4_address, std::uint16_t port);

  // GETs `path` and discards the body, which is as long as Content-Length said. Throws
  // std::runtime_error for any answer but a complete 200.
  Response get(const std::string& path);

  int fd() const { return socket_.get(); }
  std::string request_for(const std::string& path) const;

 private:
  std::string receive_head();
  void discard(std::uint64_t bytes);

  // A client woken for every segment costs the server an interrupt to the other CPU each time;
  // one that sleeps until what it asked for is there does not. (A blocking recv would be woken
  // by segments even so, hence poll.)
  void wait_for(std::uint64_t bytes);
  void set_low_water_mark(std::uint64_t bytes);

  net::OwnedFd socket_;
  std::string host_;
  std::uint64_t low_water_mark_bytes_ = 1;
};

}  // namespace bench

// Connected stream sockets to send over: TCP over loopback, TCP over a veth pair between two
// network namespaces, or Unix sockets. Set up as the server's own (net::listen_on()).
#pragma once

#include <cstdint>
#include <string_view>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace micro {

enum class Over { tcp, veth, unix_socket };
std::string_view name_of(Over over);

struct Link {
  net::OwnedFd sending;    // non-blocking; the end that was accepted
  net::OwnedFd receiving;  // blocking
  bool is_tcp = true;
};
net::Result<Link> open_link(Over over);

// Segments with data that a TCP socket has sent (tcpi_data_segs_out of tcp(7)); 0 for others.
uint64_t data_segments(const Link& link);

}  // namespace micro

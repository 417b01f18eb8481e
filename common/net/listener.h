// Listening sockets. Each error says which address, which errno and what to do; for an address in
// use it names the process that has it, where /proc lets us see it.
#pragma once

#include <vector>

#include "common/net/address.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace net {

struct ListenGroup {
  Address address;               // as bound: the kernel's choice where port 0 was asked for
  std::vector<OwnedFd> sockets;  // one per thread; for a Unix socket all are the same socket
};

// How many connections can wait in the queues of `sockets` listeners: the backlog that was asked
// for, cut to net.core.somaxconn as the kernel does (listen(2)), and one more each.
unsigned accept_queue_max(unsigned sockets);

// Binds and listens `count` sockets on one address. TCP: SO_REUSEPORT spreads connections over
// them by hash (socket(7)), after a bind without it has shown that nobody else has the port.
// Unix: one socket, duplicated. The sockets are blocking, close-on-exec, TCP_NODELAY (inherited
// by accepted sockets).
//
// `congestion` names the TCP congestion control; empty means the system's, but reno on a loopback
// address: a path without a queue needs no model of it, and the pacing timers of bbr cost three
// times the CPU of sending a large file (bench/versus/run --workloads 100m).
Result<ListenGroup> listen_on(const Address& wanted, unsigned count,
                              const std::string& congestion = {});

}  // namespace net

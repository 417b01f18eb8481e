// Network namespaces for benchmarks: one of their own, or two joined by a veth pair. Everything in
// them vanishes with the last descriptor; the machine's own network is never touched.
#pragma once

#include <string>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace micro {

// A fresh network namespace with `lo` up, kept alive by the descriptor (network_namespaces(7)).
// Needs CAP_SYS_ADMIN; errors are those of net::enter_private_network().
net::Result<net::OwnedFd> make_network();

// The calling thread lives in another network namespace while this object does: the sockets and
// threads it makes meanwhile belong there. Made and destroyed by the same thread.
class NetworkScope {
 public:
  static net::Result<NetworkScope> enter(const net::OwnedFd& network);
  NetworkScope(NetworkScope&&) = default;
  NetworkScope& operator=(NetworkScope&&) = delete;
  ~NetworkScope();

 private:
  explicit NetworkScope(net::OwnedFd home) : home_(std::move(home)) {}

  net::OwnedFd home_;
};

// Two networks and the cable between them.
struct VethPair {
  static constexpr const char* kNearHost = "10.0.0.1";
  static constexpr const char* kFarHost = "10.0.0.2";

  net::OwnedFd near;
  net::OwnedFd far;
};
net::Result<VethPair> make_veth_pair();

}  // namespace micro

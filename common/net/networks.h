// Network namespaces for benchmarks and experiments: one of their own, or two joined by a veth
// pair. Everything in them vanishes with the last descriptor; the machine's own network is never
// touched.
#pragma once

#include <cstdint>
#include <string>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace net {

// A fresh network namespace with `lo` up, kept alive by the descriptor (network_namespaces(7)).
// Needs CAP_SYS_ADMIN; errors are those of enter_private_network().
Result<OwnedFd> make_network();

// The calling thread lives in another network namespace while this object does: the sockets and
// threads it makes meanwhile belong there. Made and destroyed by the same thread.
class NetworkScope {
 public:
  static Result<NetworkScope> enter(const OwnedFd& network);
  NetworkScope(NetworkScope&&) = default;
  NetworkScope& operator=(NetworkScope&&) = delete;
  ~NetworkScope();

 private:
  explicit NetworkScope(OwnedFd home) : home_(std::move(home)) {}

  OwnedFd home_;
};

// How many packets may wait in an interface of that network before it (txqueuelen). By rtnetlink,
// which needs no right outside of the network's user namespace; SIOCSIFTXQLEN does.
Status set_queue_length(const OwnedFd& network, const char* interface, uint32_t packets);

// Two networks and the cable between them. The ends' Ethernet addresses are known from the start
// and never forgotten (arp(7), permanent entries): no ARP on the cable.
struct VethPair {
  static constexpr const char* kNearHost = "10.0.0.1";
  static constexpr const char* kFarHost = "10.0.0.2";
  static constexpr const char* kNearName = "near";  // of the interface, in its network
  static constexpr const char* kFarName = "far";

  OwnedFd near;
  OwnedFd far;
};
Result<VethPair> make_veth_pair();

// What the near end sends from now on is lost without a word, and the far end has no way to send:
// its device is down.
Status cut_link(const VethPair& pair);
Status mend_link(const VethPair& pair);

}  // namespace net

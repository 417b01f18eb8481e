// The TCP sockets of one network namespace as the kernel sees them, by netlink (sock_diag(7),
// linux/inet_diag.h, net/ipv4/inet_diag.c). The kernel filters, so that only what is asked for is
// copied; it still walks its whole table, about 1 ms.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/address.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace net {

// An IP address and a port in one form for both families: IPv4 is kept v4-mapped (::ffff:a.b.c.d),
// so that the server's end of an IPv4 connection to a dual-stack listener compares equal.
struct Endpoint {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;  // host order

  static Endpoint of(const Address& address);  // of an IP address, not of a Unix socket
  bool is_ipv4() const;
  bool is_wildcard() const;  // 0.0.0.0 or ::
  // 127.0.0.0/8, ::1 or ::ffff:127.0.0.0/104: what tcp_tw_reuse=2 asks for in tcp_twsk_unique(),
  // net/ipv4/tcp_ipv4.c.
  bool is_loopback() const;
  std::string text() const;       // "127.0.0.1:80", "[::1]:80"
  std::string host_text() const;  // "127.0.0.1", "::1"

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// include/net/tcp_states.h; the first eleven are also in netinet/tcp.h.
enum class TcpState : uint8_t {
  established = 1,
  syn_sent,
  syn_recv,
  fin_wait1,
  fin_wait2,
  time_wait,
  close,
  close_wait,
  last_ack,
  listen,
  closing,
  new_syn_recv,
  bound_inactive,  // bound, neither listening nor connected; shown since Linux 6.8
};

constexpr uint32_t mask_of(TcpState state) { return 1U << static_cast<unsigned>(state); }
constexpr uint32_t kAllStates = (1U << 14) - 2;
constexpr uint32_t kBindingStates = mask_of(TcpState::listen) | mask_of(TcpState::bound_inactive);

// What the kernel holds for a socket, in bytes (SK_MEMINFO_* in linux/sock_diag.h).
struct SocketMemory {
  uint32_t received = 0;    // RMEM_ALLOC: arrived and not read yet, with its overhead
  uint32_t queued = 0;      // WMEM_QUEUED: sent or to be sent, not acknowledged yet
  uint32_t in_reserve = 0;  // FWD_ALLOC: taken beforehand for the next packets
  uint32_t dropped = 0;     // packets that found no room
};

struct SeenSocket {
  TcpState state = TcpState::close;
  Endpoint local;
  Endpoint remote;
  uint32_t backlog = 0;  // of listeners: what listen() was given, cut to net.core.somaxconn
  // Until the kernel forgets it, where it is kept as a small timewait socket: in TIME_WAIT, and
  // as an orphan in FIN_WAIT2. 0 to 60,000, but for the latter up to tcp_fin_timeout.
  std::optional<uint32_t> expires_in_ms;
  std::optional<SocketMemory> memory;  // where the filter asked for it, and the socket has any
  bool v6_only = false;  // of listeners: IPV6_V6ONLY, so that IPv4 connections do not reach it
};

// A socket is shown when its local end is one of `locals` or its remote end one of `remotes`; all
// are shown when both lists are empty. Port 0 stands for any port.
struct SocketFilter {
  uint32_t states = kAllStates;  // mask_of() of the wanted ones
  std::vector<Endpoint> locals{};
  std::vector<Endpoint> remotes{};
  bool with_memory = false;
};

using SocketVisitor = std::function<void(const SeenSocket&)>;

// One thread at a time.
class SockDiag {
 public:
  // Of the calling thread's network namespace. ENOENT or EPROTONOSUPPORT: the kernel lacks it;
  // EPERM, EACCES: a sandbox forbids it.
  static Result<std::unique_ptr<SockDiag>> open();

  // Shows every socket of `family` (AF_INET or AF_INET6) that passes. The table goes on changing
  // meanwhile: a socket that moves may be seen twice or not at all. After an error (EINTR where
  // the kernel says the dump is inconsistent, ENOBUFS where it lost messages) the visitor has
  // seen a part; the caller may begin anew.
  Status dump(int family, const SocketFilter& filter, const SocketVisitor& visit);

 private:
  enum class Progress { more, done };

  SockDiag() : buffer_(kBufferBytes) {}
  Status open_socket();
  Status send_request(int family, const SocketFilter& filter);
  Result<Progress> receive_part(const SocketVisitor& visit);

  // The kernel fills at most 32 KiB a message (netlink_recvmsg(), net/netlink/af_netlink.c).
  static constexpr size_t kBufferBytes = 65536;

  OwnedFd socket_;
  uint32_t sequence_ = 0;
  std::vector<char> buffer_;  // from operator new: aligned for nlmsghdr
};

}  // namespace net

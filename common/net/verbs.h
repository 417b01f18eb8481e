// What an experiment, a lab or a test does with sockets, a word for each thing. Every step of those
// has to work, so a verb that cannot do its work throws std::system_error, which says the call and
// the errno; where the errno is what one wants to see, the verb begins with try_ and returns it.
//
// Sockets are blocking and close-on-exec unless the caller changes that. Nothing here waits for
// time to pass: what the kernel announces is awaited, what it does not announce (another socket's
// state) is looked at again until it is so, for kPatience at most.
#pragma once

#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info ends in 2008
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/net/address.h"
#include "common/net/capture.h"
#include "common/net/owned_fd.h"
#include "common/net/sock_diag.h"

namespace net::verbs {

// How long something is waited for that should come at once: beyond, the experiment is broken.
constexpr std::chrono::seconds kPatience{20};

// "127.0.0.1:8080", "[::1]:0", "unix:/path".
Address at(std::string_view text);
// 127.0.0.1 with that port; 0 lets the kernel choose.
Address loopback(uint16_t port = 0);

// ---- Sockets ----

OwnedFd tcp_socket(int family = AF_INET);
OwnedFd udp_socket(int family = AF_INET);

// 0 or errno.
int try_bind(const OwnedFd& socket, const Address& to);
int try_listen(const OwnedFd& socket, int backlog);
int try_connect(const OwnedFd& socket, const Address& to);

void bind_to(const OwnedFd& socket, const Address& to);

struct ListenOptions {
  int backlog = 128;
  bool reuse_address = true;  // SO_REUSEADDR
  bool reuse_port = false;    // SO_REUSEPORT
  bool v6_only = true;        // IPV6_V6ONLY, for an IPv6 address
};
OwnedFd listen_on(const Address& to, const ListenOptions& options = {});

OwnedFd connect_to(const Address& to);
// From an address (its port may be 0), by bind(2). With `late_port`, IP_BIND_ADDRESS_NO_PORT: the
// port is chosen by connect(2).
OwnedFd connect_from(const Address& source, const Address& to, bool late_port = false);
OwnedFd accept_from(const OwnedFd& listener);

Address local_of(const OwnedFd& socket);   // getsockname(2)
Address remote_of(const OwnedFd& socket);  // getpeername(2)

struct Connection {
  OwnedFd client;
  OwnedFd server;
};
// connect(2) to the listener's address (the loopback one where it listens on the wildcard), and
// accept(2).
Connection open_connection(const OwnedFd& listener);

// ---- Options ----

void set_option(const OwnedFd& socket, int level, int name, int value);
int option_of(const OwnedFd& socket, int level, int name);
void set_linger(const OwnedFd& socket, bool on, int seconds);
void set_nonblocking(const OwnedFd& socket, bool on = true);
// recv(2) and accept(2), or send(2) and connect(2), then fail with EAGAIN after that time.
void set_receive_timeout(const OwnedFd& socket, std::chrono::milliseconds timeout);
void set_send_timeout(const OwnedFd& socket, std::chrono::milliseconds timeout);

// ---- Bytes ----

// All of them, whatever the socket takes at once; no SIGPIPE.
void send_all(const OwnedFd& socket, std::string_view bytes);
// 0 or errno, of one send(2) with MSG_NOSIGNAL of all bytes.
int try_send(const OwnedFd& socket, std::string_view bytes);
// One recv(2): what is there, at most `bytes_max`; empty at the end of the file.
std::string receive_some(const OwnedFd& socket, size_t bytes_max = 65536);
// Exactly that many bytes, or less if the file ends before.
std::string receive_exactly(const OwnedFd& socket, size_t bytes);
std::string receive_until_end(const OwnedFd& socket);
// 0 or errno, of one recv(2) of a byte, which is left there (MSG_PEEK).
int try_receive(const OwnedFd& socket, int flags = 0);

// SIOCOUTQ: written and not acknowledged yet. SIOCINQ: arrived and not read yet; of a datagram
// socket, the length of the next datagram.
size_t unacknowledged_bytes(const OwnedFd& socket);
size_t unread_bytes(const OwnedFd& socket);
// Writes until the socket would block; returns how many bytes it took. Left non-blocking.
size_t fill_send_buffer(const OwnedFd& socket);

// ---- Datagrams ----

OwnedFd udp_at(const Address& to);  // bound to it
void send_to(const OwnedFd& socket, const Address& to, std::string_view bytes);
struct Datagram {
  std::string bytes;
  Address from;
  bool is_truncated = false;  // MSG_TRUNC: it was longer than that
};
Datagram receive_datagram(const OwnedFd& socket, size_t bytes_max = 65536);
void forget_peer(const OwnedFd& socket);  // connect(2) to AF_UNSPEC

// ---- Ends ----

void send_fin(const OwnedFd& socket);  // shutdown(SHUT_WR)
// The first one's FIN, then the second one's; when it returns both descriptors are closed, and the
// first one's end of the connection is in TIME_WAIT.
void active_close(OwnedFd& first, OwnedFd& second);
// A connection to the listener that its client closes first; its port, then in TIME_WAIT.
uint16_t leave_time_wait(const OwnedFd& listener);
// RST: SO_LINGER {1, 0} and close(2).
void reset_close(OwnedFd& socket);
// As if its host had crashed: the connection is gone here, and the peer is told nothing
// (TCP_REPAIR; needs CAP_NET_ADMIN, which root of a private network has).
void crash_close(OwnedFd& socket);

// From now on the socket hears nothing: segments for it are dropped before TCP sees them
// (SO_ATTACH_FILTER, socket(7)), as if the link were cut in that direction. For a listener: SYNs.
void deafen(const OwnedFd& socket);
void hear_again(const OwnedFd& socket);
// It hears only segments with one of these flags (kFin | kSyn), by the same means.
constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;
void hear_only(const OwnedFd& socket, uint8_t flags);

// ---- Looking ----

tcp_info info_of(const OwnedFd& socket);  // TCP_INFO, tcp(7)
TcpState state_of(const OwnedFd& socket);
// Data segments sent since the connection was made (tcpi_data_segs_out), retransmissions included.
uint32_t count_segments(const OwnedFd& socket);

// States of all TCP sockets of this network namespace with the port at their local end, sorted;
// those of `family` only. "FIN_WAIT2" and so on by name_of().
std::vector<TcpState> states_of(uint16_t local_port, int family = AF_INET);
std::vector<SeenSocket> sockets_at(uint16_t local_port, int family = AF_INET);
// All of this network namespace, of `family`.
std::vector<SeenSocket> all_sockets(int family = AF_INET);
bool has_state(uint16_t local_port, TcpState state, int family = AF_INET);
const char* name_of(TcpState state);
// "SYN | SYN,ACK | ACK"
std::string flags_of(const std::vector<Segment>& segments);

// A counter of this namespace: counter("TcpExt", "ListenOverflows"); of /proc/net/netstat, snmp or
// snmp6 (group "Ip6" and others), whichever has it.
uint64_t counter(std::string_view group, std::string_view name);
// "TCP: inuse 1 orphan 0 tw 0": gauge("TCP", "tw"), of /proc/net/sockstat.
uint64_t gauge(std::string_view group, std::string_view name);

// Until the socket can be read or written (poll(2) events), or kPatience is over: then it throws.
void await_event(const OwnedFd& socket, short events);
// Whether it can, within that time.
bool has_event(const OwnedFd& socket, short events, std::chrono::milliseconds within);
// Looks until the condition holds; throws after kPatience, saying what was awaited.
void await(const char* what, const std::function<bool()>& condition);
void await_state(const OwnedFd& socket, TcpState state);

// ---- Files and pipes ----

// A file without a name, in memory (memfd_create(2)), with these bytes; its position is 0.
OwnedFd memory_file(std::string_view bytes);
struct Pipe {
  OwnedFd read;
  OwnedFd write;
};
Pipe make_pipe(int capacity_bytes = 0);  // 0: the kernel's default, 64 KiB
// A descriptor through a Unix socket (SCM_RIGHTS, unix(7)), with a byte that carries it.
void send_descriptor(const OwnedFd& socket, const OwnedFd& descriptor);
OwnedFd receive_descriptor(const OwnedFd& socket);

// ---- The network of this namespace ----

void set_sysctl(std::string_view name, std::string_view value);
void set_sysctl(std::string_view name, int64_t value);
int64_t sysctl(std::string_view name);
// One more IPv4 address for `lo`, beside 127.0.0.0/8. `alias` tells several apart: 0 to 9.
void add_loopback_address(std::string_view host, int alias = 1);
void set_mtu(const char* interface, int bytes);

// The calling thread, and those it starts meanwhile, run on one core while this object does: what
// is measured is then the work, not where the scheduler put its halves.
class OneCore {
 public:
  OneCore();
  OneCore(const OneCore&) = delete;
  OneCore& operator=(const OneCore&) = delete;
  ~OneCore();

 private:
  cpu_set_t allowed_;
};

// CPU time of the calling thread. Not of getrusage(2), which may be a timer tick behind.
int64_t thread_cpu_ns();

// Time since it was made.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  double milliseconds() const { return seconds() * 1e3; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
};

}  // namespace net::verbs

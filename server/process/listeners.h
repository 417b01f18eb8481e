// All listening sockets of the server, inherited or bound here, and how workers share them. The
// main thread keeps one descriptor of each, so that it can hand them over; workers have copies.
// Nobody's connection is lost in a hand-over because both processes then hold the same sockets: a
// connection waits in the queue of the socket, not in a process.
#pragma once

#include <string>
#include <vector>

#include "common/net/address.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"
#include "server/options.h"
#include "server/process/inherited.h"

namespace ringserve::process {

// One socket as one worker has it.
struct Share {
  size_t socket = 0;    // of those with the same address
  bool shared = false;  // other workers accept from it too
  bool operator==(const Share&) const = default;
};

// How `workers` share the sockets of one address: each has sockets of its own where there are
// enough. Where there are fewer (one of a service manager, more --threads after an upgrade),
// several workers accept from the same one. No socket is left without a worker: its clients would
// wait for ever.
std::vector<std::vector<Share>> share_sockets(size_t sockets, unsigned workers);

struct WorkerSocket {
  net::OwnedFd socket;
  bool is_tcp = true;
  bool shared = false;
};

// A socket on its way to a successor; the descriptor is the Listeners'.
struct HandedSocket {
  int fd;
  std::string name;
};

class Listeners {
 public:
  Listeners() = default;
  ~Listeners() { remove_unix_sockets(); }
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // Inherited sockets are used where the settings ask for their address, or where a service manager
  // gave them; what is missing is bound. An inherited socket that nobody wants is closed.
  net::Status open(const Options& options, std::vector<Inherited> inherited);

  net::Result<std::vector<std::vector<WorkerSocket>>> for_workers(unsigned workers) const;
  net::Result<std::vector<net::OwnedFd>> for_admin() const;
  std::vector<net::Address> addresses() const { return addresses_of(false); }
  std::vector<net::Address> admin_addresses() const { return addresses_of(true); }
  // Those that this server, or one before it, has bound.
  std::vector<net::Address> own_addresses() const;
  size_t count() const;      // of all sockets
  size_t inherited() const;  // of the addresses, those that were inherited
  std::vector<HandedSocket> to_hand_over() const;

  // This server serves now: what it has inherited of a predecessor is its own.
  void take_over() { has_taken_over_ = true; }
  // Of the Unix sockets that are this server's to remove.
  void remove_unix_sockets();
  // The main thread's descriptors.
  void close() { groups_.clear(); }
  // The successor has them now: their names stay.
  void leave_to_successor();

 private:
  // The sockets of one address.
  struct Group {
    net::Address address;
    std::string name;
    bool is_admin = false;
    bool is_inherited = false;
    std::vector<net::OwnedFd> sockets;
    bool is_bound_by_us() const { return name == kBoundName || name == kBoundAdminName; }
  };

  net::Status adopt_given(std::vector<Inherited>& inherited, const Options& options);
  net::Status adopt_or_bind(const net::Address& wanted, bool is_admin, const Options& options,
                            std::vector<Inherited>& inherited);
  Group* find(const net::Address& address, bool is_admin);
  std::vector<net::Address> addresses_of(bool is_admin) const;

  std::vector<Group> groups_;
  bool has_taken_over_ = false;
};

}  // namespace ringserve::process

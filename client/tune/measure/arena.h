// Where a sample takes place: one network with its loopback device, or two with a link between
// them; parameters set, counters read. Made inside a cell (cell.h); vanishes with it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/delayed_link.h"
#include "common/net/networks.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringtune {

struct Setting {
  std::string name;
  std::string value;
  bool operator==(const Setting&) const = default;
};

enum class Wiring { loopback, veth, link };

struct ArenaOptions {
  Wiring wiring = Wiring::loopback;
  net::LinkOptions link{};  // for Wiring::link
};

// By name, such as "ListenOverflows"; a name that two groups have is that of Tcp and TcpExt.
using CounterValues = std::map<std::string, uint64_t>;

class Arena {
 public:
  // The networks, with the settings in each of them before any socket is there.
  static net::Result<std::unique_ptr<Arena>> make(const ArenaOptions& options,
                                                  const std::vector<Setting>& settings);

  const std::string& server_host() const { return server_host_; }
  // The calling thread, and what it starts, is on that side while the scope lives.
  net::Result<net::NetworkScope> on_client_side() const {
    return net::NetworkScope::enter(client_);
  }
  net::Result<net::NetworkScope> on_server_side() const {
    return net::NetworkScope::enter(two_sides() ? server_ : client_);
  }
  // Since the networks were made; sums of both.
  net::Result<CounterValues> counters() const;

 private:
  Arena() = default;
  bool two_sides() const { return server_.valid(); }

  net::OwnedFd client_;
  net::OwnedFd server_;  // not valid over loopback
  std::unique_ptr<net::DelayedLink> link_;
  std::string server_host_ = "127.0.0.1";
};

// Writes it in the present network, and reads back what the kernel made of it. Only parameters of
// a network namespace are written at all: all others are refused, with the reason.
net::Result<std::string> set_in_this_network(const Setting& setting);

// Words with one space in between, as two values are compared: the kernel writes tabs.
std::string spaced(const std::string& value);

}  // namespace ringtune

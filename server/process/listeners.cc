// Matches what was inherited with what the settings ask for, by address.
#include "server/process/listeners.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/net/listener.h"

namespace ringserve::process {
namespace {

bool is_of_predecessor(const Inherited& socket) {
  return socket.name == kBoundName || socket.name == kBoundAdminName;
}

net::Result<net::OwnedFd> copy_of(const net::OwnedFd& socket, const net::Address& address) {
  net::OwnedFd copy(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) return net::fail("duplicate the listener of " + address.text(), errno);
  return copy;
}

// Port 0 was asked for, and the predecessor has found one.
bool answers_to(const net::Address& wanted, const net::Address& bound) {
  if (wanted.text() == bound.text()) return true;
  return !wanted.is_unix() && !bound.is_unix() && wanted.port() == 0 &&
         wanted.text() == bound.with_port(0).text();
}

}  // namespace

std::vector<std::vector<Share>> share_sockets(size_t sockets, unsigned workers) {
  std::vector<std::vector<Share>> shares(workers);
  if (sockets == 0) return shares;
  for (size_t i = 0; i < std::max<size_t>(sockets, workers); ++i) {
    const size_t socket = i % sockets;
    const size_t users = workers <= sockets ? 1 : (workers - socket - 1) / sockets + 1;
    shares[i % workers].push_back({socket, users > 1});
  }
  return shares;
}

Listeners::Group* Listeners::find(const net::Address& address, bool is_admin) {
  const auto found = std::ranges::find_if(groups_, [&](const Group& group) {
    return group.is_admin == is_admin && group.address.text() == address.text();
  });
  return found == groups_.end() ? nullptr : &*found;
}

net::Status Listeners::adopt_given(std::vector<Inherited>& inherited, const Options& options) {
  for (Inherited& one : inherited) {
    if (is_of_predecessor(one)) continue;
    const bool is_admin = one.name == kAdminName;
    if (is_admin && !options.admin_public && !one.address.is_unix() && !one.address.is_loopback()) {
      return net::fail("the inherited socket named admin listens at " + one.address.text(), 0,
                       "other machines reach it and read the server's numbers: give it a loopback "
                       "address in its socket unit, or say --admin-public");
    }
    Group* group = find(one.address, is_admin);
    if (group == nullptr) {
      group = &groups_.emplace_back(Group{one.address, one.name, is_admin, true, {}});
    }
    group->sockets.push_back(std::move(one.socket));
  }
  return {};
}

net::Status Listeners::adopt_or_bind(const net::Address& wanted, bool is_admin,
                                     const Options& options, std::vector<Inherited>& inherited) {
  if (find(wanted, is_admin) != nullptr) return {};  // a service manager has opened it
  const std::string name(is_admin ? kBoundAdminName : kBoundName);
  Group group{wanted, name, is_admin, true, {}};
  for (Inherited& one : inherited) {
    if (!one.socket.valid() || one.name != name) continue;
    // The first decides which port an address without one means.
    if (!answers_to(group.sockets.empty() ? wanted : group.address, one.address)) continue;
    group.address = one.address;
    group.sockets.push_back(std::move(one.socket));
  }
  if (group.sockets.empty()) {
    const unsigned count = is_admin || wanted.is_unix() ? 1 : options.threads;
    auto bound = net::listen_on(wanted, count, is_admin ? "" : options.congestion);
    if (!bound) return tl::unexpected(bound.error());
    group.address = bound->address;
    group.sockets = std::move(bound->sockets);
    group.is_inherited = false;
  }
  groups_.push_back(std::move(group));
  return {};
}

net::Status Listeners::open(const Options& options, std::vector<Inherited> inherited) {
  if (auto status = adopt_given(inherited, options); !status) return status;
  const bool is_given = std::ranges::any_of(groups_, [](const Group& g) { return !g.is_admin; });
  if (!is_given || !options.listen_by_default) {
    for (const net::Address& wanted : options.listen) {
      if (auto status = adopt_or_bind(wanted, false, options, inherited); !status) return status;
    }
  }
  for (const net::Address& wanted : options.admin) {
    if (auto status = adopt_or_bind(wanted, true, options, inherited); !status) return status;
  }
  return {};
}

net::Result<std::vector<std::vector<WorkerSocket>>> Listeners::for_workers(unsigned workers) const {
  std::vector<std::vector<WorkerSocket>> per_worker(workers);
  for (const Group& group : groups_) {
    if (group.is_admin) continue;
    const auto shares = share_sockets(group.sockets.size(), workers);
    for (unsigned i = 0; i < workers; ++i) {
      for (const Share& share : shares[i]) {
        auto copy = copy_of(group.sockets[share.socket], group.address);
        if (!copy) return tl::unexpected(copy.error());
        per_worker[i].push_back({std::move(*copy), !group.address.is_unix(), share.shared});
      }
    }
  }
  return per_worker;
}

net::Result<std::vector<net::OwnedFd>> Listeners::for_admin() const {
  std::vector<net::OwnedFd> sockets;
  for (const Group& group : groups_) {
    if (!group.is_admin) continue;
    for (const net::OwnedFd& socket : group.sockets) {
      auto copy = copy_of(socket, group.address);
      if (!copy) return tl::unexpected(copy.error());
      sockets.push_back(std::move(*copy));
    }
  }
  return sockets;
}

std::vector<net::Address> Listeners::addresses_of(bool is_admin) const {
  std::vector<net::Address> addresses;
  for (const Group& group : groups_) {
    if (group.is_admin == is_admin) addresses.push_back(group.address);
  }
  return addresses;
}

std::vector<net::Address> Listeners::own_addresses() const {
  std::vector<net::Address> addresses;
  for (const Group& group : groups_) {
    if (group.is_bound_by_us()) addresses.push_back(group.address);
  }
  return addresses;
}

size_t Listeners::count() const {
  size_t sockets = 0;
  for (const Group& group : groups_) sockets += group.sockets.size();
  return sockets;
}

size_t Listeners::inherited() const {
  return static_cast<size_t>(std::ranges::count_if(groups_, &Group::is_inherited));
}

std::vector<HandedSocket> Listeners::to_hand_over() const {
  std::vector<HandedSocket> sockets;
  for (const Group& group : groups_) {
    for (const net::OwnedFd& socket : group.sockets) sockets.push_back({socket.get(), group.name});
  }
  return sockets;
}

void Listeners::remove_unix_sockets() {
  for (const Group& group : groups_) {
    const bool is_ours = group.is_bound_by_us() && (has_taken_over_ || !group.is_inherited);
    if (group.address.is_unix() && is_ours) {
      ::unlink(group.address.unix_path().c_str());
    }
  }
}

void Listeners::leave_to_successor() { groups_.clear(); }

}  // namespace ringserve::process

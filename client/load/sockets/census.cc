// Sorts the sockets of a dump by side, state and pair. Both ends of a connection may be in this
// namespace: ours has the target as its remote end, the server's as its local end.
#include "client/load/sockets/census.h"

#include <algorithm>
#include <map>
#include <set>

#include "client/load/sockets/forecast.h"

namespace ringload {
namespace {

constexpr int kAttemptsMax = 3;
constexpr uint32_t kTimeWaitMs = static_cast<uint32_t>(kTimeWaitS * 1000);

class Counting {
 public:
  Counting(const Surroundings& around, double now_s)
      : around_(around), reusable_(forecast_of(around.facts).time_wait_reusable), now_s_(now_s) {
    census_.pairs.resize(around.pairs.size());
    census_.releases = ReleaseTimes(now_s);
    for (size_t i = 0; i < around.pairs.size(); ++i) {
      index_[around.pairs[i]] = i;
      targets_.insert(around.pairs[i].destination);
    }
  }

  void add(const net::SeenSocket& socket) {
    if (socket.state == net::TcpState::listen) return;
    const bool waits = socket.state == net::TcpState::time_wait;
    if (targets_.count(socket.remote) != 0) {
      census_.time_wait += waits ? 1 : 0;
      census_.established += socket.state == net::TcpState::established ? 1 : 0;
      census_.parting += socket.state == net::TcpState::fin_wait1 ||
                                 socket.state == net::TcpState::fin_wait2 ||
                                 socket.state == net::TcpState::closing
                             ? 1
                             : 0;
      add_ours(socket);
    } else if (targets_.count(socket.local) != 0) {
      census_.time_wait_server += waits ? 1 : 0;
    }
  }

  Census finish() {
    census_.ports_free = free_ports(around_, census_.pairs);
    return std::move(census_);
  }

 private:
  void add_ours(const net::SeenSocket& socket) {
    net::Endpoint source = socket.local;
    source.port = 0;
    const auto found = index_.find({source, socket.remote});
    if (found == index_.end()) return;  // somebody else's, from another address
    PairUse& use = census_.pairs[found->second];
    (socket.state == net::TcpState::time_wait ? use.time_wait : use.in_use) += 1;
    if (!around_.usable.test(socket.local.port)) return;
    const uint32_t left_ms = blocked_for_ms(socket, reusable_, around_.facts.tw_reuse_delay_ms);
    if (left_ms == 0 && socket.expires_in_ms.has_value()) return;
    use.blocked += 1;
    if (socket.expires_in_ms.has_value()) census_.releases.add(now_s_ + left_ms / 1000.0, 1);
  }

  const Surroundings& around_;
  const bool reusable_;
  const double now_s_;
  Census census_;
  std::map<Pair, size_t> index_;
  std::set<net::Endpoint> targets_;
};

}  // namespace

uint32_t blocked_for_ms(const net::SeenSocket& socket, bool reusable, unsigned reuse_delay_ms) {
  if (!socket.expires_in_ms) return 0;
  // At 0 it is overdue: the timer is coarse, and until it fires the port is held.
  const uint32_t left_ms = std::max<uint32_t>(1, *socket.expires_in_ms);
  if (!reusable || socket.state != net::TcpState::time_wait) return left_ms;
  const uint32_t age_ms = kTimeWaitMs - std::min(kTimeWaitMs, left_ms);
  return std::min(left_ms, age_ms > reuse_delay_ms ? 0 : reuse_delay_ms - age_ms);
}

uint64_t free_ports(const Surroundings& around, const std::vector<PairUse>& uses) {
  const uint64_t per_pair = around.usable.count();
  std::map<net::Endpoint, uint64_t> free_toward;
  for (size_t i = 0; i < uses.size(); ++i) {
    free_toward[around.pairs[i].destination] += per_pair - std::min(per_pair, uses[i].blocked);
  }
  if (free_toward.empty()) return 0;
  const auto fullest = std::min_element(
      free_toward.begin(), free_toward.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  return fullest->second * free_toward.size();
}

net::Result<Census> take_census(net::SockDiag& diag, const Surroundings& around, double now_s) {
  net::SocketFilter filter;
  for (const Pair& pair : around.pairs) {
    if (filter.remotes.empty() || filter.remotes.back() != pair.destination) {
      filter.remotes.push_back(pair.destination);
    }
  }
  if (around.server_is_here) filter.locals = filter.remotes;

  net::Error error;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    Counting counting(around, now_s);
    net::Status status;
    for (const int family : around.families) {
      status = diag.dump(family, filter,
                         [&counting](const net::SeenSocket& socket) { counting.add(socket); });
      if (!status) break;
    }
    if (status) return counting.finish();
    error = status.error();
    if (error.errno_value != EINTR && error.errno_value != ENOBUFS) break;
  }
  return tl::unexpected(error);
}

}  // namespace ringload

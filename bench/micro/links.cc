// One connection each time: what an earlier benchmark did to a congestion window is not inherited.
// The veth pair is made once and lives as long as the program.
#include "bench/micro/links.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/check.h"
#include "common/net/listener.h"
#include "common/net/networks.h"

namespace micro {
namespace {

net::Result<net::OwnedFd> connect_to(const net::Address& address) {
  net::OwnedFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return net::fail("socket", errno);
  if (::connect(socket.get(), address.data(), address.size()) < 0) {
    return net::fail("connect to " + address.text(), errno);
  }
  return socket;
}

net::Result<Link> accept_from(const net::ListenGroup& group, net::OwnedFd client) {
  net::OwnedFd accepted(
      ::accept4(group.sockets[0].get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.valid()) return net::fail("accept", errno);
  return Link{std::move(accepted), std::move(client), true};
}

net::Result<net::ListenGroup> listen_at(std::string_view host) {
  const auto address = net::Address::parse_host(host);
  if (!address) return tl::unexpected(address.error());
  return net::listen_on(*address, 1);
}

net::Result<Link> open_tcp() {
  auto group = listen_at("127.0.0.1");
  if (!group) return tl::unexpected(group.error());
  auto client = connect_to(group->address);
  if (!client) return tl::unexpected(client.error());
  return accept_from(*group, std::move(*client));
}

net::Result<net::ListenGroup> listen_near(const net::VethPair& pair) {
  auto scope = net::NetworkScope::enter(pair.near);
  if (!scope) return tl::unexpected(scope.error());
  return listen_at(net::VethPair::kNearHost);
}

net::Result<net::OwnedFd> connect_far(const net::VethPair& pair, const net::Address& address) {
  auto scope = net::NetworkScope::enter(pair.far);
  if (!scope) return tl::unexpected(scope.error());
  return connect_to(address);
}

net::Result<Link> open_veth() {
  static const net::Result<net::VethPair> pair = net::make_veth_pair();
  if (!pair) return tl::unexpected(pair.error());
  auto group = listen_near(*pair);
  if (!group) return tl::unexpected(group.error());
  auto client = connect_far(*pair, group->address);
  if (!client) return tl::unexpected(client.error());
  return accept_from(*group, std::move(*client));
}

net::Result<Link> open_unix() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return net::fail("socketpair AF_UNIX", errno);
  }
  net::OwnedFd sending(ends[0]), receiving(ends[1]);
  if (::fcntl(sending.get(), F_SETFL, O_NONBLOCK) < 0) return net::fail("fcntl O_NONBLOCK", errno);
  return Link{std::move(sending), std::move(receiving), false};
}

}  // namespace

std::string_view name_of(Over over) {
  switch (over) {
    case Over::tcp: return "tcp";
    case Over::veth: return "veth";
    case Over::unix_socket: return "unix";
  }
  CHECK(false);
}

net::Result<Link> open_link(Over over) {
  switch (over) {
    case Over::tcp: return open_tcp();
    case Over::veth: return open_veth();
    case Over::unix_socket: return open_unix();
  }
  CHECK(false);
}

uint64_t data_segments(const Link& link) {
  if (!link.is_tcp) return 0;
  tcp_info info{};
  socklen_t size = sizeof info;
  CHECK(::getsockopt(link.sending.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  return info.tcpi_data_segs_out;
}

}  // namespace micro

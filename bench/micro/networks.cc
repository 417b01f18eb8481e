// unshare(2), setns(2), and one rtnetlink(7) message for the veth pair (net/core/rtnetlink.c,
// drivers/net/veth.c). A thread that cannot come home must not go on: that is a broken invariant.
#include "bench/micro/networks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>
#include <vector>

#include "common/check.h"
#include "common/net/address.h"
#include "common/net/private_network.h"

namespace micro {
namespace {

constexpr const char* kNearName = "near";
constexpr const char* kFarName = "far";

net::Result<net::OwnedFd> present_network() {
  net::OwnedFd network(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!network.valid()) return net::fail("open /proc/thread-self/ns/net", errno);
  return network;
}

// A netlink message that grows; attributes may hold others.
class Message {
 public:
  Message(uint16_t type, uint16_t flags) {
    const nlmsghdr header{0, type, flags, 1, 0};
    append(&header, sizeof header);
    add_interface_header();
  }
  void add_interface_header() {
    const ifinfomsg any{};
    append(&any, sizeof any);
  }
  size_t begin(uint16_t type) {
    const size_t at = bytes_.size();
    const rtattr attribute{0, type};
    append(&attribute, sizeof attribute);
    return at;
  }
  void end(size_t at) {
    const auto length = static_cast<uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at + offsetof(rtattr, rta_len), &length, sizeof length);
    bytes_.resize(RTA_ALIGN(bytes_.size()));
  }
  void add(uint16_t type, const void* value, size_t bytes) {
    const size_t at = begin(type);
    append(value, bytes);
    end(at);
  }
  void add(uint16_t type, const char* text) { add(type, text, std::strlen(text) + 1); }
  const std::vector<char>& finish() {
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof length);
    return bytes_;
  }

 private:
  void append(const void* from, size_t bytes) {
    const char* begin = static_cast<const char*>(from);
    bytes_.insert(bytes_.end(), begin, begin + bytes);
  }

  std::vector<char> bytes_;
};

// Sends one request to rtnetlink and reads the kernel's verdict.
net::Status ask(const std::vector<char>& request, const std::string& what) {
  const net::OwnedFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.valid()) return net::fail("socket NETLINK_ROUTE", errno);
  if (::send(socket.get(), request.data(), request.size(), 0) < 0) return net::fail(what, errno);
  alignas(nlmsghdr) char reply[1024];
  const ssize_t length = ::recv(socket.get(), reply, sizeof reply, 0);
  if (length < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) {
    return net::fail(what, length < 0 ? errno : EPROTO);
  }
  nlmsghdr header{};
  nlmsgerr verdict{};
  std::memcpy(&header, reply, sizeof header);
  std::memcpy(&verdict, reply + NLMSG_HDRLEN, sizeof verdict);
  if (header.nlmsg_type != NLMSG_ERROR) return net::fail(what, EPROTO);
  if (verdict.error != 0) {
    return net::fail(what, -verdict.error, "needs CAP_NET_ADMIN and CONFIG_VETH");
  }
  return {};
}

net::Status add_veth(int peer_network) {
  Message message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  message.add(IFLA_IFNAME, kNearName);
  const size_t link_info = message.begin(IFLA_LINKINFO);
  message.add(IFLA_INFO_KIND, "veth");
  const size_t data = message.begin(IFLA_INFO_DATA);
  const size_t peer = message.begin(VETH_INFO_PEER);
  message.add_interface_header();
  message.add(IFLA_IFNAME, kFarName);
  message.add(IFLA_NET_NS_FD, &peer_network, sizeof peer_network);
  message.end(peer);
  message.end(data);
  message.end(link_info);
  return ask(message.finish(), "create a veth pair");
}

// netdevice(7). SIOCSIFADDR gives the class's netmask: /8 for 10.0.0.0.
net::Status configure(const net::OwnedFd& network, const char* interface, const char* host) {
  auto scope = NetworkScope::enter(network);
  if (!scope) return tl::unexpected(scope.error());
  const net::OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return net::fail("socket AF_INET", errno);
  const auto address = net::Address::parse_host(host);
  if (!address) return tl::unexpected(address.error());
  ifreq request{};
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  std::memcpy(&request.ifr_addr, address->data(), sizeof request.ifr_addr);
  if (::ioctl(socket.get(), SIOCSIFADDR, &request) < 0) {
    return net::fail(fmt::format("give {} the address {}", interface, host), errno);
  }
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0) {
    return net::fail(fmt::format("bring {} up", interface), errno);
  }
  return {};
}

}  // namespace

net::Result<net::OwnedFd> make_network() {
  net::Result<net::OwnedFd> network = net::fail("make a network namespace", EINVAL);
  // A thread of its own goes there, so that the caller need not come back.
  std::thread([&network] {
    const net::Status status = net::enter_private_network();
    network = status ? present_network() : tl::unexpected(status.error());
  }).join();
  // An ordinary user's way there is closed to a process with several threads (unshare(2)).
  if (!network && network.error().errno_value == EINVAL) network.error().advice = "run as root";
  return network;
}

net::Result<NetworkScope> NetworkScope::enter(const net::OwnedFd& network) {
  auto home = present_network();
  if (!home) return tl::unexpected(home.error());
  if (::setns(network.get(), CLONE_NEWNET) < 0) {
    return net::fail("setns to a network namespace", errno, "needs CAP_SYS_ADMIN: run as root");
  }
  return NetworkScope(std::move(*home));
}

NetworkScope::~NetworkScope() {
  if (home_.valid()) CHECK(::setns(home_.get(), CLONE_NEWNET) == 0);
}

net::Result<VethPair> make_veth_pair() {
  auto near = make_network();
  if (!near) return tl::unexpected(near.error());
  auto far = make_network();
  if (!far) return tl::unexpected(far.error());
  VethPair pair{std::move(*near), std::move(*far)};
  {
    auto scope = NetworkScope::enter(pair.near);
    if (!scope) return tl::unexpected(scope.error());
    if (auto status = add_veth(pair.far.get()); !status) return tl::unexpected(status.error());
  }
  if (auto status = configure(pair.near, kNearName, VethPair::kNearHost); !status) {
    return tl::unexpected(status.error());
  }
  if (auto status = configure(pair.far, kFarName, VethPair::kFarHost); !status) {
    return tl::unexpected(status.error());
  }
  return pair;
}

}  // namespace micro

// unshare(2), setns(2), and one rtnetlink(7) message for the veth pair (net/core/rtnetlink.c,
// drivers/net/veth.c). A thread that cannot come home must not go on: that is a broken invariant.
#include "common/net/networks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>
#include <vector>

#include "common/check.h"
#include "common/net/address.h"
#include "common/net/private_network.h"

namespace net {
namespace {

Result<OwnedFd> present_network() {
  OwnedFd network(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!network.valid()) return fail("open /proc/thread-self/ns/net", errno);
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
Status ask(const std::vector<char>& request, const std::string& what) {
  const OwnedFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.valid()) return fail("socket NETLINK_ROUTE", errno);
  if (::send(socket.get(), request.data(), request.size(), 0) < 0) return fail(what, errno);
  alignas(nlmsghdr) char reply[1024];
  const ssize_t length = ::recv(socket.get(), reply, sizeof reply, 0);
  if (length < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) {
    return fail(what, length < 0 ? errno : EPROTO);
  }
  nlmsghdr header{};
  nlmsgerr verdict{};
  std::memcpy(&header, reply, sizeof header);
  std::memcpy(&verdict, reply + NLMSG_HDRLEN, sizeof verdict);
  if (header.nlmsg_type != NLMSG_ERROR) return fail(what, EPROTO);
  if (verdict.error != 0) {
    return fail(what, -verdict.error, "needs CAP_NET_ADMIN, and CONFIG_VETH for a veth");
  }
  return {};
}

Status add_veth(int peer_network) {
  Message message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  message.add(IFLA_IFNAME, VethPair::kNearName);
  const size_t link_info = message.begin(IFLA_LINKINFO);
  message.add(IFLA_INFO_KIND, "veth");
  const size_t data = message.begin(IFLA_INFO_DATA);
  const size_t peer = message.begin(VETH_INFO_PEER);
  message.add_interface_header();
  message.add(IFLA_IFNAME, VethPair::kFarName);
  message.add(IFLA_NET_NS_FD, &peer_network, sizeof peer_network);
  message.end(peer);
  message.end(data);
  message.end(link_info);
  return ask(message.finish(), "create a veth pair");
}

// One ioctl on an interface of a network (netdevice(7)).
Status configure(const OwnedFd& network, const char* interface, unsigned long request_code,
                 const char* what, ifreq& request) {
  auto scope = NetworkScope::enter(network);
  if (!scope) return tl::unexpected(scope.error());
  const OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail("socket AF_INET", errno);
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  if (::ioctl(socket.get(), request_code, &request) < 0) {
    return fail(fmt::format("{} {}", what, interface), errno);
  }
  return {};
}

Status set_up(const OwnedFd& network, const char* interface, bool up) {
  ifreq request{};
  request.ifr_flags = up ? IFF_UP | IFF_RUNNING : 0;
  return configure(network, interface, SIOCSIFFLAGS, up ? "bring up" : "bring down", request);
}

// A veth whose other end went up or down behaves as before until a thread of the kernel has taken
// note (linkwatch_do_dev(), net/core/link_watch.c): after milliseconds it sends, after a second at
// most it drops silently. Until then a SYN would be lost, and a loss not be one: veth_xmit() says
// that the packet was not sent, and TCP waits for its own device. A new queue length makes the
// device look now (dev_qdisc_change_tx_queue_len(), net/sched/sch_generic.c).
Status settle_queue(const OwnedFd& network, const char* interface) {
  constexpr uint32_t kPackets = 1000;  // the default of Ethernet devices
  for (const uint32_t length : {kPackets + 1, kPackets}) {
    if (auto status = set_queue_length(network, interface, length); !status) return status;
  }
  return {};
}

// SIOCSIFADDR gives the class's netmask: /8 for 10.0.0.0.
Status set_address(const OwnedFd& network, const char* interface, const char* host) {
  const auto address = Address::parse_host(host);
  if (!address) return tl::unexpected(address.error());
  ifreq request{};
  std::memcpy(&request.ifr_addr, address->data(), sizeof request.ifr_addr);
  if (auto status = configure(network, interface, SIOCSIFADDR, "give an address to", request);
      !status) {
    return status;
  }
  return set_up(network, interface, true);
}

// Tells `network` for good which Ethernet address `host`, the other end's interface, has.
Status introduce(const OwnedFd& network, const char* host, const OwnedFd& other,
                 const char* other_interface) {
  ifreq hardware{};
  if (auto status =
          configure(other, other_interface, SIOCGIFHWADDR, "read the address of", hardware);
      !status) {
    return status;
  }
  auto scope = NetworkScope::enter(network);
  if (!scope) return tl::unexpected(scope.error());
  const OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail("socket AF_INET", errno);
  const auto address = Address::parse_host(host);
  if (!address) return tl::unexpected(address.error());
  arpreq entry{};
  std::memcpy(&entry.arp_pa, address->data(), sizeof entry.arp_pa);
  entry.arp_ha = hardware.ifr_hwaddr;
  entry.arp_flags = ATF_PERM | ATF_COM;
  if (::ioctl(socket.get(), SIOCSARP, &entry) < 0) {
    return fail(fmt::format("set the Ethernet address of {}", host), errno);
  }
  return {};
}

}  // namespace

Result<OwnedFd> make_network() {
  Result<OwnedFd> network = fail("make a network namespace", EINVAL);
  // A thread of its own goes there, so that the caller need not come back.
  std::thread([&network] {
    const Status status = enter_private_network();
    network = status ? present_network() : tl::unexpected(status.error());
  }).join();
  // An ordinary user's way there is closed to a process with several threads (unshare(2)).
  if (!network && network.error().errno_value == EINVAL) network.error().advice = "run as root";
  return network;
}

Result<NetworkScope> NetworkScope::enter(const OwnedFd& network) {
  auto home = present_network();
  if (!home) return tl::unexpected(home.error());
  if (::setns(network.get(), CLONE_NEWNET) < 0) {
    return fail("setns to a network namespace", errno, "needs CAP_SYS_ADMIN: run as root");
  }
  return NetworkScope(std::move(*home));
}

NetworkScope::~NetworkScope() {
  if (home_.valid()) CHECK(::setns(home_.get(), CLONE_NEWNET) == 0);
}

Status set_queue_length(const OwnedFd& network, const char* interface, uint32_t packets) {
  auto scope = NetworkScope::enter(network);
  if (!scope) return tl::unexpected(scope.error());
  Message message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK);
  message.add(IFLA_IFNAME, interface);
  message.add(IFLA_TXQLEN, &packets, sizeof packets);
  return ask(message.finish(), fmt::format("set the queue length of {}", interface));
}

Result<VethPair> make_veth_pair() {
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
  using Pair = VethPair;
  for (const Status& status : {set_address(pair.near, Pair::kNearName, Pair::kNearHost),
                               set_address(pair.far, Pair::kFarName, Pair::kFarHost),
                               settle_queue(pair.near, Pair::kNearName),
                               introduce(pair.near, Pair::kFarHost, pair.far, Pair::kFarName),
                               introduce(pair.far, Pair::kNearHost, pair.near, Pair::kNearName)}) {
    if (!status) return tl::unexpected(status.error());
  }
  return pair;
}

Status cut_link(const VethPair& pair) {
  if (auto status = set_up(pair.far, VethPair::kFarName, false); !status) return status;
  return settle_queue(pair.near, VethPair::kNearName);
}

// Taking the device down made its network forget the other end's address.
Status mend_link(const VethPair& pair) {
  if (auto status = set_up(pair.far, VethPair::kFarName, true); !status) return status;
  if (auto status = settle_queue(pair.near, VethPair::kNearName); !status) return status;
  return introduce(pair.far, VethPair::kNearHost, pair.near, VethPair::kNearName);
}

}  // namespace net

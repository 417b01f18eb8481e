// The verbs of verbs.h for the network of this namespace, and for the CPU the caller runs on.
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "common/net/require.h"
#include "common/net/sysctl.h"
#include "common/net/verbs.h"

namespace net::verbs {

void set_sysctl(std::string_view name, std::string_view value) {
  require(write_sysctl(name, value));
}

void set_sysctl(std::string_view name, int64_t value) { set_sysctl(name, std::to_string(value)); }

int64_t sysctl(std::string_view name) { return require(read_sysctl_int(name)); }

void add_loopback_address(std::string_view host, int alias) {
  const OwnedFd socket = udp_socket();
  const Address wanted = require(Address::parse_host(host));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo:0");
  request.ifr_name[3] = static_cast<char>('0' + alias);
  std::memcpy(&request.ifr_addr, wanted.data(), sizeof(sockaddr_in));
  require(::ioctl(socket.get(), SIOCSIFADDR, &request) == 0, "give lo an address");
}

void set_mtu(const char* interface, int bytes) {
  const OwnedFd socket = udp_socket();
  ifreq request{};
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  request.ifr_mtu = bytes;
  require(::ioctl(socket.get(), SIOCSIFMTU, &request) == 0, "set an MTU");
}

OneCore::OneCore() {
  require(::sched_getaffinity(0, sizeof allowed_, &allowed_) == 0, "sched_getaffinity");
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  require(::sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

OneCore::~OneCore() { ::sched_setaffinity(0, sizeof allowed_, &allowed_); }

}  // namespace net::verbs

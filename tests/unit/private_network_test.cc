// The verbs of PrivateNetworkTest, on blocking sockets of one thread: connect() over loopback is
// done when it returns, and reading the end of file waits for the other side's FIN.
#include "tests/unit/private_network_test.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "common/net/private_network.h"
#include "common/net/sysctl.h"

void PrivateNetworkTest::SetUp() {
  const net::Status status = net::enter_private_network();
  if (status) return;
  const std::set<int> forbidden = {EPERM, EACCES, ENOSPC, EINVAL, ENOSYS};
  ASSERT_TRUE(forbidden.count(status.error().errno_value)) << status.error().message();
  GTEST_SKIP() << status.error().message();
}

net::Address PrivateNetworkTest::address(const std::string& text) {
  return net::Address::parse(text).value();
}

void PrivateNetworkTest::set_sysctl(const std::string& name, const std::string& value) {
  const net::Status status = net::write_sysctl(name, value);
  ASSERT_TRUE(status) << status.error().message();
}

void PrivateNetworkTest::add_address(const std::string& host) {
  const net::OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const net::Address wanted = net::Address::parse_host(host).value();
  ifreq request{};
  std::strcpy(request.ifr_name, "lo:1");
  std::memcpy(&request.ifr_addr, wanted.data(), sizeof(sockaddr_in));
  ASSERT_EQ(0, ::ioctl(socket.get(), SIOCSIFADDR, &request)) << std::strerror(errno);
}

net::OwnedFd PrivateNetworkTest::listen_on(const net::Address& at, bool dual_stack) {
  net::OwnedFd listener(::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  EXPECT_EQ(0, ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  if (at.family() == AF_INET6) {
    const int v6_only = dual_stack ? 0 : 1;
    EXPECT_EQ(0, ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only));
  }
  EXPECT_EQ(0, ::bind(listener.get(), at.data(), at.size())) << std::strerror(errno);
  EXPECT_EQ(0, ::listen(listener.get(), 128));
  return listener;
}

int PrivateNetworkTest::connect_to(const net::Address& to, net::OwnedFd& client,
                                   const net::Address* source) {
  client.reset(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (source != nullptr) {
    const int on = 1;
    EXPECT_EQ(0, ::setsockopt(client.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on));
    EXPECT_EQ(0, ::bind(client.get(), source->data(), source->size())) << std::strerror(errno);
  }
  return ::connect(client.get(), to.data(), to.size()) == 0 ? 0 : errno;
}

PrivateNetworkTest::Connection PrivateNetworkTest::open(const net::OwnedFd& listener,
                                                        const net::Address& to,
                                                        const net::Address* source) {
  Connection connection;
  const int error = connect_to(to, connection.client, source);
  EXPECT_EQ(0, error) << std::strerror(error);
  if (error == 0) {
    connection.server.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(connection.server.valid()) << std::strerror(errno);
  }
  return connection;
}

namespace {

// The first one's FIN, then the second one's: the first then waits.
void close_in_turn(net::OwnedFd& first, net::OwnedFd& second) {
  char byte = 0;
  ASSERT_EQ(0, ::shutdown(first.get(), SHUT_WR));
  ASSERT_EQ(0, ::read(second.get(), &byte, 1));
  second.reset();
  ASSERT_EQ(0, ::read(first.get(), &byte, 1));
  first.reset();
}

}  // namespace

void PrivateNetworkTest::close_client_first(Connection connection) {
  close_in_turn(connection.client, connection.server);
}

void PrivateNetworkTest::close_server_first(Connection connection) {
  close_in_turn(connection.server, connection.client);
}

size_t PrivateNetworkTest::time_wait_by_proc() {
  size_t count = 0;
  for (const char* table : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    std::getline(in, line);  // the heading
    while (std::getline(in, line)) {
      std::istringstream columns(line);
      std::string slot, local, remote, state;
      columns >> slot >> local >> remote >> state;
      if (state == "06") ++count;
    }
  }
  return count;
}

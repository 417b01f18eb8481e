// The network of each test; its verbs are those of common/net/verbs.h.
#include "tests/unit/private_network_test.h"

#include <cstring>
#include <fstream>
#include <sstream>

#include "common/net/private_network.h"
#include "common/net/verbs.h"

void PrivateNetworkTest::SetUp() {
  const net::Status status = net::enter_private_network();
  if (status) return;
  const std::set<int> forbidden = {EPERM, EACCES, ENOSPC, EINVAL, ENOSYS};
  ASSERT_TRUE(forbidden.count(status.error().errno_value)) << status.error().message();
  GTEST_SKIP() << status.error().message();
}

net::Address PrivateNetworkTest::address(const std::string& text) { return net::verbs::at(text); }

void PrivateNetworkTest::set_sysctl(const std::string& name, const std::string& value) {
  net::verbs::set_sysctl(name, value);
}

void PrivateNetworkTest::add_address(const std::string& host) {
  net::verbs::add_loopback_address(host);
}

net::OwnedFd PrivateNetworkTest::listen_on(const net::Address& at, bool dual_stack) {
  return net::verbs::listen_on(at, {.v6_only = !dual_stack});
}

int PrivateNetworkTest::connect_to(const net::Address& to, net::OwnedFd& client,
                                   const net::Address* source) {
  client = net::verbs::tcp_socket(to.family());
  if (source != nullptr) {
    net::verbs::set_option(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    net::verbs::bind_to(client, *source);
  }
  return net::verbs::try_connect(client, to);
}

PrivateNetworkTest::Connection PrivateNetworkTest::open(const net::OwnedFd& listener,
                                                        const net::Address& to,
                                                        const net::Address* source) {
  Connection connection;
  const int error = connect_to(to, connection.client, source);
  EXPECT_EQ(0, error) << std::strerror(error);
  if (error == 0) connection.server = net::verbs::accept_from(listener);
  return connection;
}

void PrivateNetworkTest::close_client_first(Connection connection) {
  net::verbs::active_close(connection.client, connection.server);
}

void PrivateNetworkTest::close_server_first(Connection connection) {
  net::verbs::active_close(connection.server, connection.client);
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

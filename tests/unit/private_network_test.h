// A test in a network of its own, with verbs to make connections and to end them. Each test gets a
// fresh namespace; where the machine forbids it, the test is skipped with the reason.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/net/address.h"
#include "common/net/owned_fd.h"

class PrivateNetworkTest : public testing::Test {
 protected:
  void SetUp() override;

  struct Connection {
    net::OwnedFd client;
    net::OwnedFd server;
  };

  static net::Address address(const std::string& text);
  static void set_sysctl(const std::string& name, const std::string& value);
  // Gives `lo` one more IPv4 address, without which only 127.0.0.0/8 is there.
  static void add_address(const std::string& host);

  static net::OwnedFd listen_on(const net::Address& at, bool dual_stack = false);
  // errno of connect(2), or 0. `source`: bound with IP_BIND_ADDRESS_NO_PORT.
  static int connect_to(const net::Address& to, net::OwnedFd& client,
                        const net::Address* source = nullptr);
  static Connection open(const net::OwnedFd& listener, const net::Address& to,
                         const net::Address* source = nullptr);
  // Return when both ends are gone, but for the TIME_WAIT of the one that closed first.
  static void close_client_first(Connection connection);
  static void close_server_first(Connection connection);
  // TIME_WAIT sockets as /proc/net/tcp and tcp6 show them: what ss(8) prints too.
  static size_t time_wait_by_proc();
};

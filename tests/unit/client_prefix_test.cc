// Which clients count as one.
#include "server/clients/prefix.h"

#include <gtest/gtest.h>

#include "common/net/address.h"

namespace ringserve::clients {
namespace {

Prefix prefix_of(const std::string& host) {
  const auto address = net::Address::parse_host(host);
  EXPECT_TRUE(address.has_value()) << host;
  const auto prefix = Prefix::of(address->data(), address->size());
  EXPECT_TRUE(prefix.has_value()) << host;
  return prefix.value_or(Prefix{});
}

TEST(ClientPrefix, is_a_whole_ipv4_address) {
  EXPECT_EQ(prefix_of("192.0.2.1").text(), "192.0.2.1");
  EXPECT_NE(prefix_of("192.0.2.1"), prefix_of("192.0.2.2"));
}

TEST(ClientPrefix, is_the_first_half_of_an_ipv6_address) {
  EXPECT_EQ(prefix_of("2001:db8:0:5:1:2:3:4").text(), "2001:db8:0:5::/64");
  EXPECT_EQ(prefix_of("2001:db8:0:5::1"), prefix_of("2001:db8:0:5:ffff:ffff:ffff:ffff"));
  EXPECT_NE(prefix_of("2001:db8:0:5::1"), prefix_of("2001:db8:0:6::1"));
}

TEST(ClientPrefix, of_a_mapped_address_is_that_of_the_ipv4_address) {
  EXPECT_EQ(prefix_of("::ffff:192.0.2.1"), prefix_of("192.0.2.1"));
  EXPECT_NE(prefix_of("::ffff:192.0.2.1"), prefix_of("::ffff:192.0.2.2"));
}

TEST(ClientPrefix, tells_the_hosts_of_a_link_apart) {
  EXPECT_EQ(prefix_of("fe80::1:2").text(), "fe80::1:2");
  EXPECT_NE(prefix_of("fe80::1"), prefix_of("fe80::2"));
}

TEST(ClientPrefix, of_different_kinds_are_never_the_same) {
  EXPECT_NE(prefix_of("0.0.0.1"), prefix_of("0:0:0:1::"));
  EXPECT_NE(prefix_of("fe80::1"), prefix_of("0:0:0:1::"));
}

TEST(ClientPrefix, a_unix_socket_has_none) {
  sockaddr address{AF_UNIX, {}};
  EXPECT_FALSE(Prefix::of(&address, sizeof address).has_value());
  address.sa_family = AF_INET6;
  EXPECT_FALSE(Prefix::of(&address, sizeof address).has_value()) << "cut short";
}

}  // namespace
}  // namespace ringserve::clients

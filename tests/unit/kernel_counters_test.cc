// Sysctls and counters: the texts the kernel writes, and that the live ones move as they should.
#include <tuple>

#include "common/net/sysctl.h"
#include "common/net/tcp_counters.h"
#include "tests/unit/private_network_test.h"

namespace {

TEST(ParsePorts, lists_and_ranges) {
  EXPECT_EQ(0U, net::parse_ports("")->count());
  EXPECT_EQ(1U, net::parse_ports("8080")->count());
  const net::PortSet ports = net::parse_ports("8080,9000-9010,65535").value();
  EXPECT_EQ(13U, ports.count());
  EXPECT_TRUE(ports.test(8080));
  EXPECT_TRUE(ports.test(9000));
  EXPECT_TRUE(ports.test(9010));
  EXPECT_TRUE(ports.test(65535));
  EXPECT_FALSE(ports.test(9011));
  EXPECT_EQ(65536U, net::parse_ports("0-65535")->count());
}

TEST(ParsePorts, nonsense_is_an_error_that_quotes_it) {
  for (const char* text : {"x", "80,,81", "90-80", "65536", "80-", "-80", "80 81", "1-2-3"}) {
    const auto ports = net::parse_ports(text);
    ASSERT_FALSE(ports) << text;
    EXPECT_NE(std::string::npos, ports.error().message().find(text)) << ports.error().message();
  }
}

constexpr char kNetstat[] =
    "TcpExt: SyncookiesSent ListenOverflows TW\n"
    "TcpExt: 1 22 333\n"
    "IpExt: InNoRoutes TW\n"
    "IpExt: 4 5\n";

TEST(ColumnCounter, is_found_by_group_and_name) {
  EXPECT_EQ(1U, net::column_counter(kNetstat, "TcpExt", "SyncookiesSent"));
  EXPECT_EQ(22U, net::column_counter(kNetstat, "TcpExt", "ListenOverflows"));
  EXPECT_EQ(333U, net::column_counter(kNetstat, "TcpExt", "TW"));
  EXPECT_EQ(5U, net::column_counter(kNetstat, "IpExt", "TW"));
  EXPECT_FALSE(net::column_counter(kNetstat, "TcpExt", "Listen").has_value());
  EXPECT_FALSE(net::column_counter(kNetstat, "Tcp", "TW").has_value());
  EXPECT_FALSE(net::column_counter("TcpExt: TW\n", "TcpExt", "TW").has_value());
}

TEST(PairCounter, is_found_by_group_and_name) {
  const char* text = "sockets: used 12\nTCP: inuse 1 orphan 0 tw 34 alloc 5\nTCP6: inuse 6\n";
  EXPECT_EQ(34U, net::pair_counter(text, "TCP", "tw"));
  EXPECT_EQ(1U, net::pair_counter(text, "TCP", "inuse"));
  EXPECT_EQ(6U, net::pair_counter(text, "TCP6", "inuse"));
  EXPECT_FALSE(net::pair_counter(text, "TCP6", "tw").has_value());
}

class KernelCountersTest : public PrivateNetworkTest {};

TEST_F(KernelCountersTest, a_written_sysctl_reads_back) {
  set_sysctl("net.ipv4.ip_local_port_range", "40000 40099");
  set_sysctl("net.ipv4.ip_local_reserved_ports", "40010-40019,40030");
  set_sysctl("net.ipv4.tcp_tw_reuse", "1");
  const auto range = net::read_sysctl_port_range("net.ipv4.ip_local_port_range");
  ASSERT_TRUE(range) << range.error().message();
  EXPECT_EQ(std::tuple(40000, 40099, 100U), std::tuple(range->first, range->last, range->size()));
  EXPECT_EQ(11U, net::read_sysctl_ports("net.ipv4.ip_local_reserved_ports")->count());
  EXPECT_EQ(1, net::read_sysctl_int("net.ipv4.tcp_tw_reuse").value());
}

TEST_F(KernelCountersTest, errors_name_the_file_and_the_errno) {
  const auto missing = net::read_sysctl_int("net.ipv4.no_such_thing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(ENOENT, missing.error().errno_value);
  EXPECT_NE(std::string::npos,
            missing.error().message().find("/proc/sys/net/ipv4/no_such_thing: ENOENT"));
  const auto pair = net::read_sysctl_int("net.ipv4.ip_local_port_range");
  ASSERT_FALSE(pair);
  EXPECT_EQ(EINVAL, pair.error().errno_value);
  const auto refused = net::write_sysctl("net.ipv4.tcp_tw_reuse", "9");
  ASSERT_FALSE(refused);
  EXPECT_EQ(EINVAL, refused.error().errno_value);
}

TEST_F(KernelCountersTest, entering_time_wait_is_counted) {
  auto reader = net::TcpCounterReader::open().value();
  const net::TcpCounters before = reader->read().value();
  const net::Address target = address("127.0.0.1:8080");
  const net::OwnedFd listener = listen_on(target);
  for (int i = 0; i < 5; ++i) close_client_first(open(listener, target));
  const Connection open_one = open(listener, target);
  const net::TcpCounters after = reader->read().value();
  EXPECT_EQ(5U, after.time_wait - before.time_wait);
  EXPECT_EQ(5U, after.time_wait_entered - before.time_wait_entered);
  EXPECT_EQ(3U, after.in_use - before.in_use);  // the listener and both ends
  EXPECT_EQ(0U, after.time_wait_recycled - before.time_wait_recycled);
}

TEST_F(KernelCountersTest, beyond_the_limit_time_wait_is_not_waited) {
  set_sysctl("net.ipv4.tcp_max_tw_buckets", "3");
  auto reader = net::TcpCounterReader::open().value();
  const net::Address target = address("127.0.0.1:8080");
  const net::OwnedFd listener = listen_on(target);
  for (int i = 0; i < 10; ++i) close_client_first(open(listener, target));
  const net::TcpCounters counters = reader->read().value();
  EXPECT_EQ(time_wait_by_proc(), counters.time_wait);
  EXPECT_EQ(10 - counters.time_wait, counters.time_wait_overflow);
  EXPECT_GT(counters.time_wait_overflow, 0U);
}

}  // namespace

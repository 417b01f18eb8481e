// How much fits into a packet, who says so, and what becomes of what does not fit
// (14-mtu-mss-fragments.md).
#include <algorithm>
#include <cstdlib>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

class Mss : public Experiment {};
class UdpSizes : public Experiment {};
class Ipv6Mtu : public Experiment {};

bool has_ipv6() { return try_bind(tcp_socket(AF_INET6), at("[::1]:0")) == 0; }

// What the SYNs announce: the client's, the server's.
std::pair<int, int> announced(net::Capture& wire, uint16_t client_port) {
  std::pair<int, int> mss;
  for (const Segment& each : wire.segments()) {
    if (!each.syn) continue;
    (each.from.port == client_port ? mss.first : mss.second) = each.mss.value_or(0);
  }
  return mss;
}

int try_send_to(const OwnedFd& socket, const Address& to, size_t bytes) {
  const std::string data(bytes, 'x');
  const ssize_t sent = ::sendto(socket.get(), data.data(), bytes, 0, to.data(), to.size());
  return sent < 0 ? errno : 0;
}

OwnedFd udp_bound(const Address& to) {
  OwnedFd socket = udp_socket(to.family());
  bind_to(socket, to);
  return socket;
}

TEST_F(Mss, is_the_mtu_less_40_for_ipv4_and_options_come_off_that) {
  set_mtu("lo", 1500);
  net::Capture& wire = capture();
  const Connection connection = open_connection(listen_on(loopback()));
  const auto [client, server] = announced(wire, local_of(connection.client).port());
  const uint32_t carried = info_of(connection.client).tcpi_snd_mss;
  measured("MTU 1500: {} and {} announced, {} bytes carried with timestamps", client, server,
           carried);
  EXPECT_EQ(1460, client);
  EXPECT_EQ(1460, server);
  EXPECT_EQ(1448U, carried);
}

TEST_F(Mss, is_the_mtu_less_60_for_ipv6) {
  if (!has_ipv6()) SKIP_EXPERIMENT("no IPv6 here");
  set_mtu("lo", 1500);
  net::Capture& wire = capture();
  const Connection connection = open_connection(listen_on(at("[::1]:0")));
  const auto [client, server] = announced(wire, local_of(connection.client).port());
  const uint32_t carried = info_of(connection.client).tcpi_snd_mss;
  measured("MTU 1500: {} and {} announced, {} bytes carried with timestamps", client, server,
           carried);
  EXPECT_EQ(1440, client);
  EXPECT_EQ(1440, server);
  EXPECT_EQ(1428U, carried);
}

TEST_F(Mss, is_carried_whole_without_timestamps) {
  set_mtu("lo", 1500);
  set_sysctl("net.ipv4.tcp_timestamps", 0);
  const Connection connection = open_connection(listen_on(loopback()));
  const uint32_t carried = info_of(connection.client).tcpi_snd_mss;
  measured("tcp_timestamps=0: {} bytes carried", carried);
  EXPECT_EQ(1460U, carried);
}

TEST_F(Mss, of_loopback_is_huge) {
  net::Capture& wire = capture();
  const Connection connection = open_connection(listen_on(loopback()));
  const int mss = announced(wire, local_of(connection.client).port()).first;
  measured("lo has MTU 65536: {} announced", mss);
  EXPECT_EQ(65'536 - 40 - 1, mss);  // an IPv4 packet has 65,535 bytes at most
}

TEST_F(Mss, can_be_lowered_by_tcp_maxseg_before_connecting) {
  set_mtu("lo", 1500);
  const OwnedFd listener = listen_on(loopback());
  net::Capture& wire = capture();
  const OwnedFd client = tcp_socket();
  set_option(client, IPPROTO_TCP, TCP_MAXSEG, 1000);
  ASSERT_EQ(0, try_connect(client, local_of(listener)));
  const OwnedFd server = accept_from(listener);
  const int mss = announced(wire, local_of(client).port()).first;
  measured("TCP_MAXSEG 1000: {} announced, the server's segments carry {}", mss,
           info_of(server).tcpi_snd_mss);
  EXPECT_EQ(1000, mss);
  EXPECT_EQ(988U, info_of(server).tcpi_snd_mss);
}

TEST_F(Mss, each_side_uses_the_smaller_of_its_own_and_the_announced) {
  const net::VethPair link = make_link();
  in(link.near, [] { set_mtu("near", 1400); });
  const OwnedFd listener = in(link.far, [] { return listen_on(at("10.0.0.2:4002")); });
  net::Capture& wire = *in(link.near, [&] { return &capture("near"); });
  const OwnedFd near = in(link.near, [] { return connect_to(at("10.0.0.2:4002")); });
  const OwnedFd far = accept_from(listener);
  const auto [from_near, from_far] = announced(wire, local_of(near).port());
  const uint32_t near_mss = info_of(near).tcpi_snd_mss, far_mss = info_of(far).tcpi_snd_mss;
  measured("MTU 1400 and 1500: {} and {} announced, {} and {} bytes carried", from_near, from_far,
           near_mss, far_mss);
  EXPECT_EQ(1360, from_near);
  EXPECT_EQ(1460, from_far);
  EXPECT_EQ(1348U, near_mss);
  EXPECT_EQ(1348U, far_mss);
}

TEST_F(Mss, is_not_what_a_capture_shows) {
  set_mtu("lo", 1500);
  set_sysctl("net.ipv4.tcp_congestion_control", "reno");  // no pacing
  const Connection connection = open_connection(listen_on(loopback()));
  net::Capture& wire = capture();
  send_all(connection.client, std::string(10 * 1448, 'x'));
  receive_exactly(connection.server, 10 * 1448);
  size_t largest = 0, packets = 0;
  for (const Segment& each : wire.segments_from(local_of(connection.client).port())) {
    largest = std::max(largest, each.data.size());
    packets += each.data.empty() ? 0 : 1;
  }
  measured("{} segments by TCP_INFO; captured: {} packet(s), the largest with {} bytes",
           count_segments(connection.client), packets, largest);
  EXPECT_LE(10U, count_segments(connection.client));
  EXPECT_LT(1448U, largest);
}

class Datagram : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    link_ = make_link();
    far_ = in(link_.far, [] { return udp_bound(at("10.0.0.2:5002")); });
    near_ = in(link_.near, [] { return udp_socket(); });
    ASSERT_EQ(0, try_connect(near_, at("10.0.0.2:5002")));
  }
  uint64_t near_counter(const char* name) {
    return in(link_.near, [&] { return counter("Ip", name); });
  }
  uint64_t far_counter(const char* name) {
    return in(link_.far, [&] { return counter("Ip", name); });
  }

  net::VethPair link_;
  OwnedFd near_, far_;
};

TEST_F(Datagram, over_the_mtu_is_sent_in_fragments_and_joined_again) {
  const uint64_t before = near_counter("FragCreates");
  send_all(near_, std::string(4000, 'x'));
  const size_t received = receive_some(far_).size();
  const uint64_t fragments = near_counter("FragCreates") - before;
  measured("4000 bytes over MTU 1500: {} fragments, ReasmOKs {}, {} bytes in one recv()", fragments,
           far_counter("ReasmOKs"), received);
  EXPECT_EQ(3U, fragments);
  EXPECT_EQ(1U, far_counter("ReasmOKs"));
  EXPECT_EQ(4000U, received);
}

TEST_F(Datagram, misses_all_if_one_fragment_is_missing) {
  net::Capture& wire = *in(link_.near, [&] { return &capture("near"); });
  send_all(near_, std::string(4000, 'x'));
  receive_some(far_);
  const std::vector<net::Packet> fragments = wire.packets();
  ASSERT_EQ(3U, fragments.size());
  const uint64_t before = far_counter("ReasmReqds");
  in(link_.near, [&] {
    net::replay(fragments[0], "near");
    net::replay(fragments[2], "near");
  });
  await("two fragments", [&] { return far_counter("ReasmReqds") == before + 2; });
  const bool arrived = try_receive(far_, MSG_DONTWAIT) == 0;
  in(link_.near, [&] { net::replay(fragments[1], "near"); });
  const size_t received = receive_some(far_).size();
  measured("two of three fragments: {}; with the third {} bytes",
           arrived ? "a datagram" : "nothing", received);
  EXPECT_FALSE(arrived);
  EXPECT_EQ(4000U, received);
}

TEST_F(Datagram, that_must_not_be_fragmented_is_emsgsize) {
  set_option(near_, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  const int mtu = option_of(near_, IPPROTO_IP, IP_MTU);
  const int fits = try_send(near_, std::string(1472, 'x'));
  const int beyond = try_send(near_, std::string(1473, 'x'));
  measured("IP_MTU {}: 1472 bytes {}, 1473 bytes {}", mtu, fits == 0 ? "sent" : "fail",
           net::errno_name(beyond));
  EXPECT_EQ(1500, mtu);
  EXPECT_EQ(0, fits);
  EXPECT_EQ(EMSGSIZE, beyond);
}

TEST_F(UdpSizes, largest_payload_over_ipv4_is_65507) {
  const OwnedFd receiver = udp_bound(loopback()), sender = udp_socket();
  const int fits = try_send_to(sender, local_of(receiver), 65'507);
  const int beyond = try_send_to(sender, local_of(receiver), 65'508);
  measured("65,507 bytes: {}; 65,508: {}", fits == 0 ? "sent" : net::errno_name(fits),
           net::errno_name(beyond));
  EXPECT_EQ(0, fits);
  EXPECT_EQ(EMSGSIZE, beyond);
  EXPECT_EQ(65'507U, receive_some(receiver).size());
}

TEST_F(UdpSizes, largest_payload_over_ipv6_is_65527) {
  if (!has_ipv6()) SKIP_EXPERIMENT("no IPv6 here");
  const OwnedFd receiver = udp_bound(at("[::1]:0")), sender = udp_socket(AF_INET6);
  const int fits = try_send_to(sender, local_of(receiver), 65'527);
  const int beyond = try_send_to(sender, local_of(receiver), 65'528);
  measured("65,527 bytes: {}; 65,528: {}", fits == 0 ? "sent" : net::errno_name(fits),
           net::errno_name(beyond));
  EXPECT_EQ(0, fits);
  EXPECT_EQ(EMSGSIZE, beyond);
}

TEST_F(Ipv6Mtu, is_1280_at_least) {
  if (!has_ipv6()) SKIP_EXPERIMENT("no IPv6 here");
  set_mtu("lo", 1280);
  const bool at_1280 = has_ipv6();
  set_mtu("lo", 1279);
  const int error = try_bind(tcp_socket(AF_INET6), at("[::1]:0"));
  const bool has_ipv4 = try_bind(tcp_socket(), loopback()) == 0;
  measured("MTU 1280: ::1 is {}; 1279: {}, and 127.0.0.1 is {}", at_1280 ? "there" : "gone",
           net::errno_name(error), has_ipv4 ? "there" : "gone");
  EXPECT_TRUE(at_1280);
  EXPECT_EQ(EADDRNOTAVAIL, error);
  EXPECT_TRUE(has_ipv4);
}

// The far network forwards, and what is behind it has an MTU of 1300. Both are set up by ip(8).
class RouterWithASmallMtu : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (std::system("ip -V > /dev/null 2>&1") != 0) SKIP_EXPERIMENT("ip(8) is not installed");
    link_ = make_link();
    in(link_.near, [&] {
      run("ip route add default via 10.0.0.2");
      run("ip -6 address add fd00::1/64 dev near nodad && ip -6 route add default via fd00::2");
    });
    in(link_.far, [&] {
      run("ip link add out mtu 1300 type veth peer name beyond mtu 1300");
      run("ip link set out up && ip link set beyond up && ip address add 172.16.0.1/24 dev out");
      run("ip -6 address add fd00::2/64 dev far nodad && ip -6 address add fd01::1/64 dev out "
          "nodad");
      set_sysctl("net.ipv4.ip_forward", 1);
      set_sysctl("net.ipv6.conf.all.forwarding", 1);
    });
  }
  void run(const std::string& command) {
    if (std::system(("(" + command + ") > /dev/null 2>&1").c_str()) != 0) failed_ = command;
  }
  OwnedFd socket_to(const char* address) {
    OwnedFd socket = in(link_.near, [&] { return udp_socket(at(address).family()); });
    EXPECT_EQ(0, try_connect(socket, at(address)));
    return socket;
  }
  uint64_t far_counter(const char* group, const char* name) {
    return in(link_.far, [&] { return counter(group, name); });
  }

  net::VethPair link_;
  std::string failed_;
};

TEST_F(RouterWithASmallMtu, of_ipv4_fragments_what_may_be_fragmented) {
  if (!failed_.empty()) SKIP_EXPERIMENT("fails here: " + failed_);
  const OwnedFd socket = socket_to("172.16.0.9:9");
  set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
  send_all(socket, std::string(1400, 'x'));
  await("fragments", [&] { return far_counter("Ip", "FragCreates") > 0; });
  measured("1400 bytes to a link of MTU 1300: FragCreates {} at the router",
           far_counter("Ip", "FragCreates"));
  EXPECT_EQ(2U, far_counter("Ip", "FragCreates"));
}

TEST_F(RouterWithASmallMtu, of_ipv4_answers_what_must_not_be_fragmented) {
  if (!failed_.empty()) SKIP_EXPERIMENT("fails here: " + failed_);
  const OwnedFd socket = socket_to("172.16.0.9:9");
  set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
  const int before = option_of(socket, IPPROTO_IP, IP_MTU);
  send_all(socket, std::string(1400, 'x'));
  await("the router's answer", [&] { return option_of(socket, IPPROTO_IP, IP_MTU) != before; });
  (void)option_of(socket, SOL_SOCKET, SO_ERROR);  // the answer's own error
  const int error = try_send(socket, std::string(1400, 'x'));
  measured("IP_MTU {}, then {}; the next 1400 bytes: {}; FragCreates {}", before,
           option_of(socket, IPPROTO_IP, IP_MTU), net::errno_name(error),
           far_counter("Ip", "FragCreates"));
  EXPECT_EQ(1300, option_of(socket, IPPROTO_IP, IP_MTU));
  EXPECT_EQ(EMSGSIZE, error);
  EXPECT_EQ(0U, far_counter("Ip", "FragCreates"));
}

TEST_F(RouterWithASmallMtu, of_ipv6_never_fragments) {
  if (!failed_.empty()) SKIP_EXPERIMENT("fails here: " + failed_);
  const OwnedFd socket = socket_to("[fd01::9]:9");
  const int before = option_of(socket, IPPROTO_IPV6, IPV6_MTU);
  send_all(socket, std::string(1400, 'x'));
  await("the router's answer", [&] { return option_of(socket, IPPROTO_IPV6, IPV6_MTU) != before; });
  const int after = option_of(socket, IPPROTO_IPV6, IPV6_MTU);
  await_event(socket, POLLERR);  // the same answer, as an error of the socket
  (void)option_of(socket, SOL_SOCKET, SO_ERROR);
  send_all(socket, std::string(1400, 'x'));  // now the sender fragments it itself
  const uint64_t here = in(link_.near, [] { return counter("Ip6", "FragCreates"); });
  measured(
      "Packet Too Big {}, IPV6_MTU {} then {}; fragments made by the router {}, by the sender "
      "{}",
      far_counter("Icmp6", "OutPktTooBigs"), before, after, far_counter("Ip6", "FragCreates"),
      here);
  EXPECT_EQ(1300, after);
  EXPECT_EQ(0U, far_counter("Ip6", "FragCreates"));
  EXPECT_EQ(2U, here);
}

}  // namespace
}  // namespace notes

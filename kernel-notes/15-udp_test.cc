// What UDP keeps, loses, reports and spreads (15-udp.md).
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <time.h>

#include <linux/errqueue.h>  // needs time.h

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr std::chrono::milliseconds kSoon{50};  // over loopback an answer takes microseconds

uint64_t udp(std::string_view name) { return counter("Udp", name); }

bool hears(const OwnedFd& socket) { return has_event(socket, POLLIN | POLLERR, kSoon); }

// A port that was free a moment ago, in a network where nobody else asks for one.
Address nobody() { return local_of(udp_at(loopback())); }

OwnedFd udp_connected(const Address& to) {
  OwnedFd socket = udp_socket();
  EXPECT_EQ(0, try_connect(socket, to));
  return socket;
}

// Several at one port, as receivers of the same group must be (SO_REUSEADDR on each).
OwnedFd share_port(uint16_t port) {
  OwnedFd socket = udp_socket();
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind_to(socket, at("0.0.0.0:0").with_port(port));
  return socket;
}

// What the kernel says beside the data of one recvmsg(2): the first control message.
template <typename Value>
Value first_control(const OwnedFd& socket, int flags) {
  alignas(cmsghdr) std::array<char, 512> control{};
  msghdr message{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t received = ::recvmsg(socket.get(), &message, flags);
  const cmsghdr* first = CMSG_FIRSTHDR(&message);
  if (received < 0 || first == nullptr) throw std::runtime_error("no control message");
  Value value{};
  std::memcpy(&value, CMSG_DATA(first), sizeof value);
  return value;
}

int drain(const OwnedFd& socket) {
  int count = 0;
  for (; try_receive(socket, MSG_DONTWAIT) == 0; ++count) receive_datagram(socket);
  return count;
}

class Udp : public Experiment {};

TEST_F(Udp, keeps_the_boundaries_of_messages) {
  const OwnedFd server = udp_at(loopback()), client = udp_connected(local_of(server));
  for (const size_t bytes : {1, 1000, 0, 9}) {
    EXPECT_EQ(0, try_send(client, std::string(bytes, 'x')));
  }
  std::string sizes;
  for (int i = 0; i < 4; ++i) sizes += fmt::format("{} ", receive_datagram(server).bytes.size());
  measured("sends of 1, 1000, 0 and 9 bytes arrive as {}bytes; 0 is no end of file", sizes);
  EXPECT_EQ("1 1000 0 9 ", sizes);
}

TEST_F(Udp, a_short_buffer_truncates_and_the_rest_is_gone) {
  const OwnedFd server = udp_at(loopback()), client = udp_connected(local_of(server));
  EXPECT_EQ(0, try_send(client, "0123456789"));
  EXPECT_EQ(0, try_send(client, "next"));
  const Datagram first = receive_datagram(server, 4), second = receive_datagram(server);
  measured("10 bytes into 4: '{}', MSG_TRUNC {}; then '{}'", first.bytes, first.is_truncated,
           second.bytes);
  EXPECT_EQ("0123", first.bytes);
  EXPECT_TRUE(first.is_truncated);
  EXPECT_EQ("next", second.bytes);
}

TEST_F(Udp, an_unconnected_socket_does_not_hear_that_nobody_listens) {
  const Address to = nobody();
  const OwnedFd client = udp_socket();
  for (int i = 0; i < 3; ++i) send_to(client, to, "hello");
  await("the ICMP messages", [&] { return counter("Icmp", "InDestUnreachs") == 3; });
  const bool heard = hears(client);
  measured("3 sends succeed, NoPorts {}, 3 ICMP messages come back, the socket hears {}",
           udp("NoPorts"), heard ? "something" : "nothing");
  EXPECT_EQ(3U, udp("NoPorts"));
  EXPECT_FALSE(heard);
  EXPECT_EQ(0, option_of(client, SOL_SOCKET, SO_ERROR));
}

TEST_F(Udp, ip_recverr_lets_it_hear) {
  const OwnedFd client = udp_socket();
  set_option(client, IPPROTO_IP, IP_RECVERR, 1);
  send_to(client, nobody(), "hello");
  await_event(client, POLLERR);
  const auto error = first_control<sock_extended_err>(client, MSG_ERRQUEUE);
  measured("recvmsg(MSG_ERRQUEUE) says {}, by ICMP {}",
           net::errno_name(static_cast<int>(error.ee_errno)), error.ee_origin == SO_EE_ORIGIN_ICMP);
  EXPECT_EQ(static_cast<uint32_t>(ECONNREFUSED), error.ee_errno);
}

TEST_F(Udp, a_connected_one_gets_econnrefused_from_its_next_call) {
  const OwnedFd client = udp_connected(nobody());
  EXPECT_EQ(0, try_send(client, "first"));
  await_event(client, POLLERR);
  const OwnedFd server = udp_at(remote_of(client));  // it comes up now
  const int second = try_send(client, "second");
  const int third = try_send(client, "third");
  const std::string arrived = receive_datagram(server).bytes;
  measured("second send() = {}, third = {}; a server that is up by then gets '{}'",
           net::errno_name(second), third, arrived);
  EXPECT_EQ(ECONNREFUSED, second);
  EXPECT_EQ(0, third);
  EXPECT_EQ("third", arrived);
}

TEST_F(Udp, connect_sends_no_packet) {
  net::Capture& packets = capture();
  const OwnedFd client = udp_connected(nobody());
  const size_t by_connect = packets.packets().size();
  EXPECT_EQ(0, try_send(client, "x"));
  await("the datagram", [&] { return packets.packets().size() > by_connect; });
  measured("{} packets by connect(), which chose the local end {} and a port", by_connect,
           local_of(client).host_text());
  EXPECT_EQ(0U, by_connect);
  EXPECT_NE(0, local_of(client).port());
}

TEST_F(Udp, a_second_connect_changes_the_peer_and_af_unspec_undoes_it) {
  const OwnedFd first = udp_at(loopback()), second = udp_at(loopback());
  const OwnedFd client = udp_connected(local_of(first));
  const uint16_t port = local_of(client).port();
  EXPECT_EQ(0, try_send(client, "1"));
  EXPECT_EQ(0, try_connect(client, local_of(second)));
  EXPECT_EQ(0, try_send(client, "2"));
  const uint16_t port_after = local_of(client).port();
  forget_peer(client);
  const uint16_t port_at_last = local_of(client).port();
  const int error = try_send(client, "3");
  const std::string arrived = receive_datagram(first).bytes + receive_datagram(second).bytes;
  measured("'{}' arrive, one at each; after AF_UNSPEC the port is {}, send() = {}", arrived,
           port_at_last, net::errno_name(error));
  EXPECT_EQ(port, port_after);
  EXPECT_EQ("12", arrived);
  EXPECT_EQ(0, port_at_last);  // the kernel had chosen it, so it goes with the peer
  EXPECT_EQ(EDESTADDRREQ, error);
}

TEST_F(Udp, a_connected_server_excludes_a_second_client) {
  const OwnedFd server = udp_at(loopback());
  const Address address = local_of(server);
  const OwnedFd first = udp_connected(address), second = udp_connected(address);
  EXPECT_EQ(0, try_send(first, "I am first"));
  EXPECT_EQ(0, try_connect(server, receive_datagram(server).from));
  EXPECT_EQ(0, try_send(second, "and I?"));
  await_event(second, POLLERR);
  const int refused = try_receive(second);
  EXPECT_EQ(0, try_send(first, "still here"));
  const std::string heard = receive_datagram(server).bytes;
  measured("the second client: {}; the server goes on with '{}'", net::errno_name(refused), heard);
  EXPECT_EQ(ECONNREFUSED, refused);
  EXPECT_EQ("still here", heard);
}

TEST_F(Udp, a_restarted_server_goes_on_with_its_clients) {
  OwnedFd server = udp_at(loopback());
  const Address address = local_of(server);
  const OwnedFd plain = udp_socket(), connected = udp_connected(address);
  const auto ask_both = [&](const char* text) {
    send_to(plain, address, text);
    EXPECT_EQ(0, try_send(connected, text));
    return receive_datagram(server).bytes + receive_datagram(server).bytes;
  };
  const std::string before = ask_both("a");
  server.reset();
  server = udp_socket();
  const int bind_error = try_bind(server, address);  // no SO_REUSEADDR: UDP has no TIME_WAIT
  const std::string after = ask_both("b");
  measured("bind() = {}; both clients before: '{}', after: '{}'", bind_error, before, after);
  EXPECT_EQ(0, bind_error);
  EXPECT_EQ("aa", before);
  EXPECT_EQ("bb", after);
}

TEST_F(Udp, a_full_receive_buffer_loses_datagrams_silently) {
  const OwnedFd server = udp_at(loopback()), client = udp_connected(local_of(server));
  set_option(server, SOL_SOCKET, SO_RCVBUF, 8192);
  set_option(server, SOL_SOCKET, SO_RXQ_OVFL, 1);
  constexpr int kSent = 200;
  int failed = 0;
  for (int i = 0; i < kSent; ++i) failed += try_send(client, "x") != 0 ? 1 : 0;
  const int received = drain(server);
  EXPECT_EQ(0, try_send(client, "after the loss"));
  const auto told = first_control<uint32_t>(server, 0);
  const auto lost = static_cast<int>(udp("RcvbufErrors"));
  measured("{} sends of 1 byte, {} failed; {} received, RcvbufErrors {}; SO_RXQ_OVFL says {}",
           kSent, failed, received, lost, told);
  EXPECT_EQ(0, failed);
  EXPECT_EQ(kSent, received + lost);
  EXPECT_EQ(static_cast<uint32_t>(lost), told);
  EXPECT_GT(100, received);  // of 16384 bytes: what counts is the packet with its descriptor
}

// A wildcard socket's answer leaves from the address the route prefers, not from the one asked.
TEST_F(Udp, a_wildcard_server_may_answer_from_another_address) {
  const OwnedFd server = udp_at(at("0.0.0.0:0"));
  const Address asked = at("127.0.0.2:0").with_port(local_of(server).port());
  const OwnedFd strict = udp_connected(asked), open = udp_at(at("127.0.0.1:0"));
  EXPECT_EQ(0, try_send(strict, "?"));
  const Address strict_address = receive_datagram(server).from;
  send_to(open, asked, "?");
  send_to(server, receive_datagram(server).from, "!");
  const std::string from = receive_datagram(open).from.host_text();
  send_to(server, strict_address, "!");
  const bool heard = has_event(strict, POLLIN, kSoon);
  measured("asked at 127.0.0.2, answered from {}; a connected client from 127.0.0.2 hears {}", from,
           heard ? "it" : "nothing");
  EXPECT_EQ("127.0.0.1", from);
  EXPECT_FALSE(heard);
}

TEST_F(Udp, broadcast_reaches_many_and_needs_so_broadcast) {
  const net::VethPair link = make_link();
  std::array<OwnedFd, 3> receivers;
  in(link.far, [&] {
    for (OwnedFd& receiver : receivers) receiver = share_port(4711);
  });
  const Address all = at("10.255.255.255:4711");
  const OwnedFd sender = in(link.near, [] { return udp_socket(); });
  const int forbidden = try_connect(sender, all);
  set_option(sender, SOL_SOCKET, SO_BROADCAST, 1);
  send_to(sender, all, "to all");
  int heard = 0;
  for (const OwnedFd& receiver : receivers) heard += hears(receiver) ? 1 : 0;
  measured("without SO_BROADCAST {}; with it one send reaches {} of 3 sockets",
           net::errno_name(forbidden), heard);
  EXPECT_EQ(EACCES, forbidden);
  EXPECT_EQ(3, heard);
}

// One sends from the near network to receivers in the far one.
class Multicast : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    link_ = make_link();
    sender_ = in(link_.near, [] { return udp_socket(); });
    const in_addr near{inet_addr(net::VethPair::kNearHost)};
    ASSERT_EQ(0, ::setsockopt(sender_.get(), IPPROTO_IP, IP_MULTICAST_IF, &near, sizeof near));
  }
  OwnedFd receiver(bool joins) {
    return in(link_.far, [&] {
      OwnedFd socket = share_port(4711);
      const ip_mreq group{{inet_addr("239.1.2.3")}, {inet_addr(net::VethPair::kFarHost)}};
      EXPECT_TRUE(!joins || ::setsockopt(socket.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                                         sizeof group) == 0);
      return socket;
    });
  }
  void send() { send_to(sender_, at("239.1.2.3:4711"), "to the group"); }

  net::VethPair link_;
  OwnedFd sender_;
};

TEST_F(Multicast, reaches_every_member) {
  const OwnedFd first = receiver(true), second = receiver(true);
  send();
  const int heard = (hears(first) ? 1 : 0) + (hears(second) ? 1 : 0);
  measured("one send, {} of 2 members hear it", heard);
  EXPECT_EQ(2, heard);
}

// IP_MULTICAST_ALL is on by default: who is bound to the wildcard hears groups that others joined.
TEST_F(Multicast, a_stranger_hears_what_another_socket_joined) {
  const OwnedFd stranger = receiver(false), member = receiver(true), strict = receiver(false);
  set_option(strict, IPPROTO_IP, IP_MULTICAST_ALL, 0);
  send();
  await_event(member, POLLIN);
  const bool stranger_hears = hears(stranger), strict_hears = hears(strict);
  measured("a socket that never joined: {}; with IP_MULTICAST_ALL 0: {}",
           stranger_hears ? "hears it" : "nothing", strict_hears ? "hears it" : "nothing");
  EXPECT_TRUE(stranger_hears);
  EXPECT_FALSE(strict_hears);
}

TEST_F(Udp, udp_segment_sends_many_datagrams_by_one_call) {
  const OwnedFd server = udp_at(loopback()), client = udp_connected(local_of(server));
  set_option(client, IPPROTO_UDP, UDP_SEGMENT, 1000);
  EXPECT_EQ(0, try_send(client, std::string(4500, 'x')));
  std::string sizes;
  for (int i = 0; i < 5; ++i) sizes += fmt::format("{} ", receive_datagram(server).bytes.size());
  measured("one send of 4500 bytes arrives as {}bytes", sizes);
  EXPECT_EQ("1000 1000 1000 1000 500 ", sizes);
}

Connection udp_ends() {
  Connection ends{udp_socket(), udp_at(loopback())};
  EXPECT_EQ(0, try_connect(ends.client, local_of(ends.server)));
  EXPECT_EQ(0, try_connect(ends.server, local_of(ends.client)));
  return ends;
}

Connection tcp_ends() {
  Connection ends = open_connection(listen_on(loopback()));
  set_option(ends.client, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(ends.server, IPPROTO_TCP, TCP_NODELAY, 1);
  return ends;
}

double round_trip_us(const Connection& ends, size_t bytes) {
  constexpr int kRounds = 300;
  std::thread echo([&] {
    for (int i = 0; i < kRounds; ++i) send_all(ends.server, receive_exactly(ends.server, bytes));
  });
  const std::string message(bytes, 'x');
  std::vector<double> times;
  for (int i = 0; i < kRounds; ++i) {
    const Stopwatch watch;
    send_all(ends.client, message);
    EXPECT_EQ(bytes, receive_exactly(ends.client, bytes).size());
    times.push_back(watch.seconds() * 1e6);
  }
  echo.join();
  std::nth_element(times.begin(), times.begin() + kRounds / 2, times.end());
  return times[kRounds / 2];
}

// In lock step nothing is lost. Both ends share a core, so that the two are compared and not the
// scheduler's choices; who is faster depends on the size, the kernel and the machine.
TEST_F(Udp, against_tcp_request_and_reply_by_size) {
  const OneCore both;
  std::string found;
  for (const size_t bytes : {64, 1400, 16000, 60000}) {
    const double udp_us = round_trip_us(udp_ends(), bytes);
    const double tcp_us = round_trip_us(tcp_ends(), bytes);
    found += fmt::format("{}{} B {:.0f}/{:.0f}", found.empty() ? "" : ", ", bytes, udp_us, tcp_us);
    EXPECT_LT(0, udp_us * tcp_us);
  }
  measured("median round trip UDP/TCP in us, on one core: {}", found);
  EXPECT_EQ(0U, udp("RcvbufErrors"));
}

struct Flood {
  double mb_per_s = 0;
  size_t received_bytes = 0;
};

// One side writes as fast as it may, the other reads until an empty datagram or the FIN.
Flood flood(const Connection& ends, size_t message_bytes, size_t total_bytes) {
  Flood result;
  std::atomic<bool> is_over = false;
  const Stopwatch watch;
  std::thread reader([&] {
    std::vector<char> buffer(65536);
    ssize_t received = 0;
    while ((received = ::recv(ends.server.get(), buffer.data(), buffer.size(), 0)) > 0) {
      result.received_bytes += static_cast<size_t>(received);
    }
    result.mb_per_s = static_cast<double>(result.received_bytes) / watch.seconds() / 1e6;
    is_over = true;
  });
  const std::string message(message_bytes, 'x');
  for (size_t sent = 0; sent < total_bytes; sent += message_bytes) send_all(ends.client, message);
  if (option_of(ends.client, SOL_SOCKET, SO_TYPE) == SOCK_STREAM) send_fin(ends.client);
  for (; !is_over; std::this_thread::yield()) try_send(ends.client, "");  // these may be lost too
  reader.join();
  return result;
}

TEST_F(Udp, against_tcp_in_one_direction_by_size) {
  const auto fate_known = [] {
    return udp("InDatagrams") + udp("RcvbufErrors") + udp("MemErrors");
  };
  std::string found;
  for (const size_t bytes : {64, 1400, 16000, 60000}) {
    const size_t total = bytes * std::min<size_t>(20'000, 24'000'000 / bytes);
    const uint64_t before = fate_known();
    const Flood by_udp = flood(udp_ends(), bytes, total), by_tcp = flood(tcp_ends(), bytes, total);
    found += fmt::format("{}{} B {:.0f}/{:.0f} (UDP lost {} %)", found.empty() ? "" : ", ", bytes,
                         by_udp.mb_per_s, by_tcp.mb_per_s,
                         (total - by_udp.received_bytes) * 100 / total);
    EXPECT_EQ(total, by_tcp.received_bytes);
    EXPECT_LE(total / bytes, fate_known() - before);  // the empty ones count too
  }
  measured("MB/s that arrive, UDP/TCP: {}", found);
}

}  // namespace
}  // namespace notes

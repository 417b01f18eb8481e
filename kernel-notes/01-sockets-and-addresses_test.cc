// How sockets are named: who chooses an address and when, which sockets may share a port and which
// of them is meant, and that a listener and its connections are different things
// (01-sockets-and-addresses.md).
#include <arpa/inet.h>
#include <sys/un.h>

#include <cstring>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr uint16_t kPort = 8080;  // the network is the test's own: every port is free
constexpr std::chrono::milliseconds kSoon{100};

std::string name_of_error(int error) { return error == 0 ? "0" : net::errno_name(error); }

int try_getpeername(const OwnedFd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  return ::getpeername(socket.get(), raw, &size) == 0 ? 0 : errno;
}

// The length getsockname(2) returns for a buffer of that size.
socklen_t name_length(const OwnedFd& socket, socklen_t buffer_bytes = sizeof(sockaddr_storage)) {
  sockaddr_storage address{};
  EXPECT_EQ(0, ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &buffer_bytes));
  return buffer_bytes;
}

bool is_waiting_at(const OwnedFd& listener) { return has_event(listener, POLLIN, kSoon); }

// ---- Names ----

class SocketNames : public Experiment {};

TEST_F(SocketNames, bind_to_port_0_lets_the_kernel_choose) {
  const OwnedFd socket = tcp_socket();
  const Address before = local_of(socket);
  bind_to(socket, loopback());
  const Address after = local_of(socket);
  measured("{} before bind(), {} after", before.text(), after.text());
  EXPECT_EQ("0.0.0.0:0", before.text());
  EXPECT_EQ("127.0.0.1", after.host_text());
  EXPECT_LE(sysctl("net.ipv4.ip_unprivileged_port_start"), after.port());
}

TEST_F(SocketNames, connect_without_bind_chooses_address_and_port) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd client = connect_to(at("127.0.0.1:8080"));
  measured("getsockname() {}", local_of(client).text());
  EXPECT_EQ("127.0.0.1", local_of(client).host_text());
  EXPECT_NE(0, local_of(client).port());
}

// As far as the port is concerned the address stays the wildcard; the route decides at connect().
TEST_F(SocketNames, a_socket_bound_to_the_wildcard_gets_its_address_by_connect) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd client = tcp_socket();
  bind_to(client, at("0.0.0.0:5000"));
  const Address bound = local_of(client);
  EXPECT_EQ(0, try_connect(client, local_of(listener)));
  measured("{} after bind(), {} after connect()", bound.text(), local_of(client).text());
  EXPECT_EQ("0.0.0.0:5000", bound.text());
  EXPECT_EQ("127.0.0.1:5000", local_of(client).text());
}

TEST_F(SocketNames, listen_without_bind_takes_a_port_of_all_addresses) {
  const OwnedFd socket = tcp_socket();
  const int error = try_listen(socket, 8);
  const Address name = local_of(socket);
  const OwnedFd client = connect_to(loopback(name.port()));
  const bool reached = is_waiting_at(socket);
  measured("listen() = {}, getsockname() {}, a client gets in", error, name.text());
  EXPECT_EQ(0, error);
  EXPECT_EQ("0.0.0.0", name.host_text());
  EXPECT_NE(0, name.port());
  EXPECT_TRUE(reached);
}

TEST_F(SocketNames, getpeername_is_the_other_ends_getsockname) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const Connection pair = open_connection(listener);
  measured("client {} to {}, server {} to {}", local_of(pair.client).text(),
           remote_of(pair.client).text(), local_of(pair.server).text(),
           remote_of(pair.server).text());
  EXPECT_EQ(local_of(pair.client).text(), remote_of(pair.server).text());
  EXPECT_EQ(local_of(pair.server).text(), remote_of(pair.client).text());
  EXPECT_EQ(ENOTCONN, try_getpeername(listener));
}

// accept() takes the address from the socket in whatever state it is, getpeername() does not.
TEST_F(SocketNames, getpeername_fails_after_a_reset_where_accept_still_tells) {
  const OwnedFd listener = listen_on(loopback(kPort));
  OwnedFd client = connect_to(local_of(listener));
  const std::string name = local_of(client).text();
  reset_close(client);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  const OwnedFd server(::accept4(listener.get(), raw, &size, SOCK_CLOEXEC));
  ASSERT_TRUE(server.valid()) << "accept4: " << net::errno_name(errno);
  await_state(server, TcpState::close);
  const std::string told = Address::of_sockaddr(raw, size).text();
  const int error = try_getpeername(server);
  measured("accept() succeeds and says {}, getpeername() {}", told, name_of_error(error));
  EXPECT_EQ(name, told);
  EXPECT_EQ(ENOTCONN, error);
}

TEST_F(SocketNames, addresses_are_16_28_and_at_most_110_bytes) {
  const OwnedFd unix_socket = tcp_socket(AF_UNIX);
  const auto in = name_length(tcp_socket()), in6 = name_length(tcp_socket(AF_INET6));
  const auto un = name_length(unix_socket);
  measured("IPv4 {} bytes, IPv6 {}, a Unix socket without a name {}; the structures {}, {}, {}", in,
           in6, un, sizeof(sockaddr_in), sizeof(sockaddr_in6), sizeof(sockaddr_un));
  EXPECT_EQ(16U, in);
  EXPECT_EQ(28U, in6);
  EXPECT_EQ(sizeof(sa_family_t), un);
  EXPECT_EQ(110U, sizeof(sockaddr_un));
  EXPECT_EQ(128U, sizeof(sockaddr_storage));
}

TEST_F(SocketNames, a_short_buffer_is_filled_and_the_whole_length_returned) {
  const OwnedFd socket = tcp_socket(AF_INET6);
  const socklen_t length = name_length(socket, sizeof(sockaddr_in));
  measured("a buffer of {} bytes for an IPv6 address: no error, length {}", sizeof(sockaddr_in),
           length);
  EXPECT_EQ(sizeof(sockaddr_in6), length);
}

TEST_F(SocketNames, an_address_of_another_host_cannot_be_bound_without_freebind) {
  const Address elsewhere = at("192.0.2.1:8080");
  const int plain = try_bind(tcp_socket(), elsewhere);
  const OwnedFd socket = tcp_socket();
  set_option(socket, IPPROTO_IP, IP_FREEBIND, 1);
  const int free = try_bind(socket, elsewhere);
  measured("{}; with IP_FREEBIND {}", name_of_error(plain), name_of_error(free));
  EXPECT_EQ(EADDRNOTAVAIL, plain);
  EXPECT_EQ(0, free);
}

TEST_F(SocketNames, a_descriptor_tells_what_socket_it_is) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd copy(::dup(listener.get()));
  const int domain = option_of(copy, SOL_SOCKET, SO_DOMAIN);
  const int type = option_of(copy, SOL_SOCKET, SO_TYPE);
  const int protocol = option_of(copy, SOL_SOCKET, SO_PROTOCOL);
  const int listening = option_of(copy, SOL_SOCKET, SO_ACCEPTCONN);
  measured("SO_DOMAIN {}, SO_TYPE {}, SO_PROTOCOL {}, SO_ACCEPTCONN {}", domain, type, protocol,
           listening);
  EXPECT_EQ(AF_INET, domain);
  EXPECT_EQ(SOCK_STREAM, type);
  EXPECT_EQ(IPPROTO_TCP, protocol);
  EXPECT_EQ(1, listening);
}

TEST_F(SocketNames, connecting_to_the_wildcard_reaches_this_host) {
  const OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd client = connect_to(at("0.0.0.0:8080"));
  measured("connect(0.0.0.0:8080) is connected to {}", remote_of(client).text());
  EXPECT_EQ("127.0.0.1:8080", remote_of(client).text());
}

// Its SYN comes back to itself: a simultaneous open with one end (RFC 9293 section 3.5).
TEST_F(SocketNames, a_client_can_be_connected_to_itself) {
  const Address self = loopback(40000);
  const OwnedFd client = connect_from(self, self);
  send_all(client, "echo");
  const std::string received = receive_exactly(client, 4);
  measured("{} to {}: {}, it reads what it wrote", local_of(client).text(),
           remote_of(client).text(), net::verbs::name_of(state_of(client)));
  EXPECT_EQ(local_of(client).text(), remote_of(client).text());
  EXPECT_EQ("echo", received);
}

// ---- One port, several sockets ----

class SharedPorts : public Experiment {
 protected:
  static OwnedFd udp_reusing(const Address& to) {
    OwnedFd socket = udp_socket();
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    bind_to(socket, to);
    return socket;
  }
};

TEST_F(SharedPorts, different_addresses_share_a_port_without_any_option) {
  const ListenOptions plain{.reuse_address = false};
  const OwnedFd one = listen_on(at("127.0.0.1:8080"), plain);
  const OwnedFd two = listen_on(at("127.0.0.2:8080"), plain);
  const OwnedFd client = connect_to(at("127.0.0.2:8080"));
  const bool at_two = is_waiting_at(two), at_one = is_waiting_at(one);
  measured("two listeners; a connection to the second waits at the first: {}, the second: {}",
           at_one, at_two);
  EXPECT_FALSE(at_one);
  EXPECT_TRUE(at_two);
}

TEST_F(SharedPorts, reuse_address_does_not_let_wildcard_and_specific_address_listen_together) {
  const OwnedFd wildcard = tcp_socket(), specific = tcp_socket();
  for (const OwnedFd* socket : {&wildcard, &specific}) {
    set_option(*socket, SOL_SOCKET, SO_REUSEADDR, 1);
  }
  const int bound = try_bind(wildcard, at("0.0.0.0:8080"));
  const int bound_too = try_bind(specific, at("127.0.0.1:8080"));
  const int listening = try_listen(wildcard, 8), listening_too = try_listen(specific, 8);
  measured("bind() {} and {}, listen() {} and {}", name_of_error(bound), name_of_error(bound_too),
           name_of_error(listening), name_of_error(listening_too));
  EXPECT_EQ(0, bound);
  EXPECT_EQ(0, bound_too);
  EXPECT_EQ(0, listening);
  EXPECT_EQ(EADDRINUSE, listening_too);
}

TEST_F(SharedPorts, with_reuse_port_they_do_and_the_most_specific_wins) {
  const OwnedFd wildcard = listen_on(at("0.0.0.0:8080"), {.reuse_port = true});
  const OwnedFd specific = listen_on(at("127.0.0.1:8080"), {.reuse_port = true});
  std::vector<OwnedFd> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connect_to(at("127.0.0.1:8080")));
  for (int i = 0; i < 4; ++i) clients.push_back(connect_to(at("127.0.0.2:8080")));
  const auto waiting = [](const OwnedFd& listener) { return info_of(listener).tcpi_unacked; };
  await("12 connections", [&] { return waiting(specific) + waiting(wildcard) == 12; });
  const uint32_t at_specific = waiting(specific), at_wildcard = waiting(wildcard);
  measured("8 connections to 127.0.0.1: {} there; 4 to 127.0.0.2: {} at the wildcard", at_specific,
           at_wildcard);
  EXPECT_EQ(8U, at_specific);
  EXPECT_EQ(4U, at_wildcard);
}

TEST_F(SharedPorts, datagram_sockets_share_with_reuse_address_and_the_most_specific_wins) {
  const OwnedFd wildcard = udp_reusing(at("0.0.0.0:8080"));
  const OwnedFd specific = udp_reusing(at("127.0.0.1:8080"));
  const OwnedFd client = udp_socket();
  send_to(client, at("127.0.0.1:8080"), "to one");
  send_to(client, at("127.0.0.2:8080"), "to another");
  const std::string first = receive_datagram(specific).bytes;
  const std::string second = receive_datagram(wildcard).bytes;
  measured("127.0.0.1 has \"{}\", the wildcard \"{}\"", first, second);
  EXPECT_EQ("to one", first);
  EXPECT_EQ("to another", second);
  EXPECT_EQ(EAGAIN, try_receive(wildcard, MSG_DONTWAIT));
}

TEST_F(SharedPorts, both_families_share_a_port_only_with_v6_only) {
  const OwnedFd ipv4 = listen_on(at("0.0.0.0:8080"));
  const OwnedFd dual = tcp_socket(AF_INET6), only = tcp_socket(AF_INET6);
  set_option(dual, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set_option(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  const int as_dual = try_bind(dual, at("[::]:8080")), as_only = try_bind(only, at("[::]:8080"));
  measured("beside 0.0.0.0, bind([::]): {}; with IPV6_V6ONLY: {}", name_of_error(as_dual),
           name_of_error(as_only));
  EXPECT_EQ(EADDRINUSE, as_dual);
  EXPECT_EQ(0, as_only);
}

TEST_F(SharedPorts, a_dual_stack_listener_sees_ipv4_clients_as_mapped_addresses) {
  const OwnedFd listener = listen_on(at("[::]:8080"), {.v6_only = false});
  const OwnedFd client = connect_to(at("127.0.0.1:8080"));
  const OwnedFd server = accept_from(listener);
  measured("the client is {}", remote_of(server).host_text());
  EXPECT_EQ("::ffff:127.0.0.1", remote_of(server).host_text());
}

// ---- Listener and connection ----

class ListenerAndConnection : public Experiment {};

TEST_F(ListenerAndConnection, an_accepted_socket_has_the_listeners_port_and_the_address_called) {
  const OwnedFd listener = listen_on(at("0.0.0.0:8080"));
  const OwnedFd client = connect_to(at("127.0.0.2:8080"));
  const OwnedFd server = accept_from(listener);
  measured("listener {}, accepted {}", local_of(listener).text(), local_of(server).text());
  EXPECT_NE(listener.get(), server.get());
  EXPECT_EQ("127.0.0.2:8080", local_of(server).text());
  EXPECT_EQ("0.0.0.0:8080", local_of(listener).text());
}

TEST_F(ListenerAndConnection, closing_the_listener_leaves_its_connections) {
  OwnedFd listener = listen_on(loopback(kPort));
  const Connection pair = open_connection(listener);
  listener.reset();
  send_all(pair.client, "still here");
  const std::string received = receive_exactly(pair.server, 10);
  const int refused = try_connect(tcp_socket(), loopback(kPort));
  measured("the connection passes {} bytes, a new one gets {}", received.size(),
           name_of_error(refused));
  EXPECT_EQ("still here", received);
  EXPECT_EQ(ECONNREFUSED, refused);
}

TEST_F(ListenerAndConnection, closing_a_connection_leaves_the_listener) {
  const OwnedFd listener = listen_on(loopback(kPort));
  Connection pair = open_connection(listener);
  active_close(pair.server, pair.client);
  const Connection next = open_connection(listener);
  send_all(next.client, "next");
  const std::string received = receive_exactly(next.server, 4);
  measured("the next connection is {} and passes {} bytes",
           net::verbs::name_of(state_of(next.server)), received.size());
  EXPECT_EQ("next", received);
}

TEST_F(ListenerAndConnection, closing_the_listener_resets_those_that_waited) {
  OwnedFd listener = listen_on(loopback(kPort));
  const OwnedFd client = connect_to(local_of(listener));
  ASSERT_TRUE(is_waiting_at(listener));
  send_all(client, "a request");
  listener.reset();
  await_event(client, POLLIN | POLLHUP);
  const int error = try_receive(client);
  measured("a client that was connected, and not accepted yet, reads {}", name_of_error(error));
  EXPECT_EQ(ECONNRESET, error);
}

TEST_F(ListenerAndConnection, a_socket_that_is_bound_and_does_not_listen_refuses) {
  const OwnedFd socket = tcp_socket();
  bind_to(socket, loopback(kPort));
  const int error = try_connect(tcp_socket(), loopback(kPort));
  measured("connect() {}", name_of_error(error));
  EXPECT_EQ(ECONNREFUSED, error);
}

}  // namespace
}  // namespace notes

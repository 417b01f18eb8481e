// A server that is stopped and started again while the kernel remembers a connection of its port;
// then who may share a port with whom.
#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

using net::TcpState;

Address server_address() { return net::verbs::loopback(kServerPort); }
Address wildcard() { return net::verbs::at(fmt::format("0.0.0.0:{}", kServerPort)); }
Address address_of(int host) {
  return net::verbs::at(fmt::format("127.0.0.{}:{}", host, kServerPort));
}

constexpr const char* kReuseAddress = "SO_REUSEADDR";

struct Sides {
  explicit Sides(Conversation& conversation) : client(conversation, 0), server(conversation, 1) {}

  void reuse(const OwnedFd& socket) {
    server.set(socket, kReuseAddress, SOL_SOCKET, SO_REUSEADDR, 1);
  }

  // 0, or the errno with which it does not start.
  int start(OwnedFd& listener, bool with_reuse) {
    listener = net::verbs::tcp_socket();
    if (with_reuse) reuse(listener);
    if (const int error = server.bind(listener, server_address())) return error;
    return server.listen(listener);
  }

  // A server with one client, ended by one of them; the state the client's end and the server's end
  // are left in is shown.
  void serve_once(bool with_reuse, bool server_closes_first) {
    OwnedFd listener;
    start(listener, with_reuse);
    OwnedFd asking = net::verbs::tcp_socket();
    client.connect(asking, server_address());
    OwnedFd answering = server.accept(listener);
    const uint16_t client_port = net::verbs::local_of(asking).port();
    if (server_closes_first) {
      server.note("is stopped");
      server.close(answering);
      client.receive(asking);
      client.close(asking);
      server.close(listener);
      await_time_wait(kServerPort);
      server.note("(its kernel: port {} in TIME_WAIT)", kServerPort);
    } else {
      client.close(asking);
      server.receive(answering);
      server.close(answering);
      await_time_wait(client_port);
      client.note("(its kernel: port {} in TIME_WAIT)", client_port);
      server.note("is stopped");
      server.close(listener);
    }
  }

  static void await_time_wait(uint16_t port) {
    net::verbs::await("TIME_WAIT", [&] {
      return net::verbs::states_of(port) == std::vector{TcpState::time_wait};
    });
  }

  Party client;
  Party server;
};

std::vector<Column> columns() { return {{"client"}, {"server"}}; }

int restart(Conversation& conversation, const char* heading, bool with_reuse,
            bool server_closes_first) {
  enter_fresh_network();  // so that nothing is left of the scene before
  conversation.scene(heading, columns());
  Sides sides(conversation);
  sides.serve_once(with_reuse, server_closes_first);
  sides.server.note("is started again");
  OwnedFd listener;
  const int error = sides.start(listener, with_reuse);
  if (error != 0) {
    sides.server.note("does not start, for up to 60 s");
    return error;
  }
  const OwnedFd asking = net::verbs::tcp_socket();
  const int connect_error = sides.client.connect(asking, server_address());
  if (connect_error != 0) return connect_error;
  sides.server.accept(listener);
  return 0;
}

void two_instances(Conversation& conversation) {
  enter_fresh_network();
  conversation.scene("(d) A second server while the first one runs",
                     {{"first server"}, {"second server"}});
  Party running(conversation, 0), late(conversation, 1);
  const OwnedFd first = net::verbs::tcp_socket();
  running.set(first, kReuseAddress, SOL_SOCKET, SO_REUSEADDR, 1);
  running.bind(first, server_address());
  running.listen(first);
  const OwnedFd plain = net::verbs::tcp_socket();
  const int plain_error = late.bind(plain, server_address());
  const OwnedFd second = net::verbs::tcp_socket();
  late.set(second, kReuseAddress, SOL_SOCKET, SO_REUSEADDR, 1);
  const int second_error = late.bind(second, server_address());
  conversation.expect(plain_error == EADDRINUSE && second_error == EADDRINUSE,
                      "two running servers never share the port, with SO_REUSEADDR or without: "
                      "EADDRINUSE");
}

struct ThreeListeners {
  int bind_errors = 0;
  int listen_errors = 0;
  bool specific_ones_get_their_own = false;
};

// On one port: the wildcard address and two specific ones, all bound before any of them listens.
ThreeListeners three_binds(Conversation& conversation, const char* letter, const char* name,
                           int option) {
  enter_fresh_network();
  conversation.scene(fmt::format("({}) Three binds on one port, with {}", letter, name), columns());
  Sides sides(conversation);
  const std::vector<Address> addresses = {wildcard(), address_of(2), address_of(3)};
  std::vector<OwnedFd> listeners;
  ThreeListeners seen;
  for (const Address& address : addresses) {
    listeners.push_back(net::verbs::tcp_socket());
    sides.server.set(listeners.back(), name, SOL_SOCKET, option, 1);
    seen.bind_errors += sides.server.bind(listeners.back(), address) != 0;
  }
  for (const OwnedFd& listener : listeners) {
    seen.listen_errors += sides.server.listen(listener) != 0;
  }
  if (seen.listen_errors > 0) return seen;
  seen.specific_ones_get_their_own = true;
  const std::vector<std::pair<Address, size_t>> calls = {
      {address_of(2), 1}, {address_of(3), 2}, {address_of(4), 0}};
  for (const auto& [address, expected] : calls) {
    const OwnedFd asking = net::verbs::tcp_socket();
    sides.client.connect(asking, address);
    for (size_t i = 0; i < listeners.size(); ++i) {
      if (!net::verbs::has_event(listeners[i], POLLIN, Milliseconds(i == expected ? 1000 : 0))) {
        continue;
      }
      net::verbs::accept_from(listeners[i]);
      sides.server.note("the listener on {} accepts it", addresses[i].text());
      seen.specific_ones_get_their_own &= i == expected;
    }
  }
  return seen;
}

void three_binds(Conversation& conversation) {
  const auto address = three_binds(conversation, "e", kReuseAddress, SO_REUSEADDR);
  conversation.expect(address.bind_errors == 0 && address.listen_errors == 2,
                      "with SO_REUSEADDR the wildcard and two specific addresses are bound to one "
                      "port, but on Linux only the first of them may listen: EADDRINUSE");
  const auto port = three_binds(conversation, "f", "SO_REUSEPORT", SO_REUSEPORT);
  conversation.expect(port.bind_errors == 0 && port.listen_errors == 0,
                      "with SO_REUSEPORT on each, all three listen");
  conversation.expect(port.specific_ones_get_their_own,
                      "the specific ones get the connections to their addresses, the wildcard gets "
                      "the rest");
}

}  // namespace

void restart_in_time_wait(Conversation& conversation, const Arguments&) {
  conversation.tell(
      "A server with one client is stopped and at once started again. SO_REUSEADDR is set before "
      "bind(), or not at all.");
  int error = restart(conversation, "(a) The server closes first, no SO_REUSEADDR", false, true);
  conversation.expect(error == EADDRINUSE,
                      "a connection in TIME_WAIT keeps a server without SO_REUSEADDR from binding: "
                      "EADDRINUSE");
  error = restart(conversation, "(b) The server closes first, with SO_REUSEADDR", true, true);
  conversation.expect(error == 0, "with SO_REUSEADDR it starts, and serves");
  error = restart(conversation, "(c) The client closes first, no SO_REUSEADDR", false, false);
  conversation.expect(error == 0,
                      "if the client closes first, TIME_WAIT is at its end, and the server starts "
                      "either way");
  two_instances(conversation);
  three_binds(conversation);
}

}  // namespace notes::labs

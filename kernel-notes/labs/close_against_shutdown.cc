// A client asks twice and has nothing more to say. It says so by close(), or by shutdown(SHUT_WR);
// the server answers slowly. The segments between them are shown as they pass.
#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

using net::TcpState;

constexpr Milliseconds kWork{300};
constexpr const char* kFirst = "data1\n";
constexpr const char* kSecond = "data2\n";

std::vector<Column> columns() { return {{"client", 5}, {"on the wire", 3}, {"server", 5}}; }

struct Sides {
  explicit Sides(Conversation& conversation)
      : client(conversation, 0), wire(conversation, 1, kServerPort), server(conversation, 2) {}

  // Connected; both lines are there, and the server has read them.
  void ask() {
    const OwnedFd listener = net::verbs::listen_on(net::verbs::loopback(kServerPort));
    client_socket = net::verbs::tcp_socket();
    client.connect(client_socket, net::verbs::loopback(kServerPort));
    wire.show(2);
    server_socket = server.accept(listener);
    client.send(client_socket, kFirst);
    wire.show(1);
    client.send(client_socket, kSecond);
    wire.show(1);
  }

  Party client;
  Wire wire;
  Party server;
  OwnedFd client_socket{};
  OwnedFd server_socket{};
};

void with_close(Conversation& conversation) {
  conversation.scene("(a) The client calls close()", columns());
  Sides sides(conversation);
  sides.ask();
  const uint16_t client_port = net::verbs::local_of(sides.client_socket).port();
  sides.client.close(sides.client_socket);
  sides.wire.show(1);
  sides.server.receive(sides.server_socket, 12);
  net::verbs::await("the orphan's state", [&] {
    return net::verbs::states_of(client_port) == std::vector{TcpState::fin_wait2};
  });
  sides.client.note("(its kernel: FIN_WAIT2, with no one to read)");

  sides.server.pause(kWork);
  const Outcome first = sides.server.send(sides.server_socket, "Hi, data1\n");
  const auto answers = sides.wire.show(2);
  net::verbs::await_state(sides.server_socket, TcpState::close);
  sides.server.pause(kWork);
  const Outcome second = sides.server.send(sides.server_socket, "Hi, data2\n");
  sides.server.close(sides.server_socket);

  conversation.expect(first.value == 10 && answers.back().rst,
                      "after close() the server's first answer is sent without an error, and draws "
                      "RST: the client hears nothing");
  conversation.expect(
      second.error == EPIPE && second.sigpipe,
      "its second answer fails with EPIPE, and raises SIGPIPE, which ends a program "
      "that has not asked otherwise");
}

void with_shutdown(Conversation& conversation) {
  conversation.scene("(b) The client calls shutdown(SHUT_WR)", columns());
  Sides sides(conversation);
  sides.ask();
  const uint16_t client_port = net::verbs::local_of(sides.client_socket).port();
  sides.client.shutdown_write(sides.client_socket);
  sides.wire.show(1);
  sides.server.receive(sides.server_socket, 12);

  std::string heard;
  for (const char* answer : {"Hi, data1\n", "Hi, data2\n"}) {
    sides.server.pause(kWork);
    sides.server.send(sides.server_socket, answer);
    sides.wire.show(1);
    heard += sides.client.receive(sides.client_socket).bytes;
  }
  const Outcome asked_all = sides.server.receive(sides.server_socket);
  sides.server.close(sides.server_socket);
  sides.wire.show(1);
  const Outcome end = sides.client.receive(sides.client_socket);
  sides.client.close(sides.client_socket);
  net::verbs::await("TIME_WAIT", [&] {
    return net::verbs::states_of(client_port) == std::vector{TcpState::time_wait};
  });
  sides.client.note("(its kernel: TIME_WAIT)");

  conversation.expect(heard == "Hi, data1\nHi, data2\n",
                      "after shutdown(SHUT_WR) the client hears both answers");
  conversation.expect(asked_all.value == 0 && end.value == 0,
                      "then each side reads the other's end, and both close cleanly");
}

}  // namespace

void close_against_shutdown(Conversation& conversation, const Arguments&) {
  conversation.tell(fmt::format(
      "The client sends two lines and has nothing more to say. The server works for {} ms on each "
      "answer (a slow one would for seconds). Segments that only acknowledge are not shown.",
      kWork.count()));
  with_close(conversation);
  with_shutdown(conversation);
}

}  // namespace notes::labs

// The server counts its clients, greets each with its number, and echoes what it says; what a
// library's event loop would show of a connection is shown with the calls that it takes.
#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

constexpr Milliseconds kIdle{200};
constexpr int kKeepAliveAfterSeconds = 30;

// The server's end of a connection.
struct Guest {
  int number = 0;
  OwnedFd socket{};
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
};

class Server {
 public:
  explicit Server(Party& party)
      : party_(party), listener_(net::verbs::listen_on(net::verbs::loopback(kServerPort))) {}

  Guest welcome() {
    Guest guest{.number = ++count_, .socket = party_.accept(listener_)};
    party_.note("local {}, remote {}", brief(net::verbs::local_of(guest.socket)),
                brief(net::verbs::remote_of(guest.socket)));
    party_.set(guest.socket, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1);
    party_.set(guest.socket, "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1);
    party_.set(guest.socket, "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveAfterSeconds);
    write(guest, fmt::format("Welcome client: {}\r\n", guest.number));
    return guest;
  }

  // False at the client's end.
  bool echo(Guest& guest) {
    const Outcome said = party_.receive(guest.socket);
    if (said.value <= 0) {
      party_.note("client {} has left: {} bytes read, {} written", guest.number, guest.bytes_read,
                  guest.bytes_written);
      party_.close(guest.socket);
      return false;
    }
    guest.bytes_read += static_cast<uint64_t>(said.value);
    write(guest, said.bytes);
    return true;
  }

  // Whether the client says nothing for kIdle.
  bool finds_idle(const Guest& guest) {
    const bool is_idle = !net::verbs::has_event(guest.socket, POLLIN, kIdle);
    if (is_idle) {
      party_.note("poll({} ms) = 0: client {} is idle, and stays", kIdle.count(), guest.number);
    }
    return is_idle;
  }

 private:
  void write(Guest& guest, const std::string& bytes) {
    const Outcome sent = party_.send(guest.socket, bytes);
    if (sent.succeeded()) guest.bytes_written += static_cast<uint64_t>(sent.value);
  }

  Party& party_;
  OwnedFd listener_;
  int count_ = 0;
};

bool has_options(const Guest& guest) {
  using net::verbs::option_of;
  return option_of(guest.socket, IPPROTO_TCP, TCP_NODELAY) != 0 &&
         option_of(guest.socket, SOL_SOCKET, SO_KEEPALIVE) != 0 &&
         option_of(guest.socket, IPPROTO_TCP, TCP_KEEPIDLE) == kKeepAliveAfterSeconds;
}

}  // namespace

void numbered_echo(Conversation& conversation, const Arguments&) {
  conversation.tell(
      fmt::format("Two clients come in turn. The idle time after which the server is told that one "
                  "is silent is "
                  "{} ms here.",
                  kIdle.count()));
  conversation.scene("Welcome, echo, idle, end", {{"client 1", 4}, {"server", 5}, {"client 2", 4}});
  Party one(conversation, 0), server_party(conversation, 1), two(conversation, 2);
  Server server(server_party);

  OwnedFd first = net::verbs::tcp_socket();
  one.connect(first, net::verbs::loopback(kServerPort));
  Guest first_guest = server.welcome();
  const std::string first_greeting = one.receive(first).bytes;
  one.send(first, "good morning\n");
  server.echo(first_guest);
  std::string first_echoes = one.receive(first).bytes;

  OwnedFd second = net::verbs::tcp_socket();
  two.connect(second, net::verbs::loopback(kServerPort));
  Guest second_guest = server.welcome();
  const std::string second_greeting = two.receive(second).bytes;
  two.send(second, "hello\n");
  server.echo(second_guest);
  const std::string second_echo = two.receive(second).bytes;

  const bool was_idle = server.finds_idle(first_guest);
  one.send(first, "still here\n");
  server.echo(first_guest);
  first_echoes += one.receive(first).bytes;
  const bool had_options = has_options(first_guest) && has_options(second_guest);

  one.close(first);
  const bool first_left = !server.echo(first_guest);
  two.close(second);
  const bool second_left = !server.echo(second_guest);

  conversation.expect(
      first_greeting == "Welcome client: 1\r\n" && second_greeting == "Welcome client: 2\r\n",
      "each client is greeted with its own number");
  conversation.expect(first_echoes == "good morning\nstill here\n" && second_echo == "hello\n",
                      "each hears what it said, and nothing of the other");
  conversation.expect(was_idle, "an idle time-out is an event: the client goes on after it");
  conversation.expect(had_options, "the options are those that were set, on either connection");
  conversation.expect(
      first_left && first_guest.bytes_read == 24 && second_left && second_guest.bytes_read == 6,
      "the server reads the end of each, and has counted its bytes: {} and {} read",
      first_guest.bytes_read, second_guest.bytes_read);
}

}  // namespace notes::labs

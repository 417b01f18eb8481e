// A UDP server that answers "Hi, " and the message, and tells on Ctrl-C how many it had; clients
// that ask it, and what they notice when it is not there.
#include <csignal>

#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

constexpr Milliseconds kPatienceOfClient{300};

volatile std::sig_atomic_t interrupted = 0;

Address server_address() { return net::verbs::loopback(kServerPort); }

class Server {
 public:
  explicit Server(Party& party) : party_(party) {
    socket_ = net::verbs::udp_socket();
    party_.bind(socket_, server_address());
  }

  void answer() {
    const Outcome asked = party_.receive_from(socket_);
    ++count_;
    party_.send_to(socket_, *asked.sender, "Hi, " + asked.bytes);
  }

  // A real signal, and a handler; the process that it would end is the lab's.
  size_t interrupt() {
    const auto before = std::signal(SIGINT, [](int) { interrupted = 1; });
    std::raise(SIGINT);
    std::signal(SIGINT, before);
    if (interrupted != 0) party_.note("^C: {} datagrams received; ends", count_);
    interrupted = 0;
    socket_.reset();
    return count_;
  }

 private:
  Party& party_;
  OwnedFd socket_{};
  size_t count_ = 0;
};

struct Client {
  Client(Conversation& conversation, size_t column)
      : party(conversation, column), socket(net::verbs::udp_socket()) {}

  void ask(const char* what) { party.send_to(socket, server_address(), what); }
  std::string answer() { return party.receive_from(socket).bytes; }

  Party party;
  OwnedFd socket;
};

void alone(Conversation& conversation) {
  conversation.scene("(a) A client alone", {{"client"}, {"server: nobody"}});
  Client client(conversation, 0);
  const uint64_t before = net::verbs::counter("Icmp", "InDestUnreachs");
  const Outcome sent = client.party.send_to(client.socket, server_address(), "one");
  net::verbs::await("an ICMP error",
                    [&] { return net::verbs::counter("Icmp", "InDestUnreachs") > before; });
  Party(conversation, 1).note("(its kernel: ICMP port unreachable)");
  const Outcome heard = client.party.receive_within(client.socket, kPatienceOfClient);
  conversation.expect(
      sent.value == 3 && heard.error == EAGAIN,
      "sendto() to a port where nobody is succeeds, and the receive after it waits for ever "
      "({} ms here), although the ICMP error has come: the socket is not connected",
      kPatienceOfClient.count());
}

void one_client(Conversation& conversation) {
  conversation.scene("(b) A server and a client", {{"client"}, {"server"}});
  Party party(conversation, 1);
  Server server(party);
  Client client(conversation, 0);
  std::string heard;
  for (const char* word : {"one", "two"}) {
    client.ask(word);
    server.answer();
    heard += client.answer() + "; ";
  }
  const size_t count = server.interrupt();
  conversation.expect(heard == "Hi, one; Hi, two; " && count == 2,
                      "each datagram is answered; the server has counted {}", count);
}

void two_clients(Conversation& conversation) {
  conversation.scene("(c) and (d) Two clients, and a server that is started again",
                     {{"client 1", 4}, {"server", 5}, {"client 2", 4}});
  Party party(conversation, 1);
  Client one(conversation, 0), two(conversation, 2);
  bool all_heard_theirs = true;
  {
    Server server(party);
    one.ask("red");
    two.ask("blue");  // both wait before either is answered
    server.answer();
    server.answer();
    all_heard_theirs &= two.answer() == "Hi, blue";
    all_heard_theirs &= one.answer() == "Hi, red";
    const size_t count = server.interrupt();
    conversation.expect(all_heard_theirs && count == 2,
                        "two clients share one server socket, and each hears its own answer");
  }
  one.ask("lost");
  const Outcome silence = one.party.receive_within(one.socket, kPatienceOfClient);
  conversation.expect(silence.error == EAGAIN, "what is asked meanwhile is lost without a word");
  party.note("starts again");
  Server server(party);
  two.ask("cyan");
  server.answer();
  all_heard_theirs &= two.answer() == "Hi, cyan";
  one.ask("pink");
  server.answer();
  all_heard_theirs &= one.answer() == "Hi, pink";
  server.interrupt();
  conversation.expect(all_heard_theirs,
                      "then both go on with the same sockets, without noticing the restart");
}

}  // namespace

void udp_request_reply(Conversation& conversation, const Arguments&) {
  conversation.tell(
      fmt::format("The server answers \"Hi, \" and the message. Clients are not connected. Where "
                  "one would wait "
                  "for ever it gives up after {} ms.",
                  kPatienceOfClient.count()));
  alone(conversation);
  one_client(conversation);
  two_clients(conversation);
}

}  // namespace notes::labs

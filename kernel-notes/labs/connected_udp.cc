// connect() on UDP sockets: at a client where nobody listens, at a server that serves one client
// only, a second time, and undone.
#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

Address server_address() { return net::verbs::loopback(kServerPort); }
Address other_address() { return net::verbs::loopback(kServerPort + 1); }

void nobody_listens(Conversation& conversation) {
  conversation.scene("(a) The client connects, and nobody listens",
                     {{"client"}, {"server: nobody"}});
  Party client(conversation, 0);
  const OwnedFd socket = net::verbs::udp_socket();
  const int error = client.connect(socket, server_address());
  const Outcome sent = client.send(socket, "hello");
  net::verbs::await_event(socket, POLLERR);
  Party(conversation, 1).note("(its kernel: ICMP port unreachable)");
  const Outcome heard = client.receive(socket);
  conversation.expect(error == 0 && sent.value == 5,
                      "connect() asks nobody, and the send() succeeds: no one was there");
  conversation.expect(heard.error == ECONNREFUSED,
                      "the recv() after it fails with ECONNREFUSED: a connected socket is told of "
                      "the ICMP error");
}

void server_connects(Conversation& conversation) {
  conversation.scene("(b) and (c) The server connects to its first client",
                     {{"client 1", 4}, {"server", 5}, {"client 2", 4}});
  Party one(conversation, 0), server(conversation, 1), two(conversation, 2);
  const OwnedFd listening = net::verbs::udp_socket();
  server.bind(listening, server_address());
  const OwnedFd first = net::verbs::udp_socket(), second = net::verbs::udp_socket();
  one.connect(first, server_address());
  two.connect(second, server_address());

  one.send(first, "hello");
  const Outcome asked = server.receive_from(listening);
  server.connect(listening, *asked.sender);
  server.send(listening, "Hi, hello");
  one.receive(first);

  two.send(second, "me too");
  const Outcome refused = two.receive(second);
  conversation.expect(refused.error == ECONNREFUSED,
                      "a server socket connected to one client is no socket for another: "
                      "ECONNREFUSED there");

  std::string said;
  for (const char* word : {"more", "goodbye"}) {
    one.send(first, word);
    said = server.receive(listening).bytes;
    server.send(listening, fmt::format("Hi, {}", said));
    one.receive(first);
  }
  server.note("ends at \"goodbye\"");
  conversation.expect(said == "goodbye", "the first client goes on until its \"goodbye\"");
}

void another_peer(Conversation& conversation) {
  conversation.scene("(d) Another peer, and none",
                     {{"server :8080", 4}, {"client", 5}, {"server :8081", 4}});
  Party left(conversation, 0), client(conversation, 1), right(conversation, 2);
  const OwnedFd left_socket = net::verbs::udp_socket(), right_socket = net::verbs::udp_socket();
  net::verbs::bind_to(left_socket, server_address());
  net::verbs::bind_to(right_socket, other_address());

  const OwnedFd socket = net::verbs::udp_socket();
  client.connect(socket, server_address());
  client.send(socket, "first");
  const std::string at_left = left.receive_from(left_socket).bytes;
  client.connect(socket, other_address());
  client.send(socket, "second");
  const Outcome at_right = right.receive_from(right_socket);
  left.send_to(left_socket, *at_right.sender, "late");
  const Outcome late = client.receive_within(socket, Milliseconds(100));
  conversation.expect(at_left == "first" && at_right.bytes == "second",
                      "a second connect() changes the peer");
  conversation.expect(late.error == EAGAIN, "what the former peer sends is no longer heard");

  client.disconnect(socket);
  const Outcome unsent = client.send(socket, "third");
  client.send_to(socket, server_address(), "fourth");
  const std::string by_address = left.receive_from(left_socket).bytes;
  client.note("(from :{} now: AF_UNSPEC gave up the port that the kernel had chosen)",
              net::verbs::local_of(socket).port());
  conversation.expect(unsent.error == EDESTADDRREQ && by_address == "fourth",
                      "AF_UNSPEC undoes it: send() fails with EDESTADDRREQ, sendto() works again");
}

}  // namespace

void connected_udp(Conversation& conversation, const Arguments&) {
  conversation.tell(
      "connect() sends no packet here. It fills in where send() goes to, and from whom recv() "
      "hears.");
  nobody_listens(conversation);
  server_connects(conversation);
  another_peer(conversation);
}

}  // namespace notes::labs

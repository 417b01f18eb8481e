// A client that asks its peer PING every so often and gives up after some tries; beside it TCP's
// keep-alive. The peer is well, then stuck, then gone.
#include <thread>

#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

using net::TcpState;

constexpr Milliseconds kInterval{100};
constexpr int kTries = 3;
// Keep-alive as short as it can be set: in seconds.
constexpr int kProbeAfter = 1, kProbeEvery = 1, kProbes = 2;

constexpr const char* kPing = "PING\n";
constexpr const char* kPong = "PONG\n";

enum class Peer { well, stuck, gone };

struct Scene {
  Scene(Conversation& conversation, const char* heading)
      : client(conversation, 0), server(conversation, 1) {
    conversation.scene(heading, {{"client"}, {"server"}});
    listener = net::verbs::listen_on(net::verbs::loopback(kServerPort));
    sockets = net::verbs::open_connection(listener);
  }

  // The number of PINGs that were answered, of kTries.
  int ask(Peer peer) {
    int answered = 0;
    for (int i = 0; i < kTries; ++i) {
      client.send(sockets.client, kPing);
      if (peer == Peer::well) {
        server.receive(sockets.server);
        server.send(sockets.server, kPong);
      }
      if (net::verbs::has_event(sockets.client, POLLIN, kInterval)) {
        answered += client.receive(sockets.client).bytes == kPong;
        std::this_thread::sleep_for(kInterval);
      } else {
        client.note("no PONG for {} ms: {} of {}", kInterval.count(), i + 1, kTries);
      }
    }
    return answered;
  }

  Party client, server;
  OwnedFd listener{};
  net::verbs::Connection sockets{};
};

void well(Conversation& conversation) {
  Scene scene(conversation, "(a) The peer is well");
  const int answered = scene.ask(Peer::well);
  conversation.expect(answered == kTries, "a healthy peer answers each PING");
}

void stuck(Conversation& conversation) {
  Scene scene(conversation, "(b) The server's program is stuck");
  scene.server.note("(the program hangs; its kernel does not)");
  const int answered = scene.ask(Peer::stuck);
  net::verbs::await("ACKs",
                    [&] { return net::verbs::info_of(scene.sockets.client).tcpi_unacked == 0; });
  const bool is_established = net::verbs::state_of(scene.sockets.client) == TcpState::established;
  scene.server.note("(its kernel has acknowledged every PING, and would answer keep-alive too)");
  scene.client.note("gives the peer up");
  conversation.expect(
      answered == 0 && is_established,
      "PING finds a program that is stuck after {} ms; to TCP, and so to keep-alive, "
      "all is well",
      (kTries * kInterval).count());
}

void gone(Conversation& conversation) {
  Scene scene(conversation, "(c) The server's machine is gone");
  net::verbs::Connection idle = net::verbs::open_connection(scene.listener);
  scene.client.note("a second connection, idle, has keep-alive:");
  scene.client.set(idle.client, "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, kProbeAfter);
  scene.client.set(idle.client, "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, kProbeEvery);
  scene.client.set(idle.client, "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  net::verbs::deafen(scene.sockets.server);
  net::verbs::deafen(idle.server);
  scene.client.set(idle.client, "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1);
  scene.server.note("(vanishes: no answer, no FIN, no RST)");

  const net::verbs::Stopwatch watch;
  const int answered = scene.ask(Peer::gone);
  const double ping_ms = watch.milliseconds();
  scene.client.note("gives the peer up");
  const net::TcpState state = net::verbs::state_of(scene.sockets.client);
  scene.client.note("(its kernel: {}, and goes on retransmitting)", net::verbs::name_of(state));
  scene.client.note("the idle connection:");
  const Outcome end = scene.client.receive(idle.client);
  const double keep_alive_ms = watch.milliseconds();

  const int64_t seconds = net::verbs::sysctl("net.ipv4.tcp_keepalive_time") +
                          net::verbs::sysctl("net.ipv4.tcp_keepalive_probes") *
                              net::verbs::sysctl("net.ipv4.tcp_keepalive_intvl");
  scene.client.note("with the kernel's defaults: after {} h {} min {} s", seconds / 3600,
                    seconds / 60 % 60, seconds % 60);
  conversation.expect(answered == 0 && ping_ms < keep_alive_ms,
                      "PING finds a peer that is gone after {:.0f} ms", ping_ms);
  conversation.expect(end.error == ETIMEDOUT,
                      "keep-alive of {} s, {} s and {} tries after {:.1f} s: ETIMEDOUT",
                      kProbeAfter, kProbeEvery, kProbes, keep_alive_ms / 1e3);
  conversation.expect(seconds == 7875, "keep-alive's defaults: 2 h 11 min 15 s");
}

}  // namespace

void liveness(Conversation& conversation, const Arguments&) {
  conversation.tell(fmt::format(
      "The client sends PING and gives its peer up after {} that were not answered within {} ms "
      "each. Across a network one would wait for seconds.",
      kTries, kInterval.count()));
  well(conversation);
  stuck(conversation);
  gone(conversation);
}

}  // namespace notes::labs

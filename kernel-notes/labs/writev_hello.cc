// A client puts "hello," before each line. Prefix and line lie in two buffers: they go out by one
// writev(), or by two write()s. The server answers each line.
#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

constexpr const char* kPrefix = "hello,";
// The kernel waits with an acknowledgement for 40 ms at least (TCP_DELACK_MIN, include/net/tcp.h).
constexpr double kDelayedAckMsMin = 30;

std::string prefixed(const std::string& line) { return kPrefix + line; }

struct Seen {
  size_t segments = 0;  // from the client
  double answered_ms = 0;
  std::string line{};
  size_t receives = 0;  // of the server, for that line
};

class Scene {
 public:
  Scene(Conversation& conversation, const char* heading)
      : client_((conversation.scene(heading, {{"client", 5}, {"on the wire", 3}, {"server", 5}}),
                 Party(conversation, 0))),
        server_(conversation, 2),
        sockets_(connected()),
        wire_(conversation, 1, kServerPort) {}

  Party& client() { return client_; }
  const OwnedFd& client_socket() const { return sockets_.client; }

  // `send` sends the line, calling wire() for each segment that leaves at once. The rest of them
  // (`held_back`) leave while the server waits for the end of the line.
  template <typename Send>
  Seen exchange(size_t bytes, size_t held_back, Send send) {
    // A new connection acknowledges at once for a while. This ends it, as a few exchanges would.
    net::verbs::set_option(sockets_.server, IPPROTO_TCP, TCP_QUICKACK, 0);
    seen_ = {};
    const net::verbs::Stopwatch watch;
    send();
    while (seen_.line.size() < bytes) {
      if (seen_.receives > 0) wire(held_back);
      const size_t expected = held_back > 0 ? 1 : bytes;
      const Outcome part = server_.receive(sockets_.server, expected);
      if (part.value <= 0) break;
      seen_.line += part.bytes;
      ++seen_.receives;
    }
    server_.send(sockets_.server, "ok\n");
    wire_.show(1);
    client_.receive(sockets_.client);
    seen_.answered_ms = watch.milliseconds();
    client_.note("(answered after {:.1f} ms)", seen_.answered_ms);
    return seen_;
  }

  void wire(size_t count) {
    wire_.show(count);
    seen_.segments += count;
  }

 private:
  static net::verbs::Connection connected() {
    return net::verbs::open_connection(net::verbs::listen_on(net::verbs::loopback(kServerPort)));
  }

  Party client_, server_;
  net::verbs::Connection sockets_;
  Wire wire_;
  Seen seen_{};
};

void one_writev(Conversation& conversation, const std::vector<std::string>& lines) {
  Scene scene(conversation, "(a) One writev()");
  for (const std::string& line : lines) {
    const Seen seen = scene.exchange(prefixed(line).size(), 0, [&] {
      scene.client().write_parts(scene.client_socket(), {kPrefix, line});
      scene.wire(1);
    });
    conversation.expect(seen.line == prefixed(line) && seen.segments == 1 && seen.receives == 1,
                        "by writev() {} comes as one segment, and by one recv()",
                        quoted(prefixed(line)));
  }
}

void two_writes(Conversation& conversation, const std::string& line) {
  Scene scene(conversation, "(b) Two write()s");
  const Seen seen = scene.exchange(prefixed(line).size(), 1, [&] {
    scene.client().send(scene.client_socket(), kPrefix);
    scene.wire(1);
    scene.client().send(scene.client_socket(), line);
    scene.client().note("(held back: Nagle waits for an ACK, which the server's kernel delays)");
  });
  conversation.expect(seen.segments == 2 && seen.answered_ms > kDelayedAckMsMin,
                      "by two write()s the rest of the line waits for the delayed ACK, and so does "
                      "the answer: {:.0f} ms",
                      seen.answered_ms);
}

void two_writes_no_delay(Conversation& conversation, const std::string& line) {
  Scene scene(conversation, "(c) Two write()s, with TCP_NODELAY");
  scene.client().set(scene.client_socket(), "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1);
  const Seen seen = scene.exchange(prefixed(line).size(), 0, [&] {
    scene.client().send(scene.client_socket(), kPrefix);
    scene.wire(1);
    scene.client().send(scene.client_socket(), line);
    scene.wire(1);
  });
  conversation.expect(seen.segments == 2 && seen.line == prefixed(line),
                      "with TCP_NODELAY nothing waits, but each write() is a segment: {:.1f} ms",
                      seen.answered_ms);
}

void two_writes_corked(Conversation& conversation, const std::string& line) {
  Scene scene(conversation, "(d) Two write()s, with TCP_CORK");
  const Seen seen = scene.exchange(prefixed(line).size(), 0, [&] {
    scene.client().set(scene.client_socket(), "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1);
    scene.client().send(scene.client_socket(), kPrefix);
    scene.client().send(scene.client_socket(), line);
    scene.client().set(scene.client_socket(), "TCP_CORK", IPPROTO_TCP, TCP_CORK, 0);
    scene.wire(1);
  });
  conversation.expect(seen.segments == 1 && seen.line == prefixed(line),
                      "TCP_CORK makes one segment of them again, for two more calls: {:.1f} ms",
                      seen.answered_ms);
}

}  // namespace

void writev_hello(Conversation& conversation, const Arguments& arguments) {
  std::vector<std::string> lines;
  for (const std::string& word : arguments.words) lines.push_back(word + "\n");
  if (lines.empty()) lines.push_back("world\n");
  conversation.tell(
      "The client sends \"hello,\" and a line from two buffers; the server answers when it has the "
      "whole line. Segments that only acknowledge are not shown.");
  one_writev(conversation, lines);
  two_writes(conversation, lines[0]);
  two_writes_no_delay(conversation, lines[0]);
  two_writes_corked(conversation, lines[0]);
}

}  // namespace notes::labs

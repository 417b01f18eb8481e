// What send() returning means. A server reads 1 KiB at a time and pauses between; a client sends a
// small amount, then a large one, by one blocking send().
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <atomic>
#include <thread>

#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

using net::verbs::Stopwatch;

constexpr size_t kReadBytes = 1024;
constexpr std::chrono::microseconds kPause{50};
constexpr size_t kSmallBytes = 100 << 10;
constexpr size_t kLargeBytes = 10 << 20;
// The rest fits into the buffers: if the client's thread is late, the server waits for it here.
constexpr size_t kLeftToRead = 64 << 10;
// Limits of the two buffers, lower than usual, so that the lab is short.
constexpr const char* kSendBuffer = "4096 16384 1048576";
constexpr const char* kReceiveBuffer = "4096 131072 1048576";

size_t read_some(const OwnedFd& socket) {
  std::this_thread::sleep_for(kPause);
  return net::verbs::receive_some(socket, kReadBytes).size();
}

std::string as_amount(size_t bytes) {
  return bytes < (1U << 20) ? fmt::format("{} KiB", bytes >> 10)
                            : fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

size_t bytes_of(const OwnedFd& socket, unsigned long which) {
  int bytes = 0;
  return ::ioctl(socket.get(), which, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}
// In the send buffer: what the peer's kernel has not acknowledged yet.
size_t unacknowledged(const OwnedFd& socket) { return bytes_of(socket, SIOCOUTQ); }
// In the receive buffer.
size_t unread(const OwnedFd& socket) { return bytes_of(socket, SIOCINQ); }

struct Scene {
  Scene(Conversation& conversation, const std::string& heading)
      : client(conversation, 0), server(conversation, 1) {
    conversation.scene(heading, {{"client"}, {"server"}});
    const OwnedFd listener = net::verbs::listen_on(net::verbs::loopback(kServerPort));
    sockets.client = net::verbs::tcp_socket();
    client.connect(sockets.client, net::verbs::loopback(kServerPort));
    sockets.server = server.accept(listener);
  }

  // The rest, and the end.
  void drain(size_t already_read) {
    client.close(sockets.client);
    size_t reads = 0;
    for (size_t part = 1; part > 0; ++reads) already_read += part = read_some(sockets.server);
    server.note("{} recv()s until the end: {} in all", grouped(reads), as_amount(already_read));
  }

  Party client, server;
  net::verbs::Connection sockets{};
};

void small(Conversation& conversation) {
  Scene scene(conversation, "(a) 100 KiB");
  scene.client.note("send({}) ...", as_amount(kSmallBytes));
  const Stopwatch watch;
  net::verbs::send_all(scene.sockets.client, std::string(kSmallBytes, 'x'));
  const double send_ms = watch.milliseconds();
  scene.client.note("... = {} after {:.1f} ms", grouped(kSmallBytes), send_ms);
  const size_t buffered = unread(scene.sockets.server) + unacknowledged(scene.sockets.client);
  scene.server.note("begins to read only now, {} at a time", as_amount(kReadBytes));
  scene.drain(0);
  conversation.expect(
      buffered >= kSmallBytes,
      "send() of {} returned before the server had read a byte: all were in buffers",
      as_amount(kSmallBytes));
}

void large(Conversation& conversation) {
  Scene scene(conversation, "(b) 10 MiB");
  std::atomic<bool> has_returned = false;
  double send_ms = 0;
  scene.client.note("send({}) ...", as_amount(kLargeBytes));
  scene.server.note("reads {} at a time, with pauses", as_amount(kReadBytes));
  std::thread sender([&] {
    const Stopwatch watch;
    net::verbs::send_all(scene.sockets.client, std::string(kLargeBytes, 'x'));
    send_ms = watch.milliseconds();
    has_returned = true;
  });
  size_t read = 0;
  while (!has_returned && read < kLargeBytes - kLeftToRead) {
    read += read_some(scene.sockets.server);
  }
  sender.join();
  const size_t left = kLargeBytes - read;
  const size_t in_send_buffer = std::min(unacknowledged(scene.sockets.client), left);
  scene.client.note("... = {} after {:.0f} ms", grouped(kLargeBytes), send_ms);
  scene.server.note("has read {} by now", as_amount(read));
  scene.client.note("in the send buffer, unacknowledged: {}", as_amount(in_send_buffer));
  scene.server.note("in the receive buffer, unread: {}", as_amount(left - in_send_buffer));
  scene.drain(read);
  conversation.expect(read > kLargeBytes / 2,
                      "send() of {} returned only when the server had read most of it: {}",
                      as_amount(kLargeBytes), as_amount(read));
  conversation.expect(left > 0,
                      "even then {} were unread; had the server ended, the client would not know",
                      as_amount(left));
}

}  // namespace

void slow_reader(Conversation& conversation, const Arguments&) {
  net::verbs::set_sysctl("net.ipv4.tcp_wmem", kSendBuffer);
  net::verbs::set_sysctl("net.ipv4.tcp_rmem", kReceiveBuffer);
  conversation.tell(fmt::format(
      "The server reads {} at a time and pauses for {} us in between (a slow one would for "
      "longer). "
      "So that this is short, tcp_wmem and tcp_rmem let a buffer grow to 1 MiB only; usual are "
      "4 MiB to send and 6 or 32 to receive.",
      as_amount(kReadBytes), kPause.count()));
  small(conversation);
  large(conversation);
}

}  // namespace notes::labs

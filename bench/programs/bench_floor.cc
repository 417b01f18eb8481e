// The least this kernel lets a server do: accept, receive, send, and for a large body splice. It
// answers every request with the same bytes and looks at none of them, has no timeouts and no
// limits: a yardstick for bench/, never a server. See bench/FLOOR.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "common/cli/mistakes.h"
#include "common/net/listener.h"
#include "common/net/ring.h"

namespace {

constexpr unsigned kReceiveBuffers = 256;
constexpr unsigned kReceiveBufferBytes = 4096;
constexpr size_t kFlushBatch = 8;               // as in server/worker.cc
constexpr size_t kRepeatedBytesMin = 32 << 10;  // pipelined answers leave in one send(2)
constexpr off_t kSendfileBytesMax = 64 << 10;   // measured by bench/paths: splice is cheaper above
constexpr int kPipeBytes = 1 << 20;
constexpr size_t kStepBytes = 512 << 10;  // more at once falls out of the CPU's cache
// Only the cork keeps every segment full from one splice(2) to the next: 15 % of a large body.
constexpr off_t kCorkBytesMin = 512 << 10;
constexpr std::string_view kEndOfHead = "\r\n\r\n";

enum class Operation : uint64_t { accept, receive, writable };

uint64_t pack(Operation operation, int fd) {
  return static_cast<uint64_t>(operation) << 32 | static_cast<uint32_t>(fd);
}

// What follows each head: a part of a file, or nothing.
struct Body {
  net::OwnedFd file;
  off_t begin = 0, end = 0;  // of the part, in the file

  off_t bytes() const { return end - begin; }
  bool corked() const { return bytes() > kCorkBytesMin; }
};

struct Connection {
  uint64_t received_bytes = 0;  // of a request that is not complete yet
  uint64_t memory_due = 0;      // bytes of heads (and bodies, when they are in memory) to send
  size_t at = 0;                // where in the repeated response they go on
  uint64_t bodies_due = 0;
  off_t body_at = 0;  // in the part
  uint64_t in_pipe = 0;
  net::OwnedFd pipe_read, pipe_write;
  bool flushing = false;
};

[[noreturn]] void die(const std::string& what, int error) {
  fmt::print(stderr, "bench_floor: {}: {}\n", what, net::errno_name(error));
  std::exit(1);
}

class Floor {
 public:
  Floor(net::Ring& ring, net::BufferRing& buffers, int listener, const std::string& response)
      : ring_(ring), buffers_(buffers), response_bytes_(response.size()) {
    while (responses_.size() < kRepeatedBytesMin) responses_ += response;
    io_uring_sqe* sqe = ring_.next_entry();
    io_uring_prep_multishot_accept(sqe, listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, pack(Operation::accept, listener));
  }

  void send_after_each(Body body) { body_ = std::move(body); }
  void close_after_each() { close_ = true; }

  [[noreturn]] void run() {
    for (;;) {
      ring_.submit_and_wait(std::chrono::nanoseconds(-1));
      ring_.for_each_completion([this](const io_uring_cqe& cqe) {
        on_completion(cqe);
        if (to_flush_.size() >= kFlushBatch) flush();
      });
      flush();
    }
  }

 private:
  void on_completion(const io_uring_cqe& cqe) {
    const int fd = static_cast<int>(cqe.user_data & 0xffffffff);
    switch (static_cast<Operation>(cqe.user_data >> 32)) {
      case Operation::accept: return on_accepted(cqe);
      case Operation::receive: return on_received(fd, cqe);
      case Operation::writable: return flush_later(fd);
    }
  }

  void on_accepted(const io_uring_cqe& cqe) {
    if (cqe.res < 0) die("accept", -cqe.res);
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) die("accept: multishot ended", ECANCELED);
    const auto index = static_cast<size_t>(cqe.res);
    if (connections_.size() <= index) connections_.resize(index + 1);
    connections_[index] = Connection();
    receive(cqe.res);
  }

  void receive(int fd) {
    io_uring_sqe* sqe = ring_.next_entry();
    io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = buffers_.group();
    io_uring_sqe_set_data64(sqe, pack(Operation::receive, fd));
  }

  void on_received(int fd, const io_uring_cqe& cqe) {
    if (cqe.res > 0) {
      if (request_bytes_ == 0) learn(buffers_.received(cqe));
      Connection& connection = connections_[static_cast<size_t>(fd)];
      connection.received_bytes += static_cast<uint64_t>(cqe.res);
      const uint64_t requests = connection.received_bytes / request_bytes_;
      connection.received_bytes %= request_bytes_;
      connection.memory_due += requests * response_bytes_;
      if (body_.file.valid()) connection.bodies_due += requests;
      flush_later(fd);
    }
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) buffers_.give_back(cqe);
    if (cqe.res <= 0 && cqe.res != -ENOBUFS) {
      connections_[static_cast<size_t>(fd)] = Connection();
      ::close(fd);
    } else if ((cqe.flags & IORING_CQE_F_MORE) == 0) {
      receive(fd);
    }
  }

  // All requests are as long as the first one: the load sends one and the same.
  void learn(std::span<const char> first) {
    const std::string_view text(first.data(), first.size());
    const size_t end = text.find(kEndOfHead);
    if (end == std::string_view::npos) die("the first request came in pieces", EPROTO);
    request_bytes_ = end + kEndOfHead.size();
  }

  void flush_later(int fd) {
    Connection& connection = connections_[static_cast<size_t>(fd)];
    if (connection.flushing) return;
    connection.flushing = true;
    to_flush_.push_back(fd);
  }

  void flush() {
    for (const int fd : to_flush_) {
      Connection& connection = connections_[static_cast<size_t>(fd)];
      connection.flushing = false;
      const bool sent = body_.file.valid() ? send_with_bodies(fd, connection)
                                           : send_memory(fd, connection, connection.memory_due, 0);
      if (!sent) await_writable(fd);
      if (sent && close_) ::shutdown(fd, SHUT_RDWR);
    }
    to_flush_.clear();
  }

  void await_writable(int fd) {
    io_uring_sqe* sqe = ring_.next_entry();
    io_uring_prep_poll_add(sqe, fd, POLLOUT);
    io_uring_sqe_set_data64(sqe, pack(Operation::writable, fd));
  }

  // False when the socket takes no more now. A client that is gone is noticed by its receive.
  bool send_memory(int fd, Connection& connection, uint64_t bytes, int more) {
    while (bytes > 0) {
      const uint64_t step = std::min<uint64_t>(bytes, responses_.size() - connection.at);
      const ssize_t sent =
          ::send(fd, responses_.data() + connection.at, step, MSG_DONTWAIT | MSG_NOSIGNAL | more);
      if (sent < 0) return errno != EAGAIN;
      connection.at = (connection.at + static_cast<size_t>(sent)) % responses_.size();
      connection.memory_due -= static_cast<uint64_t>(sent);
      bytes -= static_cast<uint64_t>(sent);
    }
    return true;
  }

  bool send_with_bodies(int fd, Connection& connection) {
    while (connection.bodies_due > 0) {
      if (body_.corked()) cork(fd, 1);
      const uint64_t later_heads = (connection.bodies_due - 1) * response_bytes_;
      const bool head_due = connection.memory_due > later_heads;
      if (head_due && !send_memory(fd, connection, connection.memory_due - later_heads, MSG_MORE)) {
        return false;
      }
      if (!send_body(fd, connection)) return false;
      if (body_.corked()) cork(fd, 0);
      --connection.bodies_due;
      connection.body_at = 0;
    }
    return true;
  }

  static void cork(int fd, int on) {
    if (::setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) < 0) die("TCP_CORK", errno);
  }

  bool send_body(int fd, Connection& connection) {
    return body_.bytes() <= kSendfileBytesMax ? sendfile_body(fd, connection)
                                              : splice_body(fd, connection);
  }

  bool sendfile_body(int fd, Connection& connection) {
    while (connection.body_at < body_.bytes()) {
      off_t at = body_.begin + connection.body_at;
      const auto rest = static_cast<size_t>(body_.end - at);
      const ssize_t sent = ::sendfile(fd, body_.file.get(), &at, rest);
      if (sent < 0) return errno != EAGAIN;
      if (sent == 0) die("sendfile from the body", ENODATA);
      connection.body_at += sent;
    }
    return true;
  }

  bool splice_body(int fd, Connection& connection) {
    if (!connection.pipe_read.valid()) open_pipe(connection);
    while (connection.body_at < body_.bytes() || connection.in_pipe > 0) {
      if (connection.in_pipe == 0) {
        off_t at = body_.begin + connection.body_at;
        const auto step = std::min(static_cast<size_t>(body_.end - at), kStepBytes);
        const ssize_t got = ::splice(body_.file.get(), &at, connection.pipe_write.get(), nullptr,
                                     step, SPLICE_F_MOVE);
        if (got <= 0) die("splice from the body", got < 0 ? errno : ENODATA);
        connection.in_pipe = static_cast<uint64_t>(got);
        connection.body_at += got;
      }
      const bool more = connection.body_at < body_.bytes();
      const ssize_t sent =
          ::splice(connection.pipe_read.get(), nullptr, fd, nullptr, connection.in_pipe,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0));
      if (sent < 0) return errno != EAGAIN;
      connection.in_pipe -= static_cast<uint64_t>(sent);
    }
    return true;
  }

  static void open_pipe(Connection& connection) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) < 0) die("pipe2", errno);
    connection.pipe_read.reset(ends[0]);
    connection.pipe_write.reset(ends[1]);
    if (::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes) < 0) die("fcntl(F_SETPIPE_SZ)", errno);
  }

  net::Ring& ring_;
  net::BufferRing& buffers_;
  std::string responses_;  // the response again and again
  size_t response_bytes_;
  size_t request_bytes_ = 0;
  Body body_;
  bool close_ = false;
  std::vector<Connection> connections_;  // by descriptor
  std::vector<int> to_flush_;
};

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.empty()) die(path, file ? ENODATA : ENOENT);
  return bytes;
}

// Ends the program when the part is not in the file.
Body open_body(const std::string& path, off_t begin, off_t bytes) {
  Body body;
  body.file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!body.file.valid() || ::fstat(body.file.get(), &facts) < 0) die(path, errno);
  body.begin = begin;
  body.end = bytes > 0 ? begin + bytes : facts.st_size;
  if (body.end > facts.st_size || body.bytes() <= 0) die(path + ": no such part", ERANGE);
  return body;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Answers every request with the bytes of a file.", "bench_floor");
  std::string listen = "127.0.0.1:0", response, body;
  off_t body_begin = 0, body_bytes = 0;
  bool close = false;
  app.add_option("--listen", listen, "Address; port 0 takes any");
  app.add_option("--response", response, "File with a whole response, or its head")->required();
  app.add_option("--body", body, "File sent after each response");
  app.add_option("--body-begin", body_begin, "The part of it begins here");
  app.add_option("--body-bytes", body_bytes, "Length of the part; 0: to the end");
  app.add_flag("--close", close, "End the connection after a response");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli::report(app, error);
  }
  auto address = net::Address::parse(listen);
  if (!address) return cli::report_usage_error("bench_floor", address.error().message());
  auto listener = net::listen_on(*address, 1);
  if (!listener) return cli::report_usage_error("bench_floor", listener.error().message());
  auto ring = net::Ring::open({});
  if (!ring) return cli::report_usage_error("bench_floor", ring.error().message());
  auto buffers = net::BufferRing::create(**ring, 0, kReceiveBuffers, kReceiveBufferBytes);
  if (!buffers) return cli::report_usage_error("bench_floor", buffers.error().message());

  ::signal(SIGPIPE, SIG_IGN);  // sendfile(2) and splice(2) know no MSG_NOSIGNAL

  Floor floor(**ring, **buffers, listener->sockets.front().get(), read_whole(response));
  if (!body.empty()) floor.send_after_each(open_body(body, body_begin, body_bytes));
  if (close) floor.close_after_each();
  fmt::print("listening {}\n", listener->address.text());
  std::fflush(stdout);
  floor.run();
}

// Keeps connections busy with pipelined requests: a batch in one write, the next one when all its
// responses are in. What arrives is discarded by the kernel and counted: every response must be
// as long as the first one was, and at the end each connection must answer once more, properly.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "bench/programs/discarding_client.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kEventsMax = 64;
constexpr int kStallMs = 30'000;
constexpr std::size_t kDiscardBytesPerCall = 1 << 20;

struct Connection {
  bench::DiscardingClient client;
  std::uint64_t awaited_bytes = 0;
};

class Load {
 public:
  Load(char** where, int connections, int requests_per_write);

  // Returns the number of requests answered.
  std::uint64_t run_for(std::chrono::seconds duration);

 private:
  void send_batch(Connection& connection);
  bool receive(Connection& connection);

  std::string path_, batch_;
  int requests_per_write_;
  std::uint64_t batch_response_bytes_ = 0;
  std::vector<Connection> connections_;
  net::OwnedFd epoll_;
};

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

Load::Load(char** where, int connections, int requests_per_write)
    : path_(where[2]), requests_per_write_(requests_per_write), epoll_(epoll_create1(0)) {
  connections_.reserve(static_cast<std::size_t>(connections));
  for (int i = 0; i < connections; ++i) {
    const auto port = static_cast<std::uint16_t>(std::atoi(where[1]));
    connections_.push_back({bench::DiscardingClient(where[0], port)});
    const bench::Response first = connections_.back().client.get(path_);
    batch_response_bytes_ =
        static_cast<std::uint64_t>(requests_per_write) * (first.head_bytes + first.body_bytes);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connections_.back();
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_.back().client.fd(), &event) != 0) {
      fail("epoll_ctl");
    }
  }
  for (int i = 0; i < requests_per_write; ++i) {
    batch_ += connections_.front().client.request_for(path_);
  }
}

void Load::send_batch(Connection& connection) {
  const ssize_t sent = ::send(connection.client.fd(), batch_.data(), batch_.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(batch_.size())) fail("send");
  connection.awaited_bytes = batch_response_bytes_;
}

// True when all responses of the batch are in.
bool Load::receive(Connection& connection) {
  const ssize_t got =
      ::recv(connection.client.fd(), nullptr, kDiscardBytesPerCall, MSG_TRUNC | MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return false;
  if (got < 0) fail("recv");
  if (got == 0) throw std::runtime_error("the server closed a connection");
  if (static_cast<std::uint64_t>(got) > connection.awaited_bytes) {
    throw std::runtime_error("more bytes than the responses have");
  }
  connection.awaited_bytes -= static_cast<std::uint64_t>(got);
  return connection.awaited_bytes == 0;
}

std::uint64_t Load::run_for(std::chrono::seconds duration) {
  std::uint64_t batches = 0;
  std::size_t busy = connections_.size();
  std::array<epoll_event, kEventsMax> events;
  const Clock::time_point end = Clock::now() + duration;
  for (Connection& connection : connections_) send_batch(connection);
  while (busy > 0) {
    const int ready = epoll_wait(epoll_.get(), events.data(), kEventsMax, kStallMs);
    if (ready == 0) throw std::runtime_error("the server stalled");
    const bool over = Clock::now() >= end;
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!receive(connection)) continue;
      ++batches;
      if (over) --busy;
      if (!over) send_batch(connection);
    }
  }
  for (Connection& connection : connections_) connection.client.get(path_);
  return batches * static_cast<std::uint64_t>(requests_per_write_);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: bench_pipeline IPV4-ADDRESS PORT PATH CONNECTIONS "
                 "REQUESTS-PER-WRITE SECONDS\n");
    return 2;
  }
  try {
    Load load(argv + 1, std::atoi(argv[4]), std::atoi(argv[5]));
    const Clock::time_point start = Clock::now();
    const std::uint64_t requests = load.run_for(std::chrono::seconds(std::atoi(argv[6])));
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    std::printf("requests=%llu seconds=%.6f\n", static_cast<unsigned long long>(requests),
                elapsed.count());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_pipeline: %s\n", error.what());
    return 1;
  }
  return 0;
}

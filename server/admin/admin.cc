// The thread: one poll(2) over the listeners, the clients and an eventfd that ends it. It relies on
// sockets that never block; it must never wait for a client nor for a worker.
#include "server/admin/admin.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "server/admin/client.h"
#include "server/admin/responder.h"

namespace ringserve::admin {
namespace {

// After accept(2) failed for want of descriptors or memory, so that it does not spin.
constexpr int64_t kAcceptPause_ms = 1000;

int64_t monotonic_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

net::Status make_non_blocking(const net::OwnedFd& socket) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return net::fail("fcntl O_NONBLOCK on an admin listener", errno);
  }
  return {};
}

}  // namespace

struct Admin::State {
  State(std::vector<net::OwnedFd> listening, net::OwnedFd end_event, std::function<Snapshot()> take)
      : listeners(std::move(listening)), end(std::move(end_event)), responder(std::move(take)) {}

  void run();
  void collect_events(int64_t now_ms);
  int patience_ms(int64_t now_ms) const;
  void serve_clients(int64_t now_ms);
  void accept_clients(int64_t now_ms);
  bool has_room() const;
  void make_room();

  std::vector<net::OwnedFd> listeners;
  net::OwnedFd end;  // an eventfd
  Responder responder;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<pollfd> events;   // of the end, each client, each listener, in this order
  int64_t accept_again_ms = 0;  // no listener is looked at before
  bool shortage_told = false;
  std::thread thread;
};

net::Result<std::unique_ptr<Admin>> Admin::start(std::vector<net::OwnedFd> listeners,
                                                 std::function<Snapshot()> take) {
  for (const net::OwnedFd& listener : listeners) {
    if (auto status = make_non_blocking(listener); !status) return tl::unexpected(status.error());
  }
  net::OwnedFd end(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!end.valid()) return net::fail("eventfd of the admin thread", errno);
  auto state = std::make_unique<State>(std::move(listeners), std::move(end), std::move(take));

  // Signals are for the main thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  try {
    state->thread = std::thread([running = state.get()] { running->run(); });
  } catch (const std::system_error& failure) {
    error = failure.code().value();
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return net::fail("start the admin thread", error,
                     "is RLIMIT_NPROC or the cgroup's pids.max low?");
  }
  return std::unique_ptr<Admin>(new Admin(std::move(state)));
}

Admin::Admin(std::unique_ptr<State> state) : state_(std::move(state)) {}

Admin::~Admin() {
  const uint64_t one = 1;
  // The counter of an eventfd cannot be full after one write.
  if (::write(state_->end.get(), &one, sizeof one) != sizeof one) {
    spdlog::error("write to the eventfd of the admin thread: {}", net::errno_name(errno));
  }
  state_->thread.join();
}

void Admin::State::run() {
  for (;;) {
    int64_t now_ms = monotonic_ms();
    responder.sample(now_ms);
    collect_events(now_ms);
    if (::poll(events.data(), events.size(), patience_ms(now_ms)) < 0) {
      if (errno == EINTR) continue;
      spdlog::error("poll: {}; the admin listeners answer no more", net::errno_name(errno));
      return;
    }
    if (events.front().revents != 0) return;
    now_ms = monotonic_ms();
    // Listeners last: their events lie behind those of the clients there were.
    const size_t first_listener = events.size() - listeners.size();
    const bool waiting = std::any_of(events.begin() + static_cast<std::ptrdiff_t>(first_listener),
                                     events.end(), [](const pollfd& e) { return e.revents != 0; });
    serve_clients(now_ms);
    if (waiting) accept_clients(now_ms);
  }
}

void Admin::State::collect_events(int64_t now_ms) {
  events.clear();
  events.push_back({end.get(), POLLIN, 0});
  for (const auto& client : clients) events.push_back({client->fd(), client->events(), 0});
  // poll(2) passes over negative descriptors.
  const bool accepts = now_ms >= accept_again_ms && has_room();
  for (const net::OwnedFd& listener : listeners) {
    events.push_back({accepts ? listener.get() : -1, POLLIN, 0});
  }
}

// Until something is due, rounded up by a millisecond.
int Admin::State::patience_ms(int64_t now_ms) const {
  int64_t due_ms = responder.next_sample_ms();
  for (const auto& client : clients) due_ms = std::min(due_ms, client->deadline_ms());
  if (accept_again_ms > now_ms) due_ms = std::min(due_ms, accept_again_ms);
  return static_cast<int>(std::max<int64_t>(0, due_ms - now_ms));
}

void Admin::State::serve_clients(int64_t now_ms) {
  for (size_t i = 0; i < clients.size(); ++i) {
    Client& client = *clients[i];
    const bool ready = events[1 + i].revents != 0;
    const bool late = now_ms >= client.deadline_ms();
    if (late || (ready && !client.advance(responder, now_ms))) clients[i] = nullptr;
  }
  std::erase(clients, nullptr);
}

// One of each listener in a turn; poll(2) tells again of those that wait.
void Admin::State::accept_clients(int64_t now_ms) {
  for (const net::OwnedFd& listener : listeners) {
    if (!has_room()) return;
    net::OwnedFd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.valid()) {
      make_room();
      clients.push_back(std::make_unique<Client>(std::move(socket), now_ms));
      shortage_told = false;
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED) {
      continue;
    }
    if (!shortage_told) {
      spdlog::warn("accept on an admin listener: {}; trying again every {} ms",
                   net::errno_name(errno), kAcceptPause_ms);
    }
    shortage_told = true;
    accept_again_ms = now_ms + kAcceptPause_ms;
    return;
  }
}

// A client that asks nothing gives its place to one that may.
bool Admin::State::has_room() const {
  return clients.size() < kConnectionsMax ||
         std::any_of(clients.begin(), clients.end(), [](const auto& c) { return c->is_idle(); });
}

void Admin::State::make_room() {
  if (clients.size() < kConnectionsMax) return;
  const auto idle_longest =
      std::min_element(clients.begin(), clients.end(), [](const auto& a, const auto& b) {
        if (a->is_idle() != b->is_idle()) return a->is_idle();
        return a->deadline_ms() < b->deadline_ms();
      });
  clients.erase(idle_longest);
}

}  // namespace ringserve::admin

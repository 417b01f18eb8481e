// One poll(2) loop over the listener and the connections. It relies on requests having no body,
// and must never wait for a client: what blocks is tried again in the next turn.
#include "tests/support/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "tests/support/patience.h"

namespace support {
namespace {

constexpr int kBacklog = 4096;
constexpr std::size_t kRequestsKept = 20000;
constexpr std::string_view kEndOfHead = "\r\n\r\n";

std::string address_of(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  const void* address = &reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr;
  if (peer.ss_family == AF_INET6) {
    address = &reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr;
  }
  ::inet_ntop(peer.ss_family, address, text, sizeof text);
  return text;
}

std::string target_of(const std::string& head) {
  const std::size_t begin = head.find(' ') + 1;
  return head.substr(begin, head.find(' ', begin) - begin);
}

Action action_of(Action::Kind kind, std::string bytes, int time_ms) {
  return {kind, std::move(bytes), time_ms};
}

}  // namespace

Action send_bytes(std::string bytes) { return action_of(Action::Kind::send, std::move(bytes), 0); }
Action drip_bytes(std::string bytes) { return action_of(Action::Kind::drip, std::move(bytes), 0); }
Action pour_for_ever(std::string bytes) {
  return action_of(Action::Kind::pour, std::move(bytes), 0);
}
Action pause_ms(int time_ms) { return action_of(Action::Kind::pause, "", time_ms); }
Action stall_all_ms(int time_ms) { return action_of(Action::Kind::stall_all, "", time_ms); }
Action close_connection() { return action_of(Action::Kind::close, "", 0); }
Action reset_connection() { return action_of(Action::Kind::reset, "", 0); }

std::string reply(int status, std::string_view body, std::string_view fields) {
  std::string text = "HTTP/1.1 " + std::to_string(status) +
                     " Scripted\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return text.append(fields).append("\r\n").append(body);
}

std::string ok_reply(std::string_view body, std::string_view fields) {
  return reply(200, body, fields);
}

ScriptedServer::ScriptedServer(OnRequest on_request, Script on_accept, std::string_view listen)
    : on_request_(std::move(on_request)),
      on_accept_(std::move(on_accept)),
      endpoint_(Endpoint::parse(listen)),
      listener_(listen_at(endpoint_)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_.valid() || ::listen(listener_.get(), kBacklog) != 0) {
    throw std::system_error(errno, std::generic_category(), "scripted server");
  }
  thread_ = std::thread([this] { run(); });
}

ScriptedServer::ScriptedServer(Script for_every_request, Script on_accept)
    : ScriptedServer([script = std::move(for_every_request)](const SeenRequest&) { return script; },
                     std::move(on_accept)) {}

ScriptedServer::~ScriptedServer() {
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

std::string ScriptedServer::url(std::string_view target) const {
  return "http://" + endpoint_.authority() + std::string(target);
}

Tally ScriptedServer::tally() const {
  const std::lock_guard lock(mutex_);
  return tally_;
}

bool ScriptedServer::wait_until(const std::function<bool(const Tally&)>& condition) const {
  const Deadline deadline;
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline.at(), [&] { return condition(tally_); });
}

void ScriptedServer::run() {
  std::vector<pollfd> events;
  while (wait_for_events(events)) {
    if (Clock::now() < stalled_until_) continue;
    std::size_t at = 2;
    for (auto connection = connections_.begin(); connection != connections_.end(); ++at) {
      const short happened = events.size() > at ? events[at].revents : short{0};
      if ((happened & POLLOUT) != 0) connection->blocked = false;
      bool alive = (happened & (POLLIN | POLLERR | POLLHUP)) == 0 || read_from(*connection);
      alive = alive && act(*connection);
      connection = alive ? std::next(connection) : connections_.erase(connection);
    }
    if (events.size() > 1 && (events[1].revents & POLLIN) != 0) accept_all();
  }
}

// False when the server is to end. While all is stalled only that is waited for.
bool ScriptedServer::wait_for_events(std::vector<pollfd>& events) {
  events.assign(1, {stop_.get(), POLLIN, 0});
  const auto now = Clock::now();
  if (now >= stalled_until_) {
    events.push_back({listener_.get(), POLLIN, 0});
    for (const Connection& connection : connections_) {
      const bool wants_out = !connection.todo.empty() && !connection.paused(now);
      events.push_back(
          {connection.fd.get(), static_cast<short>(wants_out ? POLLIN | POLLOUT : POLLIN), 0});
    }
  }
  while (::poll(events.data(), events.size(), patience_ms(now)) < 0 && errno == EINTR) {
  }
  return events[0].revents == 0;
}

int ScriptedServer::patience_ms(Clock::time_point now) const {
  auto wake = Clock::time_point::max();
  if (now < stalled_until_) wake = stalled_until_;
  for (const Connection& connection : connections_) {
    if (wake != stalled_until_ && connection.paused(now)) {
      wake = std::min(wake, connection.resume_at);
    }
  }
  if (wake == Clock::time_point::max()) return -1;
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(wake - now).count());
}

void ScriptedServer::accept_all() {
  // One a turn: poll(2) reports the next one in the next turn.
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  UniqueFd fd(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  const int yes = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  Connection& connection = connections_.emplace_back();
  connection.fd = std::move(fd);
  connection.todo.assign(on_accept_.begin(), on_accept_.end());
  const std::lock_guard lock(mutex_);
  connection.number = ++tally_.connections;
  tally_.peers.insert(address_of(peer));
  changed_.notify_all();
}

bool ScriptedServer::read_from(Connection& connection) {
  char chunk[16384];
  const ssize_t n = ::recv(connection.fd.get(), chunk, sizeof chunk, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n > 0) {
    connection.received.append(chunk, static_cast<std::size_t>(n));
    take_requests(connection);
    return true;
  }
  const std::lock_guard lock(mutex_);
  ++(n == 0 ? tally_.ended_by_client : tally_.reset_by_client);
  changed_.notify_all();
  return false;
}

void ScriptedServer::take_requests(Connection& connection) {
  for (;;) {
    const std::size_t end = connection.received.find(kEndOfHead);
    if (end == std::string::npos) return;
    SeenRequest request;
    request.head = connection.received.substr(0, end + kEndOfHead.size());
    request.target = target_of(request.head);
    request.connection = connection.number;
    request.on_connection = ++connection.requests;
    connection.received.erase(0, request.head.size());
    {
      const std::lock_guard lock(mutex_);
      request.number = ++tally_.requests;
      ++tally_.targets[request.target];
      if (tally_.first_requests.size() < kRequestsKept) tally_.first_requests.push_back(request);
      changed_.notify_all();
    }
    const Script script = on_request_(request);
    connection.todo.insert(connection.todo.end(), script.begin(), script.end());
  }
}

// Does what can be done now; false: the connection is over.
bool ScriptedServer::act(Connection& connection) {
  const auto now = Clock::now();
  while (!connection.todo.empty() && !connection.blocked && !connection.paused(now) &&
         now >= stalled_until_) {
    Action& action = connection.todo.front();
    switch (action.kind) {
      case Action::Kind::send:
        if (!send_some(connection, action)) return false;
        if (!action.bytes.empty()) return true;
        break;
      case Action::Kind::drip: {
        Action byte = send_bytes(action.bytes.substr(0, 1));
        if (!send_some(connection, byte)) return false;
        if (byte.bytes.empty()) action.bytes.erase(0, 1);
        if (!action.bytes.empty()) return true;
        break;
      }
      case Action::Kind::pour: {
        Action again = action;
        return send_some(connection, again);
      }
      case Action::Kind::pause:
        connection.resume_at = now + std::chrono::milliseconds(action.time_ms);
        break;
      case Action::Kind::stall_all:
        stalled_until_ = now + std::chrono::milliseconds(action.time_ms);
        break;
      case Action::Kind::close: return false;
      case Action::Kind::reset: {
        const linger at_once{1, 0};
        ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        return false;
      }
    }
    connection.todo.pop_front();
  }
  return true;
}

// Takes what was sent off the action; false when the client has gone.
bool ScriptedServer::send_some(Connection& connection, Action& action) {
  const ssize_t n =
      ::send(connection.fd.get(), action.bytes.data(), action.bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) action.bytes.erase(0, static_cast<std::size_t>(n));
  connection.blocked = n < 0 && errno == EAGAIN;
  return n >= 0 || connection.blocked;
}

}  // namespace support

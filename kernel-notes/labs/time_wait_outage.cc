// A service that opens one connection a request, which the client closes: its ports run out, come
// back, and run out again. Then six ways out of it, with what each costs.
#include <algorithm>
#include <thread>

#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPorts = 50;  // of usually 28,232
constexpr int kFirstPort = 40000;
constexpr int kManyRequests = 200;
constexpr int kBuckets = 10;
constexpr int kAddresses = 4;
// The sawtooth is drawn in slots of time, with that many requests each.
constexpr int kRequestsInSlot = 15;

enum class Ending { client_closes, client_resets, server_closes };

struct Request {
  int error = 0;         // of connect(2) or bind(2)
  int server_error = 0;  // of the server's last recv(2)
};

class Service {
 public:
  // In a network of its own, with few ports and without tcp_tw_reuse.
  Service() {
    enter_fresh_network();
    net::verbs::set_sysctl("net.ipv4.ip_local_port_range",
                           fmt::format("{} {}", kFirstPort, kFirstPort + kPorts - 1));
    net::verbs::set_sysctl("net.ipv4.tcp_tw_reuse", 0);
    listener_ = net::verbs::listen_on(net::verbs::loopback(kServerPort));
  }

  // One connection, one question, one answer; from `source` (127.0.0.2, ...) if it is not 0.
  Request request(Ending ending = Ending::client_closes, int source = 0) {
    OwnedFd client = net::verbs::tcp_socket();
    if (source > 0) {
      net::verbs::set_option(client, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
      net::verbs::bind_to(client, net::verbs::at(fmt::format("127.0.0.{}:0", source)));
    }
    if (const int error = net::verbs::try_connect(client, net::verbs::loopback(kServerPort))) {
      return {.error = error};
    }
    OwnedFd server = net::verbs::accept_from(listener_);
    ask(client, server);
    return end(ending, client, server);
  }

  static void ask(const OwnedFd& client, const OwnedFd& server) {
    net::verbs::send_all(client, "GET\n");
    net::verbs::receive_exactly(server, 4);
    net::verbs::send_all(server, "ok\n");
    net::verbs::receive_exactly(client, 3);
  }

  // How many of so many requests, one after the other, are served.
  template <typename Do>
  static int served(int requests, Do request) {
    int count = 0;
    for (int i = 0; i < requests; ++i) count += request(i).error == 0;
    return count;
  }

  const OwnedFd& listener() const { return listener_; }

 private:
  static Request end(Ending ending, OwnedFd& client, OwnedFd& server) {
    if (ending == Ending::server_closes) {
      net::verbs::active_close(server, client);
      return {};
    }
    if (ending == Ending::client_closes) {
      net::verbs::active_close(client, server);
      return {};
    }
    net::verbs::reset_close(client);
    net::verbs::await_event(server, POLLIN);
    return {.server_error = net::verbs::try_receive(server)};
  }

  OwnedFd listener_;
};

// ---- The sawtooth ----

struct Saw {
  Clock::duration slot{};
  int slots = 0;
  const char* heading = "";
};

Saw shape(bool full) {
  if (full) {
    return {std::chrono::seconds(5), 30, "(a) The sawtooth, in real time: 5 s a row"};
  }
  return {Milliseconds(100), 24, "(a) The sawtooth, with 1 s for TIME_WAIT's 60: 0.1 s a row"};
}

// Failures follow on success, and success on failures, and failures again: twice at least.
bool is_sawtooth(const std::vector<int>& errors) {
  size_t outages = 0;
  for (size_t i = 1; i < errors.size(); ++i) outages += errors[i] != 0 && errors[i - 1] == 0;
  const auto only = [](int error) { return error == 0 || error == EADDRNOTAVAIL; };
  return errors.front() == 0 && outages >= 2 && std::ranges::all_of(errors, only);
}

void sawtooth(Conversation& conversation, bool full) {
  const Saw saw = shape(full);
  Service service;
  if (!full) net::verbs::set_sysctl("net.ipv4.tcp_tw_reuse", 1);
  conversation.scene(saw.heading, {{"requests: + served, - failed"}});
  Party client(conversation, 0);
  std::vector<int> errors;
  const Clock::time_point begin = Clock::now();
  for (int slot = 0; slot < saw.slots; ++slot) {
    int served = 0;
    for (int i = 0; i < kRequestsInSlot; ++i) {
      const auto due = saw.slot * (slot * kRequestsInSlot + i) / kRequestsInSlot;
      std::this_thread::sleep_until(begin + due);
      errors.push_back(service.request().error);
      served += errors.back() == 0;
    }
    const int failed = kRequestsInSlot - served;
    std::string row(static_cast<size_t>(served), '+');
    row.append(static_cast<size_t>(failed), '-');
    if (failed > 0) row += fmt::format(" {:2} times EADDRNOTAVAIL", failed);
    client.note("{}", row);
  }
  const auto failed = std::ranges::count(errors, EADDRNOTAVAIL);
  conversation.expect(is_sawtooth(errors),
                      "requests are served until the {} ports are used up, then fail with "
                      "EADDRNOTAVAIL until the first port comes back, and so on: {} of {} failed",
                      kPorts, failed, errors.size());
}

// ---- Ways out ----

class Remedies {
 public:
  explicit Remedies(Conversation& conversation) : conversation_(conversation) {
    conversation.scene(
        fmt::format("(b) The ways out: {} requests with {} ports, as fast as they go",
                    kManyRequests, kPorts),
        {{"what is done", 4}, {"served", 3}, {"what it costs", 5}});
  }

  void none() {
    Service service;
    const int served = Service::served(kManyRequests, [&](int) { return service.request(); });
    show("nothing", served, "",
         fmt::format("outages; in the long run {:.1f} requests/s", kPorts / 60.0));
    conversation_.expect(served == kPorts, "with nothing done {} requests use up the {} ports",
                         served, kPorts);
  }

  void buckets() {
    Service service;
    net::verbs::set_sysctl("net.ipv4.tcp_max_tw_buckets", kBuckets);
    const int served = Service::served(kManyRequests, [&](int) { return service.request(); });
    const uint64_t skipped = net::verbs::counter("TcpExt", "TCPTimeWaitOverflow");
    show(fmt::format("tcp_max_tw_buckets = {}", kBuckets), served, "",
         fmt::format(
             "{} connections had no TIME_WAIT: a late segment may reach the port's next one, "
             "and a server whose last FIN is not acknowledged hears RST",
             skipped));
    conversation_.expect(served == kManyRequests && skipped > 0,
                         "tcp_max_tw_buckets: all served, {} without TIME_WAIT", skipped);
  }

  void reset() {
    Service service;
    int resets = 0;
    const int served = Service::served(kManyRequests, [&](int) {
      const Request request = service.request(Ending::client_resets);
      resets += request.server_error == ECONNRESET;
      return request;
    });
    show(
        "SO_LINGER {1, 0}: close() sends RST", served, "",
        fmt::format("the server's recv() failed with ECONNRESET {} times; what was not sent yet is "
                    "thrown away; no TIME_WAIT either",
                    resets));
    conversation_.expect(
        served == kManyRequests && resets == served && net::verbs::gauge("TCP", "tw") == 0,
        "SO_LINGER {{1, 0}}: all served, and each a reset for the server");
  }

  void reuse() {
    Service service;
    net::verbs::set_sysctl("net.ipv4.tcp_tw_reuse", 1);
    const int at_once = Service::served(kManyRequests, [&](int) { return service.request(); });
    const net::verbs::Stopwatch watch;
    net::verbs::await("a port", [&] { return service.request().error == 0; });
    const double waited_ms = watch.milliseconds();
    show(
        "tcp_tw_reuse = 1", at_once, fmt::format(", the next after {:.0f} ms", waited_ms),
        fmt::format("a limit still: {} requests/s; for the side that connects, and with timestamps "
                    "only; 1 s of protection instead of 60",
                    kPorts));
    conversation_.expect(at_once >= kPorts && waited_ms < 30'000,
                         "tcp_tw_reuse: the ports come back after a second, not a minute");
  }

  void addresses() {
    Service service;
    const int served = Service::served(kManyRequests, [&](int i) {
      return service.request(Ending::client_closes, 2 + i % kAddresses);
    });
    const Request one_more = service.request(Ending::client_closes, 2);
    show(fmt::format("{} source addresses, IP_BIND_ADDRESS_NO_PORT", kAddresses), served,
         ", the next: " + net::errno_name(one_more.error),
         fmt::format("addresses to configure; a bind() for each connection; a factor of {}, and no "
                     "more",
                     kAddresses));
    conversation_.expect(served == kAddresses * kPorts && one_more.error == EADDRNOTAVAIL,
                         "{} source addresses: {} times the ports, then the outage again",
                         kAddresses, kAddresses);
  }

  void server_closes() {
    Service service;
    const int served =
        Service::served(kManyRequests, [&](int) { return service.request(Ending::server_closes); });
    const auto states = net::verbs::states_of(kServerPort);
    const auto waiting = std::ranges::count(states, net::TcpState::time_wait);
    show("the server closes first", served, "",
         fmt::format(
             "TIME_WAIT is at the server: {} small sockets, at most one for each port of the "
             "client; its next connection from there takes its place",
             waiting));
    conversation_.expect(served == kManyRequests && waiting > 0 && waiting <= kPorts,
                         "the server closes first: all served, TIME_WAIT costs it memory only");
  }

  void keep_alive() {
    Service service;
    const net::verbs::Connection connection = net::verbs::open_connection(service.listener());
    const int served = Service::served(kManyRequests, [&](int) {
      Service::ask(connection.client, connection.server);
      return Request{};
    });
    const uint64_t waiting = net::verbs::gauge("TCP", "tw");
    show("one connection is kept (HTTP keep-alive)", served, " by 1 port",
         "the server holds a socket for each idle client, and a client must cope with one that was "
         "closed meanwhile");
    conversation_.expect(served == kManyRequests && waiting == 0,
                         "keep-alive: all served by one port, nothing in TIME_WAIT: the cure");
  }

 private:
  void show(const std::string& way, int served, const std::string& more, const std::string& cost) {
    conversation_.row({way, fmt::format("{}{}", served, more), cost});
  }

  Conversation& conversation_;
};

}  // namespace

void time_wait_outage(Conversation& conversation, const Arguments& arguments) {
  conversation.tell(fmt::format(
      "Each request opens a connection, which the client closes. TIME_WAIT then holds its port for "
      "60 s, a constant of the kernel; at r requests a second 60 r ports are held. Here a client "
      "has {} ports; usual are 28,232, used up within a minute at 471 requests a second.",
      kPorts));
  if (!arguments.full) {
    conversation.tell(
        "So that this is short, tcp_tw_reuse gives ports back after 1 s. --full waits for the real "
        "60.");
  }
  sawtooth(conversation, arguments.full);
  Remedies remedies(conversation);
  remedies.none();
  remedies.buckets();
  remedies.reset();
  remedies.reuse();
  remedies.addresses();
  remedies.server_closes();
  remedies.keep_alive();
}

}  // namespace notes::labs

// Sockets whose names are paths: what connect(2) says when the path is not as it should be, who may
// connect, what a datagram needs to be answered, and what they cost (16-unix-sockets.md).
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr std::chrono::milliseconds kSoon{100};

std::string said(int error) { return error == 0 ? "0" : net::errno_name(error); }

// As the kernel sees it: family and `name` as it is, without a terminating 0 unless it has one.
struct RawName {
  explicit RawName(std::string_view name) {
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), std::min(name.size(), sizeof address.sun_path));
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&address); }

  sockaddr_un address{};
  socklen_t size;
};
int try_bind_raw(const OwnedFd& socket, const RawName& name) {
  return ::bind(socket.get(), name.data(), name.size) == 0 ? 0 : errno;
}
int try_connect_raw(const OwnedFd& socket, const RawName& name) {
  return ::connect(socket.get(), name.data(), name.size) == 0 ? 0 : errno;
}

// Runs `work` in a thread that may not override permissions of files, as root may.
template <typename Work>
void without_override(Work work) {
  std::thread([&] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2] = {};
    ASSERT_EQ(0, ::syscall(SYS_capget, &header, sets));
    sets[0].effective &= ~((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH));
    ASSERT_EQ(0, ::syscall(SYS_capset, &header, sets));
    work();
  }).join();
}

class UnixSockets : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    std::string pattern = std::filesystem::temp_directory_path() / "unix-XXXXXX";
    if (pattern.size() > 70) pattern = "/tmp/unix-XXXXXX";  // of 108 bytes for names
    ASSERT_NE(nullptr, ::mkdtemp(pattern.data())) << pattern;
    directory_ = pattern;
  }
  void TearDown() override {
    Experiment::TearDown();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name = "socket") const { return directory_ + "/" + name; }
  Address address(const std::string& name = "socket") const { return at("unix:" + path(name)); }
  OwnedFd listener(int backlog = 8) const { return listen_on(address(), {.backlog = backlog}); }
  int try_to_connect() const { return try_connect(tcp_socket(AF_UNIX), address()); }

 private:
  std::string directory_;
};

class UnixPaths : public UnixSockets {};
class UnixStreams : public UnixSockets {};
class UnixDatagrams : public UnixSockets {};
class UnixSpeed : public UnixSockets {};

// ---- Paths ----

TEST_F(UnixPaths, without_a_file_connect_says_enoent) {
  const int error = try_to_connect();
  measured("{}", said(error));
  EXPECT_EQ(ENOENT, error);
}

TEST_F(UnixPaths, without_a_listener_connect_says_econnrefused) {
  OwnedFd closed = listener();
  closed.reset();
  const int stale = try_to_connect();
  const OwnedFd file(::open(path("file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  const int ordinary = try_connect(tcp_socket(AF_UNIX), address("file"));
  const OwnedFd bound = tcp_socket(AF_UNIX);
  bind_to(bound, address("bound"));
  const int silent = try_connect(tcp_socket(AF_UNIX), address("bound"));
  measured("a closed listener's path {}, a bound socket's {}, an ordinary file {}", said(stale),
           said(silent), said(ordinary));
  EXPECT_EQ(ECONNREFUSED, stale);
  EXPECT_EQ(ECONNREFUSED, silent);
  EXPECT_EQ(ECONNREFUSED, ordinary);
}

TEST_F(UnixPaths, without_write_permission_connect_says_eacces) {
  const OwnedFd server = listener();
  int read_only = 0, write_only = 0, hidden = 0;
  without_override([&] {
    ::chmod(path().c_str(), 0444);
    read_only = try_to_connect();
    ::chmod(path().c_str(), 0222);
    write_only = try_to_connect();
    ::chmod(path("").c_str(), 0600);  // the directory: no search permission
    hidden = try_to_connect();
    ::chmod(path("").c_str(), 0700);
  });
  measured("mode 0444 {}, mode 0222 {}, directory without x {}", said(read_only), said(write_only),
           said(hidden));
  EXPECT_EQ(EACCES, read_only);
  EXPECT_EQ(0, write_only);
  EXPECT_EQ(EACCES, hidden);
}

TEST_F(UnixPaths, the_umask_of_bind_decides_who_may_connect) {
  const mode_t before = ::umask(0077);
  const OwnedFd server = listener();
  ::umask(before);
  struct stat facts {};
  ASSERT_EQ(0, ::stat(path().c_str(), &facts));
  measured("umask 0077: mode {:04o}", facts.st_mode & 0777U);
  EXPECT_EQ(0700U, facts.st_mode & 0777U);
}

TEST_F(UnixPaths, a_stale_path_is_eaddrinuse_until_it_is_unlinked) {
  OwnedFd old = listener();
  old.reset();
  const OwnedFd server = tcp_socket(AF_UNIX);
  set_option(server, SOL_SOCKET, SO_REUSEADDR, 1);
  const int stale = try_bind(server, address());
  std::filesystem::remove(path());
  const int unlinked = try_bind(server, address());
  measured("close() leaves the path: bind() {}, with SO_REUSEADDR; after unlink() {}", said(stale),
           said(unlinked));
  EXPECT_EQ(EADDRINUSE, stale);
  EXPECT_EQ(0, unlinked);
}

TEST_F(UnixPaths, an_unlinked_listener_lives_but_cannot_be_reached) {
  const OwnedFd server = listener();
  const Connection pair = open_connection(server);
  std::filesystem::remove(path());
  send_all(pair.client, "still here");
  const std::string received = receive_exactly(pair.server, 10);
  const int error = try_to_connect();
  measured("the old connection passes {} bytes, a new one: {}", received.size(), said(error));
  EXPECT_EQ("still here", received);
  EXPECT_EQ(ENOENT, error);
}

TEST_F(UnixPaths, a_relative_path_means_the_directory_of_each_call) {
  const OwnedFd here(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  const OwnedFd server = tcp_socket(AF_UNIX);
  ASSERT_EQ(0, ::chdir(path("").c_str()));
  const int bound = try_bind_raw(server, RawName("relative"));
  EXPECT_EQ(0, try_listen(server, 8));
  const int same = try_connect_raw(tcp_socket(AF_UNIX), RawName("relative"));
  EXPECT_EQ(0, ::fchdir(here.get()));
  const int elsewhere = try_connect_raw(tcp_socket(AF_UNIX), RawName("relative"));
  const std::string name = local_of(server).unix_path();
  measured("bind() {}, connect() there {}, from another directory {}; getsockname() \"{}\"",
           said(bound), said(same), said(elsewhere), name);
  EXPECT_EQ(0, same);
  EXPECT_EQ(ENOENT, elsewhere);
  EXPECT_EQ("relative", name);
}

TEST_F(UnixPaths, have_room_for_108_bytes) {
  const auto bind_path_of = [&](size_t bytes) {
    return try_bind_raw(tcp_socket(AF_UNIX),
                        RawName(path(std::string(bytes, 'x')).substr(0, bytes)));
  };
  const int fits = bind_path_of(108), too_long = bind_path_of(109);
  measured("108 bytes, without a terminating 0: {}; 109: {}", said(fits), said(too_long));
  EXPECT_EQ(0, fits);
  EXPECT_EQ(EINVAL, too_long);
}

TEST_F(UnixPaths, are_seen_across_network_namespaces_but_abstract_names_are_not) {
  const RawName abstract(std::string_view("\0experiment", 11));
  const OwnedFd by_path = listener(), by_name = tcp_socket(AF_UNIX);
  ASSERT_EQ(0, try_bind_raw(by_name, abstract));
  ASSERT_EQ(0, try_listen(by_name, 8));
  const auto network = net::make_network();
  if (!network) SKIP_EXPERIMENT(network.error().message());
  const int here = try_connect_raw(tcp_socket(AF_UNIX), abstract);
  const auto [path_there, name_there] = in(*network, [&] {
    return std::pair(try_to_connect(), try_connect_raw(tcp_socket(AF_UNIX), abstract));
  });
  measured("from another network: path {}, abstract name {} ({} from its own)", said(path_there),
           said(name_there), said(here));
  EXPECT_EQ(0, here);
  EXPECT_EQ(0, path_there);
  EXPECT_EQ(ECONNREFUSED, name_there);
}

// ---- Streams ----

TEST_F(UnixStreams, are_streams_without_boundaries) {
  const Connection pair = open_connection(listener());
  send_all(pair.client, "GET / HT");
  send_all(pair.client, "TP/1.1");
  const std::string received = receive_some(pair.server);
  measured("8 and 6 bytes are read as {}", received.size());
  EXPECT_EQ("GET / HTTP/1.1", received);
}

TEST_F(UnixStreams, a_full_queue_makes_connect_wait_instead_of_dropping) {
  constexpr int kBacklog = 4;
  const OwnedFd server = listener(kBacklog);
  std::vector<OwnedFd> clients;
  int error = 0;
  while (error == 0 && clients.size() < 100) {
    clients.push_back(tcp_socket(AF_UNIX));
    set_nonblocking(clients.back());
    error = try_connect(clients.back(), address());
  }
  const size_t waiting = clients.size() - 1;
  std::thread late([&] { connect_to(address()); });  // blocks
  accept_from(server);                               // makes room
  late.join();
  measured("{} wait with listen({}), then {} for O_NONBLOCK; a blocking one gets in after accept()",
           waiting, kBacklog, said(error));
  EXPECT_EQ(kBacklog + 1U, waiting);
  EXPECT_EQ(EAGAIN, error);
}

TEST_F(UnixStreams, closing_with_unread_input_is_econnreset_and_without_it_the_end) {
  const OwnedFd server = listener();
  Connection rude = open_connection(server), polite = open_connection(server);
  send_all(rude.client, "unread");
  rude.server.reset();
  polite.server.reset();
  const int reset = try_receive(rude.client), end = try_receive(polite.client);
  const int write = try_send(polite.client, "x");
  measured("unread input: {}; none: recv() {} and send() {}", said(reset), said(end), said(write));
  EXPECT_EQ(ECONNRESET, reset);
  EXPECT_EQ(0, end);
  EXPECT_EQ(EPIPE, write);
}

TEST_F(UnixStreams, tell_who_the_peer_is) {
  const Connection pair = open_connection(listener());
  ucred peer{};
  socklen_t size = sizeof peer;
  EXPECT_EQ(0, ::getsockopt(pair.server.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size));
  sockaddr_un name{};
  socklen_t name_size = sizeof name;
  EXPECT_EQ(0, ::getpeername(pair.server.get(), reinterpret_cast<sockaddr*>(&name), &name_size));
  measured("SO_PEERCRED: this process {}, this user {}; getpeername(): {} bytes, no name",
           peer.pid == ::getpid(), peer.uid == ::geteuid(), name_size);
  EXPECT_EQ(::getpid(), peer.pid);
  EXPECT_EQ(::geteuid(), peer.uid);
  EXPECT_EQ(sizeof(sa_family_t), name_size);
}

TEST_F(UnixStreams, pass_descriptors_and_a_listener_among_them) {
  const Connection pair = open_connection(listener());
  OwnedFd web = listen_on(loopback(8080));
  send_descriptor(pair.client, web);
  web.reset();
  const OwnedFd passed = receive_descriptor(pair.server);
  const Connection connection = open_connection(passed);
  send_all(connection.client, "request");
  const std::string received = receive_exactly(connection.server, 7);
  measured("a TCP listener, closed by its sender, accepts through the copy and passes {} bytes",
           received.size());
  EXPECT_EQ("request", received);
}

// ---- Datagrams ----

TEST_F(UnixDatagrams, keep_boundaries_and_order) {
  const OwnedFd server = udp_at(address());
  const OwnedFd client = udp_socket(AF_UNIX);
  send_to(client, address(), "one");
  send_to(client, address(), "three");
  const std::string first = receive_datagram(server).bytes, second = receive_datagram(server).bytes;
  measured("\"{}\", then \"{}\"", first, second);
  EXPECT_EQ("one", first);
  EXPECT_EQ("three", second);
}

TEST_F(UnixDatagrams, a_client_must_bind_to_be_answered) {
  const OwnedFd server = udp_at(address());
  const OwnedFd anonymous = udp_socket(AF_UNIX), named = udp_at(address("client"));
  send_to(anonymous, address(), "who?");
  sockaddr_un from{};
  socklen_t size = sizeof from;
  char byte = 0;
  EXPECT_EQ(1, ::recvfrom(server.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size));
  send_to(named, address(), "me");
  const Address answer_to = receive_datagram(server).from;
  send_to(server, answer_to, "answer");
  const std::string answer = receive_datagram(named).bytes;
  measured("without bind(): an address of {} bytes; with: the path, and \"{}\" comes back", size,
           answer);
  EXPECT_EQ(0U, size);
  EXPECT_EQ(path("client"), answer_to.unix_path());
  EXPECT_EQ("answer", answer);
}

TEST_F(UnixDatagrams, are_not_lost_when_the_receiver_is_slow) {
  const OwnedFd server = udp_at(address());
  const OwnedFd client = udp_socket(AF_UNIX);
  EXPECT_EQ(0, try_connect(client, address()));
  set_nonblocking(client);
  size_t sent = 0;
  int error = 0;
  while (sent < 10000 && (error = try_send(client, "x")) == 0) ++sent;
  size_t received = 0;
  while (try_receive(server, MSG_DONTWAIT) == 0) received += receive_datagram(server).bytes.size();
  measured("{} taken, then {}; {} received", sent, said(error), received);
  EXPECT_EQ(EAGAIN, error);
  EXPECT_EQ(sent, received);
}

TEST_F(UnixDatagrams, to_a_receiver_that_is_gone_are_refused_at_once) {
  OwnedFd server = udp_at(address());
  const OwnedFd client = udp_socket(AF_UNIX);
  EXPECT_EQ(0, try_connect(client, address()));
  server.reset();
  const int error = try_send(client, "x");
  measured("send() {}", said(error));
  EXPECT_EQ(ECONNREFUSED, error);
}

// ---- Speed ----

// CPU time per round, the least of a few tries: all work of both ends is done by this one thread.
template <typename Round>
double cpu_ns_a_round(int rounds, Round round) {
  double least = 1e18;
  for (int tries = 0; tries < 5; ++tries) {
    const int64_t began = thread_cpu_ns();
    for (int i = 0; i < rounds; ++i) round();
    least = std::min(least, static_cast<double>(thread_cpu_ns() - began) / rounds);
  }
  return least;
}
// A message there and back.
double round_trip_ns(const Connection& pair) {
  char message[100] = {};
  return cpu_ns_a_round(1000, [&] {
    ::send(pair.client.get(), message, sizeof message, 0);
    ::recv(pair.server.get(), message, sizeof message, MSG_WAITALL);
    ::send(pair.server.get(), message, sizeof message, 0);
    ::recv(pair.client.get(), message, sizeof message, MSG_WAITALL);
  });
}
double transfer_ns(const Connection& pair, std::string& block) {
  return cpu_ns_a_round(500, [&] {
    ::send(pair.client.get(), block.data(), block.size(), 0);
    ::recv(pair.server.get(), block.data(), block.size(), MSG_WAITALL);
  });
}

TEST_F(UnixSpeed, a_round_trip_costs_less_than_over_tcp_loopback) {
  const OwnedFd tcp_listener = listen_on(loopback());
  const Connection unix_pair = open_connection(listener()), tcp = open_connection(tcp_listener);
  for (const OwnedFd* end : {&tcp.client, &tcp.server}) {
    set_option(*end, IPPROTO_TCP, TCP_NODELAY, 1);
  }
  const double by_tcp = round_trip_ns(tcp), by_unix = round_trip_ns(unix_pair);
  measured("100 bytes there and back: {:.1f} us of CPU by TCP, {:.1f} us by Unix socket: {:.2f}",
           by_tcp / 1e3, by_unix / 1e3, by_unix / by_tcp);
  EXPECT_LT(by_unix, by_tcp);
}

TEST_F(UnixSpeed, a_large_transfer) {
  const OwnedFd tcp_listener = listen_on(loopback());
  const Connection unix_pair = open_connection(listener()), tcp = open_connection(tcp_listener);
  std::string block(64 * 1024, 'x');
  const double by_tcp = transfer_ns(tcp, block), by_unix = transfer_ns(unix_pair, block);
  measured("64 KiB at a time: {:.0f} ns of CPU a KiB by TCP, {:.0f} ns by Unix socket: {:.2f}",
           by_tcp / 64, by_unix / 64, by_unix / by_tcp);
  EXPECT_LT(by_unix, 3 * by_tcp);
}

}  // namespace
}  // namespace notes

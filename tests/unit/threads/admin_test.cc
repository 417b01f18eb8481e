// The administrator's side over real sockets, with a snapshot of the test: who asks, who is slow,
// who is one too many, and the end. Every wait has a deadline (SO_RCVTIMEO).
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <list>

#include "common/net/listener.h"
#include "server/admin/admin.h"
#include "server/admin/client.h"
#include "tests/unit/admin_sample.h"

namespace ringserve::admin {
namespace {

constexpr int kPatience_s = 30;

// A client that says whatever it likes.
class Caller {
 public:
  explicit Caller(const net::Address& to, int receive_buffer_bytes = 0)
      : socket_(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{kPatience_s, 0};
    EXPECT_EQ(::setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    EXPECT_EQ(::setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    if (receive_buffer_bytes > 0) {
      EXPECT_EQ(::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                             sizeof receive_buffer_bytes),
                0);
    }
    EXPECT_EQ(::connect(fd(), to.data(), to.size()), 0) << net::errno_name(errno);
  }

  int fd() const { return socket_.get(); }

  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(sent, 0) << net::errno_name(errno);
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  // The next response: its status; the body is left in body().
  int status(bool has_body = true) {
    size_t head_end = 0;
    while ((head_end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return -1;
    }
    head_ = received_.substr(0, head_end + 4);
    const size_t at = head_.find("Content-Length: ");
    const size_t length = has_body ? std::stoul(head_.substr(at + 16)) : 0;
    while (received_.size() < head_.size() + length) {
      if (!receive()) return -1;
    }
    body_ = received_.substr(head_.size(), length);
    received_.erase(0, head_.size() + length);
    return std::stoi(head_.substr(9, 3));
  }
  int get(const std::string& target) {
    say("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return status();
  }
  const std::string& body() const { return body_; }

  // The server has closed, and nothing else had come.
  bool is_ended() {
    while (receive()) continue;
    return received_.empty();
  }

 private:
  // False: the end, a reset, or patience is over, which is a failure.
  bool receive() {
    char bytes[4096];
    const ssize_t got = ::recv(fd(), bytes, sizeof bytes, 0);
    EXPECT_FALSE(got < 0 && errno == EAGAIN) << "no answer in " << kPatience_s << " s";
    if (got <= 0) return false;
    received_.append(bytes, static_cast<size_t>(got));
    return true;
  }

  net::OwnedFd socket_;
  std::string received_, head_, body_;
};

constexpr std::string_view kHealth = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kHalf = "GET /healthz HTTP/1.1\r\nHos";
constexpr std::string_view kOtherHalf = "t: x\r\n\r\n";

class AdminTest : public testing::Test {
 protected:
  void SetUp() override { start({"127.0.0.1:0"}); }
  void TearDown() override { admin_.reset(); }

  void start(const std::vector<std::string>& addresses) {
    admin_.reset();
    addresses_.clear();
    std::vector<net::OwnedFd> listeners;
    for (const std::string& text : addresses) {
      auto group = net::listen_on(net::Address::parse(text).value(), 1);
      ASSERT_TRUE(group) << group.error().message();
      addresses_.push_back(group->address);
      listeners.push_back(std::move(group->sockets.front()));
    }
    auto admin = Admin::start(std::move(listeners), [this] {
      Snapshot snapshot = sample_snapshot();
      snapshot.draining = draining_;
      return snapshot;
    });
    ASSERT_TRUE(admin) << admin.error().message();
    admin_ = std::move(*admin);
  }

  const net::Address& address() const { return addresses_.front(); }
  void expect_alive() { EXPECT_EQ(Caller(address()).get("/healthz"), 200); }

  std::atomic<bool> draining_ = false;
  std::vector<net::Address> addresses_;
  std::unique_ptr<Admin> admin_;
};

TEST_F(AdminTest, answers_on_all_its_listeners) {
  const std::string path = testing::TempDir() + "ringserve-admin-" + std::to_string(::getpid());
  start({"127.0.0.1:0", "unix:" + path});
  for (const net::Address& address : addresses_) {
    Caller caller(address);
    EXPECT_EQ(caller.get("/metrics"), 200);
    EXPECT_NE(caller.body().find("ringserve_connections 28\n"), std::string::npos);
    EXPECT_EQ(caller.get("/status"), 200);
    EXPECT_TRUE(caller.body().ends_with("</html>\n"));
    EXPECT_EQ(caller.get("/nothing"), 404);
  }
  EXPECT_EQ(::unlink(path.c_str()), 0);
}

TEST_F(AdminTest, answers_pipelined_requests_in_order) {
  Caller caller(address());
  caller.say(
      "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nHEAD /status HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /no HTTP/1.1\r\nHost: x\r\n\r\nPOST /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(caller.status(), 200);
  EXPECT_EQ(caller.status(false), 200);
  EXPECT_EQ(caller.status(), 404);
  EXPECT_EQ(caller.status(), 405);
  EXPECT_EQ(caller.get("/healthz"), 200) << "the connection was to be kept";
}

TEST_F(AdminTest, takes_a_request_in_pieces) {
  Caller caller(address());
  for (const char byte : kHealth) caller.say({&byte, 1});
  EXPECT_EQ(caller.status(), 200);
}

TEST_F(AdminTest, closes_where_the_client_wants_it) {
  for (const char* request : {"GET /healthz HTTP/1.0\r\n\r\n",
                              "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}) {
    Caller caller(address());
    caller.say(request);
    EXPECT_EQ(caller.status(), 200);
    EXPECT_TRUE(caller.is_ended());
  }
}

TEST_F(AdminTest, refuses_what_is_no_request_and_what_has_a_body) {
  constexpr std::pair<const char*, int> kRequests[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 413},
      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", 405}};
  for (const auto& [request, status] : kRequests) {
    Caller caller(address());
    caller.say(request);
    EXPECT_EQ(caller.status(), status) << request;
    EXPECT_TRUE(caller.is_ended()) << request;
  }
}

TEST_F(AdminTest, a_body_is_refused_alike_however_much_of_it_is_there) {
  for (const std::string body :
       {"Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nno size\r\n"}) {
    for (const auto& [method, status] : {std::pair{"GET", 413}, std::pair{"POST", 405}}) {
      Caller caller(address());
      caller.say(std::string(method) + " /healthz HTTP/1.1\r\nHost: x\r\n" + body);
      EXPECT_EQ(caller.status(), status) << body;
      EXPECT_TRUE(caller.is_ended()) << body;
    }
  }
}

TEST_F(AdminTest, a_head_that_is_refused_announces_no_body) {
  Caller caller(address());
  caller.say("GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(caller.status(), 400);
  EXPECT_TRUE(caller.is_ended());
}

TEST_F(AdminTest, a_refusal_of_head_has_no_body) {
  Caller caller(address());
  caller.say("HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(caller.status(false), 413);
  EXPECT_TRUE(caller.is_ended());
}

TEST_F(AdminTest, turns_503_while_the_server_drains) {
  Caller caller(address());
  EXPECT_EQ(caller.get("/healthz"), 200);
  draining_ = true;
  // A snapshot answers for 100 ms.
  const time_t deadline = ::time(nullptr) + kPatience_s;
  while (caller.get("/healthz") != 503) ASSERT_LT(::time(nullptr), deadline);
  EXPECT_EQ(caller.body(), "draining\n");
}

TEST_F(AdminTest, a_client_that_stops_in_the_middle_stops_nobody) {
  Caller slow(address());
  slow.say(kHalf);
  expect_alive();
  slow.say(kOtherHalf);
  EXPECT_EQ(slow.status(), 200);
}

TEST_F(AdminTest, a_client_that_does_not_read_stops_nobody) {
  Caller deaf(address(), 4096);
  // More than the buffers of both sockets hold: the server stops to read, and sending would block.
  const std::string request = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += request;
  size_t at = 0;
  for (bool full = false; !full; at %= requests.size()) {
    const ssize_t sent =
        ::send(deaf.fd(), requests.data() + at, requests.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
    pollfd writable{deaf.fd(), POLLOUT, 0};
    full = sent < 0 && (errno != EAGAIN || ::poll(&writable, 1, 200) == 0);
    if (sent > 0) at += static_cast<size_t>(sent);
    expect_alive();
  }
  expect_alive();
}

TEST_F(AdminTest, the_connection_idle_longest_gives_its_place_to_a_new_one) {
  std::list<Caller> callers;
  for (size_t i = 0; i < Admin::kConnectionsMax; ++i) {
    EXPECT_EQ(callers.emplace_back(address()).get("/healthz"), 200);
  }
  EXPECT_EQ(callers.emplace_back(address()).get("/healthz"), 200);
  EXPECT_TRUE(callers.front().is_ended());
  callers.pop_front();
  EXPECT_EQ(callers.front().get("/healthz"), 200);
}

TEST_F(AdminTest, where_all_are_busy_a_new_one_waits_for_a_place) {
  std::list<Caller> busy;
  for (size_t i = 0; i < Admin::kConnectionsMax; ++i) {
    // One segment: with the answer to the first request the second is known to have begun.
    busy.emplace_back(address()).say(std::string(kHealth) + std::string(kHalf));
    EXPECT_EQ(busy.back().status(), 200);
  }
  Caller last(address());
  last.say(kHealth);
  busy.pop_front();
  EXPECT_EQ(last.status(), 200);
  for (Caller& caller : busy) {
    caller.say(kOtherHalf);
    EXPECT_EQ(caller.status(), 200) << "a busy one was cut off";
  }
}

TEST_F(AdminTest, ends_while_connections_are_open) {
  Caller idle(address()), half(address()), deaf(address(), 4096);
  EXPECT_EQ(idle.get("/healthz"), 200);
  half.say(kHalf);
  for (int i = 0; i < 20; ++i) deaf.say("GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
  admin_.reset();
  EXPECT_TRUE(idle.is_ended());
  const net::OwnedFd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_LT(::connect(late.get(), address().data(), address().size()), 0);
}

TEST(AdminStart, works_without_a_listener) {
  auto admin = Admin::start({}, sample_snapshot);
  EXPECT_TRUE(admin);
}

// The times of a client, with a clock of the test.
class ClientTimes : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    peer_.reset(ends[0]);
    client_ = std::make_unique<Client>(net::OwnedFd(ends[1]), now_ms_);
  }

  bool say(std::string_view bytes) {
    EXPECT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    return client_->advance(responder_, now_ms_);
  }
  int64_t left_ms() const { return client_->deadline_ms() - now_ms_; }

  int64_t now_ms_ = 5'000'000;
  net::OwnedFd peer_;
  std::unique_ptr<Client> client_;
  Responder responder_{sample_snapshot};
};

TEST_F(ClientTimes, are_those_of_each_state) {
  EXPECT_EQ(left_ms(), Client::kIdleMax_ms);
  EXPECT_TRUE(client_->is_idle());
  now_ms_ += 1000;
  EXPECT_TRUE(say(kHalf));
  EXPECT_FALSE(client_->is_idle());
  EXPECT_EQ(left_ms(), Client::kRequestMax_ms);
  now_ms_ += 1000;
  EXPECT_TRUE(say("t:"));
  EXPECT_EQ(left_ms(), Client::kRequestMax_ms - 1000) << "slowness must not buy time";
  EXPECT_TRUE(say(" x\r\n\r\n"));
  EXPECT_EQ(left_ms(), Client::kIdleMax_ms);
  EXPECT_TRUE(say("GET /healthz HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(left_ms(), Client::kLingerMax_ms);
  EXPECT_EQ(client_->events(), POLLIN);
  peer_.reset();
  EXPECT_FALSE(client_->advance(responder_, now_ms_));
}

TEST_F(ClientTimes, a_reply_that_does_not_leave_has_its_own) {
  constexpr int kRepliesMax = 10'000;
  for (int i = 0; client_->events() == POLLIN; ++i) {
    ASSERT_LT(i, kRepliesMax);
    ASSERT_TRUE(say("GET /status HTTP/1.1\r\nHost: x\r\n\r\n"));
  }
  EXPECT_EQ(client_->events(), POLLOUT);
  EXPECT_EQ(left_ms(), Client::kReplyMax_ms);
  now_ms_ += 1000;
  EXPECT_TRUE(client_->advance(responder_, now_ms_));
  EXPECT_EQ(left_ms(), Client::kReplyMax_ms - 1000);
}

}  // namespace
}  // namespace ringserve::admin

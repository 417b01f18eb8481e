// What one client may have, and what it meets beyond: its address's connections and requests, the
// requests of a connection. Others, at other addresses, do not notice.
#include <arpa/inet.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/net/private_network.h"
#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;

class ClientLimits : public ServerTest {
 protected:
  void SetUp() override { tree().fill("small", 1000); }

  void serve_with_admin(std::vector<std::string> options) {
    options.insert(options.end(), {"--admin", "127.0.0.1:0"});
    serve(std::move(options));
  }

  HttpClient connect_from(const std::string& source) { return connect({.source = source}); }
  // A client that stays, and was let in.
  HttpClient connect_and_get(const std::string& source) {
    HttpClient client = connect_from(source);
    expect_file(client, "small", 1000);
    return client;
  }

  // It is told so without having asked for anything.
  void expect_refused(HttpClient client) {
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(response.header("Retry-After"), "1");
    EXPECT_FALSE(response.keeps_alive());
    EXPECT_EQ(client.read_to_end().bytes, "");
  }

  bool is_let_in(const std::string& source) {
    return connect_from(source).get("/small").status == 200;
  }
  void wait_until_let_in(const std::string& source) {
    const Deadline deadline;
    while (!is_let_in(source)) ASSERT_FALSE(deadline.passed()) << source << " is never let in";
  }
  void wait_until_refused_at(const std::string& source) {
    const Deadline deadline;
    while (is_let_in(source)) ASSERT_FALSE(deadline.passed()) << source << " is never refused";
  }

  // Statuses of so many requests in one piece.
  std::vector<int> pipeline(HttpClient& client, int count) {
    std::string requests;
    for (int i = 0; i < count; ++i) requests += request("GET", "/small");
    client.send(requests);
    std::vector<int> statuses;
    for (int i = 0; i < count; ++i) statuses.push_back(client.read_response().status);
    return statuses;
  }
  static long count_of(const std::vector<int>& statuses, int status) {
    return std::count(statuses.begin(), statuses.end(), status);
  }

  MetricsText metrics() { return MetricsText(HttpClient(server().admin()).get("/metrics").body); }
  void wait_for_metric(const std::string& name, const MetricsText::Labels& labels, double value) {
    const Deadline deadline;
    while (metrics().value(name, labels) != value) {
      ASSERT_FALSE(deadline.passed())
          << name << " is " << metrics().value(name, labels) << ", not " << value;
    }
  }
};

// --- turns ---

// What all have asked is there before the server looks at any of it: its log tells in which order
// it was answered.
TEST_F(ClientLimits, an_address_with_many_connections_has_the_turns_of_one) {
  constexpr int kConnections = 50, kRequestsEach = 300;
  const std::string log = tree().beside("access.log");
  serve({"--fair-share", "on", "--threads", "1", "--access-log", log});
  std::vector<HttpClient> greedy;
  for (int i = 0; i < kConnections; ++i) greedy.push_back(connect_and_get("127.0.0.2"));
  HttpClient modest = connect_and_get("127.0.0.3");
  server().signal(SIGSTOP);
  std::string requests;
  for (int i = 0; i < kRequestsEach; ++i) requests += request("HEAD", "/small");
  for (HttpClient& client : greedy) client.send(requests);
  modest.send(request("GET", "/small"));
  server().signal(SIGCONT);
  EXPECT_EQ(modest.read_response().status, 200);
  for (HttpClient& client : greedy) {
    for (int i = 0; i < kRequestsEach; ++i) ASSERT_EQ(client.read_response("HEAD").status, 200);
  }
  server().signal(SIGTERM);
  server().wait_for_exit();
  std::ifstream lines(log);
  int before = 0, place = -1;
  for (std::string line; std::getline(lines, line); ++before) {
    if (line.starts_with("127.0.0.3 ")) place = before;
  }
  EXPECT_EQ(before, kConnections * (kRequestsEach + 1) + 2);
  EXPECT_GE(place, kConnections + 1);
  EXPECT_LT(place, kConnections * kRequestsEach / 3) << "its turn came late";
}

// Its replies wait for it, and what else it has asked waits for a turn: neither is the other.
class SharedByPath : public ClientLimits, public testing::WithParamInterface<const char*> {};

TEST_P(SharedByPath, who_does_not_read_gets_every_reply_once_when_it_does) {
  constexpr int kRequests = 1500;
  serve({"--fair-share", "on", "--threads", "1", "--send-path", GetParam()});
  HttpClient slow = connect({.receive_buffer_bytes = 4096, .source = "127.0.0.2"});
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += request("HEAD", i % 2 == 0 ? "/small" : "/none");
  slow.send(requests);
  for (int i = 0; i < 20; ++i) connect_and_get("127.0.0.3");
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(slow.read_response("HEAD").status, i % 2 == 0 ? 200 : 404) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(client_limits, SharedByPath,
                         testing::Values("auto", "uring-send", "uring-splice", "send-zc"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// --- connections of an address ---

TEST_F(ClientLimits, an_address_with_too_many_connections_is_told_503) {
  serve_with_admin({"--max-connections-per-address", "3", "--threads", "2"});
  std::vector<HttpClient> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_and_get("127.0.0.2"));
  for (int i = 0; i < 5; ++i) expect_refused(connect_from("127.0.0.2"));
  const HttpClient other = connect_and_get("127.0.0.3");
  for (HttpClient& client : clients) expect_file(client, "small", 1000);
  wait_for_metric("ringserve_limited_total", {{"kind", "connections_per_address"}}, 5);
  wait_for_metric("ringserve_connections", {}, 4);
  wait_for_metric("ringserve_client_addresses", {}, 2);
  EXPECT_TRUE(server().wait_for_log("127.0.0.2: refused"));
}

TEST_F(ClientLimits, a_refused_client_that_has_sent_its_request_reads_its_503) {
  serve({"--max-connections-per-address", "1", "--threads", "1"});
  HttpClient first = connect_and_get("127.0.0.2");
  for (int i = 0; i < 50; ++i) {
    HttpClient second = connect_from("127.0.0.2");
    if (!second.send_if_possible(request("GET", "/small"))) continue;  // refused before that
    EXPECT_EQ(second.read_response().status, 503);
  }
  expect_file(first, "small", 1000);
}

TEST_F(ClientLimits, a_closed_connection_makes_room_for_the_next) {
  serve_with_admin({"--max-connections-per-address", "2"});
  for (int round = 0; round < 3; ++round) {
    {
      const HttpClient first = connect_and_get("127.0.0.2");
      HttpClient second = connect_and_get("127.0.0.2");
      expect_refused(connect_from("127.0.0.2"));
      second.cut();
      wait_until_let_in("127.0.0.2");
      // What the loop has left behind must be gone, too.
      wait_for_metric("ringserve_connections", {}, 1);
    }  // the first one counts until the server has seen its end
    wait_for_metric("ringserve_client_addresses", {}, 0);
  }
}

TEST_F(ClientLimits, refused_clients_take_no_slot) {
  serve({"--max-connections-per-address", "2", "--max-connections", "4", "--threads", "1"});
  std::vector<HttpClient> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(connect_and_get("127.0.0.2"));
  for (int i = 0; i < 200; ++i) expect_refused(connect_from("127.0.0.2"));
  for (int i = 0; i < 2; ++i) clients.push_back(connect_and_get("127.0.0.3"));
}

TEST_F(ClientLimits, a_unix_socket_has_no_address_and_no_limit) {
  ServerSpec spec;
  spec.options = {"--max-connections-per-address", "1", "--request-rate-per-address", "1"};
  spec.listen = {"unix:" + tree().beside("socket")};
  serve_as(spec);
  HttpClient first = connect(), second = connect();
  for (int i = 0; i < 10; ++i) expect_file(first, "small", 1000);
  expect_file(second, "small", 1000);
}

// --- requests of an address ---

TEST_F(ClientLimits, an_address_that_asks_too_often_is_told_429_and_stays) {
  serve_with_admin({"--request-rate-per-address", "1", "--request-burst-per-address", "3"});
  HttpClient greedy = connect_from("127.0.0.2");
  const std::vector<int> statuses = pipeline(greedy, 20);
  EXPECT_EQ(std::vector<int>(statuses.begin(), statuses.begin() + 3), std::vector<int>(3, 200));
  EXPECT_GE(count_of(statuses, 429), 10);
  const HttpClient other = connect_and_get("127.0.0.3");
  // On the same connection, as soon as it asks as seldom as it should.
  Response response = greedy.get("/small");
  const Deadline deadline;
  while (response.status != 200) {
    ASSERT_FALSE(deadline.passed()) << "never served again";
    ASSERT_EQ(response.status, 429);
    EXPECT_EQ(response.header("Retry-After"), "1");
    EXPECT_TRUE(response.keeps_alive());
    greedy.wait_readable_ms(20);
    response = greedy.get("/small");
  }
  const MetricsText now = metrics();
  EXPECT_EQ(now.value("ringserve_limited_total", {{"kind", "request_rate"}}),
            now.value("ringserve_requests_total", {{"status", "429"}}));
}

TEST_F(ClientLimits, the_connections_of_an_address_share_its_rate) {
  serve(
      {"--request-rate-per-address", "1", "--request-burst-per-address", "100", "--threads", "2"});
  long served = 0;
  for (int i = 0; i < 20; ++i) {
    HttpClient client = connect_from("127.0.0.2");
    served += count_of(pipeline(client, 20), 200);
  }
  // 400 were asked for; what more than the burst came back while this ran.
  EXPECT_GE(served, 100);
  EXPECT_LT(served, 200);
}

TEST_F(ClientLimits, a_429_has_the_page_of_its_site_and_a_line_in_the_log) {
  tree().write("slowly.html", "slowly, please");
  const std::string log = tree().beside("access.log");
  serve({"--request-rate-per-address", "1", "--request-burst-per-address", "1", "--error-page",
         "429=slowly.html", "--access-log", log});
  HttpClient client = connect();
  client.send(request("GET", "/small") + request("GET", "/small?again"));
  EXPECT_EQ(client.read_response().status, 200);
  const Response second = client.read_response();
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(second.body, "slowly, please");
  EXPECT_EQ(second.header("Retry-After"), "1");
  stop();
  std::ostringstream text;
  text << std::ifstream(log).rdbuf();
  const std::string lines = text.str();
  EXPECT_NE(lines.find("\"GET /small?again HTTP/1.1\" 429 14"), std::string::npos) << lines;
}

TEST_F(ClientLimits, broken_requests_count_as_well) {
  serve({"--request-rate-per-address", "1", "--request-burst-per-address", "5"});
  HttpClient client = connect();
  // 404 and 405 are answers like any other.
  client.send(request("GET", "/absent") + request("POST", "/small") + request("GET", "/absent") +
              request("OPTIONS", "/small") + request("HEAD", "/small") + request("GET", "/small"));
  EXPECT_EQ(client.read_response().status, 404);
  EXPECT_EQ(client.read_response().status, 405);
  EXPECT_EQ(client.read_response().status, 404);
  EXPECT_EQ(client.read_response().status, 204);
  EXPECT_EQ(client.read_response("HEAD").status, 200);
  EXPECT_EQ(client.read_response().status, 429);
}

// --- requests of a connection ---

TEST_F(ClientLimits, the_last_reply_of_a_connection_says_that_it_closes) {
  serve_with_admin({"--max-requests-per-connection", "3"});
  HttpClient client = connect();
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(client.get("/small").keeps_alive());
  const Response last = client.get("/small");
  EXPECT_EQ(last.status, 200);
  EXPECT_FALSE(last.keeps_alive());
  expect_connection_as_announced(client, last);
  expect_file("small", 1000);
  wait_for_metric("ringserve_limited_total", {{"kind", "requests_per_connection"}}, 1);
}

TEST_F(ClientLimits, pipelined_requests_beyond_the_last_are_not_answered) {
  serve({"--max-requests-per-connection", "3"});
  HttpClient client = connect();
  std::string requests;
  for (int i = 0; i < 10; ++i) requests += request("GET", "/small");
  client.send(requests);
  for (int i = 0; i < 3; ++i) {
    const Response response = client.read_response();
    EXPECT_TRUE(same_bytes(response.body, TempTree::expected("small", 0, 1000)));
    EXPECT_EQ(response.keeps_alive(), i < 2);
  }
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "");
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

// --- a reload ---

class ClientLimitsReload : public ClientLimits {
 protected:
  void configure(const std::string& limits) {
    const std::string text = limits + "[[site]]\nroot = \"" + tree().root() + "\"\n";
    if (config_.empty()) {
      config_ = tree().outside("ringserve.toml", text);
      return;
    }
    const std::string next = tree().outside("next.toml", text);
    ASSERT_EQ(std::rename(next.c_str(), config_.c_str()), 0);
    server().signal(SIGHUP);
  }
  std::string config_;
};

TEST_F(ClientLimitsReload, limits_come_change_and_go_with_a_reload) {
  configure("");
  serve_with_admin({"--config", config_, "--threads", "2"});
  HttpClient first = connect_and_get("127.0.0.2"), second = connect_and_get("127.0.0.2");
  EXPECT_EQ(metrics().value("ringserve_client_addresses"), 0) << "nothing is noted without need";

  configure("max-connections-per-address = 1\n");
  wait_until_refused_at("127.0.0.2");
  expect_file(first, "small", 1000);  // those that are there stay, and count
  expect_file(second, "small", 1000);
  wait_until_let_in("127.0.0.3");

  configure("max-connections-per-address = 1000\nrequest-rate-per-address = 1\n");
  const Deadline deadline;
  while (count_of(pipeline(first, 10), 429) == 0 || count_of(pipeline(second, 10), 429) == 0) {
    ASSERT_FALSE(deadline.passed()) << "old connections are not limited";
  }

  configure("max-requests-per-connection = 1\n");
  while (first.get("/small").keeps_alive()) ASSERT_FALSE(deadline.passed());

  configure("");
  while (connect().get("/small", {{"X-Old", "1"}}).keeps_alive() == false) {
    ASSERT_FALSE(deadline.passed());
  }
  std::vector<HttpClient> many;
  for (int i = 0; i < 20; ++i) many.push_back(connect_and_get("127.0.0.2"));
  stop();
}

// --- IPv6 ---

// The server and its clients in a network of their own, whose loopback device has more addresses.
class ClientLimitsIpv6 : public ClientLimits {
 protected:
  void SetUp() override {
    const net::Status status = net::enter_private_network();
    if (!status) GTEST_SKIP() << status.error().message();
    const Endpoint loopback = Endpoint::parse("[::1]:0");
    if (!can_bind(loopback)) GTEST_SKIP() << "no IPv6";
    ClientLimits::SetUp();
    for (const char* host : {"2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"}) {
      add_address(host);
    }
  }
  // As `ip -6 address add HOST/128 dev lo`; of the loopback device no address is ever tentative.
  static void add_address(const std::string& host) {
    in6_ifreq wanted{};
    ASSERT_EQ(::inet_pton(AF_INET6, host.c_str(), &wanted.ifr6_addr), 1);
    wanted.ifr6_prefixlen = 128;
    wanted.ifr6_ifindex = static_cast<int>(::if_nametoindex("lo"));
    const UniqueFd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &wanted), 0) << host << ": " << errno;
  }
  void serve_ipv6(std::vector<std::string> options) {
    ServerSpec spec;
    spec.options = std::move(options);
    spec.listen = {"[::1]:0"};
    serve_as(spec);
  }
};

TEST_F(ClientLimitsIpv6, a_64_counts_as_one_address) {
  serve_ipv6({"--max-connections-per-address", "2"});
  const HttpClient first = connect_and_get("2001:db8:0:1::1");
  const HttpClient second = connect_and_get("2001:db8:0:1::2");
  expect_refused(connect_from("2001:db8:0:1::1"));
  expect_refused(connect_from("2001:db8:0:1::2"));
  const HttpClient other = connect_and_get("2001:db8:0:2::1");
  EXPECT_TRUE(server().wait_for_log("2001:db8:0:1::/64: refused"));
}

TEST_F(ClientLimitsIpv6, a_64_shares_its_rate) {
  serve_ipv6({"--request-rate-per-address", "1", "--request-burst-per-address", "10"});
  HttpClient first = connect_from("2001:db8:0:1::1"), second = connect_from("2001:db8:0:1::2");
  EXPECT_GE(count_of(pipeline(first, 20), 429), 1);
  EXPECT_GE(count_of(pipeline(second, 20), 429), 1);
  HttpClient other = connect_from("2001:db8:0:2::1");
  EXPECT_EQ(count_of(pipeline(other, 10), 200), 10);
}

}  // namespace

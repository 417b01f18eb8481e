// Many clients at once: thousands that talk, ten thousand that are silent, more than there are
// descriptors or receive buffers for. Nobody is lost; some may have to wait.
#include <poll.h>

#include <iostream>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class CrowdTest : public ServerTest {
 protected:
  void SetUp() override {
    hard_limit_ = raise_own_descriptor_limit();
    tree().fill("page", 1000);
  }

  std::vector<HttpClient> connect_crowd(std::size_t size) {
    std::vector<HttpClient> crowd;
    crowd.reserve(size);
    for (std::size_t i = 0; i < size; ++i) crowd.push_back(connect());
    return crowd;
  }

  void expect_page(HttpClient& client) {
    const Response response = client.read_response();
    ASSERT_EQ(response.status, 200);
    ASSERT_TRUE(same_bytes(response.body, TempTree::expected("page", 0, 1000)));
  }

  // Reads the answers in the order in which they come; each client leaves when it has its own.
  void serve_whoever_is_ready(std::vector<HttpClient> crowd) {
    const Deadline deadline(2 * patience_s());
    while (!crowd.empty()) {
      std::vector<pollfd> waiting;
      for (const HttpClient& client : crowd) waiting.push_back({client.fd(), POLLIN, 0});
      ASSERT_GT(::poll(waiting.data(), waiting.size(), deadline.left_ms()), 0)
          << crowd.size() << " clients were never answered";
      for (std::size_t i = crowd.size(); i-- > 0;) {
        if (waiting[i].revents == 0) continue;
        expect_page(crowd[i]);
        crowd.erase(crowd.begin() + static_cast<long>(i));
      }
    }
  }

  std::size_t hard_limit_ = 0;
};

TEST_F(CrowdTest, two_thousand_connections_are_served_at_once) {
  if (hard_limit_ < 2200) GTEST_SKIP() << "RLIMIT_NOFILE: " << hard_limit_;
  serve();
  std::vector<HttpClient> crowd = connect_crowd(2000);
  for (int round = 0; round < static_cast<int>(scaled(5, 2)); ++round) {
    for (HttpClient& client : crowd) client.send(request("GET", "/page"));
    for (HttpClient& client : crowd) ASSERT_NO_FATAL_FAILURE(expect_page(client));
  }
}

TEST_F(CrowdTest, two_thousand_connections_may_pipeline_at_once) {
  if (hard_limit_ < 2200) GTEST_SKIP() << "RLIMIT_NOFILE: " << hard_limit_;
  serve();
  constexpr int kPipelined = 4;
  std::string requests;
  for (int i = 0; i < kPipelined; ++i) requests += request("GET", "/page");
  std::vector<HttpClient> crowd = connect_crowd(scaled(2000, 500));
  for (HttpClient& client : crowd) client.send(requests);
  for (HttpClient& client : crowd) {
    for (int i = 0; i < kPipelined; ++i) ASSERT_NO_FATAL_FAILURE(expect_page(client));
  }
}

TEST_F(CrowdTest, ten_thousand_idle_connections_are_held_and_answered) {
  const std::size_t size = scaled(10'000, 2000);
  if (hard_limit_ < size + 100) GTEST_SKIP() << "RLIMIT_NOFILE: " << hard_limit_;
  serve();
  expect_alive();
  const std::size_t before = resident_bytes(server().pid());
  std::vector<HttpClient> crowd = connect_crowd(size);
  for (HttpClient& client : crowd) {
    client.send(request("GET", "/page"));
    ASSERT_NO_FATAL_FAILURE(expect_page(client));
  }
  const std::size_t after = resident_bytes(server().pid());
  const double each =
      (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(size);
  std::cout << size << " idle connections: " << after / kMiB << " MiB resident, " << each
            << " bytes more for each\n";
  RecordProperty("rss_bytes_each", std::to_string(each));
  for (std::size_t i = 0; i < size; i += 7) {
    crowd[i].send(request("GET", "/page"));
    ASSERT_NO_FATAL_FAILURE(expect_page(crowd[i]));
  }
}

TEST_F(CrowdTest, connections_come_and_go) {
  serve();
  for (std::size_t i = 0; i < scaled(3000, 500); ++i) {
    HttpClient client = connect();
    client.send(request("GET", "/page", {{"Connection", "close"}}));
    ASSERT_NO_FATAL_FAILURE(expect_page(client));
  }
}

TEST_F(CrowdTest, more_clients_than_descriptors_wait_and_are_served) {
  ServerSpec spec;
  spec.options = {"--threads", "1"};
  spec.setup = with_open_files_limit(128, 128);
  serve_as(spec);
  std::vector<HttpClient> crowd = connect_crowd(400);
  for (HttpClient& client : crowd) client.send(request("GET", "/page"));
  serve_whoever_is_ready(std::move(crowd));
  expect_alive();
}

TEST_F(CrowdTest, several_workers_share_few_descriptors) {
  ServerSpec spec;
  spec.options = {"--threads", "3"};
  spec.setup = with_open_files_limit(192, 192);
  serve_as(spec);
  std::vector<HttpClient> crowd = connect_crowd(500);
  for (HttpClient& client : crowd) client.send(request("GET", "/page"));
  serve_whoever_is_ready(std::move(crowd));
  expect_alive();
}

TEST_F(CrowdTest, accept_pauses_at_emfile_and_resumes) {
  serve({"--threads", "1"});
  expect_file("page", 1000);
  // The limit comes down while the server runs: accept itself meets EMFILE.
  limit_descriptors(server().pid(), open_descriptors(server().pid()) + 20);
  std::vector<HttpClient> crowd = connect_crowd(100);
  for (HttpClient& client : crowd) client.send(request("GET", "/page"));
  serve_whoever_is_ready(std::move(crowd));
  expect_alive();
}

TEST_F(CrowdTest, connections_are_served_while_accept_is_paused) {
  serve({"--threads", "1"});
  HttpClient early = connect();
  expect_file(early, "page", 1000);
  limit_descriptors(server().pid(), open_descriptors(server().pid()) + 10);
  std::vector<HttpClient> crowd = connect_crowd(50);
  for (int i = 0; i < 500; ++i) expect_file(early, "page", 1000);
  limit_descriptors(server().pid(), 1000);
  // Nobody has to leave for this: whoever waits is accepted because descriptors are free again.
  for (HttpClient& client : crowd) client.send(request("GET", "/page"));
  serve_whoever_is_ready(std::move(crowd));
}

TEST_F(CrowdTest, max_connections_is_a_limit_that_nobody_is_lost_by) {
  serve({"--threads", "2", "--max-connections", "20"});
  std::vector<HttpClient> crowd = connect_crowd(200);
  for (HttpClient& client : crowd) client.send(request("GET", "/page"));
  EXPECT_LT(open_descriptors(server().pid()), 150U);
  serve_whoever_is_ready(std::move(crowd));
}

TEST_F(CrowdTest, receive_buffers_that_run_out_lose_nothing) {
  if (hard_limit_ < 1200) GTEST_SKIP() << "RLIMIT_NOFILE: " << hard_limit_;
  serve({"--threads", "1"});
  constexpr int kRequests = 3;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    requests += request("GET", "/page", {{"X-Padding", std::string(6000, 'p')}});
  }
  std::vector<HttpClient> crowd = connect_crowd(1000);
  for (int round = 0; round < 2; ++round) {
    for (HttpClient& client : crowd) client.send(requests);
    for (HttpClient& client : crowd) {
      for (int i = 0; i < kRequests; ++i) ASSERT_NO_FATAL_FAILURE(expect_page(client));
    }
  }
}

TEST_F(CrowdTest, half_requests_on_a_thousand_connections_leave_buffers_for_others) {
  if (hard_limit_ < 1200) GTEST_SKIP() << "RLIMIT_NOFILE: " << hard_limit_;
  serve({"--threads", "1", "--header-timeout-s", "100"});
  const std::string padded = request("GET", "/page", {{"X-Padding", std::string(6000, 'p')}});
  std::vector<HttpClient> crowd = connect_crowd(1000);
  for (HttpClient& client : crowd) client.send(padded.substr(0, 5000));
  for (int i = 0; i < 20; ++i) expect_file("page", 1000);
  for (HttpClient& client : crowd) client.send(padded.substr(5000));
  for (HttpClient& client : crowd) ASSERT_NO_FATAL_FAILURE(expect_page(client));
}

}  // namespace

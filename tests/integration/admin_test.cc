// The administrator's side of the real server: numbers that follow what the server does, health
// while it drains, and the status page in a real browser.
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kPageBytes = 100'000;

class AdminTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("page", kPageBytes);
    serve_with_admin("127.0.0.1:0");
  }

  void serve_with_admin(const std::string& address, std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--admin", address});
    serve(std::move(options));
  }

  Response ask(std::string_view target) { return HttpClient(server().admin()).get(target); }
  MetricsText metrics() { return MetricsText(ask("/metrics").body); }

  // A snapshot is up to 100 ms old, and workers count while they are asked.
  void wait_for_metric(const std::string& name, const MetricsText::Labels& labels, double value) {
    const Deadline deadline;
    for (;;) {
      const MetricsText now = metrics();
      try {
        if (now.value(name, labels) == value) return;
      } catch (const MetricsError&) {  // a status nobody has had yet
      }
      ASSERT_FALSE(deadline.passed()) << name << " did not become " << value;
    }
  }
  nlohmann::json status() { return nlohmann::json::parse(ask("/status.json").body); }
};

TEST_F(AdminTest, metrics_grow_with_what_is_served) {
  const MetricsText before = metrics();
  EXPECT_EQ(before.sum("ringserve_requests_total"), 0);
  for (int i = 0; i < 3; ++i) expect_file("page", kPageBytes);
  EXPECT_EQ(status_of("/nothing"), 404);
  wait_for_metric("ringserve_requests_total", {{"status", "200"}}, 3);
  wait_for_metric("ringserve_requests_total", {{"status", "404"}}, 1);
  wait_for_metric("ringserve_accepted_connections_total", {}, 4);
  wait_for_metric("ringserve_connections", {}, 0);
  const MetricsText after = metrics();
  EXPECT_GT(after.value("ringserve_sent_bytes_total"), 3 * kPageBytes);
  EXPECT_LT(after.value("ringserve_sent_bytes_total"), 3 * kPageBytes + 10'000);
  EXPECT_EQ(after.sum("ringserve_body_bytes_total"), 3 * kPageBytes);
  EXPECT_GT(after.value("ringserve_uptime_seconds"), before.value("ringserve_uptime_seconds"));
}

TEST_F(AdminTest, hits_and_misses_of_the_cache_are_told_apart) {
  HttpClient client = connect();
  for (int i = 0; i < 10; ++i) expect_file(client, "page", kPageBytes);
  wait_for_metric("ringserve_requests_total", {{"status", "200"}}, 10);
  const MetricsText now = metrics();
  EXPECT_GE(now.value("ringserve_cache_hits_total"), 1);
  EXPECT_GE(now.value("ringserve_cache_misses_total"), 1);
  // Workers look at their caches now and then, while they have something to do.
  const Deadline deadline;
  while (metrics().value("ringserve_cached_files") != 1) {
    ASSERT_FALSE(deadline.passed());
    expect_file(client, "page", kPageBytes);
  }
}

TEST_F(AdminTest, metrics_show_what_is_open) {
  HttpClient one = connect(), two = connect();
  EXPECT_EQ(one.get("/page").status, 200);
  EXPECT_EQ(two.get("/page").status, 200);
  wait_for_metric("ringserve_connections", {}, 2);
  const MetricsText now = metrics();
  EXPECT_GE(now.value("ringserve_descriptors"), 5);
  EXPECT_GT(now.value("ringserve_descriptors_max"), now.value("ringserve_descriptors"));
  EXPECT_GT(now.value("ringserve_connections_max"), 2);
  EXPECT_GT(now.value("ringserve_resident_memory_bytes"), 1'000'000);
  EXPECT_GT(now.sum("ringserve_cpu_seconds_total"), 0);
  EXPECT_GE(now.value("ringserve_threads"), 1);
}

TEST_F(AdminTest, time_wait_at_the_ports_of_the_server_is_counted) {
  // The server closes first.
  HttpClient client = connect();
  EXPECT_EQ(client.get("/page", {{"Connection", "close"}}).status, 200);
  EXPECT_EQ(client.read_to_end().ending, Ending::kEndOfFile);
  client.half_close();
  wait_for_metric("ringserve_time_wait_sockets", {}, 1);
}

TEST_F(AdminTest, the_kinds_of_timeouts_are_told_apart) {
  stop();
  serve_with_admin("127.0.0.1:0", {"--idle-timeout-s", "1", "--header-timeout-s", "1"});
  HttpClient idle = connect(), half = connect();
  EXPECT_EQ(idle.get("/page").status, 200);
  half.send("GET /page HTT");
  wait_for_metric("ringserve_timeouts_total", {{"kind", "idle"}}, 1);
  wait_for_metric("ringserve_timeouts_total", {{"kind", "header"}}, 1);
}

TEST_F(AdminTest, a_unix_socket_does_as_well) {
  stop();
  serve_with_admin("unix:" + tree().beside("admin"));
  EXPECT_EQ(ask("/healthz").body, "ok\n");
  EXPECT_NO_THROW(metrics());
}

TEST_F(AdminTest, an_address_that_is_taken_ends_the_start_with_its_name) {
  const std::string taken = server().admin().text();
  const Finished second =
      run_ringserve({"--listen", "127.0.0.1:0", "--admin", taken, tree().root()});
  EXPECT_EQ(second.status, (ExitStatus{1, 0})) << second.err;
  EXPECT_NE(second.err.find(taken), std::string::npos) << second.err;
}

TEST_F(AdminTest, health_turns_503_while_draining) {
  tree().fill("large", 32 << 20);
  EXPECT_EQ(ask("/healthz").status, 200);
  HttpClient stalled = connect({.receive_buffer_bytes = 65536});
  stalled.send(request("GET", "/large"));
  const auto length = stalled.read_head().content_length();
  server().signal(SIGTERM);
  const Deadline deadline;
  while (ask("/healthz").status != 503) ASSERT_FALSE(deadline.passed());
  EXPECT_EQ(ask("/healthz").body, "draining\n");
  EXPECT_EQ(metrics().value("ringserve_draining"), 1);
  EXPECT_EQ(stalled.read_exactly(length).size(), length);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_F(AdminTest, prometheus_takes_the_metrics) {
  const auto promtool = find_program("promtool");
  if (!promtool) GTEST_SKIP() << "promtool is not installed";
  expect_file("page", kPageBytes);
  const std::string file = tree().outside("metrics", ask("/metrics").body);
  const Finished check = run_to_exit({"/bin/sh", "-c", *promtool + " check metrics < " + file});
  EXPECT_EQ(check.status, (ExitStatus{0, 0})) << check.out << check.err;
}

constexpr std::string_view kLine = "<path class=\"line";

std::size_t occurrences(const std::string& text, std::string_view word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

class StatusPage : public AdminTest {
 protected:
  void wait_for_samples(std::size_t count) {
    const Deadline deadline;
    while (status().at("history").at("at_s").size() < count) ASSERT_FALSE(deadline.passed());
  }
};

TEST_F(StatusPage, draws_its_plots_in_a_browser_without_a_complaint) {
  const auto chromium = find_program("chromium");
  if (!chromium) GTEST_SKIP() << "chromium is not installed";
  for (int i = 0; i < 7; ++i) expect_file("page", kPageBytes);
  wait_for_samples(3);
  const Finished dom = run_to_exit(
      {*chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
       "--user-data-dir=" + tree().beside("chromium"), "--enable-logging=stderr", "--v=0",
       "--virtual-time-budget=5000", "--dump-dom", "http://" + server().admin().authority() + "/"});
  EXPECT_EQ(dom.status, (ExitStatus{0, 0})) << dom.err;
  EXPECT_EQ(dom.err.find("CONSOLE"), std::string::npos) << dom.err;
  EXPECT_EQ(occurrences(dom.out, "<svg"), 4U);
  EXPECT_EQ(occurrences(dom.out, kLine), 6U);
  // A line leads from one point to others: "M x y", then "L x y".
  for (auto at = dom.out.find(kLine); at != std::string::npos; at = dom.out.find(kLine, at + 1)) {
    const std::string path = dom.out.substr(at, dom.out.find("></path>", at) - at);
    EXPECT_NE(path.find(" d=\"M"), std::string::npos) << path;
    EXPECT_NE(path.find('L'), std::string::npos) << path;
  }
  EXPECT_NE(dom.out.find(">7 in all<"), std::string::npos) << dom.out;
}

}  // namespace

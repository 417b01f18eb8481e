// Ephemeral ports and TIME_WAIT, in a network of the test's own with a hundred ports: what runs
// out is named when it does, and foretold before. Skipped where no network can be had.
#include <algorithm>
#include <stdexcept>

#include "common/net/address.h"
#include "common/net/owned_fd.h"
#include "common/net/private_network.h"
#include "common/net/sysctl.h"
#include "tests/support/load_test.h"

namespace {

using namespace support;

constexpr const char* kServerAddress = "127.0.0.1:8080";
// For ss(8): the end that holds TIME_WAIT.
constexpr const char* kOurs = "dport = :8080";
constexpr const char* kServers = "sport = :8080";

class PortsTest : public LoadTest {
 protected:
  void SetUp() override {
    // gtest runs one test a process under ctest: this is never undone.
    if (const auto entered = net::enter_private_network(); !entered) {
      GTEST_SKIP() << entered.error().message();
    }
    write_sysctl("net.ipv4.ip_local_port_range", "40000 40099");
    write_sysctl("net.ipv4.tcp_tw_reuse", "0");
    tree().fill("page", 1000);
    // A fixed port: one of the range would be missing there.
    ServerSpec spec;
    spec.listen = {kServerAddress};
    serve_as(spec);
  }
  void TearDown() override {
    if (!IsSkipped()) LoadTest::TearDown();
  }

  static void write_sysctl(const char* name, const char* value) {
    const auto written = net::write_sysctl(name, value);
    ASSERT_TRUE(written) << written.error().message();
  }

  // Sockets that ss(8) lists; `filter` in its language.
  static std::size_t time_wait_by_ss(const std::string& filter = "") {
    const auto ss = find_program("ss");
    if (!ss) throw std::runtime_error("ss of iproute2 is not in PATH");
    std::vector<std::string> command{*ss, "-Htan", "state", "time-wait"};
    if (!filter.empty()) command.push_back(filter);
    const Finished run = run_to_exit(command);
    EXPECT_EQ(run.status, (ExitStatus{0, 0})) << run.err;
    return static_cast<std::size_t>(std::count(run.out.begin(), run.out.end(), '\n'));
  }
  // Waits for those that the other side has still to close: FIN_WAIT2 is not TIME_WAIT yet.
  static void expect_time_wait_by_ss(std::size_t count, const std::string& filter = "") {
    const Deadline deadline;
    std::size_t seen = 0;
    while ((seen = time_wait_by_ss(filter)) != count) {
      ASSERT_FALSE(deadline.passed()) << seen << " instead of " << count << " " << filter;
    }
  }

  static void expect_in(const std::string& text, std::initializer_list<std::string> words) {
    for (const std::string& word : words) {
      EXPECT_NE(text.find(word), std::string::npos) << "no '" << word << "' in: " << text;
    }
  }
};

// Its slots try again until the end, and the end comes.
TEST_F(PortsTest, a_source_that_goes_away_is_an_error_and_not_the_end_of_ports) {
  const auto ip = find_program("ip");
  if (!ip) GTEST_SKIP() << "ip of iproute2 is not in PATH";
  const auto address = [&ip](const char* verb) {
    const Finished run = run_to_exit({*ip, "addr", verb, "10.9.9.9/32", "dev", "lo"});
    ASSERT_EQ(run.status, (ExitStatus{0, 0})) << run.err;
  };
  address("add");
  LoadProcess running({"--new-connection", "-r", "20", "-d", "3s", "--source", "10.9.9.9", "--live",
                       "plain", url("/page")});
  ASSERT_TRUE(running.wait_for_live_rows(1));
  address("del");
  const LoadRun run = noted(running.finish());
  EXPECT_EQ(run.status, (ExitStatus{0, 0}));
  EXPECT_GT(run.count("requests"), 10U);
  EXPECT_GT(run.errors("bind", "EADDRNOTAVAIL"), 0U) << run.json.at("errors");
  EXPECT_TRUE(run.json.at("sockets").at("exhausted_at_s").is_null());
}

// The one that tries for all the others, when ports are few, may be the one that times out.
TEST_F(PortsTest, a_connect_that_times_out_does_not_keep_the_others_waiting) {
  write_sysctl("net.ipv4.ip_local_port_range", "40000 40009");
  const net::OwnedFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::Address address = net::Address::parse("127.0.0.1:8081").value();
  ASSERT_EQ(::bind(listener.get(), address.data(), address.size()), 0);
  ASSERT_EQ(::listen(listener.get(), 0), 0);  // one connection is queued, further SYNs are dropped
  const LoadRun run =
      load({"-c", "20", "-d", "4s", "--timeout", "500ms", "http://127.0.0.1:8081/page"});
  // Ten ports, given back every half second: were all but the first ten to wait, there were ten.
  EXPECT_GT(run.errors("timeout", "connect"), 20U) << run.json.at("errors");
}

TEST_F(PortsTest, a_hundred_ports_are_a_hundred_connections_and_the_end_is_foretold) {
  const LoadRun run = load({"--new-connection", "-r", "20", "-d", "10s", url("/page")});
  EXPECT_EQ(run.count("connections.opened"), 100U);
  EXPECT_EQ(run.count("requests"), 100U);
  EXPECT_GT(run.errors("connect", "EADDRNOTAVAIL"), 0U) << run.json.at("errors");
  EXPECT_EQ(run.count("errors_total"), run.errors("connect", "EADDRNOTAVAIL"));
  EXPECT_EQ(run.count("sockets.ports_total"), 100U);
  EXPECT_EQ(run.count("sockets.ports_free_min"), 0U);
  EXPECT_EQ(run.count("sockets.time_wait_start"), 0U);
  EXPECT_EQ(run.count("sockets.time_wait_peak"), 100U);
  EXPECT_EQ(run.count("sockets.time_wait_end"), 100U);
  EXPECT_NEAR(run.number("sockets.sustainable_per_s"), 100.0 / 60, 0.1);
  const double exhausted_at_s = run.number("sockets.exhausted_at_s");
  EXPECT_GE(exhausted_at_s, 4);
  EXPECT_LE(exhausted_at_s, 6.5);
  EXPECT_NEAR(run.number("sockets.predicted_exhaustion_at_s"), exhausted_at_s,
              0.1 * exhausted_at_s);
  expect_time_wait_by_ss(100);
  // One paragraph says what came, of which range, where they are, what helps and what does not.
  expect_in(run.out,
            {"40000", "40099", "TIME_WAIT", "EADDRNOTAVAIL", "keep-alive", "--source",
             "ip_local_port_range", "tcp_tw_reuse", "--close-by server", "tcp_fin_timeout"});
}

TEST_F(PortsTest, until_exhausted_ends_when_they_are) {
  const LoadRun run =
      load({"--new-connection", "-r", "50", "-d", "20s", "--until-exhausted", url("/page")});
  EXPECT_EQ(run.count("connections.opened"), 100U);
  EXPECT_LT(run.number("duration_s"), 6);
  EXPECT_GE(run.number("duration_s"), run.number("sockets.exhausted_at_s"));
  expect_in(run.json.at("end_reason"), {"port"});
}

TEST_F(PortsTest, a_closed_loop_exhausts_them_as_well) {
  const LoadRun run = load({"--new-connection", "-c", "20", "-t", "2", "-d", "2s", url("/page")});
  EXPECT_EQ(run.count("connections.opened"), 100U);
  EXPECT_EQ(run.ended(), 100U);
  EXPECT_GT(run.errors("connect", "EADDRNOTAVAIL"), 0U);
  EXPECT_LT(run.number("sockets.exhausted_at_s"), 2);
}

TEST_F(PortsTest, enough_ports_are_never_called_exhausted) {
  const LoadRun run = load({"--new-connection", "-c", "4", "-n", "90", url("/page")});
  expect_all_good(run, 90);
  EXPECT_TRUE(run.json.at("sockets").at("exhausted_at_s").is_null());
  EXPECT_EQ(run.count("sockets.ports_free_min"), 10U);
}

TEST_F(PortsTest, keep_alive_needs_no_more_ports_than_connections) {
  const LoadRun run = load({"-c", "10", "-n", "5000", url("/page")});
  expect_all_good(run, 5000);
  EXPECT_EQ(run.count("connections.opened"), 10U);
  EXPECT_GE(run.count("sockets.ports_free_min"), 90U);
}

TEST_F(PortsTest, reuse_on_loopback_gives_ports_back_after_a_second) {
  write_sysctl("net.ipv4.tcp_tw_reuse", "2");
  const LoadRun run = load({"--new-connection", "-c", "10", "-d", "5s", url("/page")});
  EXPECT_GE(run.count("connections.opened"), 300U);
  EXPECT_LE(run.count("connections.opened"), 700U);
  EXPECT_NEAR(run.number("sockets.sustainable_per_s"), 100, 1);
  EXPECT_GT(run.count("sockets.time_wait_recycled"), 0U);
  EXPECT_EQ(run.count("sockets.ports_total"), 100U);
}

TEST_F(PortsTest, four_sources_have_four_times_the_ports) {
  const LoadRun run = load({"--new-connection", "-c", "20", "-d", "4s", "-r", "300", "--source",
                            "127.0.0.1", "--source", "127.0.0.2", "--source", "127.0.0.3",
                            "--source", "127.0.0.4", url("/page")});
  EXPECT_EQ(run.count("connections.opened"), 400U);
  EXPECT_EQ(run.count("sockets.ports_total"), 400U);
  EXPECT_EQ(run.count("sockets.time_wait_end"), 400U);
  EXPECT_EQ(run.json.at("sockets").at("sources").size(), 4U);
  for (const auto& source : run.json.at("sockets").at("sources")) {
    EXPECT_EQ(source.at("time_wait"), 100U) << source;
    EXPECT_EQ(source.at("free"), 0U) << source;
  }
}

TEST_F(PortsTest, two_destinations_have_twice_the_ports) {
  ServerSpec spec;
  spec.root = tree().root();
  spec.listen = {"127.0.0.1:8081"};
  ServerProcess other(spec);
  const LoadRun run = load({"--new-connection", "-c", "20", "-d", "3s", "-r", "200", url("/page"),
                            "http://127.0.0.1:8081/page"});
  EXPECT_EQ(run.count("connections.opened"), 200U);
  EXPECT_EQ(run.count("sockets.ports_total"), 200U);
  EXPECT_EQ(other.stop(), (ExitStatus{0, 0}));
}

TEST_F(PortsTest, reserved_ports_are_subtracted) {
  write_sysctl("net.ipv4.ip_local_reserved_ports", "39990-40049,8080");
  const LoadRun run = load({"--new-connection", "-c", "10", "-d", "2s", "-r", "60", url("/page")});
  EXPECT_EQ(run.count("connections.opened"), 50U);
  EXPECT_EQ(run.count("sockets.ports_total"), 50U);
  EXPECT_EQ(run.count("sockets.facts.reserved"), 50U);
}

TEST_F(PortsTest, a_listener_in_the_range_is_subtracted) {
  Endpoint endpoint = Endpoint::parse("127.0.0.1:40007");
  const UniqueFd listener = listen_at(endpoint);
  const LoadRun run = load({"--new-connection", "-c", "10", "-d", "2s", "-r", "90", url("/page")});
  EXPECT_EQ(run.count("connections.opened"), 99U);
  EXPECT_EQ(run.count("sockets.ports_total"), 99U);
}

TEST_F(PortsTest, time_wait_is_what_ss_says) {
  const LoadRun first = load({"--new-connection", "-c", "3", "-n", "40", url("/page")});
  EXPECT_EQ(first.count("sockets.time_wait_end"), 40U);
  expect_time_wait_by_ss(40, kOurs);
  const LoadRun second = load({"--new-connection", "-c", "3", "-n", "20", url("/page")});
  EXPECT_EQ(second.count("sockets.time_wait_start"), 40U);
  EXPECT_EQ(second.count("sockets.time_wait_end"), 60U);
  EXPECT_EQ(second.count("sockets.ports_free_min"), 40U);
  expect_time_wait_by_ss(60, kOurs);
  EXPECT_EQ(time_wait_by_ss(kServers), 0U);
}

TEST_F(PortsTest, closing_by_the_server_leaves_our_ports_free) {
  const LoadRun run =
      load({"--new-connection", "--close-by", "server", "-c", "4", "-n", "250", url("/page")});
  expect_all_good(run, 250);
  EXPECT_EQ(run.count("sockets.time_wait_end"), 0U);
  EXPECT_GE(run.count("sockets.ports_free_min"), 90U);
  // A port comes again at once, and takes the server's TIME_WAIT of its last use away.
  EXPECT_GT(run.count("sockets.time_wait_server_peak"), 50U);
  EXPECT_EQ(time_wait_by_ss(kOurs), 0U);
  EXPECT_GT(time_wait_by_ss(kServers), 50U);
}

TEST_F(PortsTest, closing_by_reset_leaves_nothing_behind) {
  const LoadRun run =
      load({"--new-connection", "--close-by", "reset", "-c", "4", "-n", "250", url("/page")});
  expect_all_good(run, 250);
  EXPECT_EQ(run.count("sockets.time_wait_end"), 0U);
  EXPECT_EQ(run.count("sockets.time_wait_peak"), 0U);
  EXPECT_EQ(time_wait_by_ss(), 0U);
}

TEST_F(PortsTest, ports_shows_without_load_what_is_left) {
  load({"--new-connection", "-c", "3", "-n", "30", url("/page")});
  const Finished all = run_ringload_plainly({"ports"});
  EXPECT_EQ(all.status, (ExitStatus{0, 0})) << all.err;
  expect_in(all.out, {"40000-40099", "100 ports", "TIME_WAIT", kServerAddress, "30"});
  const Finished one = run_ringload_plainly({"ports", "--to", kServerAddress});
  EXPECT_EQ(one.status, (ExitStatus{0, 0})) << one.err;
  expect_in(one.out, {"40000-40099", "100 ports", "TIME_WAIT", "30", "70"});
  EXPECT_EQ(time_wait_by_ss(), 30U) << "looking opened connections";
}

// TIME_WAIT lasts a minute, whatever one does: this is the one test that waits for it.
class PortsSlowTest : public PortsTest {};

TEST_F(PortsSlowTest, slots_come_back_when_time_wait_ends) {
  constexpr int kRun_s = 70;
  const LoadRun run = load({"--new-connection", "-c", "8", "-r", "20", "-d", "70s", url("/page")},
                           Deadline(kRun_s + patience_s()));
  EXPECT_EQ(run.sum_of_seconds("connections_opened", 0, 59), 100U);
  EXPECT_GT(run.count("connections.opened"), 130U);
  EXPECT_LE(run.count("connections.opened"), 250U);
  EXPECT_EQ(run.count("requests"), run.count("connections.opened"));
  EXPECT_GT(run.sum_of_seconds("requests", 62), 30U);
  EXPECT_GT(run.number("connections.lost"), 0);
  EXPECT_GT(run.number("sockets.exhaustion.down_s"), 45);
}

}  // namespace

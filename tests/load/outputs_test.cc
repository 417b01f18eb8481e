// What comes out of a run: files, the live lines, the report, the exit status, and what is left of
// it when somebody presses Ctrl-C.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/support/load_test.h"

namespace {

using namespace support;

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::size_t occurrences(const std::string& text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

std::size_t lines_of(const std::string& text) { return occurrences(text, "\n"); }

class OutputsTest : public LoadTest {
 protected:
  std::string file(const char* name) { return tree().beside(name); }

  ScriptedServer scripted_{{send_bytes(ok_reply())}};
};

TEST_F(OutputsTest, the_json_has_every_documented_key) {
  const LoadRun run = load({"-c", "2", "-n", "200", scripted_.url()});
  for (const char* key : {"requests",
                          "answered_late",
                          "unanswered",
                          "unsent",
                          "bytes",
                          "duration_s",
                          "rate_per_s",
                          "bytes_per_s",
                          "errors_total",
                          "client_cpu_s",
                          "latency_us.min",
                          "latency_us.mean",
                          "latency_us.stddev",
                          "latency_us.p50",
                          "latency_us.p75",
                          "latency_us.p90",
                          "latency_us.p95",
                          "latency_us.p99",
                          "latency_us.p999",
                          "latency_us.p9999",
                          "latency_us.max",
                          "connections.asked",
                          "connections.opened",
                          "connections.failed",
                          "connections.reused",
                          "connections.lost",
                          "sockets.time_wait_start",
                          "sockets.time_wait_peak",
                          "sockets.time_wait_end",
                          "sockets.ports_total",
                          "sockets.ports_free_min",
                          "sockets.sustainable_per_s"}) {
    EXPECT_GE(run.number(key), 0) << key;
  }
  for (const char* key : {"errors", "statuses", "seconds", "end_reason", "failed_conditions",
                          "latency_kind", "schedule_error_us", "server_cpu_s"}) {
    EXPECT_TRUE(run.json.contains(key)) << key;
  }
  EXPECT_TRUE(run.json.at("sockets").contains("exhausted_at_s"));
  EXPECT_TRUE(run.json.at("sockets").contains("predicted_exhaustion_at_s"));
  EXPECT_EQ(run.count("connections.asked"), 2U);
  EXPECT_GT(run.number("client_cpu_s"), 0);
}

TEST_F(OutputsTest, the_cpu_time_of_a_local_server_is_measured) {
  tree().fill("page", 1000);
  serve();
  const LoadRun run =
      load({"-c", "4", "-d", "1s", "--server-pid", std::to_string(server().pid()), url("/page")});
  EXPECT_GT(run.number("server_cpu_s"), 0);
  EXPECT_LT(run.number("server_cpu_s"), 60);
}

TEST_F(OutputsTest, the_csv_has_a_row_a_second) {
  const LoadRun run =
      load({"-c", "2", "-r", "100", "-d", "3s", "--csv", file("run.csv"), scripted_.url()});
  const std::string csv = contents_of(file("run.csv"));
  EXPECT_EQ(lines_of(csv), 1 + run.json.at("seconds").size()) << csv;
  EXPECT_GE(run.json.at("seconds").size(), 3U);
  EXPECT_LE(run.json.at("seconds").size(), 4U);
  std::istringstream lines(csv);
  std::string header;
  std::getline(lines, header);
  const std::size_t columns = occurrences(header, ",");
  EXPECT_GE(columns, 10U);
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(occurrences(line, ","), columns);
}

TEST_F(OutputsTest, the_percentile_file_ends_with_the_maximum_and_the_count) {
  const LoadRun run = load({"-c", "2", "-n", "500", "--hgrm", file("run.hgrm"), scripted_.url()});
  const std::string text = contents_of(file("run.hgrm"));
  EXPECT_NE(text.find("Percentile"), std::string::npos) << text;
  EXPECT_NE(text.find("inf"), std::string::npos) << text;
  EXPECT_NE(text.find("500"), std::string::npos) << text;
  EXPECT_EQ(run.ended(), 500U);
}

TEST_F(OutputsTest, the_html_report_shows_four_plots_and_the_figures_in_a_browser) {
  const auto chromium = find_program("chromium");
  if (!chromium) GTEST_SKIP() << "chromium is not installed";
  const LoadRun run =
      load({"-c", "2", "-r", "217", "-d", "3s", "--report", file("run.html"), scripted_.url()});
  const Finished dom = run_to_exit(
      {*chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
       "--user-data-dir=" + file("chromium"), "--dump-dom", "file://" + file("run.html")});
  EXPECT_EQ(dom.status, (ExitStatus{0, 0})) << dom.err;
  EXPECT_EQ(occurrences(dom.out, "<svg"), 4U);
  EXPECT_NE(dom.out.find(scripted_.url()), std::string::npos);
  EXPECT_NE(dom.out.find(std::to_string(run.count("requests"))), std::string::npos);
  EXPECT_NE(dom.out.find("viewport"), std::string::npos) << "not made for a phone";
  for (const char* outside : {"<script src", "<link rel=\"stylesheet\"", "src=\"http"}) {
    EXPECT_EQ(dom.out.find(outside), std::string::npos) << "not self-contained: " << outside;
  }
}

TEST_F(OutputsTest, the_live_lines_are_plain_and_go_to_stderr) {
  const LoadRun run =
      load({"-c", "2", "-r", "100", "-d", "3s", "--live", "plain", scripted_.url()});
  EXPECT_GE(live_rows(run.err), 2U) << run.err;
  EXPECT_LE(live_rows(run.err), run.json.at("seconds").size()) << run.err;
  EXPECT_EQ(run.err.find('\033'), std::string::npos) << "escape sequences on a pipe";
  EXPECT_EQ(run.out.find('\033'), std::string::npos);
  EXPECT_NE(run.out.find("99.99"), std::string::npos) << run.out;
}

TEST_F(OutputsTest, live_off_leaves_stderr_empty) {
  const LoadRun run = load({"-n", "100", "--live", "off", scripted_.url()});
  EXPECT_EQ(run.err, "");
  EXPECT_NE(run.out, "");
}

TEST_F(OutputsTest, quiet_prints_nothing) {
  const LoadRun run = load({"-n", "100", "--quiet", scripted_.url()});
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err, "");
  EXPECT_EQ(run.ended(), 100U);
}

TEST_F(OutputsTest, merging_adds_up_exactly) {
  const LoadRun one = load({"-n", "300", scripted_.url()});
  const LoadRun two = load({"-n", "500", "-c", "3", scripted_.url()});
  tree().outside("a.json", one.json.dump());
  tree().outside("b.json", two.json.dump());
  const Finished merging =
      run_ringload_plainly({"merge", file("a.json"), file("b.json"), "--json", file("ab.json")});
  EXPECT_EQ(merging.status, (ExitStatus{0, 0})) << merging.err;
  LoadRun both = one;
  both.json = nlohmann::json::parse(contents_of(file("ab.json")));
  EXPECT_EQ(both.ended(), 800U);
  EXPECT_EQ(both.status_count(200), 800U);
  for (const char* sum : {"bytes", "connections.opened", "connections.reused"}) {
    EXPECT_EQ(both.count(sum), one.count(sum) + two.count(sum)) << sum;
  }
  EXPECT_EQ(both.number("latency_us.max"),
            std::max(one.number("latency_us.max"), two.number("latency_us.max")));
  EXPECT_EQ(both.number("latency_us.min"),
            std::min(one.number("latency_us.min"), two.number("latency_us.min")));
  EXPECT_EQ(both.count("histogram.sum"), one.count("histogram.sum") + two.count("histogram.sum"));
  const double mean =
      (one.number("latency_us.mean") * 300 + two.number("latency_us.mean") * 500) / 800;
  EXPECT_NEAR(both.number("latency_us.mean"), mean, mean / 1e6);
}

TEST_F(OutputsTest, what_is_no_result_is_not_merged) {
  tree().outside("bad.json", "{\"requests\": 3}");
  const Finished merging = run_ringload_plainly({"merge", file("bad.json"), file("bad.json")});
  EXPECT_EQ(merging.status, (ExitStatus{1, 0})) << merging.err;
  EXPECT_EQ(merging.out, "");
  EXPECT_NE(merging.err.find(file("bad.json")), std::string::npos) << merging.err;
}

class ConditionsTest : public OutputsTest {
 protected:
  LoadRun load_failing(std::vector<std::string> options) {
    options.insert(options.end(), {"-c", "2", scripted_.url()});
    return load_expecting(3, options);
  }
};

TEST_F(ConditionsTest, fail_if_is_judged_at_the_end) {
  const LoadRun run = load_failing({"-n", "300", "--fail-if", "p99>1ns"});
  EXPECT_EQ(run.ended(), 300U);
  ASSERT_EQ(run.json.at("failed_conditions").size(), 1U);
  EXPECT_EQ(run.json.at("failed_conditions").at(0).get<std::string>().find("p99>1ns: "), 0U);
  EXPECT_NE((run.out + run.err).find("p99>1ns"), std::string::npos);
}

TEST_F(ConditionsTest, what_does_not_hold_fails_nothing) {
  const LoadRun run = load({"-n", "300", "--fail-if", "p99>100s", "--fail-if", "errors>0",
                            "--stop-on", "errors>0", scripted_.url()});
  EXPECT_TRUE(run.json.at("failed_conditions").empty());
}

TEST_F(ConditionsTest, errors_fail_the_run) {
  const ScriptedServer broken({send_bytes(reply(503))});
  const LoadRun run = load_expecting(3, {"-n", "20", "--fail-if", "errors>0", broken.url()});
  EXPECT_EQ(run.errors("status", "503"), 20U);
}

TEST_F(ConditionsTest, a_latency_nobody_measured_is_not_a_good_one) {
  const ScriptedServer broken({send_bytes(reply(503))});
  load_expecting(3, {"-n", "20", "--fail-if", "p99>10s", broken.url()});
}

TEST_F(ConditionsTest, stop_on_ends_the_run_early) {
  const LoadRun run = load_failing({"-r", "100", "-d", "20s", "--stop-on", "requests>150"});
  EXPECT_LT(run.number("duration_s"), 10);
  EXPECT_NE(run.json.at("end_reason").get<std::string>().find("requests>150"), std::string::npos);
}

class InterruptTest : public OutputsTest {};

TEST_F(InterruptTest, ctrl_c_reports_what_was_done_so_far) {
  LoadProcess loading({"-c", "2", "-r", "200", "-d", "60s", "--live", "plain", scripted_.url()});
  ASSERT_TRUE(loading.wait_for_live_rows(2));
  loading.interrupt();
  const LoadRun run = noted(loading.finish());
  EXPECT_EQ(run.status, (ExitStatus{130, 0}));
  EXPECT_GT(run.count("requests"), 100U);
  EXPECT_LT(run.number("duration_s"), 30);
  EXPECT_EQ(run.count("unsent"), 0U);
  EXPECT_NE(run.json.at("end_reason").get<std::string>().find("interrupted"), std::string::npos);
  EXPECT_NE(run.out.find("99.99"), std::string::npos) << run.out;
}

// Nobody who presses Ctrl-C wants to wait for a timeout of ten minutes.
class SilentServer : public LoadTest {
 protected:
  void interrupt_once_it_waits() {
    ASSERT_TRUE(silent_.wait_until([](const Tally& tally) { return tally.requests == 2; }));
    ASSERT_TRUE(loading_.wait_for_live_rows(1));
    loading_.interrupt();
  }

  ScriptedServer silent_{Script{}};
  LoadProcess loading_{
      {"-c", "2", "-d", "600s", "--timeout", "600s", "--live", "plain", silent_.url()}};
};

TEST_F(SilentServer, is_given_up_after_ctrl_c) {
  interrupt_once_it_waits();
  const LoadRun run = noted(loading_.finish());
  EXPECT_EQ(run.status, (ExitStatus{130, 0}));
  EXPECT_EQ(run.count("unanswered"), 2U);
  EXPECT_EQ(run.count("errors_total"), 0U);
  EXPECT_EQ(run.ended(), 0U);
}

TEST_F(SilentServer, is_left_at_once_after_a_second_ctrl_c) {
  interrupt_once_it_waits();
  // Two that are pending at once would be one.
  const Deadline deadline;
  while (signal_is_pending(loading_.pid(), SIGINT)) ASSERT_FALSE(deadline.passed());
  loading_.interrupt();
  EXPECT_EQ(loading_.process().wait_for_exit(), (ExitStatus{130, 0}));
}

}  // namespace

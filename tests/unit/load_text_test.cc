// What people read: the report, the live lines, and numbers with units.
#include "client/load/report/text.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>

#include "client/load/report/csv.h"
#include "client/load/report/files.h"
#include "client/load/report/format.h"
#include "client/load/report/live.h"
#include "client/load/sockets/forecast.h"
#include "tests/unit/load_sample.h"

namespace ringload {
namespace {

// On one line, so that a sentence is found wherever it was broken.
std::string flat(const std::string& text) {
  std::istringstream words(text);
  std::string flat;
  for (std::string word; words >> word;) flat += (flat.empty() ? "" : " ") + word;
  return flat;
}

bool says(const Outcome& outcome, const std::string& words) {
  return flat(text_report(outcome)).find(words) != std::string::npos;
}

void expect_narrow(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(columns_of(line), kReportColumns) << line;
  }
}

TEST(Format, has_three_digits_and_the_unit_that_fits) {
  EXPECT_EQ(latency_text(0), "0 ns");
  EXPECT_EQ(latency_text(870), "870 ns");
  EXPECT_EQ(latency_text(1234), "1.23 us");
  EXPECT_EQ(latency_text(999'700), "1.00 ms");
  EXPECT_EQ(latency_text(12.34e9), "12.3 s");
  EXPECT_EQ(si_text(870), "870");
  EXPECT_EQ(si_text(12'345), "12.3 k");
  EXPECT_EQ(bytes_text(1.2345e9), "1.23 GB");
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(28'232), "28,232");
  EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
  EXPECT_EQ(seconds_text(10), "10 s");
  EXPECT_EQ(seconds_text(0.25), "0.25 s");
  EXPECT_EQ(seconds_text(125), "2 min 5 s");
  EXPECT_EQ(seconds_text(3725), "1 h 2 min");
  EXPECT_EQ(percent_text(0.123), "12.3 %");
  EXPECT_EQ(percent_text(0.00001), "0.001 %");
  EXPECT_EQ(counted(1, "port"), "1 port");
  EXPECT_EQ(counted(28'232, "port"), "28,232 ports");
}

TEST(Format, wraps_at_spaces_and_cuts_what_has_none) {
  EXPECT_EQ(wrapped("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrapped("a 0123456789abc z", 5),
            (std::vector<std::string>{"a", "01234", "56789", "abc z"}));
  EXPECT_EQ(wrapped("µµµµ µ", 4), (std::vector<std::string>{"µµµµ", "µ"}));
  EXPECT_TRUE(wrapped("").empty());
  EXPECT_EQ(shortened("0123456789abcdef", 12), "01234...cdef");
  EXPECT_EQ(shortened("0123456789", 10), "0123456789");
}

TEST(TextReport, tells_the_facts_of_a_run) {
  const Outcome outcome = sample::outcome();
  EXPECT_TRUE(says(outcome, "target http://127.0.0.1:8080/index.html and 1 more"));
  EXPECT_TRUE(says(outcome, "8 connections, 2 threads, closed loop"));
  EXPECT_TRUE(says(outcome, "answered 4,000"));
  EXPECT_TRUE(says(outcome, "rate 1.00 k requests/s"));
  EXPECT_TRUE(says(outcome, "received 4.00 MB 1.00 MB/s"));
  EXPECT_TRUE(says(outcome,
                   "Service time: a slow server slows this load down (coordinated "
                   "omission); use --rate for response time."));
  EXPECT_TRUE(says(outcome, "connect EADDRNOTAVAIL 77 no ephemeral port left"));
  EXPECT_TRUE(says(outcome, "404 12"));
  EXPECT_TRUE(says(outcome, "lost 1.8 of 8, on average: concurrency lost to failure"));
  EXPECT_TRUE(says(outcome, "generator 1.06 s 266 us a request"));
  EXPECT_TRUE(says(outcome, "server 2.12 s 531 us a request"));
  EXPECT_TRUE(says(outcome, "TIME_WAIT here 92 at most; 1 at the start, 90 at the end"));
  EXPECT_TRUE(says(outcome,
                   "ports 100 40000-40099, 1 reserved, 2 bound, 1 source address, 1 "
                   "destination"));
  EXPECT_TRUE(says(outcome, "free, at least 0"));
  EXPECT_TRUE(says(outcome, "errors>0: errors is 89"));
  EXPECT_TRUE(says(outcome, "the last failure: sock_diag: EAGAIN"));
}

TEST(TextReport, explains_how_ports_ran_out) {
  const Outcome outcome = sample::outcome();
  EXPECT_TRUE(says(outcome,
                   "Ephemeral ports ran out after 2.50 s: connect() found none "
                   "(EADDRNOTAVAIL) among 100 (40000-40099"));
  EXPECT_TRUE(says(outcome, "92 in TIME_WAIT on this side, 8 in established connections"));
  EXPECT_TRUE(says(outcome, "The next comes free in 41.5 s"));
  EXPECT_TRUE(says(outcome, "It had been foretold: after 2.62 s."));
  EXPECT_TRUE(says(outcome, "In all 77 attempts to connect failed so"));
  const Remedies remedies = remedies_for(outcome.sockets.facts);
  ASSERT_FALSE(remedies.helps.empty());
  ASSERT_FALSE(remedies.does_not_help.empty());
  EXPECT_TRUE(says(outcome, "What would help: (1) " + remedies.helps[0]));
  EXPECT_TRUE(says(outcome, "What would not: (1) " + remedies.does_not_help[0]));
  EXPECT_TRUE(says(outcome, explain(outcome.sockets.facts, outcome.sockets.forecast)));
}

TEST(TextReport, knows_that_ports_may_run_out_in_the_warmup) {
  Outcome outcome = sample::outcome();
  outcome.exhaustion->at_s = -0.5;
  EXPECT_TRUE(says(outcome, "Ephemeral ports ran out 0.50 s before the warm-up ended: connect()"));
}

TEST(TextReport, of_an_open_loop_tells_asked_and_achieved) {
  const Outcome outcome = sample::open_loop_outcome();
  EXPECT_TRUE(says(outcome, "open loop: 1.25 k requests/s on a schedule"));
  EXPECT_TRUE(says(outcome, "80.0 % of the 1.25 k asked for"));
  EXPECT_TRUE(says(outcome, "From the planned time of each request"));
  EXPECT_TRUE(says(outcome, "The generator itself was late by"));
  EXPECT_TRUE(says(outcome, "9 requests due in the run never went out"));
  EXPECT_TRUE(says(outcome, "The rate was not kept: 80.0 %"));
  EXPECT_FALSE(says(outcome, "coordinated omission"));
}

TEST(TextReport, prints_no_percentile_that_a_handful_of_answers_decides) {
  Outcome outcome;
  for (int i = 0; i < 9'999; ++i) outcome.latency_ns.record(1000);
  EXPECT_TRUE(says(outcome, "p99 1.00 us"));
  EXPECT_TRUE(says(outcome, "p99.9 – fewer than 10 answers lie beyond it"));
  EXPECT_TRUE(says(outcome, "p99.99 –"));
  outcome.latency_ns.record(1000);
  EXPECT_TRUE(says(outcome, "p99.9 1.00 us"));
  outcome.latency_ns.record(1000, 90'000);
  EXPECT_TRUE(says(outcome, "p99.99 1.00 us"));
}

TEST(TextReport, warns_where_figures_flatter) {
  Outcome outcome = sample::outcome();
  EXPECT_TRUE(says(outcome, "89 errors (2.18 %): the latencies hold only good answers"));
  EXPECT_TRUE(says(outcome, "2 requests had no answer when the run ended"));
  EXPECT_FALSE(says(outcome, "may be the limit"));
  EXPECT_FALSE(says(outcome, "shorter than asked for"));
  outcome.busiest_thread_share = 0.90;
  outcome.duration_s = 2;
  EXPECT_TRUE(says(outcome, "the generator, not the server, may be the limit: -t."));
  EXPECT_TRUE(says(outcome, "The run was shorter than asked for: 2 s of 4 s."));
  EXPECT_TRUE(says(Outcome{}, "Nothing was answered well"));
}

TEST(TextReport, of_a_good_run_has_nothing_to_be_read_with_care) {
  Outcome outcome = sample::outcome();
  outcome.errors.clear();
  outcome.statuses = {{200, 4005}};
  outcome.unanswered = 0;
  outcome.connections.lost = 0;
  EXPECT_FALSE(says(outcome, "Read with care"));
  EXPECT_FALSE(says(outcome, "Statuses"));
}

TEST(TextReport, stays_within_80_columns_and_obeys_no_foreign_control_character) {
  Outcome outcome = sample::open_loop_outcome();
  outcome.facts.urls = {"http://127.0.0.1/" + std::string(300, 'x') + "\033[2Jend"};
  outcome.facts.host = std::string(120, 'h');
  outcome.end_reason = "interrupted\r\n";
  outcome.merged_from = {std::string(90, 'f'), "B.json"};
  outcome.requests = outcome.bytes = UINT64_MAX / 2;
  const std::string text = text_report(outcome);
  expect_narrow(text);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  expect_narrow(text_report(sample::outcome()));
  expect_narrow(text_report(Outcome{}));
}

TEST(LiveLine, has_the_figures_of_a_second_in_80_columns) {
  const std::string line = live_line(sample::row(3, false));
  EXPECT_EQ(flat(line), "3 1000 1.0 100us 300us 400us 3 8 70 30 3.25s");
  EXPECT_EQ(columns_of(line), columns_of(live_header()));
  EXPECT_LE(columns_of(line), kReportColumns);
  EXPECT_EQ(flat(live_line(sample::row(0, true))).substr(0, 3), "w0 ");
  EXPECT_EQ(flat(live_line(SecondRow{})), "0 0 0.0 - - - 0 - - - -");
}

TEST(LiveLine, stays_narrow_with_large_figures) {
  SecondRow row = sample::row(86'399, false);
  row.requests = 12'345'678;
  row.bytes = 123'456'789'012;
  row.errors = 9'999'999;
  row.latency = {999'400, 99'940'000, 999'400'000, 59'990'000'000, 60'000'000'000};
  row.sockets.time_wait = row.sockets.ports_free = 123'456;
  row.sockets.exhausted_in_s = 359'990;
  EXPECT_LE(columns_of(live_line(row)), kReportColumns) << live_line(row);
}

class LiveOnAPipe : public ::testing::Test {
 protected:
  LiveOnAPipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::pipe(fds), 0);
    read_end_.reset(fds[0]);
    write_end_.reset(fds[1]);
  }
  std::string shown() {
    write_end_.reset();
    return read_all(read_end_.get(), "pipe").value_or("?");
  }
  net::OwnedFd read_end_;
  net::OwnedFd write_end_;
};

TEST_F(LiveOnAPipe, prints_plain_lines_with_a_header_every_20) {
  Live live(LiveMode::automatic, write_end_.get());
  live.begin(sample::facts());
  for (int second = 1; second <= 21; ++second) live.row(sample::row(second, false), second / 21.0);
  live.note({"Ephemeral ports ran out."});
  live.end();
  const std::string text = shown();
  expect_narrow(text);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_EQ(text.find('#'), std::string::npos);
  size_t headers = 0;
  for (size_t at = text.find("TIME_WAIT"); at != std::string::npos;
       at = text.find("TIME_WAIT", at + 1)) {
    ++headers;
  }
  EXPECT_EQ(headers, 2u);
  EXPECT_NE(text.find("\nEphemeral ports ran out.\n"), std::string::npos);
}

TEST_F(LiveOnAPipe, is_silent_when_off) {
  Live live(LiveMode::off, write_end_.get());
  live.begin(sample::facts());
  live.row(sample::row(1, false), 0.5);
  live.note({"Ephemeral ports ran out."});
  live.end();
  EXPECT_EQ(shown(), "");
}

TEST(Csv, has_as_many_cells_as_columns_and_marks_events) {
  const auto cells = [](const std::string& line) {
    return std::count(line.begin(), line.end(), ',');
  };
  const std::string warm = csv_row(sample::row(0, true), false);
  const std::string blind = csv_row(SecondRow{}, true);
  EXPECT_EQ(cells(warm), cells(csv_header()));
  EXPECT_EQ(cells(blind), cells(csv_header()));
  EXPECT_TRUE(warm.starts_with("0.000,1.000,warmup,1000,1000,1000000,"));
  EXPECT_TRUE(blind.starts_with("0.000,1.000,exhausted,0,"));
}

TEST(Csv, marks_the_second_in_which_ports_ran_out) {
  const std::string text = csv_of(sample::outcome());  // after 2.5 s
  EXPECT_NE(text.find("\n3.000,1.000,exhausted,"), std::string::npos);
  EXPECT_NE(text.find("\n2.000,1.000,,"), std::string::npos);
}

}  // namespace
}  // namespace ringload

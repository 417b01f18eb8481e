// What the administrator's side answers, without a socket: pages, JSON, history, and how often a
// snapshot is taken. Time is what the test says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/admin/figures.h"
#include "server/admin/responder.h"
#include "server/admin/status.h"
#include "tests/unit/admin_sample.h"

namespace ringserve::admin {
namespace {

using nlohmann::json;

TEST(Figures, are_short_and_never_rounded_to_a_thousand) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.00 kB");
  EXPECT_EQ(bytes_text(999'949), "999.9 kB");
  EXPECT_EQ(bytes_text(999'951), "1.00 MB");
  EXPECT_EQ(bytes_text(12.34e9), "12.3 GB");
  EXPECT_EQ(duration_text(59.9), "59 s");
  EXPECT_EQ(duration_text(125), "2 min 5 s");
  EXPECT_EQ(duration_text(7260), "2 h 1 min");
  EXPECT_EQ(duration_text(90061), "1 d 1 h");
}

const Figure& row_of(const std::vector<Table>& all, std::string_view label) {
  for (const Table& table : all) {
    for (const Figure& row : table.rows) {
      if (row.label == label) return row;
    }
  }
  throw std::out_of_range("no row " + std::string(label));
}

TEST(Figures, alarm_where_an_administrator_should_look) {
  const auto trouble = tables(sample_snapshot(), History());
  for (const char* label : {"500 Internal Server Error", "accept pauses", "ring overflows",
                            "disk errors", "log lines dropped", "listen overflows"}) {
    EXPECT_TRUE(row_of(trouble, label).alarming) << label;
  }
  EXPECT_FALSE(row_of(trouble, "404 Not Found").alarming);
  for (const Table& table : tables(Snapshot{}, History())) {
    for (const Figure& row : table.rows) EXPECT_FALSE(row.alarming) << row.label;
  }
}

TEST(Figures, show_the_limits_that_clients_met) {
  const auto all = tables(sample_snapshot(), History());
  EXPECT_EQ(row_of(all, "connections refused").value, "38");
  EXPECT_EQ(row_of(all, "connections used up").value, "39");
  EXPECT_EQ(row_of(all, "requests refused").value, "40");
  EXPECT_EQ(row_of(all, "too slow readers reset").value, "41");
  EXPECT_EQ(row_of(all, "addresses remembered").value, "42");
}

TEST(Figures, show_losses_of_listeners_since_the_server_started) {
  History history;
  Snapshot snapshot = sample_snapshot();
  history.add(snapshot);
  snapshot.listen_overflows += 3;
  const auto all = tables(snapshot, history);
  EXPECT_EQ(row_of(all, "listen overflows").value, "3");
  EXPECT_EQ(row_of(all, "listen drops").value, "0");
  EXPECT_FALSE(row_of(all, "listen drops").alarming);
}

TEST(HistoryTest, has_rates_between_snapshots) {
  History history;
  Snapshot snapshot = sample_snapshot();
  history.add(snapshot);
  EXPECT_TRUE(history.samples().empty());
  snapshot.uptime_s += 2;
  snapshot.requests += 100;
  snapshot.by_status[0].second += 90;
  snapshot.by_status[2].second += 10;
  snapshot.sent_bytes += 5000;
  snapshot.cpu_user_s += 0.5;
  snapshot.cpu_system_s += 1;
  snapshot.connections_open = 7;
  history.add(snapshot);
  ASSERT_EQ(history.samples().size(), 1U);
  const Sample& sample = history.samples().front();
  EXPECT_DOUBLE_EQ(sample.at_s, snapshot.uptime_s);
  EXPECT_DOUBLE_EQ(sample.requests_per_s, 50);
  EXPECT_DOUBLE_EQ(sample.errors_per_s, 5);
  EXPECT_DOUBLE_EQ(sample.sent_bytes_per_s, 2500);
  EXPECT_DOUBLE_EQ(sample.cpu_user_percent, 25);
  EXPECT_DOUBLE_EQ(sample.cpu_system_percent, 50);
  EXPECT_EQ(sample.connections_open, 7U);
}

TEST(HistoryTest, forgets_what_is_older_than_its_limit) {
  History history;
  Snapshot snapshot;
  for (size_t second = 0; second <= History::kSamplesMax + 5; ++second) {
    snapshot.uptime_s = static_cast<double>(second);
    history.add(snapshot);
  }
  EXPECT_EQ(history.samples().size(), History::kSamplesMax);
  EXPECT_DOUBLE_EQ(history.samples().front().at_s, 6);
}

class ResponderTest : public testing::Test {
 protected:
  struct Reply {
    std::string head, body;
    int status = 0;
  };

  Reply ask(std::string target, http::Method method = http::Method::get) {
    http::Request request;
    request.method = method;
    request.target = std::move(target);
    return split(responder_.reply(request, true, now_ms_));
  }

  static Reply split(const std::string& bytes) {
    const size_t end = bytes.find("\r\n\r\n");
    EXPECT_NE(end, std::string::npos) << bytes;
    EXPECT_TRUE(bytes.starts_with("HTTP/1.1 ")) << bytes;
    return {bytes.substr(0, end + 2), bytes.substr(end + 4), std::stoi(bytes.substr(9, 3))};
  }

  static bool has_line(const Reply& reply, const std::string& line) {
    return reply.head.find("\r\n" + line + "\r\n") != std::string::npos;
  }

  Snapshot snapshot_ = sample_snapshot();
  int taken_ = 0;
  int64_t now_ms_ = 1'000'000;
  Responder responder_{[this] {
    ++taken_;
    return snapshot_;
  }};
};

TEST_F(ResponderTest, every_page_has_its_type_its_length_and_a_date) {
  const std::vector<std::pair<std::string, std::string>> pages = {
      {"/metrics", "text/plain; version=0.0.4; charset=utf-8"},
      {"/healthz", "text/plain; charset=utf-8"},
      {"/status", "text/html; charset=utf-8"},
      {"/status.json", "application/json"},
      {"/status.js", "text/javascript; charset=utf-8"}};
  for (const auto& [target, type] : pages) {
    const Reply reply = ask(target);
    EXPECT_EQ(reply.status, 200) << target;
    EXPECT_TRUE(has_line(reply, "Content-Type: " + type)) << reply.head;
    EXPECT_TRUE(has_line(reply, "Content-Length: " + std::to_string(reply.body.size())));
    EXPECT_TRUE(has_line(reply, "Cache-Control: no-store"));
    EXPECT_NE(reply.head.find("\r\nDate: "), std::string::npos);
    EXPECT_FALSE(reply.body.empty());

    const Reply head = ask(target, http::Method::head);
    EXPECT_EQ(head.head, reply.head) << target;
    EXPECT_EQ(head.body, "");
  }
}

TEST_F(ResponderTest, the_root_leads_to_the_status_page) {
  const Reply reply = ask("/");
  EXPECT_EQ(reply.status, 307);
  EXPECT_TRUE(has_line(reply, "Location: /status"));
}

TEST_F(ResponderTest, a_query_and_an_absolute_target_change_nothing) {
  for (const char* target : {"/healthz?full", "http://example.test:1/healthz?x=/y"}) {
    EXPECT_EQ(ask(target).body, "ok\n") << target;
  }
  for (const char* target : {"http://example.test", "http://example.test?a=/metrics"}) {
    EXPECT_EQ(ask(target).status, 307) << target;
  }
}

TEST_F(ResponderTest, what_is_not_there_is_not_found) {
  for (const char* target :
       {"/status/", "/metricsx", "//metrics", "/%2e", "/../status", "*", "x"}) {
    EXPECT_EQ(ask(target).status, 404) << target;
  }
}

TEST_F(ResponderTest, only_get_and_head_are_allowed) {
  for (const http::Method method : {http::Method::other, http::Method::options}) {
    const Reply reply = ask("/metrics", method);
    EXPECT_EQ(reply.status, 405);
    EXPECT_TRUE(has_line(reply, "Allow: GET, HEAD"));
  }
}

TEST_F(ResponderTest, health_turns_503_while_draining) {
  EXPECT_EQ(ask("/healthz").body, "ok\n");
  snapshot_.draining = true;
  now_ms_ += 1000;
  const Reply reply = ask("/healthz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.body, "draining\n");
  EXPECT_EQ(ask("/healthz", http::Method::head).status, 503);
}

TEST_F(ResponderTest, a_snapshot_is_taken_at_most_ten_times_a_second) {
  const int64_t begin_ms = now_ms_;
  for (; now_ms_ < begin_ms + 1000; ++now_ms_) {
    responder_.sample(now_ms_);
    ask("/metrics");
    ask("/status.json");
  }
  EXPECT_GE(taken_, 9);
  EXPECT_LE(taken_, 10);
}

TEST_F(ResponderTest, samples_come_once_a_second_and_none_is_made_up) {
  for (int second = 0; second < 5; ++second) {
    responder_.sample(now_ms_);
    EXPECT_EQ(responder_.next_sample_ms(), now_ms_ + 1000);
    responder_.sample(now_ms_ + 999);
    snapshot_.uptime_s += 1;
    now_ms_ += 1000;
  }
  EXPECT_EQ(taken_, 5);
  // The machine slept.
  snapshot_.uptime_s += 3600;
  now_ms_ += 3'600'250;
  responder_.sample(now_ms_);
  EXPECT_EQ(responder_.next_sample_ms(), now_ms_ + 1000);
  const json history = json::parse(ask("/status.json").body).at("history");
  EXPECT_EQ(history.at("at_s").size(), 5U);
}

TEST_F(ResponderTest, a_late_sample_does_not_shift_the_next) {
  responder_.sample(now_ms_);
  const int64_t due_ms = responder_.next_sample_ms();
  responder_.sample(due_ms + 30);
  EXPECT_EQ(responder_.next_sample_ms(), due_ms + 1000);
}

TEST_F(ResponderTest, the_json_has_texts_and_a_history_of_equal_lists) {
  for (int second = 0; second < 4; ++second) {
    responder_.sample(now_ms_);
    now_ms_ += 1000;
    snapshot_.uptime_s += 1;
    snapshot_.requests += 1000;
  }
  const json status = json::parse(ask("/status.json").body);
  EXPECT_EQ(status.at("version"), "1.2.3");
  EXPECT_EQ(status.at("send_path"), "auto");
  EXPECT_EQ(status.at("draining"), false);
  EXPECT_EQ(status.at("headline").at(0).at("label"), "requests/s");
  EXPECT_EQ(status.at("headline").at(0).at("value"), "1,000");
  EXPECT_EQ(status.at("tables").size(), 7U);
  const json& history = status.at("history");
  EXPECT_EQ(history.size(), 7U);
  for (const auto& [name, list] : history.items()) EXPECT_EQ(list.size(), 3U) << name;
  EXPECT_EQ(history.at("requests_per_s").at(2), 1000);
}

TEST_F(ResponderTest, a_text_that_is_no_utf_8_does_not_break_the_json) {
  snapshot_.version = "\xff\"<";
  EXPECT_TRUE(json::accept(ask("/status.json").body));
}

TEST_F(ResponderTest, the_page_shows_the_numbers_without_its_script) {
  const Reply reply = ask("/status");
  for (const char* text : {"120,007 in all", "9.00 GB", "500 Internal Server Error", "1.2.3",
                           "in TIME_WAIT", "viewport", "/status.js"}) {
    EXPECT_NE(reply.body.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(reply.body.find("{{"), std::string::npos) << "a placeholder is left";
  EXPECT_EQ(reply.body.find("is draining"), std::string::npos);
  snapshot_.draining = true;
  now_ms_ += 1000;
  EXPECT_NE(ask("/status").body.find("is draining"), std::string::npos);
}

TEST_F(ResponderTest, the_page_loads_nothing_from_elsewhere_and_may_not) {
  const Reply reply = ask("/status");
  EXPECT_NE(reply.head.find("Content-Security-Policy: default-src 'none'; script-src 'self'"),
            std::string::npos);
  for (const char* outside : {"src=\"http", "href=\"http", "@import", "url("}) {
    EXPECT_EQ(reply.body.find(outside), std::string::npos) << outside;
  }
}

TEST_F(ResponderTest, the_page_escapes_what_it_is_given) {
  snapshot_.send_path = "<script>\"'&{{version}}";
  const Reply reply = ask("/status");
  EXPECT_NE(reply.body.find("&lt;script&gt;&quot;&#39;&amp;{{version}}"), std::string::npos);
  EXPECT_EQ(reply.body.find("<script>"), std::string::npos);
}

}  // namespace
}  // namespace ringserve::admin

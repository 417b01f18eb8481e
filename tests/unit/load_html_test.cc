// The HTML report: whole, self-contained, and with nothing in it that a browser would obey.
#include "client/load/report/html.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/unit/load_sample.h"

namespace ringload {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t times = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

std::string report_of(const Outcome& outcome) {
  const auto html = html_report(outcome);
  EXPECT_TRUE(html.has_value()) << html.error().message();
  return html.value_or("");
}

TEST(HtmlReport, has_four_pictures_and_the_tables) {
  const std::string html = report_of(sample::outcome());
  EXPECT_EQ(count(html, "<svg"), 4u);
  EXPECT_EQ(count(html, "</svg>"), 4u);
  EXPECT_EQ(count(html, "ports ran out</text>"), 3u) << "the mark over time";
  EXPECT_NE(html.find("TIME_WAIT and free ports"), std::string::npos);
  EXPECT_NE(html.find("name=\"viewport\""), std::string::npos);
  EXPECT_NE(html.find("<td class=\"n\">4,000</td>"), std::string::npos);
  EXPECT_NE(html.find("Ephemeral ports ran out after 2.50 s"), std::string::npos);
  EXPECT_TRUE(html.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(html.ends_with("</html>\n"));
}

TEST(HtmlReport, draws_an_open_loop_and_a_unix_socket) {
  EXPECT_NE(report_of(sample::open_loop_outcome()).find(">asked<"), std::string::npos);
  Outcome outcome = sample::outcome();
  outcome.sockets = SocketSummary{};
  outcome.sockets.facts.tcp = false;
  outcome.exhaustion.reset();
  for (SecondRow& row : outcome.seconds) row.sockets = SocketSample{};
  EXPECT_EQ(count(report_of(outcome), "<svg"), 3u);
}

TEST(HtmlReport, of_a_run_without_answers_says_so) {
  Outcome outcome = sample::outcome();
  outcome.latency_ns.clear();
  for (SecondRow& row : outcome.seconds) row.latency = Percentiles{};
  const std::string html = report_of(outcome);
  EXPECT_EQ(count(html, "<svg"), 2u);
  EXPECT_EQ(count(html, "Nothing was answered: there is nothing to draw."), 2u);
  EXPECT_EQ(count(report_of(Outcome{}), "<svg"), 0u);
}

TEST(HtmlReport, escapes_what_comes_from_outside) {
  Outcome outcome = sample::outcome();
  const std::string evil = "<script>alert('&\"')</script>";
  outcome.facts.urls = {evil};
  outcome.facts.command_line = outcome.facts.host = outcome.end_reason = evil;
  outcome.failed_conditions = {evil};
  outcome.errors[evil][evil] = 1;
  outcome.merged_from = {evil};
  const std::string html = report_of(outcome);
  EXPECT_EQ(count(html, "<script"), 0u);
  EXPECT_GT(count(html, "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)"), 5u);
}

TEST(HtmlReport, fetches_nothing) {
  const std::string html = report_of(sample::outcome());
  for (const char* part : {"src=", "@import", "url(http", "<link", "<iframe", "<script"}) {
    EXPECT_EQ(count(html, part), 0u) << part;
  }
}

TEST(Plotter, is_named_with_its_package_when_it_is_missing) {
  EXPECT_TRUE(check_plotter().has_value());
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  const auto status = check_plotter();
  ::setenv("PATH", path.c_str(), 1);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().message(),
            "start gnuplot: ENOENT (No such file or directory) - the HTML report needs gnuplot: "
            "apt-get install gnuplot-nox");
}

TEST(Plotter, passes_on_what_gnuplot_complains_of) {
  const auto picture = run_gnuplot("plot nonsense(\n");
  ASSERT_FALSE(picture.has_value());
  EXPECT_NE(picture.error().what.find("gnuplot failed (exit status 1)"), std::string::npos);
  EXPECT_FALSE(run_gnuplot("set terminal svg\n").has_value()) << "no picture";
}

}  // namespace
}  // namespace ringload

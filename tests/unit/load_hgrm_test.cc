// The percentile distribution in HdrHistogram's text format.
#include "client/load/report/hgrm.h"

#include <gtest/gtest.h>

#include <sstream>

namespace ringload {
namespace {

struct Line {
  double value_ms, quantile;
  uint64_t total;
};

std::vector<Line> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::string line;
  std::getline(stream, line);
  std::vector<Line> lines;
  while (std::getline(stream, line)) {
    std::istringstream words(line);
    Line parsed{};
    if (!line.starts_with("#") && words >> parsed.value_ms >> parsed.quantile >> parsed.total) {
      lines.push_back(parsed);
    }
  }
  return lines;
}

measure::Histogram up_to_10_ms() {
  measure::Histogram histogram;
  for (uint64_t us = 1; us <= 10'000; ++us) histogram.record(us * 1000);
  return histogram;
}

TEST(Hgrm, has_the_header_and_trailer_that_tools_look_for) {
  const std::string text = hgrm_of(up_to_10_ms());
  EXPECT_TRUE(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"));
  EXPECT_NE(text.find("#[Mean    =     5.000500, StdDeviation   ="), std::string::npos) << text;
  EXPECT_NE(text.find("#[Max     =    10.000000, Total count    =        10000]"),
            std::string::npos);
  EXPECT_NE(text.find("#[Buckets ="), std::string::npos);
}

TEST(Hgrm, goes_from_the_smallest_value_to_the_largest) {
  const auto lines = lines_of(hgrm_of(up_to_10_ms()));
  ASSERT_GT(lines.size(), 20u);
  EXPECT_EQ(lines.front().quantile, 0);
  EXPECT_NEAR(lines.front().value_ms, 0.001, 1e-6);
  EXPECT_EQ(lines.back().quantile, 1);
  EXPECT_EQ(lines.back().value_ms, 10);
  EXPECT_EQ(lines.back().total, 10'000u);
  for (size_t i = 1; i < lines.size(); ++i) {
    EXPECT_GT(lines[i].quantile, lines[i - 1].quantile);
    EXPECT_GE(lines[i].value_ms, lines[i - 1].value_ms);
    EXPECT_GE(lines[i].total, lines[i - 1].total);
  }
}

TEST(Hgrm, says_how_many_values_each_quantile_covers) {
  for (const Line& line : lines_of(hgrm_of(up_to_10_ms()))) {
    EXPECT_NEAR(static_cast<double>(line.total), line.quantile * 10'000, 11) << line.quantile;
    EXPECT_NEAR(line.value_ms, line.quantile * 10, 0.011) << line.quantile;
  }
}

TEST(Hgrm, of_nothing_has_no_lines) {
  const std::string text = hgrm_of({});
  EXPECT_TRUE(lines_of(text).empty());
  EXPECT_NE(text.find("Total count    =            0]"), std::string::npos);
}

TEST(Hgrm, of_one_value_has_one_line) {
  measure::Histogram histogram;
  histogram.record(5'000'000, 7);
  const auto lines = lines_of(hgrm_of(histogram));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].value_ms, 5);
  EXPECT_EQ(lines[0].total, 7u);
}

}  // namespace
}  // namespace ringload

// A test of the access log as a whole, with verbs to write lines to it and to take apart what came
// out. What the log says about itself is kept apart from the test's own output.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "server/log/access_log.h"

namespace ringserve::log {

inline constexpr uint64_t kMiB = 1024 * 1024;
// More than a channel and a pipe hold together.
inline constexpr uint64_t kFloodBytes = BlockQueue::kBlocks * BlockQueue::kBlockBytes + kMiB;

class AccessLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "access_log_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    previous_logger_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(errors_)));
  }
  void TearDown() override {
    log_.reset();
    spdlog::set_default_logger(previous_logger_);
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  void open(const std::string& path, unsigned channels = 1) {
    auto log = AccessLog::open(path, Format::common, channels);
    ASSERT_TRUE(log) << log.error().message();
    log_ = std::move(*log);
  }
  // A line that tells which it is: "/CHANNEL/NUMBER/" and as much padding as wanted.
  void write(unsigned channel, uint64_t number, size_t padding = 0) {
    const std::string target = "/" + std::to_string(channel) + "/" + std::to_string(number) + "/" +
                               std::string(padding, 'p');
    Record record;
    record.remote = "192.0.2.1";
    record.method = "GET";
    record.target = target;
    record.status = 200;
    log_->channel(channel).write(record);
    log_->channel(channel).flush();
  }
  // Lines of a hundred bytes and the padding, until there are more than anything here holds.
  uint64_t flood(size_t padding = 0) {
    uint64_t lines = 0;
    while (lines * (100 + padding) < 2 * kFloodBytes) write(0, lines++, 50 + padding);
    return lines;
  }
  void end() { log_.reset(); }
  // What the error log has; once no log is open any more.
  std::string errors() const { return errors_.str(); }

  std::unique_ptr<AccessLog> log_;
  std::string directory_;

 private:
  std::ostringstream errors_;
  std::shared_ptr<spdlog::logger> previous_logger_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The numbers of a channel's lines, in their order. Fails for anything that is not a whole line.
inline std::vector<uint64_t> numbers(const std::string& text, unsigned channel = 0) {
  std::vector<uint64_t> found;
  std::istringstream lines(text);
  EXPECT_TRUE(text.empty() || text.back() == '\n') << "half a line at the end";
  const std::string begin = "192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] \"GET /";
  for (std::string line; std::getline(lines, line);) {
    unsigned of_channel = 0;
    unsigned long long number = 0;
    const bool whole =
        line.starts_with(begin) && line.ends_with(" HTTP/1.1\" 200 0") &&
        line.find('"', begin.size()) == line.size() - 7 &&
        std::sscanf(line.c_str() + begin.size(), "%u/%llu/", &of_channel, &number) == 2;
    if (!whole) {
      ADD_FAILURE() << "not a line: " << line.substr(0, 200);
      return found;
    }
    if (of_channel == channel) found.push_back(number);
  }
  return found;
}

inline std::vector<uint64_t> counted_to(uint64_t count) {
  std::vector<uint64_t> all;
  for (uint64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

inline bool strictly_increasing(const std::vector<uint64_t>& numbers) {
  return std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) ==
         numbers.end();
}

}  // namespace ringserve::log

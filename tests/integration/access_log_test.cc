// The access log of the real server: a line for every response, true in every field, on a line of
// its own whatever the client sends, and in the right file when logs are rotated.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/support/server_test.h"

namespace {

using namespace support;
using nlohmann::json;

constexpr std::size_t kSmallBytes = 1000;
constexpr std::size_t kMediumBytes = 100'000;
constexpr std::size_t kLoggedBytes = 32 * kMiB;

class AccessLogTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("small", kSmallBytes);
    tree().fill("medium", kMediumBytes);
    tree().fill("large", kLoggedBytes);
  }

  std::string log_path() const { return log_path_; }
  void log_to(std::string path) { log_path_ = std::move(path); }

  void serve_logging(const std::string& format = "json", std::vector<std::string> more = {}) {
    if (log_path_.empty()) log_path_ = tree().beside("access.log");
    more.insert(more.end(), {"--access-log", log_path_, "--access-log-format", format});
    serve(more);
  }

  static std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      // Without an end, it is still being written.
      if (!file.eof()) lines.push_back(line);
    }
    return lines;
  }

  // The lines, when there are so many; lines are written a moment after the response.
  std::vector<std::string> wait_for_lines(std::size_t count) {
    const Deadline deadline;
    std::vector<std::string> lines = lines_of(log_path_);
    while (lines.size() < count && !deadline.passed()) lines = lines_of(log_path_);
    EXPECT_EQ(lines.size(), count);
    lines.resize(count);
    return lines;
  }

  // The only line so far, as an object.
  json wait_for_object() { return json::parse(wait_for_lines(1).front()); }

  // Sends the bytes, and returns everything that comes until the server closes.
  std::string answer_to(const std::string& bytes) {
    HttpClient client = connect();
    client.send(bytes);
    return client.read_to_end().bytes;
  }
  static std::string last_request(const std::string& target, Headers headers = {}) {
    headers.emplace_back("Connection", "close");
    return request("GET", target, headers);
  }

 private:
  std::string log_path_;
};

std::size_t head_bytes(const std::string& answer) { return answer.find("\r\n\r\n") + 4; }

TEST_F(AccessLogTest, tells_the_truth_about_a_response_from_memory) {
  serve_logging();
  const std::int64_t before_s = std::time(nullptr);
  const std::string answer = answer_to(last_request(
      "/small?query=1",
      {{"Host", "example.org:81"}, {"User-Agent", "test/1"}, {"Referer", "http://a.example/"}}));
  const json line = wait_for_object();
  EXPECT_EQ(line["remote"], "127.0.0.1");
  EXPECT_EQ(line["method"], "GET");
  EXPECT_EQ(line["target"], "/small?query=1");
  EXPECT_EQ(line["protocol"], "HTTP/1.1");
  EXPECT_EQ(line["host"], "example.org:81");
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["sent_bytes"], answer.size());
  EXPECT_EQ(line["body_bytes"], kSmallBytes);
  EXPECT_EQ(line["send_path"], "memory");
  EXPECT_EQ(line["copied_bytes"], answer.size());
  EXPECT_EQ(line["zero_copy_bytes"], 0);
  EXPECT_EQ(line["referer"], "http://a.example/");
  EXPECT_EQ(line["user_agent"], "test/1");
  EXPECT_EQ(line["complete"], true);
  EXPECT_TRUE(line["duration_us"].is_number_unsigned());

  std::tm utc{};
  ASSERT_NE(::strptime(line["time"].get<std::string>().c_str(), "%Y-%m-%dT%H:%M:%S", &utc),
            nullptr);
  EXPECT_GE(::timegm(&utc), before_s);
  EXPECT_LE(::timegm(&utc), std::time(nullptr));
  const std::regex with_micros(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)");
  EXPECT_TRUE(std::regex_match(line["time"].get<std::string>(), with_micros)) << line;
}

TEST_F(AccessLogTest, tells_copied_bytes_from_those_that_were_moved) {
  serve_logging("json", {"--send-path", "sendfile"});
  const std::string answer = answer_to(last_request("/medium"));
  const json line = wait_for_object();
  EXPECT_EQ(line["send_path"], "sendfile");
  EXPECT_EQ(line["sent_bytes"], answer.size());
  EXPECT_EQ(line["body_bytes"], kMediumBytes);
  EXPECT_EQ(line["zero_copy_bytes"], kMediumBytes);
  EXPECT_EQ(line["copied_bytes"], head_bytes(answer));
}

TEST_F(AccessLogTest, a_part_counts_as_what_was_sent_of_the_file) {
  serve_logging();
  answer_to(last_request("/medium", {{"Range", "bytes=10-109"}}));
  const json line = wait_for_object();
  EXPECT_EQ(line["status"], 206);
  EXPECT_EQ(line["body_bytes"], 100);
}

TEST_F(AccessLogTest, a_response_that_the_client_cut_short_is_not_complete) {
  serve_logging();
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/large"));
  EXPECT_EQ(client.read_head().content_length(), kLoggedBytes);
  client.read_exactly(kMiB);
  client.cut();
  const json line = wait_for_object();
  EXPECT_EQ(line["status"], 200);
  EXPECT_EQ(line["complete"], false);
  const auto body_bytes = line["body_bytes"].get<std::uint64_t>();
  EXPECT_GE(body_bytes, kMiB);
  EXPECT_LT(body_bytes, kLoggedBytes);
  EXPECT_GT(line["sent_bytes"].get<std::uint64_t>(), body_bytes);
  EXPECT_EQ(
      line["sent_bytes"].get<std::uint64_t>(),
      line["copied_bytes"].get<std::uint64_t>() + line["zero_copy_bytes"].get<std::uint64_t>());
}

TEST_F(AccessLogTest, responses_without_a_file_are_logged_too) {
  serve_logging("json", {"--threads", "1"});  // which keeps the lines in order
  EXPECT_EQ(status_of("/none"), 404);
  EXPECT_EQ(head("/small").status, 200);
  answer_to("GET /small HTTP/1.1\r\nno colon\r\n\r\n");
  const std::vector<std::string> lines = wait_for_lines(3);
  const json not_found = json::parse(lines[0]);
  EXPECT_EQ(not_found["status"], 404);
  EXPECT_GT(not_found["body_bytes"], 0);
  const json head = json::parse(lines[1]);
  EXPECT_EQ(head["method"], "HEAD");
  EXPECT_EQ(head["status"], 200);
  EXPECT_EQ(head["body_bytes"], 0);
  EXPECT_EQ(json::parse(lines[2])["status"], 400);
}

TEST_F(AccessLogTest, pipelined_requests_have_a_line_each_in_their_order) {
  constexpr std::size_t kRequests = 50;
  serve_logging();
  std::string requests;
  for (std::size_t i = 0; i + 1 < kRequests; ++i) {
    requests += request("GET", "/small?" + std::to_string(i));
  }
  const std::string answers =
      answer_to(requests + last_request("/small?" + std::to_string(kRequests - 1)));
  std::size_t sent_bytes = 0;
  const std::vector<std::string> lines = wait_for_lines(kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) {
    const json line = json::parse(lines[i]);
    EXPECT_EQ(line["target"], "/small?" + std::to_string(i));
    EXPECT_EQ(line["body_bytes"], kSmallBytes);
    sent_bytes += line["sent_bytes"].get<std::size_t>();
  }
  EXPECT_EQ(sent_bytes, answers.size());
}

TEST_F(AccessLogTest, every_send_path_logs_a_large_file_in_full) {
  for (const char* path : kSendPaths) {
    log_to(tree().beside("access." + std::string(path)));
    serve_logging("json", {"--send-path", path});
    const std::string answer = answer_to(last_request("/large"));
    EXPECT_EQ(answer.size(), head_bytes(answer) + kLoggedBytes);
    const json line = wait_for_object();
    EXPECT_EQ(line["sent_bytes"], answer.size()) << line;
    EXPECT_EQ(line["body_bytes"], kLoggedBytes) << line;
    EXPECT_EQ(line["complete"], true) << line;
    EXPECT_EQ(line["copied_bytes"].get<std::size_t>() + line["zero_copy_bytes"].get<std::size_t>(),
              answer.size())
        << line;
    EXPECT_NE(line["send_path"], "") << line;
    stop();
  }
}

TEST_F(AccessLogTest, combined_lines_are_those_that_analysers_know) {
  serve_logging("combined", {"--threads", "1"});
  answer_to(last_request("/small", {{"Referer", "http://a.example/"}, {"User-Agent", "te\"st"}}));
  answer_to(last_request("/none"));
  const std::vector<std::string> lines = wait_for_lines(2);
  const std::string time = R"(\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\])";
  EXPECT_TRUE(std::regex_match(
      lines[0], std::regex(R"re(127\.0\.0\.1 - - )re" + time +
                           R"re( "GET /small HTTP/1\.1" 200 1000 "http://a\.example/" )re" +
                           R"re("te\\x22st")re")))
      << lines[0];
  EXPECT_TRUE(
      std::regex_match(lines[1], std::regex(R"re(127\.0\.0\.1 - - )re" + time +
                                            R"re( "GET /none HTTP/1\.1" 404 \d+ "-" "-")re")))
      << lines[1];
}

TEST_F(AccessLogTest, common_lines_end_with_the_size) {
  serve_logging("common");
  answer_to(last_request("/small", {{"User-Agent", "test"}}));
  const std::string line = wait_for_lines(1).front();
  EXPECT_TRUE(line.ends_with("] \"GET /small HTTP/1.1\" 200 1000")) << line;
}

class InjectionTest : public AccessLogTest, public ::testing::WithParamInterface<const char*> {};

// Whatever is accepted or refused: as many lines as requests, and each says what it should.
TEST_P(InjectionTest, no_byte_of_a_request_begins_a_line_or_ends_a_field) {
  serve_logging(GetParam());
  std::size_t requests = 0;
  for (int value = 0; value < 256; ++value) {
    const std::string evil = std::string("a\"\\") + static_cast<char>(value) + "192.0.2.9 - - [";
    for (const std::string& bytes :
         {"GET /" + evil + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
          "GET /one HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: " + evil +
              "\r\nUser-Agent: " + evil + "\r\n\r\n"}) {
      const std::string answer = answer_to(bytes);
      ASSERT_TRUE(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"))
          << value;
      ++requests;
    }
  }
  for (const std::string& line : wait_for_lines(requests)) {
    for (const char c : line) ASSERT_GE(static_cast<unsigned char>(c), 0x20) << line;
    if (std::string(GetParam()) == "json") {
      json object;
      ASSERT_NO_THROW(object = json::parse(line)) << line;
      EXPECT_EQ(object["remote"], "127.0.0.1") << line;
    } else {
      // Three quoted fields: a quote of the client's can be none of the six.
      EXPECT_TRUE(line.starts_with("127.0.0.1 - - [")) << line;
      EXPECT_EQ(std::count(line.begin(), line.end(), '"'), 6) << line;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(access_log, InjectionTest, ::testing::Values("combined", "json"),
                         [](const auto& each) { return std::string(each.param); });

TEST_F(AccessLogTest, sigusr1_opens_the_file_anew_and_no_line_is_lost) {
  constexpr int kRequests = 300;
  constexpr int kRotations = 3;
  serve_logging("json", {"--threads", "2"});
  std::vector<std::string> files;
  int sent = 0;
  for (int rotation = 0; rotation < kRotations; ++rotation) {
    files.push_back(log_path() + "." + std::to_string(rotation));
    HttpClient client = connect();
    for (int i = 0; i < kRequests; ++i) {
      if (i == kRequests / 2) {
        std::filesystem::rename(log_path(), files.back());
        server().signal(SIGUSR1);
      }
      EXPECT_EQ(client.get("/small?" + std::to_string(sent++)).status, 200);
    }
    const Deadline deadline;
    while (!std::filesystem::exists(log_path())) ASSERT_FALSE(deadline.passed());
  }
  files.push_back(log_path());
  stop();
  std::vector<bool> seen(static_cast<std::size_t>(sent));
  for (const std::string& file : files) {
    for (const std::string& line : lines_of(file)) {
      const std::string target = json::parse(line)["target"];
      const std::size_t number = std::stoul(target.substr(target.find('?') + 1));
      EXPECT_FALSE(seen.at(number)) << "twice: " << target;
      seen.at(number) = true;
    }
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), sent);
}

TEST_F(AccessLogTest, the_end_of_the_server_writes_the_last_lines) {
  serve_logging();
  HttpClient client = connect();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.get("/small").status, 200);
  stop();
  EXPECT_EQ(lines_of(log_path()).size(), 20u);
}

TEST_F(AccessLogTest, a_full_disk_is_said_and_hurts_no_client) {
  log_to("/dev/full");
  serve_logging();
  expect_file("small", kSmallBytes);
  EXPECT_TRUE(server().wait_for_log("ENOSPC"));
  expect_file("medium", kMediumBytes);
  server().signal(SIGTERM);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  EXPECT_EQ(count_lines_with(server().log(), {"ENOSPC"}), 1U);
}

TEST_F(AccessLogTest, a_pipe_that_nobody_reads_stops_neither_clients_nor_the_end) {
  // More lines than the server and the pipe can hold.
  const int kRequests = static_cast<int>(scaled(8000, 4000));
  log_to(tree().beside("fifo"));
  ASSERT_EQ(::mkfifo(log_path().c_str(), 0600), 0);
  serve_logging("json", {"--threads", "1"});
  HttpClient client = connect();
  const Headers long_field{{"User-Agent", std::string(500, 'u')}};
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.get("/small", long_field).status, 200);
  server().signal(SIGTERM);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  EXPECT_EQ(count_lines_with(server().log(), {"lines dropped"}), 1U) << server().log();
}

TEST_F(AccessLogTest, a_log_that_cannot_be_opened_is_no_start) {
  const Finished finished =
      run_ringserve({"--listen", "127.0.0.1:0", "--access-log", tree().beside("none/log"),
                     "--access-log-format", "json", tree().root()});
  EXPECT_NE(finished.status.code, 0);
  EXPECT_NE(finished.err.find("none/log: ENOENT"), std::string::npos) << finished.err;
}

}  // namespace

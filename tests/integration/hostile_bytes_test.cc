// Bytes of clients that are no HTTP, too much of it, or meant for somebody else: for the reader of
// a log, or for the next one who parses a reply.
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"

namespace {

using namespace support;
using namespace std::string_literals;

class HostileBytes : public ServerTest {
 protected:
  void SetUp() override { tree().write("hello.txt", "hello"); }

  // Everything the server says to these bytes and a FIN.
  std::string answers_to(const std::string& bytes) {
    HttpClient client = connect();
    client.send_if_possible(bytes);
    client.half_close();
    return client.read_to_end().bytes;
  }

  double metric(const std::string& name) {
    return MetricsText(HttpClient(server().admin()).get("/metrics").body).value(name);
  }
};

// The beginning of what OpenSSL sends: the record, the message, its version and some of the rest.
std::string client_hello() {
  std::string hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s;
  for (int i = 0; i < 501; ++i) hello += static_cast<char>(i * 7);
  return hello;
}

TEST_F(HostileBytes, a_tls_hello_is_closed_counted_and_said_once) {
  constexpr int kClients = 20;
  serve({"--threads", "2", "--admin", "127.0.0.1:0"});
  for (int i = 0; i < kClients; ++i) {
    HttpClient client = connect();
    client.send(client_hello());
    const Remainder rest = client.read_to_end();
    EXPECT_EQ(rest.bytes, "") << "TLS clients cannot read what HTTP says";
    EXPECT_EQ(rest.ending, Ending::kEndOfFile);
  }
  expect_alive();
  const Deadline deadline;
  while (metric("ringserve_tls_hellos_total") != kClients) ASSERT_FALSE(deadline.passed());
  stop();
}

TEST_F(HostileBytes, the_log_says_what_to_do_about_tls) {
  serve({"--threads", "2"});
  for (int i = 0; i < 20; ++i) answers_to(client_hello());
  EXPECT_TRUE(server().wait_for_log("TLS ClientHello from 127.0.0.1"));
  EXPECT_EQ(count_lines_with(server().log(), {"this port speaks plain HTTP"}), 1U);
}

TEST_F(HostileBytes, only_the_beginning_of_a_connection_can_be_tls) {
  serve();
  HttpClient client = connect();
  EXPECT_EQ(client.get("/hello.txt").status, 200);
  client.send(client_hello());
  EXPECT_EQ(client.read_response().status, 400);
  EXPECT_EQ(count_lines_with(server().log(), {"TLS"}), 0U);
}

TEST_F(HostileBytes, a_first_byte_that_no_method_has_is_refused) {
  serve();
  for (int value = 0; value < 256; ++value) {
    const char byte = static_cast<char>(value);
    if ((value | 0x20) >= 'a' && (value | 0x20) <= 'z') continue;
    if (byte == '\r' || byte == '\n' || value == 0x16) continue;
    const std::string answers = answers_to(byte + request("GET", "/hello.txt"));
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 400") || answers.starts_with("HTTP/1.1 501"))
        << value;
    EXPECT_EQ(answers.find("HTTP/1.1", 1), std::string::npos) << value;
  }
}

TEST_F(HostileBytes, a_field_of_1_mib_is_refused) {
  serve();
  for (const std::string& fields :
       {"X: " + std::string(kMiB, 'a') + "\r\n", std::string(kMiB, 'a') + ": x\r\n",
        "Host: " + std::string(kMiB, 'a') + "\r\n", "Range: " + std::string(kMiB, ',') + "\r\n",
        "X: " + std::string(kMiB, ' ') + "\r\n"}) {
    const std::string answers = answers_to("GET /hello.txt HTTP/1.1\r\nHost: test\r\n" + fields +
                                           "\r\n" + request("GET", "/hello.txt"));
    // The refusal may be lost with the reset that answers what was still under way.
    EXPECT_TRUE(answers.empty() || answers.starts_with("HTTP/1.1 431")) << answers.substr(0, 100);
    EXPECT_EQ(answers.find("hello"), std::string::npos);
  }
  expect_alive();
}

TEST_F(HostileBytes, fields_are_limited_by_their_bytes_and_not_by_their_number) {
  serve();
  std::string fields;
  while (fields.size() < 16'000) fields += "a:\r\n";
  const std::string start = "GET /hello.txt HTTP/1.1\r\nHost: test\r\n";
  EXPECT_TRUE(answers_to(start + fields + "\r\n").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(answers_to(start + fields + fields + "\r\n").starts_with("HTTP/1.1 431"));
}

TEST_F(HostileBytes, fields_that_are_kept_are_as_good_many_times_over) {
  serve();
  for (const char* field : {"Range: bytes=0-0", "Accept-Encoding: gzip;q=0", "If-None-Match: \"a\"",
                            "If-Modified-Since: x", "Accept: */*", "Origin: a", "If-Range: \"b\"",
                            "Connection: keep-alive", "Expect:"}) {
    std::string fields;
    while (fields.size() < 16'000) fields += field + "\r\n"s;
    const std::string answers =
        answers_to("GET /hello.txt HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n");
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 20")) << field << answers.substr(0, 60);
  }
}

TEST_F(HostileBytes, raw_bytes_beyond_ascii_are_refused_in_a_target) {
  tree().write("caf\xe9", "raw");
  serve();
  for (int value = 0x7f; value < 0x100; ++value) {
    const std::string byte(1, static_cast<char>(value));
    for (const std::string& target : {"/" + byte, "/hello.txt?" + byte, "/caf" + byte,
                                      "http://test/" + byte, "/hello.txt#" + byte}) {
      const std::string answers = answers_to("GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n");
      EXPECT_TRUE(answers.starts_with("HTTP/1.1 400")) << value;
    }
  }
  EXPECT_EQ(get("/caf%E9").body, "raw");
}

// --- replies ---

class HeaderInjection : public HostileBytes {
 protected:
  // The only reply to a target is a redirect with the fields it always has, to a place there.
  void expect_harmless_redirect(const std::string& target, const std::string& place) {
    const std::string answers = answers_to(request("GET", target));
    ASSERT_EQ(answers.find("HTTP/1.1", 1), std::string::npos) << target;
    const Response response = parse_head(answers.substr(0, answers.find("\r\n\r\n") + 4));
    if (response.status == 400 || response.status == 404) return;
    EXPECT_EQ(response.status, 301) << target;
    EXPECT_TRUE(response.header("Location").starts_with(place)) << response.header("Location");
    for (const char c : response.header("Location")) {
      EXPECT_TRUE(c > ' ' && c < '\x7f' && c != '"' && c != '<' && c != '\\') << target;
    }
    const std::vector<std::string> known{"Server",       "Date",           "Location",
                                         "Content-Type", "Content-Length", "Connection"};
    for (const auto& [name, value] : response.headers) {
      EXPECT_NE(std::find(known.begin(), known.end(), name), known.end()) << name;
    }
    EXPECT_EQ(answers.find("\nEvil:"), std::string::npos);
    EXPECT_EQ(answers.find("\rEvil:"), std::string::npos);
  }

  static std::string encoded(int value) {
    constexpr char kDigits[] = "0123456789abcdef";
    return {'%', kDigits[value / 16], kDigits[value % 16]};
  }
};

TEST_F(HeaderInjection, no_byte_of_a_path_ends_the_location_of_a_rule) {
  serve({"--redirect", "/old/*=/new/*", "--redirect", "/away/*=https://example.org/*"});
  for (int value = 1; value < 256; ++value) {
    const std::string evil = "a" + encoded(value) + encoded(value) + "Evil:%201";
    expect_harmless_redirect("/old/" + evil, "/new/");
    expect_harmless_redirect("/old/" + encoded(value) + "/evil.example", "/new/");
    expect_harmless_redirect("/away/" + evil, "https://example.org/");
    expect_harmless_redirect("/old/a?b=" + evil, "/new/a?b=");
  }
  expect_harmless_redirect("/old/%0d%0aEvil:%201%0d%0a%0d%0a<html>", "/new/");
}

TEST_F(HeaderInjection, no_byte_of_a_name_ends_the_location_of_a_directory) {
  for (int value = 1; value < 256; ++value) {
    if (value == '/') continue;
    const std::string evil{'a', static_cast<char>(value), static_cast<char>(value)};
    tree().directory(evil + "Evil: 1");
  }
  serve();
  for (int value = 1; value < 256; ++value) {
    const std::string evil = "a" + encoded(value) + encoded(value);
    expect_harmless_redirect("/" + evil + "Evil:%201", "/a");
    expect_harmless_redirect("/" + evil + "Evil:%201?" + encoded(value), "/a");
  }
}

TEST_F(HeaderInjection, an_origin_is_repeated_only_where_the_site_names_it) {
  serve({"--cors", "https://one.example", "--cors", "https://two.example"});
  for (int value = 0; value < 256; ++value) {
    for (const std::string& origin : {"https://one.example"s + static_cast<char>(value) + "Evil: 1",
                                      static_cast<char>(value) + "https://one.example"s}) {
      const std::string answers =
          answers_to("GET /hello.txt HTTP/1.1\r\nHost: test\r\nOrigin: " + origin +
                     "\r\nConnection: close\r\n\r\n");
      const bool is_trimmed = value == ' ' || value == '\t';  // in front of it
      EXPECT_EQ(answers.find("Evil"), std::string::npos) << value;
      EXPECT_TRUE(is_trimmed || answers.find("one.example") == std::string::npos) << value;
    }
  }
}

// --- logs ---

class LogInjection : public HostileBytes, public ::testing::WithParamInterface<const char*> {
 protected:
  std::vector<std::string> wait_for_lines(std::size_t count) {
    std::vector<std::string> lines;
    const Deadline deadline;
    while (lines.size() < count && !deadline.passed()) {
      lines.clear();
      std::ifstream file(log_path());
      for (std::string line; std::getline(file, line);) {
        if (!file.eof()) lines.push_back(line);
      }
    }
    EXPECT_EQ(lines.size(), count);
    return lines;
  }
  std::string log_path() { return tree().beside("access.log"); }
};

// Fields that access_log_test.cc does not try, in every format.
TEST_P(LogInjection, no_byte_of_a_host_or_a_method_begins_a_line) {
  serve({"--access-log", log_path(), "--access-log-format", GetParam()});
  std::size_t requests = 0;
  for (int value = 0; value < 256; ++value) {
    const std::string evil = std::string("a\"\\") + static_cast<char>(value) + "192.0.2.9 - - [";
    const std::string end = " /hello.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    for (const std::string& bytes :
         {"GET /hello.txt HTTP/1.1\r\nConnection: close\r\nHost: " + evil + "\r\n\r\n",
          "GET http://" + evil + "/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
          "G" + evil + end, "GET" + std::string(1, static_cast<char>(value)) + "X" + end}) {
      ASSERT_TRUE(answers_to(bytes).starts_with("HTTP/1.1 ")) << value;
      ++requests;
    }
  }
  for (const std::string& line : wait_for_lines(requests)) {
    for (const char c : line) ASSERT_GE(static_cast<unsigned char>(c), 0x20) << line;
    if (GetParam() == "json"s) {
      nlohmann::json object;
      ASSERT_NO_THROW(object = nlohmann::json::parse(line)) << line;
      EXPECT_EQ(object["remote"], "127.0.0.1") << line;
    } else {
      const std::ptrdiff_t quotes = GetParam() == "common"s ? 2 : 6;
      EXPECT_TRUE(line.starts_with("127.0.0.1 - - [")) << line;
      EXPECT_EQ(std::count(line.begin(), line.end(), '"'), quotes) << line;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(hostile_bytes, LogInjection,
                         ::testing::Values("common", "combined", "json"),
                         [](const auto& each) { return std::string(each.param); });

TEST_F(HostileBytes, no_name_of_a_file_begins_a_line_of_the_servers_log) {
  constexpr std::size_t kLargeBytes = 32 * kMiB;
  const std::string evil = "large\n[error] invented \x1b[31m\r";
  tree().fill(evil, kLargeBytes);
  serve({"--threads", "1"});
  HttpClient client = connect({.receive_buffer_bytes = 65536});
  client.send(request("GET", "/" + percent_encoded(evil)));
  EXPECT_EQ(client.read_head().content_length(), kLargeBytes);
  tree().cut(evil, kMiB);
  EXPECT_EQ(client.read_to_end().ending, Ending::kReset);
  EXPECT_TRUE(server().wait_for_log("truncated"));
  const std::string log = server().log();
  EXPECT_EQ(count_lines_with(log, {"large\\x0A[error] invented \\x1B[31m\\x0D", "truncated"}), 1U);
  EXPECT_EQ(log.find("\n[error]"), std::string::npos);
  EXPECT_EQ(log.find('\x1b'), std::string::npos);
}

}  // namespace

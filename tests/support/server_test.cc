// The fixture. It relies on the exit status of the server for the verdict of the sanitizers,
// and must never leave a server behind.
#include "tests/support/server_test.h"

#include <poll.h>

#include <algorithm>
#include <iostream>
#include <stdexcept>

namespace support {

std::string as_identifier(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '-' || c == ' ' || c == '.'; }, '_');
  return text;
}

std::string path_name(const ::testing::TestParamInfo<const char*>& path) {
  return as_identifier(path.param);
}

void ServerTest::TearDown() {
  if (server_) stop();
}

ServerProcess& ServerTest::serve(std::vector<std::string> options) {
  ServerSpec spec;
  spec.options = std::move(options);
  return serve_as(std::move(spec));
}

ServerProcess& ServerTest::serve_as(ServerSpec spec) {
  if (spec.root.empty()) spec.root = tree_.root();
  server_ = std::make_unique<ServerProcess>(spec);
  return *server_;
}

ServerProcess& ServerTest::server() {
  if (!server_) throw std::logic_error("no server runs");
  return *server_;
}

void ServerTest::stop() {
  const auto status = server().stop();
  const std::string log = server().log();
  EXPECT_TRUE(status.has_value()) << "the server did not end";
  EXPECT_EQ(status.value_or(expected_exit_), expected_exit_);
  EXPECT_EQ(log.find("Sanitizer: "), std::string::npos);
  EXPECT_EQ(log.find("runtime error: "), std::string::npos);
  if (HasFailure()) std::cerr << "--- the server's stderr\n" << log << "---\n";
  server_.reset();
}

HttpClient ServerTest::connect(ClientOptions options) {
  return HttpClient(server().endpoint(), options);
}

Response ServerTest::get(std::string_view target, const Headers& headers) {
  return connect().get(target, headers);
}

Response ServerTest::head(std::string_view target) { return connect().exchange("HEAD", target); }

void ServerTest::expect_file(HttpClient& client, std::string_view name, std::size_t size) {
  const Response response = client.get("/" + percent_encoded(name));
  EXPECT_EQ(response.status, 200) << name;
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected(name, 0, size))) << name;
}

void ServerTest::expect_file(std::string_view name, std::size_t size) {
  HttpClient client = connect();
  expect_file(client, name, size);
}

void ServerTest::expect_alive() {
  const Response response = get("/there-is-no-such-file");
  EXPECT_EQ(response.status, 404);
}

void ServerTest::expect_connection_as_announced(HttpClient& client, const Response& response) {
  if (response.keeps_alive()) {
    EXPECT_EQ(client.get("/there-is-no-such-file").status, 404)
        << "the connection was to live on after " << response.status;
    return;
  }
  const Remainder rest = client.read_to_end();
  EXPECT_EQ(rest.bytes, "") << "bytes behind the last response";
  EXPECT_EQ(rest.ending, Ending::kEndOfFile);
}

void ServerTest::wait_until_refused(const Endpoint& endpoint) {
  // The workers share the port, and each attempt meets one of them: only many refusals in a row
  // say that all have stopped listening.
  constexpr int kRefusals = 40;
  constexpr int kProbePause_ms = 2;  // or the probes alone would keep a core busy
  const Deadline deadline;
  for (int refused = 0; refused < kRefusals; ++refused) {
    if (!accepts_connections(endpoint)) continue;
    refused = -1;
    ASSERT_FALSE(deadline.passed()) << "still listening at " << endpoint.text();
    ::poll(nullptr, 0, kProbePause_ms);
  }
}

}  // namespace support

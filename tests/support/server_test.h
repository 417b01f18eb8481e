// The fixture of the black-box tests: a tree, a server on it, clients. Its verbs are what a
// test tells: serve, connect, get, expect_file.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/content.h"
#include "tests/support/http_client.h"
#include "tests/support/patience.h"
#include "tests/support/process_facts.h"
#include "tests/support/server_process.h"
#include "tests/support/temp_tree.h"

namespace support {

inline constexpr std::array<const char*, 8> kSendPaths{
    "auto", "read-write", "writev", "sendfile", "splice", "uring-send", "uring-splice", "send-zc"};

// "send-zc" as a part of a test's name.
std::string as_identifier(std::string text);
// Names a test that is instantiated for each send path.
std::string path_name(const ::testing::TestParamInfo<const char*>& path);

class ServerTest : public ::testing::Test {
 protected:
  void TearDown() override;

  TempTree& tree() { return tree_; }

  // Starts the server on the tree; a test may have one at a time.
  ServerProcess& serve(std::vector<std::string> options = {});
  ServerProcess& serve_as(ServerSpec spec);
  ServerProcess& server();
  // SIGTERM now, and the expected end.
  void stop();
  // For a server that is meant to end otherwise.
  void expect_exit(ExitStatus status) { expected_exit_ = status; }

  HttpClient connect(ClientOptions options = {});
  // On connections of their own.
  Response get(std::string_view target, const Headers& headers = {});
  Response head(std::string_view target);
  int status_of(std::string_view target) { return get(target).status; }

  // The file made by tree().fill arrives whole, over this connection.
  void expect_file(HttpClient& client, std::string_view name, std::size_t size);
  void expect_file(std::string_view name, std::size_t size);
  // The server answers a new client: nothing hangs.
  void expect_alive();
  // What the response said about the connection comes true.
  void expect_connection_as_announced(HttpClient& client, const Response& response);
  // Waits until nobody listens there any more.
  void wait_until_refused(const Endpoint& endpoint);

 private:
  TempTree tree_;
  std::unique_ptr<ServerProcess> server_;
  ExitStatus expected_exit_{0, 0};
};

}  // namespace support

// From start to end: what is running is finished, what is idle is closed, and the next server
// may have the address at once.
#include <csignal>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kLargeBytes = 32 * kMiB;
constexpr int kSignalExit = 128;

class LifecycleTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("large", kLargeBytes);
    tree().fill("small", 1000);
  }

  // A download whose client has stopped to read.
  HttpClient stall() {
    HttpClient client = connect({.receive_buffer_bytes = 65536});
    client.send(request("GET", "/large"));
    EXPECT_EQ(client.read_head().content_length(), kLargeBytes);
    return client;
  }
  void finish(HttpClient& client) {
    EXPECT_TRUE(
        same_bytes(client.read_exactly(kLargeBytes), TempTree::expected("large", 0, kLargeBytes)));
  }

  // The signal has been taken note of when nobody listens any more.
  void ask_to_stop(int signal) {
    server().signal(signal);
    wait_until_refused(server().endpoint());
  }
};

class StopSignal : public LifecycleTest, public ::testing::WithParamInterface<int> {};

TEST_P(StopSignal, ends_an_idle_server_with_exit_0) {
  serve();
  server().signal(GetParam());
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_P(StopSignal, closes_idle_connections) {
  serve();
  HttpClient silent = connect();
  HttpClient idle = connect();
  expect_file(idle, "small", 1000);
  ask_to_stop(GetParam());
  EXPECT_EQ(idle.read_to_end().bytes, "");
  EXPECT_EQ(silent.read_to_end().bytes, "");
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_P(StopSignal, lets_a_running_download_finish) {
  serve();
  HttpClient idle = connect();
  HttpClient slow = stall();
  ask_to_stop(GetParam());
  idle.read_to_end();
  finish(slow);
  EXPECT_EQ(slow.read_to_end().ending, Ending::kEndOfFile) << "closed after the response";
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_P(StopSignal, ends_at_once_when_it_comes_twice) {
  serve();
  HttpClient slow = stall();
  ask_to_stop(GetParam());
  server().signal(GetParam());
  const auto status = server().wait_for_exit();
  ASSERT_TRUE(status);
  // A shell shows both the same way.
  EXPECT_TRUE(status->code == kSignalExit + GetParam() || status->signal == GetParam()) << *status;
  expect_exit(*status);
}

INSTANTIATE_TEST_SUITE_P(lifecycle, StopSignal, ::testing::Values(SIGTERM, SIGINT),
                         [](const auto& each) {
                           return std::string(each.param == SIGTERM ? "sigterm" : "sigint");
                         });

class DrainByPath : public LifecycleTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(DrainByPath, downloads_finish_by_every_send_path) {
  serve({"--send-path", GetParam()});
  std::vector<HttpClient> slow;
  for (int i = 0; i < 4; ++i) slow.push_back(stall());
  ask_to_stop(SIGTERM);
  for (HttpClient& client : slow) finish(client);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

INSTANTIATE_TEST_SUITE_P(lifecycle, DrainByPath, ::testing::ValuesIn(kSendPaths), path_name);

TEST_F(LifecycleTest, pipelined_requests_that_have_arrived_are_not_lost_silently) {
  serve();
  HttpClient client = stall();
  client.send(request("GET", "/small"));
  ask_to_stop(SIGTERM);
  finish(client);
  // Either answered or not begun: never a part of an answer.
  const Remainder rest = client.read_to_end();
  EXPECT_TRUE(rest.bytes.empty() || rest.bytes.compare(0, 12, "HTTP/1.1 200") == 0);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_F(LifecycleTest, who_was_accepted_and_has_not_asked_yet_is_answered) {
  serve({"--threads", "1"});
  const std::size_t sockets = open_sockets(server().pid());
  HttpClient fresh = connect();
  const Deadline deadline;
  while (open_sockets(server().pid()) == sockets) ASSERT_FALSE(deadline.passed());
  ask_to_stop(SIGTERM);
  const Response response = fresh.get("/small");
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.keeps_alive());
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_F(LifecycleTest, every_worker_stops_listening_while_one_still_drains) {
  // Four listeners share the port; one of their workers has a download to finish. The others,
  // which end at once, must not leave theirs behind.
  serve({"--threads", "4"});
  HttpClient slow = stall();
  ask_to_stop(SIGTERM);
  finish(slow);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_F(LifecycleTest, the_drain_timeout_ends_what_does_not_finish) {
  serve({"--drain-timeout-s", "1"});
  HttpClient stalled = stall();
  ask_to_stop(SIGTERM);
  const auto status = server().wait_for_exit();
  ASSERT_TRUE(status) << "still draining";
  EXPECT_EQ(status->signal, 0);
  expect_exit(*status);
  const Remainder rest = stalled.read_to_end();
  EXPECT_LT(rest.bytes.size(), kLargeBytes);
}

TEST_F(LifecycleTest, a_drain_without_patience_ends_at_once) {
  serve({"--drain-timeout-s", "0"});
  HttpClient stalled = stall();
  server().signal(SIGTERM);
  const auto status = server().wait_for_exit();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->signal, 0);
  expect_exit(*status);
}

TEST_F(LifecycleTest, a_restart_binds_at_once_although_connections_are_in_time_wait) {
  ServerSpec spec;
  spec.listen = {loopback_address_of_this_process() + ":0"};
  serve_as(spec);
  const Endpoint endpoint = server().endpoint();
  // The server closes first, so that TIME_WAIT is on its side.
  for (int i = 0; i < 20; ++i) {
    HttpClient client = connect();
    EXPECT_EQ(client.get("/small", {{"Connection", "close"}}).status, 200);
    EXPECT_EQ(client.read_to_end().ending, Ending::kEndOfFile);
  }
  const Deadline deadline;
  while (time_wait_count(endpoint.port) == 0) ASSERT_FALSE(deadline.passed());
  stop();
  spec.listen = {endpoint.text()};
  serve_as(spec);
  expect_file("small", 1000);
}

TEST_F(LifecycleTest, a_restart_during_the_drain_of_its_predecessor_binds_at_once) {
  ServerSpec spec;
  spec.root = tree().root();
  spec.listen = {loopback_address_of_this_process() + ":0"};
  serve_as(spec);
  HttpClient slow = stall();
  ask_to_stop(SIGTERM);
  spec.listen = {server().endpoint().text()};
  ServerProcess successor(spec);
  HttpClient fresh(successor.endpoint());
  expect_file(fresh, "small", 1000);
  finish(slow);
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  EXPECT_EQ(successor.stop(), (ExitStatus{0, 0}));
}

TEST_F(LifecycleTest, sigpipe_is_survived) {
  // sendfile and splice to a client that has left raise it, and so does a log nobody reads.
  serve();
  server().signal(SIGPIPE);
  expect_file("small", 1000);
}

TEST_F(LifecycleTest, one_line_at_the_start_tells_a_person_what_runs) {
  serve({"--threads", "2", "--send-path", "sendfile"});
  EXPECT_TRUE(server().wait_for_log("sendfile"));
  const std::string log = server().log();
  EXPECT_EQ(count_lines_with(log, {server().endpoint().text(), tree().root(), "sendfile"}), 1U)
      << log;
}

}  // namespace

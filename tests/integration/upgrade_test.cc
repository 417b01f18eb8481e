// SIGUSR2: a new process takes the listeners over while clients go on asking, on new connections
// and on kept ones. Nobody's request fails. Where the new process cannot serve, the old one does.
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/support/server_test.h"
#include "tests/support/succession.h"

namespace {

using namespace support;

constexpr std::size_t kPageBytes = 1000;
constexpr std::size_t kUpgradedBytes = 8 << 20;

// As many as the environment says, for long runs (tests/long/README.md).
std::size_t number_from(const char* variable, std::size_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoul(text);
}

// Clients that ask without pause: every second one on a connection that it keeps until a reply says
// that it is the last, the others on a new one each time.
class Askers {
 public:
  Askers(const Endpoint& endpoint, std::size_t count) : endpoint_(endpoint) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this, keeps = i % 2 == 1] { ask(keeps); });
    }
  }
  ~Askers() { stop(); }

  std::size_t answered() const { return answered_.load(); }
  void wait_for_more(std::size_t requests, const Deadline& deadline) {
    const std::size_t wanted = answered_.load() + requests;
    while (answered_.load() < wanted && !deadline.passed()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  std::vector<std::string> stop() {
    stopping_.store(true);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return failures_;
  }

 private:
  void ask(bool keeps) {
    std::unique_ptr<HttpClient> kept;
    while (!stopping_.load()) {
      try {
        if (kept == nullptr) kept = std::make_unique<HttpClient>(endpoint_);
        const Response response = kept->get("/page");
        if (response.status != 200 || response.body.size() != kPageBytes) {
          throw std::runtime_error("status " + std::to_string(response.status));
        }
        answered_.fetch_add(1);
        if (!keeps || !response.keeps_alive()) kept.reset();
      } catch (const std::exception& error) {
        const std::lock_guard lock(mutex_);
        failures_.push_back((keeps ? "kept: " : "new: ") + std::string(error.what()));
        return;
      }
    }
  }

  Endpoint endpoint_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> answered_ = 0;
  std::mutex mutex_;
  std::vector<std::string> failures_;
  std::vector<std::thread> threads_;
};

class UpgradeTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("page", kPageBytes); }

  // All successors, and the first server too.
  void expect_good_end(Succession& succession) {
    for (const ExitStatus& status : succession.end()) EXPECT_EQ(status, (ExitStatus{0, 0}));
    EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  }

  // A copy of the binary that a test may replace.
  std::string own_binary() {
    const std::string path = tree().beside("ringserve");
    std::filesystem::copy_file(ringserve_binary(), path);
    return path;
  }
  // Runs the copy in the place of the binary.
  std::vector<std::string> launcher_of(const std::string& binary) {
    return {"/bin/bash", "-c", "shift; exec '" + binary + "' \"$@\"", "bash"};
  }
  void expect_refused_upgrade(std::initializer_list<std::string> words) {
    server().signal(SIGUSR2);
    ASSERT_TRUE(server().wait_for_log("this server serves on")) << server().log();
    for (const std::string& word : words) {
      EXPECT_NE(server().log().find(word), std::string::npos) << word << "\n" << server().log();
    }
    expect_file("page", kPageBytes);
  }
};

TEST_F(UpgradeTest, no_request_fails_while_servers_follow_each_other) {
  const std::size_t upgrades = number_from("RINGSERVE_UPGRADES", scaled(8, 3));
  const std::size_t requests = number_from("RINGSERVE_UPGRADE_REQUESTS", scaled(8000, 900));
  const Deadline deadline(static_cast<int>(patience_s() + requests / 1000));
  ServerSpec spec;
  spec.options = {"--threads", "2"};
  serve_as(spec);
  Succession succession(server());
  Askers askers(server().endpoint(), 8);
  for (std::size_t i = 0; i < upgrades; ++i) {
    askers.wait_for_more(requests / (upgrades + 1), deadline);
    succession.upgrade();
  }
  while (askers.answered() < requests && !deadline.passed()) askers.wait_for_more(1, deadline);
  const std::size_t answered = askers.answered();
  EXPECT_EQ(askers.stop(), std::vector<std::string>{});
  EXPECT_GE(answered, requests);
  std::cout << answered << " requests across " << upgrades << " upgrades\n";
  expect_good_end(succession);
}

TEST_F(UpgradeTest, a_lone_client_is_not_forgotten_in_the_queue) {
  // Nobody comes after it whose connection would wake a server up for both.
  const std::size_t upgrades = scaled(25, 5);
  serve({"--threads", "1"});
  Succession succession(server());
  Askers alone(server().endpoint(), 1);
  for (std::size_t i = 0; i < upgrades; ++i) succession.upgrade();
  const std::size_t before = alone.answered();
  alone.wait_for_more(10, Deadline());
  EXPECT_GE(alone.answered(), before + 10);
  EXPECT_EQ(alone.stop(), std::vector<std::string>{});
  expect_good_end(succession);
}

TEST_F(UpgradeTest, a_kept_connection_gets_one_more_reply_which_says_that_it_is_the_last) {
  serve();
  HttpClient kept = connect();
  EXPECT_TRUE(kept.get("/page").keeps_alive());
  Succession succession(server());
  succession.upgrade();
  EXPECT_TRUE(server().wait_for_log("draining 1 connection "));
  const Response last = kept.get("/page");
  EXPECT_EQ(last.status, 200);
  EXPECT_FALSE(last.keeps_alive());
  EXPECT_EQ(kept.read_to_end().ending, Ending::kEndOfFile);
  kept.cut();
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  expect_good_end(succession);
}

TEST_F(UpgradeTest, a_download_is_finished_by_who_began_it) {
  tree().fill("large", kUpgradedBytes);
  serve();
  HttpClient slow = connect({.receive_buffer_bytes = 65536});
  slow.send(request("GET", "/large"));
  EXPECT_EQ(slow.read_head().content_length(), kUpgradedBytes);
  Succession succession(server());
  succession.upgrade();
  expect_file("page", kPageBytes);  // by the successor, meanwhile
  EXPECT_TRUE(same_bytes(slow.read_exactly(kUpgradedBytes),
                         TempTree::expected("large", 0, kUpgradedBytes)));
  slow.cut();
  expect_good_end(succession);
}

TEST_F(UpgradeTest, the_number_of_threads_may_change) {
  const auto config = [&](int threads) {
    return tree().outside("ringserve.toml", "threads = " + std::to_string(threads) + "\n");
  };
  serve({"--config", config(1)});
  Succession succession(server());
  for (const int threads : {4, 2}) {
    config(threads);
    Askers askers(server().endpoint(), 4);
    succession.upgrade();
    askers.wait_for_more(200, Deadline());
    EXPECT_EQ(askers.stop(), std::vector<std::string>{});
    EXPECT_NE(server().log().find("| " + std::to_string(threads) + " threads |"),
              std::string::npos);
  }
  expect_good_end(succession);
}

TEST_F(UpgradeTest, a_unix_socket_and_the_admin_listener_go_over_too) {
  ServerSpec spec;
  const std::string path = tree().beside("server.sock");
  spec.listen = {"unix:" + path};
  spec.options = {"--admin", "127.0.0.1:0", "--threads", "2"};
  serve_as(spec);
  HttpClient scraper(server().admin());
  EXPECT_EQ(scraper.get("/healthz").status, 200);
  Succession succession(server());
  succession.upgrade();
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  expect_file("page", kPageBytes);
  EXPECT_EQ(HttpClient(server().admin()).get("/healthz").status, 200);
  expect_good_end(succession);
  EXPECT_FALSE(std::filesystem::exists(path)) << "the last server removes its socket";
}

TEST_F(UpgradeTest, the_binary_that_has_replaced_the_old_one_is_started) {
  ServerSpec spec;
  const std::string binary = own_binary();
  spec.launcher = launcher_of(binary);
  serve_as(spec);
  std::filesystem::rename(binary, binary + ".old");
  std::filesystem::copy_file(binary + ".old", binary);
  Succession succession(server());
  succession.upgrade();
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(succession.pid()) + "/exe"),
            binary);
  expect_good_end(succession);
}

TEST_F(UpgradeTest, a_binary_that_is_no_program_changes_nothing) {
  ServerSpec spec;
  const std::string binary = own_binary();
  spec.launcher = launcher_of(binary);
  serve_as(spec);
  std::filesystem::remove(binary);
  std::ofstream(binary) << "no program";
  ::chmod(binary.c_str(), 0755);
  expect_refused_upgrade({"SIGUSR2: execute " + binary, "ENOEXEC"});
}

TEST_F(UpgradeTest, a_successor_that_cannot_serve_changes_nothing_and_says_why) {
  const std::string directory = tree().beside("logs");
  std::filesystem::create_directory(directory);
  ServerSpec spec;
  spec.listen = {"unix:" + tree().beside("server.sock")};
  spec.options = {"--access-log", directory + "/access.log"};
  serve_as(spec);
  std::filesystem::remove_all(directory);
  expect_refused_upgrade({"cannot take over: open the access log " + directory, "ENOENT"});
}

TEST_F(UpgradeTest, a_configuration_with_mistakes_is_not_taken_over) {
  const std::string config = tree().outside("ringserve.toml", "");
  serve({"--config", config});
  tree().outside("ringserve.toml", "threads = \"many\"\n");
  expect_refused_upgrade({"threads", "ended before it was ready"});
  // And once it is mended:
  tree().outside("ringserve.toml", "");
  Succession succession(server());
  succession.upgrade();
  expect_good_end(succession);
}

TEST_F(UpgradeTest, two_upgrades_at_once_are_one) {
  serve();
  Succession succession(server());
  server().signal(SIGUSR2);
  succession.upgrade();
  expect_file("page", kPageBytes);
  expect_good_end(succession);
}

}  // namespace

// Fuzzes the whole server from the socket: starts the real binary on a small site, sends good,
// damaged and cut requests on many connections at once, breaks some of them off at any byte, and
// judges every byte that comes back. At the end: the server lives, holds no descriptor more than
// before, ends with 0 at SIGTERM, and no sanitizer has spoken. What a connection does follows from
// --seed and its number alone, so --only N does it again.
#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "tests/fuzz/mutator.h"
#include "tests/long/fuzz_client.h"
#include "tests/support/patience.h"
#include "tests/support/process_facts.h"
#include "tests/support/server_process.h"

namespace {

using namespace fuzz;

struct Options {
  uint64_t seed = 1;
  uint64_t requests = 100'000;
  size_t connections = 64;  // at once
  bool tcp = false;
  bool admin = false;  // the target is the administrator's listener
  bool check_log = false;
  std::optional<uint64_t> only;
  std::string corpus, words;
  std::vector<std::string> server_options;
};

// What the server may hold beside its sockets: files of the cache, pipes, listings.
constexpr size_t kOpenFiles = 32;
constexpr size_t kOtherDescriptorsMax = kOpenFiles + 64;
constexpr size_t kAdminConnectionsMax = 32;  // of 64 places; those that linger have one too
constexpr int kProgressSeconds = 10;
constexpr int kLookPauseMs = 10;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> inputs_of(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  if (!directory.empty()) {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) files.push_back(entry);
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const auto& file : files) inputs.push_back(content_of(file));
  return inputs;
}

class Fuzzer {
 public:
  explicit Fuzzer(const Options& options)
      : options_(options),
        writer_(options.seed, options.admin ? requests_to_admin() : requests_to_site(tree_),
                inputs_of(options.corpus),
                options.words.empty() ? std::vector<std::string>{}
                                      : parse_dictionary(content_of(options.words))) {
    support::ServerSpec spec;
    spec.root = tree_.root();
    spec.listen = {address("socket")};
    spec.options = {"--open-files",      std::to_string(kOpenFiles),
                    "--autoindex",       "on",
                    "--max-connections", std::to_string(4 * options.connections)};
    if (options.admin) spec.options.insert(spec.options.end(), {"--admin", address("admin")});
    if (options.check_log) {
      spec.options.insert(spec.options.end(),
                          {"--access-log", log_path(), "--access-log-format", "json"});
    }
    spec.options.insert(spec.options.end(), options.server_options.begin(),
                        options.server_options.end());
    server_ = std::make_unique<support::ServerProcess>(spec);
    target_ = options.admin ? server_->admin() : server_->endpoint();
    epoll_ = support::UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_.valid()) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  }

  void run() {
    const size_t sockets_before = support::open_sockets(server_->pid());
    const size_t descriptors_before = support::open_descriptors(server_->pid());
    started_at_ = said_at_ = std::chrono::steady_clock::now();
    if (options_.only) {
      start(*options_.only);
      while (!clients_.empty()) turn();
    } else {
      while (requests_ < options_.requests || !clients_.empty()) {
        while (requests_ < options_.requests && clients_.size() < options_.connections) {
          start(next_connection_++);
        }
        turn();
      }
    }
    say_progress();
    expect_no_more_descriptors(sockets_before, descriptors_before);
    end();
    if (options_.check_log) check_log();
  }

 private:
  std::string address(const std::string& name) const {
    return options_.tcp ? "127.0.0.1:0" : "unix:" + tree_.beside(name);
  }
  std::string log_path() const { return tree_.beside("access.log"); }

  void start(uint64_t number) {
    auto client = std::make_unique<Client>(number, writer_.write(number), target_, epoll_.get());
    requests_ += client->script().requests;
    clients_.push_back(std::move(client));
  }

  // Every connection goes a step; those that wait for the server are looked at when it has spoken.
  void turn() {
    constexpr int kWaitMs = 1000;
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kWaitMs);
    if (count < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
      auto* client = static_cast<Client*>(events[static_cast<size_t>(i)].data.ptr);
      try {
        client->go_on();
      } catch (const std::exception& error) {
        fail(*client, error.what());
      }
    }
    for (auto& client : clients_) {
      if (client->ended()) {
        for (const auto& [status, number] : client->statuses()) statuses_[status] += number;
        client.reset();
      } else if (client->is_late()) {
        fail(*client, "the server neither answers nor ends the connection");
      }
    }
    std::erase(clients_, nullptr);
    if (std::chrono::steady_clock::now() - said_at_ >= std::chrono::seconds(kProgressSeconds)) {
      say_progress();
    }
  }

  [[noreturn]] void fail(const Client& client, const std::string& what) {
    throw std::runtime_error(fmt::format(
        "connection {}: {}\nagain: --seed {} --only {}\nsent: {}\nthe server's log:\n{}",
        client.number(), what, options_.seed, client.number(),
        nlohmann::json(client.script().bytes)
            .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace),
        server_->log()));
  }

  void say_progress() {
    said_at_ = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(said_at_ - started_at_).count();
    std::string text;
    for (const auto& [status, count] : statuses_) text += fmt::format(" {}:{}", status, count);
    fmt::print("{} requests on {} connections, {:.0f}/s; responses{}; RSS {} MiB, {} descriptors\n",
               requests_, next_connection_, static_cast<double>(requests_) / seconds, text,
               support::resident_bytes(server_->pid()) >> 20,
               support::open_descriptors(server_->pid()));
    std::cout.flush();
  }

  // Every connection's socket is closed, when it has lingered for some seconds; what else is open
  // has its bounds.
  void expect_no_more_descriptors(size_t sockets_before, size_t descriptors_before) {
    const support::Deadline deadline;
    const pid_t pid = server_->pid();
    while (support::open_sockets(pid) != sockets_before ||
           support::open_descriptors(pid) > descriptors_before + kOtherDescriptorsMax) {
      if (deadline.passed()) {
        throw std::runtime_error(fmt::format(
            "descriptors leak: {} of which {} sockets at first, now {} of which {} sockets",
            descriptors_before, sockets_before, support::open_descriptors(pid),
            support::open_sockets(pid)));
      }
      ::poll(nullptr, 0, kLookPauseMs);
    }
  }

  void end() {
    const auto status = server_->stop();
    const std::string log = server_->log();
    if (status != support::ExitStatus{0, 0} || log.find("Sanitizer: ") != std::string::npos ||
        log.find("runtime error: ") != std::string::npos) {
      throw std::runtime_error("the server did not end with 0; its log:\n" + log);
    }
  }

  // Whatever was sent: every line is an object that says a status.
  void check_log() {
    std::ifstream log(log_path());
    uint64_t lines = 0;
    for (std::string line; std::getline(log, line); ++lines) {
      if (!nlohmann::json::parse(line).at("status").is_number()) {
        throw std::runtime_error("the access log has no status in: " + line);
      }
    }
    fmt::print("{} lines of the access log are well-formed\n", lines);
  }

  const Options& options_;
  support::TempTree tree_;
  ScriptWriter writer_;
  std::unique_ptr<support::ServerProcess> server_;
  support::Endpoint target_;
  support::UniqueFd epoll_;
  std::vector<std::unique_ptr<Client>> clients_;
  uint64_t next_connection_ = 0;
  uint64_t requests_ = 0;
  std::map<int, uint64_t> statuses_;
  std::chrono::steady_clock::time_point started_at_, said_at_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Fuzzes ringserve from the socket.");
  app.add_option("--seed", options.seed, "What is sent follows from it")->capture_default_str();
  app.add_option("--requests", options.requests, "How many, good and damaged")
      ->capture_default_str();
  app.add_option("--connections", options.connections, "How many at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--only", options.only, "One connection, by its number");
  app.add_option("--corpus", options.corpus, "A directory of inputs to be damaged as well");
  app.add_option("--dict", options.words, "Words to damage with, in libFuzzer's format");
  app.add_flag("--tcp", options.tcp, "Over TCP and not over a Unix socket");
  app.add_flag("--admin", options.admin, "The administrator's listener, and not the site's");
  app.add_flag("--check-log", options.check_log, "Write an access log, and judge its lines");
  app.add_option("server", options.server_options, "Behind --: options of the server");
  CLI11_PARSE(app, argc, argv);
  // Beyond its limit that listener lets the connection go that has asked nothing yet.
  if (options.admin) options.connections = std::min(options.connections, kAdminConnectionsMax);
  ::signal(SIGPIPE, SIG_IGN);
  try {
    Fuzzer(options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", argv[0], error.what());
    return 1;
  }
  fmt::print("nothing found\n");
}

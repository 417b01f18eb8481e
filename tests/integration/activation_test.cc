// A service manager's part, played by the test: it opens the sockets (LISTEN_FDS), and is told what
// the server does (NOTIFY_SOCKET).
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>

#include "tests/support/server_test.h"
#include "tests/support/succession.h"

namespace {

using namespace support;

constexpr int kParked = 57;  // where sockets wait until the launcher puts them at 3

// The other end of NOTIFY_SOCKET.
class Notices {
 public:
  explicit Notices(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    const SocketAddress address = socket_address(Endpoint::parse("unix:" + path));
    if (::bind(socket_.get(), address.get(), address.size) != 0) {
      throw std::system_error(errno, std::generic_category(), path);
    }
  }
  // Reads until a notice has this line, and returns that notice; all before it are dropped.
  std::string wait_for(const std::string& line) {
    const Deadline deadline;
    while (true) {
      pollfd one{socket_.get(), POLLIN, 0};
      if (::poll(&one, 1, deadline.left_ms()) <= 0) throw std::runtime_error("no " + line);
      char bytes[4096];
      const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
      const std::string notice(bytes, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (("\n" + notice + "\n").find("\n" + line) != std::string::npos) return notice;
    }
  }

 private:
  UniqueFd socket_;
};

class ActivationTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("page", 1000); }

  // Serves on these sockets, as systemd would have it; `names` is LISTEN_FDNAMES.
  ServerProcess& activate(const std::vector<int>& sockets, const std::string& names,
                          std::vector<std::string> options = {},
                          std::vector<std::string> listen = {}) {
    std::string script;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      const int parked = kParked + static_cast<int>(i);
      script += "exec " + std::to_string(3 + i) + "<&" + std::to_string(parked) + " " +
                std::to_string(parked) + "<&-; ";
    }
    script += "LISTEN_PID=$$ LISTEN_FDS=" + std::to_string(sockets.size()) +
              " LISTEN_FDNAMES=" + names + " exec \"$@\"";
    ServerSpec spec;
    spec.listen = std::move(listen);
    spec.options = std::move(options);
    spec.launcher = {"/bin/bash", "-c", script, "bash"};
    spec.setup = [sockets] {
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (::dup2(sockets[i], kParked + static_cast<int>(i)) < 0) return errno;
      }
      return 0;
    };
    return serve_as(std::move(spec));
  }
  void expect_page_from(const Endpoint& endpoint) {
    HttpClient client(endpoint);
    expect_file(client, "page", 1000);
  }
  // Exit 1, and these words, for a descriptor 3 that is no listener.
  void expect_refused(int socket, const std::string& words) {
    const Finished run =
        run_to_exit({"/bin/bash", "-c", "exec 3<&57 57<&-; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
                     "bash", ringserve_binary(), tree().root()},
                    [socket] { return ::dup2(socket, kParked) < 0 ? errno : 0; });
    EXPECT_EQ(run.status, (ExitStatus{1, 0}));
    EXPECT_NE(run.err.find(words), std::string::npos) << run.err;
  }
};

TEST_F(ActivationTest, a_socket_that_was_given_is_served_and_no_other) {
  Endpoint given = Endpoint::parse("127.0.0.1:0");
  const UniqueFd socket = listen_at(given);
  activate({socket.get()}, "web.socket", {"--threads", "3"});
  for (int i = 0; i < 20; ++i) expect_page_from(given);
  EXPECT_TRUE(server().wait_for_log("on http://" + given.text() + " (1 inherited)"));
}

TEST_F(ActivationTest, who_connected_before_the_server_ran_is_served) {
  Endpoint given = Endpoint::parse("127.0.0.1:0");
  const UniqueFd socket = listen_at(given);
  HttpClient early(given);
  early.send(request("GET", "/page"));
  activate({socket.get()}, "web.socket");
  EXPECT_EQ(early.read_response().status, 200);
}

TEST_F(ActivationTest, who_connects_between_two_servers_is_served_by_the_second) {
  Endpoint given = Endpoint::parse("127.0.0.1:0");
  const UniqueFd socket = listen_at(given);
  activate({socket.get()}, "web.socket");
  expect_page_from(given);
  stop();
  HttpClient between(given);
  between.send(request("GET", "/page"));
  activate({socket.get()}, "web.socket");
  EXPECT_EQ(between.read_response().status, 200);
}

TEST_F(ActivationTest, settings_add_listeners_and_a_name_makes_the_admin_listener) {
  Endpoint given = Endpoint::parse("127.0.0.1:0");
  Endpoint admin = Endpoint::parse("127.0.0.1:0");
  const UniqueFd socket = listen_at(given), admin_socket = listen_at(admin);
  activate({socket.get(), admin_socket.get()}, "web.socket:admin", {}, {"127.0.0.1:0"});
  expect_page_from(given);
  EXPECT_EQ(HttpClient(admin).get("/healthz").status, 200);
  EXPECT_NE(server().log().find(" (2 inherited)"), std::string::npos);
}

TEST_F(ActivationTest, a_unix_socket_that_was_given_stays) {
  Endpoint given = Endpoint::parse("unix:" + tree().beside("given.sock"));
  const UniqueFd socket = listen_at(given);
  activate({socket.get()}, "web.socket", {"--threads", "2"});
  for (int i = 0; i < 10; ++i) expect_page_from(given);
  stop();
  EXPECT_TRUE(std::filesystem::exists(given.path)) << "it is not the server's to remove";
}

TEST_F(ActivationTest, what_is_no_listener_is_refused_by_its_number) {
  const UniqueFd datagrams(::socket(AF_INET, SOCK_DGRAM, 0));
  expect_refused(datagrams.get(), "descriptor 3 (unknown) is no listening stream socket");
  const UniqueFd stream(::socket(AF_INET, SOCK_STREAM, 0));
  expect_refused(stream.get(), "is no listening stream socket");
}

TEST_F(ActivationTest, sockets_for_another_process_are_left_alone) {
  ServerSpec spec;
  spec.launcher = {"/usr/bin/env", "LISTEN_PID=1", "LISTEN_FDS=1"};
  serve_as(spec);
  expect_file("page", 1000);
}

TEST_F(ActivationTest, the_manager_hears_of_start_reload_successor_and_end) {
  const std::string config = tree().outside("ringserve.toml", "");
  Notices notices(tree().beside("notify"));
  ServerSpec spec;
  spec.launcher = {"/usr/bin/env", "NOTIFY_SOCKET=" + tree().beside("notify")};
  spec.options = {"--config", config};
  serve_as(spec);
  EXPECT_NE(notices.wait_for("READY=1").find("STATUS=serving " + tree().root()), std::string::npos);
  server().signal(SIGHUP);
  EXPECT_NE(notices.wait_for("RELOADING=1").find("\nMONOTONIC_USEC="), std::string::npos);
  notices.wait_for("READY=1");
  Succession succession(server());
  succession.upgrade();
  notices.wait_for("MAINPID=" + std::to_string(succession.pid()));
  EXPECT_EQ(server().wait_for_exit(), (ExitStatus{0, 0}));
  EXPECT_EQ(succession.end(), (std::vector<ExitStatus>{{0, 0}}));
  notices.wait_for("STOPPING=1");
}

TEST_F(ActivationTest, the_manager_gets_signs_of_life_where_it_wants_them) {
  Notices notices(tree().beside("notify"));
  ServerSpec spec;
  spec.launcher = {"/usr/bin/env", "NOTIFY_SOCKET=" + tree().beside("notify"),
                   "WATCHDOG_USEC=40000"};
  spec.options = {"--threads", "2"};
  serve_as(spec);
  for (int i = 0; i < 3; ++i) notices.wait_for("WATCHDOG=1");
}

TEST_F(ActivationTest, a_manager_that_is_not_there_fails_the_start) {
  const Finished run = run_to_exit({"/usr/bin/env", "NOTIFY_SOCKET=" + tree().beside("nobody"),
                                    ringserve_binary(), "--listen", "127.0.0.1:0", tree().root()});
  EXPECT_EQ(run.status, (ExitStatus{1, 0}));
  EXPECT_NE(run.err.find("NOTIFY_SOCKET"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("ENOENT"), std::string::npos) << run.err;
}

}  // namespace

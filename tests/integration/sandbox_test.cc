// --user and --sandbox: what a server that has been broken into can still do, tried from the
// inside, and that everything it is meant to do still works there.
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/intruder.h"
#include "tests/support/metrics_text.h"
#include "tests/support/server_test.h"
#include "tests/support/succession.h"

namespace {

using namespace support;

constexpr std::size_t kPageBytes = 1000;

// A field of /proc/PID/status, as text.
std::string status_field(pid_t pid, const std::string& name) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "";
}

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> threads;
  const std::string directory = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    threads.push_back(std::stoi(entry.path().filename().string()));
  }
  return threads;
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class SandboxTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("page", kPageBytes);
    // The server may run as another user.
    std::filesystem::permissions(tree().beside(""), std::filesystem::perms(0755));
  }

  // A file in a directory beside the root.
  std::string beside(const std::string& directory, const std::string& name,
                     const std::string& text) {
    std::filesystem::create_directory(tree().beside(directory));
    return tree().outside(directory + "/" + name, text);
  }

  bool has_landlock() { return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1) > 0; }
  // All of it, or the test has nothing to look at.
  ServerProcess& serve_confined(std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--sandbox", "on", "--threads", "1"});
    return serve(std::move(options));
  }
  void reload_with(const std::string& path, const std::string& text, const std::string& words) {
    std::ofstream(path) << text;
    server().signal(SIGHUP);
    ASSERT_TRUE(server().wait_for_log(words)) << server().log();
  }
};

#define SKIP_WITHOUT_SANDBOX()                                                     \
  if (is_sanitized()) GTEST_SKIP() << "a sanitizer's build is confined in parts only"; \
  if (!has_landlock()) GTEST_SKIP() << "no Landlock in this kernel"

TEST_F(SandboxTest, nothing_outside_can_be_opened_or_executed_by_any_thread) {
  SKIP_WITHOUT_SANDBOX();
  if (!can_intrude()) GTEST_SKIP() << "needs root, and x86-64";
  const std::string log = beside("logs", "access.log", "");
  serve_confined({"--access-log", log, "--admin", "127.0.0.1:0"});
  expect_file("page", kPageBytes);
  const std::string secret = tree().outside("secret", "secret");
  std::size_t tried = 0;
  for (const pid_t thread : threads_of(server().pid())) {
    SCOPED_TRACE(thread);
    Intruder inside(thread);
    const auto open = [&](const std::string& path, int flags, mode_t mode = 0) {
      return inside.call(SYS_openat, static_cast<std::uint64_t>(AT_FDCWD), inside.put(path),
                         static_cast<std::uint64_t>(flags), mode);
    };
    // The control: what it may open can be opened this way.
    const std::int64_t page = open(tree().path("page"), O_RDONLY);
    ASSERT_GE(page, 0);
    EXPECT_EQ(inside.call(SYS_close, static_cast<std::uint64_t>(page)), 0);

    EXPECT_EQ(open(secret, O_RDONLY), -EACCES);
    EXPECT_EQ(open("/etc/passwd", O_RDONLY), -EACCES);
    EXPECT_EQ(open("/proc/self/environ", O_RDONLY), -EACCES);
    EXPECT_EQ(open(tree().path("page"), O_WRONLY), -EACCES);
    EXPECT_EQ(open(tree().path("new"), O_WRONLY | O_CREAT, 0644), -EACCES);
    EXPECT_EQ(open(log, O_RDONLY), -EACCES);
    EXPECT_EQ(inside.call(SYS_execve, inside.put("/bin/true")), -EPERM);
    EXPECT_EQ(inside.call(SYS_socket, AF_INET, SOCK_STREAM), -EPERM);
    EXPECT_EQ(inside.call(SYS_fork), -EPERM);
    EXPECT_EQ(inside.call(SYS_ptrace, 0), -EPERM);
    EXPECT_EQ(inside.call(SYS_kill, 1, 0), -EPERM);
    EXPECT_EQ(inside.call(SYS_io_uring_setup, 1), -EPERM);
    EXPECT_EQ(inside.call(SYS_bpf, 0), -EPERM);
    EXPECT_EQ(inside.call(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                          static_cast<std::uint64_t>(-1)),
              -EPERM);
    ++tried;
  }
  EXPECT_GE(tried, 4U) << "main, worker, lister, log, admin";
  expect_file("page", kPageBytes);  // and it serves on
}

TEST_F(SandboxTest, a_link_that_may_lead_anywhere_leads_nowhere) {
  SKIP_WITHOUT_SANDBOX();
  tree().link("escape", tree().outside("secret", "secret"));
  tree().link("inside", "page");
  serve({"--follow-symlinks", "always", "--sandbox", "off"});
  EXPECT_EQ(get("/escape").body, "secret") << "the control: without the sandbox it does";
  stop();
  serve_confined({"--follow-symlinks", "always"});
  EXPECT_EQ(status_of("/escape"), 403);
  EXPECT_EQ(status_of("/inside"), 200);
}

TEST_F(SandboxTest, auto_takes_nothing_away) {
  tree().link("escape", tree().outside("secret", "secret"));
  const std::string config = tree().outside("ringserve.toml", "");
  serve({"--follow-symlinks", "always"});
  EXPECT_EQ(get("/escape").body, "secret");
  EXPECT_TRUE(server().wait_for_log("confinement: no new privileges"));
  stop();
  beside("elsewhere", "page", "elsewhere");
  serve({"--config", config});
  reload_with(config, "[[site]]\nroot = \"" + tree().beside("elsewhere") + "\"\n",
              "SIGHUP: " + config);
  while (get("/page").body != "elsewhere") {
  }
}

TEST_F(SandboxTest, off_is_said) {
  serve({"--sandbox", "off"});
  EXPECT_TRUE(server().wait_for_log("not confined: --sandbox off"));
  EXPECT_EQ(status_field(server().pid(), "Seccomp"), "0");
  EXPECT_EQ(status_field(server().pid(), "NoNewPrivs"), "0");
}

TEST_F(SandboxTest, a_reload_works_and_a_root_outside_is_refused_with_the_way_out) {
  SKIP_WITHOUT_SANDBOX();
  tree().write("a/page", "a");
  beside("b", "page", "b");
  const std::string config = beside("conf", "ringserve.toml", "");
  const auto site = [](const std::string& root) { return "[[site]]\nroot = \"" + root + "\"\n"; };
  serve_confined({"--config", config});
  HttpClient client = connect();
  reload_with(config, site(tree().path("a")), config + " read");
  while (client.get("/page").body != "a") {
  }
  reload_with(config, site(tree().beside("b")), "lies outside of the sandbox");
  EXPECT_EQ(client.get("/page").body, "a");
  // The way out that the message names.
  Succession succession(server());
  succession.upgrade();
  EXPECT_EQ(get("/page").body, "b");
  client.cut();
  EXPECT_EQ(succession.end(), (std::vector<ExitStatus>{{0, 0}}));
}

TEST_F(SandboxTest, log_rotation_listings_watches_and_numbers_work_inside) {
  SKIP_WITHOUT_SANDBOX();
  const std::string log = tree().beside("access.log");
  serve_confined({"--access-log", log, "--admin", "127.0.0.1:0", "--autoindex", "on"});
  EXPECT_NE(get("/").body.find("page"), std::string::npos);
  const Deadline deadline;
  while (contents(log).find("GET / ") == std::string::npos) ASSERT_FALSE(deadline.passed());
  std::filesystem::rename(log, log + ".1");
  server().signal(SIGUSR1);
  while (!std::filesystem::exists(log)) ASSERT_FALSE(deadline.passed());
  expect_file("page", kPageBytes);
  while (contents(log).find("GET /page ") == std::string::npos) ASSERT_FALSE(deadline.passed());
  // A change that inotify tells of.
  tree().replace("page", "changed");
  while (get("/page").body != "changed") ASSERT_FALSE(deadline.passed());
  const MetricsText metrics(HttpClient(server().admin()).get("/metrics").body);
  EXPECT_GT(metrics.value("ringserve_resident_memory_bytes"), 0);
  EXPECT_GT(metrics.value("ringserve_descriptors"), 0);
  EXPECT_TRUE(metrics.has("ringserve_time_wait_sockets"));
}

// Whose files /proc/PID are: root's where the process is not dumpable (proc(5)).
TEST_F(SandboxTest, what_a_user_may_not_read_is_in_no_core_dump_of_his) {
  SKIP_WITHOUT_SANDBOX();
  constexpr uid_t kUser = 65534;
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  ServerSpec spec;
  spec.setup = [] { return ::setgid(kUser) != 0 || ::setuid(kUser) != 0 ? errno : 0; };
  const auto owner = [this] {
    struct stat facts {};
    EXPECT_EQ(::stat(("/proc/" + std::to_string(server().pid()) + "/fd").c_str(), &facts), 0);
    return facts.st_uid;
  };
  spec.options = {"--sandbox", "off"};
  serve_as(spec);
  EXPECT_EQ(owner(), kUser) << "the control";
  stop();
  spec.options = {"--sandbox", "on"};
  serve_as(spec);
  EXPECT_EQ(owner(), 0U);
}

TEST_F(SandboxTest, receive_buffers_are_left_out_of_core_dumps) {
  serve({"--sandbox", "off", "--threads", "1"});
  constexpr std::size_t kBuffersKib = 1024;
  std::ifstream maps("/proc/" + std::to_string(server().pid()) + "/smaps");
  std::size_t size_kib = 0, left_out = 0;
  for (std::string word; maps >> word;) {
    if (word == "Size:") maps >> size_kib;
    if (word == "dd" && size_kib >= kBuffersKib) ++left_out;  // VmFlags, VM_DONTDUMP
  }
  EXPECT_GE(left_out, 1U);
}

class SandboxByPath : public SandboxTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(SandboxByPath, every_send_path_has_what_it_needs) {
  constexpr std::size_t kLargeBytes = 3'000'000;
  tree().fill("large", kLargeBytes);
  serve_confined({"--send-path", GetParam()});
  expect_file("large", kLargeBytes);
  expect_file("page", kPageBytes);
  EXPECT_EQ(get("/large", {{"Range", "bytes=0-9,100000-100009"}}).status, 206);
}

INSTANTIATE_TEST_SUITE_P(sandbox, SandboxByPath, ::testing::ValuesIn(kSendPaths), path_name);

class UserTest : public SandboxTest {};

TEST_F(UserTest, rights_are_given_up_for_good) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const passwd* nobody = ::getpwnam("nobody");
  ASSERT_NE(nobody, nullptr);
  const std::string id = std::to_string(nobody->pw_uid);
  serve({"--user", "nobody:nogroup", "--sandbox", "off"});
  expect_file("page", kPageBytes);
  const std::string ids = id + "\t" + id + "\t" + id + "\t" + id;
  for (const pid_t thread : threads_of(server().pid())) {
    EXPECT_EQ(status_field(thread, "Uid"), ids);
    EXPECT_EQ(status_field(thread, "Groups"), std::to_string(nobody->pw_gid) + " ");
    EXPECT_EQ(status_field(thread, "CapEff"), "0000000000000000");
    EXPECT_EQ(status_field(thread, "CapPrm"), "0000000000000000");
  }
}

TEST_F(UserTest, what_the_user_may_not_read_is_not_served) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  tree().write("private", "of root");
  tree().mode("private", 0600);
  serve({"--user", "nobody"});
  EXPECT_EQ(status_of("/private"), 403);
}

TEST_F(UserTest, a_log_that_could_not_be_opened_again_fails_the_start) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string log = tree().beside("access.log");
  const Finished run = run_ringserve(
      {"--listen", "127.0.0.1:0", "--user", "nobody", "--access-log", log, tree().root()});
  EXPECT_EQ(run.status, (ExitStatus{1, 0}));
  EXPECT_NE(run.err.find("open the access log " + log + ": EACCES"), std::string::npos) << run.err;
}

TEST_F(UserTest, an_upgrade_begins_with_the_rights_of_the_first) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  serve({"--user", "nobody"});
  Succession succession(server());
  succession.upgrade();
  succession.upgrade();
  expect_file("page", kPageBytes);
  EXPECT_EQ(status_field(succession.pid(), "CapEff"), "0000000000000000");
  for (const ExitStatus& status : succession.end()) EXPECT_EQ(status, (ExitStatus{0, 0}));
}

TEST_F(UserTest, who_is_not_root_cannot_become_another) {
  const Finished run = run_ringserve({"--listen", "127.0.0.1:0", "--user", "nobody", tree().root()},
                                     without_capabilities({CAP_SETGID, CAP_SETUID}));
  EXPECT_EQ(run.status, (ExitStatus{1, 0}));
  EXPECT_NE(run.err.find("EPERM"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("--user"), std::string::npos) << run.err;
}

}  // namespace

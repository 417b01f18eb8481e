// Queues, buffers, threads and memory of the kernel that run out. Each test makes sure that it did.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/capability.h>
#include <cerrno>
#include <csignal>
#include <vector>

#include "tests/faults/fault_test.h"
#include "tests/support/metrics_text.h"

namespace faults {
namespace {

using support::HttpClient;
using support::UniqueFd;

constexpr std::size_t kPageBytes = 1000;
constexpr std::size_t kLargeBytes = 2 * 1024 * 1024;
constexpr unsigned kFewEntries = 8;
const int kDownloads = static_cast<int>(support::scaled(24, 6));

class Exhaustion : public FaultTest {
 protected:
  void SetUp() override {
    tree().fill("page", kPageBytes);
    tree().fill("large", kLargeBytes);
  }

  // All these bytes of each client are there before the server sees the first.
  std::vector<HttpClient> crowd_that_sends_at_once(int clients, const std::string& bytes) {
    std::vector<HttpClient> crowd;
    for (int i = 0; i < clients; ++i) crowd.push_back(connect());
    for (HttpClient& client : crowd) expect_file(client, "page", kPageBytes);
    server().signal(SIGSTOP);
    for (HttpClient& client : crowd) client.send(bytes);
    server().signal(SIGCONT);
    return crowd;
  }

  void expect_pages(std::vector<HttpClient>& crowd, int of_each) {
    const std::string page = support::TempTree::expected("page", 0, kPageBytes);
    for (HttpClient& client : crowd) {
      for (int i = 0; i < of_each; ++i) ASSERT_EQ(client.read_response().body, page);
    }
  }

  void expect_large_for_each_of(int clients) {
    std::vector<HttpClient> crowd;
    for (int i = 0; i < clients; ++i) crowd.push_back(connect());
    for (HttpClient& client : crowd) client.send(support::request("GET", "/large"));
    for (HttpClient& client : crowd) {
      EXPECT_TRUE(support::same_bytes(client.read_response().body,
                                      support::TempTree::expected("large", 0, kLargeBytes)));
    }
  }
};

TEST_F(Exhaustion, completions_that_the_kernel_keeps_back_are_not_lost) {
  faults().plan().ring_entries = kFewEntries;
  serve_with_faults({"--threads", "1", "--admin", "127.0.0.1:0"});
  std::vector<HttpClient> crowd = crowd_that_sends_at_once(100, support::request("GET", "/page"));
  expect_pages(crowd, 1);
  EXPECT_GT(faults().plan().overflows.load(), 0U) << "no completion was kept back";

  const support::Deadline deadline;
  HttpClient admin(server().admin());
  while (support::MetricsText(admin.get("/metrics").body).value("ringserve_ring_overflows_total") ==
         0) {
    ASSERT_FALSE(deadline.passed()) << "the metric does not tell";
  }
}

TEST_F(Exhaustion, a_completion_that_the_kernel_lost_ends_the_process_and_says_why) {
  serve_with_faults({"--threads", "2"});
  expect_exit({EXIT_FAILURE, 0});
  HttpClient client = connect();
  expect_file(client, "page", kPageBytes);
  faults().inject({Call::ring_enter, EBADR});
  client.send(support::request("GET", "/page"));
  EXPECT_TRUE(server().wait_for_log("fatal: io_uring_enter: EBADR")) << server().log();
  EXPECT_TRUE(server().wait_for_log("the process ends, to be started again")) << server().log();
  EXPECT_EQ(server().wait_for_exit(), (support::ExitStatus{EXIT_FAILURE, 0}));
  // What a worker had sent before it entered the ring again is whole.
  try {
    EXPECT_EQ(client.read_response().body.size(), kPageBytes) << "half a response taken for all";
  } catch (const support::ClientError&) {
  }
}

TEST_F(Exhaustion, receive_buffers_that_run_out_end_receives_and_lose_no_request) {
  constexpr int kRequests = 12;  // of a client: it fills more than twenty buffers
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    requests += support::request("GET", "/page", {{"X-Padding", std::string(8000, 'p')}});
  }
  serve_with_faults({"--threads", "1"});
  std::vector<HttpClient> crowd = crowd_that_sends_at_once(60, requests);
  expect_pages(crowd, kRequests);
  EXPECT_GT(faults().plan().failed_completions[ENOBUFS].load(), 0U) << "buffers did not run out";
}

TEST_F(Exhaustion, one_thread_of_io_wq_is_enough) {
  faults().plan().ring_workers = 1;
  serve_with_faults({"--threads", "1", "--send-path", "uring-splice"});
  expect_large_for_each_of(kDownloads);
}

// pipe(7): above fs.pipe-user-pages-soft an ordinary user's pipe has two pages, and stays so.
TEST_F(Exhaustion, without_pages_for_pipes_splice_goes_on_with_sendfile) {
  constexpr int kPipeBytes = 1 << 20;
  constexpr int kPipes = 70;  // the limit is 64 MiB by default
  std::vector<UniqueFd> hoard;
  for (int i = 0; i < kPipes; ++i) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    hoard.emplace_back(ends[0]);
    hoard.emplace_back(ends[1]);
    if (::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes) < 0) break;  // for us it is reached already
  }
  support::ServerSpec spec{.root = "", .options = {"--threads", "1", "--send-path", "splice"}};
  spec.setup = support::without_capabilities({CAP_SYS_RESOURCE, CAP_SYS_ADMIN});
  serve_with_faults(spec);
  expect_large_for_each_of(4);
  EXPECT_GT(faults().plan().small_pipes.load(), 0U) << "the server's pipes were not small";
}

// Locked memory is counted for a user, not for a process: one test, so that no other is beside it.
class MemoryLock : public Exhaustion {
 protected:
  static support::ChildSetup with_locked_memory(rlim_t bytes) {
    return support::all_of({[bytes] {
                              const rlimit limit{bytes, bytes};
                              return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? 0 : errno;
                            },
                            support::without_capabilities({CAP_IPC_LOCK})});
  }
};

TEST_F(MemoryLock, that_is_enough_for_the_ring_is_enough_for_every_path) {
  constexpr rlim_t kEnoughForRing = 1024 * 1024;
  for (const char* path : {"auto", "uring-send", "send-zc"}) {
    SCOPED_TRACE(path);
    support::ServerSpec spec{.root = "", .options = {"--threads", "1", "--send-path", path}};
    spec.setup = with_locked_memory(kEnoughForRing);
    serve_with_faults(spec);
    expect_large_for_each_of(kDownloads);
    stop();
  }
  const support::Finished none =
      support::run_ringserve({"--listen", "127.0.0.1:0", tree().root()}, with_locked_memory(0));
  EXPECT_EQ(none.status, (support::ExitStatus{1, 0}));
  EXPECT_NE(none.err.find("RLIMIT_MEMLOCK"), none.err.npos) << none.err;
}

class WatchFaults : public FaultTest {
 protected:
  void expect_replacement_is_seen(const std::string& name) {
    HttpClient client = connect();
    const support::Deadline deadline;
    tree().replace(name, "the new page");
    while (client.get("/" + name).body != "the new page") {
      ASSERT_FALSE(deadline.passed()) << "the new page was never served";
    }
  }
};

TEST_F(WatchFaults, watches_that_run_out_are_said_once_and_files_looked_at_instead) {
  faults().inject({Call::inotify_add_watch, ENOSPC, kAlways});
  serve_with_faults({"--threads", "2"});
  if (!server_watches_files()) GTEST_SKIP() << "the file system announces no changes";
  for (const char* name : {"a/page", "b/page", "c/d/page"}) {
    tree().write(name, "old page");
    EXPECT_EQ(get("/" + std::string(name)).body, "old page");
  }
  EXPECT_TRUE(server().wait_for_log("fs.inotify.max_user_watches"));
  for (const char* name : {"a/page", "b/page", "c/d/page"}) expect_replacement_is_seen(name);
  EXPECT_GT(faults().hits(Call::inotify_add_watch), 1U);
  EXPECT_EQ(support::count_lines_with(server().log(), {"fs.inotify"}), 1U);
}

// After a poll that failed and a read that found nothing, the next change is still announced.
TEST_F(WatchFaults, a_failed_poll_does_not_end_the_watching) {
  tree().write("page", "old page");
  serve_with_faults({"--threads", "1"});
  if (!server_watches_files()) GTEST_SKIP() << "the file system announces no changes";
  HttpClient client = connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.get("/page").body, "old page");
  for (const Fault& fault : {Fault{Call::ring_poll, ENOMEM}, Fault{Call::read_inotify, EAGAIN}}) {
    faults().inject(fault);
    tree().write("other", "an event");
    EXPECT_TRUE(faults().wait_for_hit(fault.call));
    const std::uint64_t reads = faults().calls(Call::read_inotify);
    const support::Deadline deadline;
    for (int i = 0; faults().calls(Call::read_inotify) <= reads + 1; ++i) {
      ASSERT_FALSE(deadline.passed()) << "inotify is not read any more";
      tree().write("other", std::to_string(i));
    }
  }
  expect_replacement_is_seen("page");
}

class DrainFaults : public FaultTest {};

TEST_F(DrainFaults, clients_in_the_queue_are_served_though_one_of_them_is_gone) {
  tree().fill("page", kPageBytes);
  serve_with_faults({"--threads", "1", "--max-connections", "1"});
  HttpClient first = connect();
  expect_file(first, "page", kPageBytes);
  std::vector<HttpClient> queue;
  for (int i = 0; i < 3; ++i) {
    queue.push_back(connect());
    queue.back().send(support::request("GET", "/page"));
  }
  faults().inject({Call::accept4, ECONNABORTED});
  server().signal(SIGTERM);
  for (HttpClient& client : queue) {
    EXPECT_EQ(client.read_response().body, support::TempTree::expected("page", 0, kPageBytes));
  }
  EXPECT_EQ(faults().hits(Call::accept4), 1U);
  queue.clear();
  EXPECT_EQ(server().wait_for_exit(), (support::ExitStatus{0, 0}));
}

class StartFaults : public FaultTest {};

TEST_F(StartFaults, what_is_missing_is_named) {
  for (const auto& [fault, words] : {std::pair{Fault{Call::mmap, ENOMEM}, "mmap of the receive"},
                                     std::pair{Fault{Call::eventfd, EMFILE}, "eventfd: EMFILE"}}) {
    faults().inject(fault);
    faults().preload();
    const support::Finished run =
        support::run_ringserve({"--listen", "127.0.0.1:0", tree().root()});
    EXPECT_EQ(run.status, (support::ExitStatus{1, 0})) << words;
    EXPECT_NE(run.err.find("ringserve: error: "), run.err.npos) << run.err;
    EXPECT_NE(run.err.find(words), run.err.npos) << run.err;
    EXPECT_EQ(faults().hits(fault.call), 1U) << words;
  }
}

class DiskErrors : public FaultTest {
 protected:
  double counted() {
    return support::MetricsText(HttpClient(server().admin()).get("/metrics").body)
        .value("ringserve_disk_errors_total");
  }
};

TEST_F(DiskErrors, are_counted_and_those_of_clients_are_not) {
  tree().fill("large", kLargeBytes);
  serve_with_faults({"--threads", "1", "--send-path", "sendfile", "--admin", "127.0.0.1:0"});
  for (const int error : {ETIMEDOUT, EPIPE, ENOBUFS, EIO}) {
    faults().inject({Call::sendfile, error});
    HttpClient client = connect();
    client.send(support::request("GET", "/large"));
    EXPECT_EQ(client.read_to_end().ending, support::Ending::kReset);
    EXPECT_EQ(faults().hits(Call::sendfile), 1U);
  }
  EXPECT_TRUE(server().wait_for_log("large: EIO at byte"));
  const support::Deadline deadline;
  while (counted() == 0) ASSERT_FALSE(deadline.passed());
  EXPECT_EQ(counted(), 1);
}

}  // namespace
}  // namespace faults

// The access log when its destination is slow, full or not there: what is lost is counted, what is
// not lost is whole, and nobody is held up.
#include <fcntl.h>
#include <spdlog/sinks/null_sink.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "common/net/owned_fd.h"
#include "tests/support/patience.h"
#include "tests/unit/threads/access_log_test.h"

namespace ringserve::log {
namespace {

using support::Deadline;

class SlowAccessLog : public AccessLogTest {};

// Everything until the last writer has closed its end; by then, or the test fails.
std::string read_to_end(int fd) {
  std::string all;
  std::string piece(64 * 1024, '\0');
  ssize_t got = 0;
  while ((got = ::read(fd, piece.data(), piece.size())) > 0) {
    all.append(piece, 0, static_cast<size_t>(got));
  }
  EXPECT_EQ(got, 0) << "errno " << errno;
  return all;
}

TEST_F(SlowAccessLog, a_pipe_that_nobody_reads_costs_lines_not_time_or_memory) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  open(path("fifo"));
  const uint64_t lines = flood();
  const uint64_t dropped = log_->dropped();
  EXPECT_GT(dropped, 0u);
  EXPECT_LT((lines - dropped) * 100, kFloodBytes);
  end();  // the test's time limit would notice if that waited for a reader
  EXPECT_NE(errors().find("lines dropped"), std::string::npos) << errors();
}

TEST_F(SlowAccessLog, a_late_reader_gets_every_line_that_was_not_dropped) {
  for (const size_t padding : {0, 6000}) {  // shorter and longer than PIPE_BUF
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    open(path("fifo"));
    const uint64_t lines = flood(padding);
    const uint64_t dropped = log_->dropped();
    const net::OwnedFd reader(::open(path("fifo").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(reader.valid());
    std::thread ending([this] { end(); });
    const std::string text = read_to_end(reader.get());
    ending.join();
    const std::vector<uint64_t> found = numbers(text);
    EXPECT_EQ(found.size(), lines - dropped);
    EXPECT_TRUE(strictly_increasing(found));
    std::filesystem::remove(path("fifo"));
  }
}

TEST_F(SlowAccessLog, a_full_disk_is_said_once_and_its_lines_are_counted) {
  open("/dev/full");
  const uint64_t lines = flood();
  const uint64_t dropped = log_->dropped();
  EXPECT_GT(dropped, 0u);
  EXPECT_LT(dropped, lines);
  end();
  const std::string said = errors();
  EXPECT_NE(said.find("ENOSPC"), std::string::npos) << said;
  EXPECT_EQ(said.find("ENOSPC"), said.rfind("ENOSPC")) << said;
  // Those that were still waiting for the disk at the end are lost too.
  EXPECT_NE(said.find(" " + std::to_string(lines) + " lines dropped"), std::string::npos) << said;
}

TEST_F(SlowAccessLog, a_file_that_cannot_grow_has_whole_lines_and_gets_the_rest_later) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  open(path("log"));
  write(0, 0);
  // The length of a line of one digit; as many of them as there are fit in, but for a part of one.
  const Deadline deadline;
  while (content_of(path("log")).empty()) ASSERT_FALSE(deadline.passed());
  const uint64_t line_bytes = content_of(path("log")).size();
  const rlimit small{line_bytes * 3 + 10, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  for (uint64_t i = 1; i < 10; ++i) write(0, i);
  const auto size = [this] { return std::filesystem::file_size(path("log")); };
  while (size() != line_bytes * 3 && !deadline.passed()) std::this_thread::yield();
  EXPECT_FALSE(deadline.passed());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  end();
  EXPECT_EQ(numbers(content_of(path("log"))), counted_to(10));
}

// stdout is this, as long as the object lives.
class StdoutGoesTo {
 public:
  explicit StdoutGoesTo(int fd) : before_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)) {
    std::fflush(stdout);
    EXPECT_EQ(::dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
  }
  ~StdoutGoesTo() { EXPECT_EQ(::dup2(before_.get(), STDOUT_FILENO), STDOUT_FILENO); }

 private:
  net::OwnedFd before_;
};

TEST_F(SlowAccessLog, stdout_that_is_a_pipe_is_left_as_it_was) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const net::OwnedFd reader(ends[0]);
  net::OwnedFd writer(ends[1]);
  {
    StdoutGoesTo redirected(writer.get());
    open("-");
  }
  EXPECT_EQ(::fcntl(writer.get(), F_GETFL) & O_NONBLOCK, 0);
  const uint64_t lines = flood();
  const uint64_t dropped = log_->dropped();
  EXPECT_GT(dropped, 0u);
  log_->reopen();
  writer.reset();
  std::thread ending([this] { end(); });
  const std::vector<uint64_t> found = numbers(read_to_end(reader.get()));
  ending.join();
  EXPECT_EQ(found.size(), lines - dropped);
  EXPECT_TRUE(strictly_increasing(found));
}

TEST_F(SlowAccessLog, stdout_that_is_a_file_goes_on_where_it_was) {
  std::ofstream(path("out")) << "listening\n";
  net::OwnedFd file(::open(path("out").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::lseek(file.get(), 0, SEEK_END), 10);
  {
    StdoutGoesTo redirected(file.get());
    open("-");
  }
  write(0, 0);
  end();
  ASSERT_EQ(::write(file.get(), "bye\n", 4), 4);
  const std::string text = content_of(path("out"));
  EXPECT_TRUE(text.starts_with("listening\n192.0.2.1")) << text;
  EXPECT_TRUE(text.ends_with(" 200 0\nbye\n")) << text;
}

// A socket, as the journal of systemd gives, can make a write wait.
TEST_F(SlowAccessLog, stdout_that_blocks_holds_nobody_up) {
  // The thread that is left behind must find a logger, so this one is never destroyed.
  static const auto& logger = *new auto(
      std::make_shared<spdlog::logger>("lasting", std::make_shared<spdlog::sinks::null_sink_mt>()));
  spdlog::set_default_logger(logger);
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const net::OwnedFd reader(ends[0]);
  net::OwnedFd writer(ends[1]);
  {
    StdoutGoesTo redirected(writer.get());
    open("-");
  }
  writer.reset();
  flood();
  EXPECT_GT(log_->dropped(), 0u);
  end();                               // the thread is left behind, waiting for the reader,
  numbers(read_to_end(reader.get()));  // and ends when there is one
}

}  // namespace
}  // namespace ringserve::log

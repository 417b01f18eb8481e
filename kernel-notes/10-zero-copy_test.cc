// Files and memory that reach a socket without passing through the program: sendfile(2), splice(2),
// tee(2), vmsplice(2), and sends that borrow the program's memory (10-zero-copy.md).
#include <sys/mman.h>
#include <sys/uio.h>

#include "kernel-notes/ring_verbs.h"
#include "kernel-notes/zero_copy.h"

namespace notes {
namespace {

constexpr int kMsgSplicePages = 0x8000000;  // include/linux/socket.h: not for programs

TEST_F(ZeroCopy, read_and_write_cost_two_calls_a_buffer_and_sendfile_one_a_file) {
  const OwnedFd file = memory_file(std::string(kMiB, 'x'));
  int copying = 0, sending = 0;
  {
    const Drain drain(client());
    copying = copy_to_socket(file, kMiB);
    sending = send_by_sendfile(file, kMiB);
    send_fin(server());
  }
  measured("1 MiB: {} calls with a buffer of 64 KiB, {} of sendfile", copying, sending);
  EXPECT_EQ(2 * 16, copying);
  EXPECT_EQ(1, sending);
}

TEST_F(ZeroCopy, read_copies_once_and_write_once_more) {
  std::string buffer(kPage, '\0');
  ASSERT_EQ(static_cast<ssize_t>(kPage), ::pread(file_.get(), buffer.data(), kPage, 0));
  overwrite(file_, 'n');
  const std::string after_read = version_of(buffer);
  send_all(server(), buffer);
  buffer.assign(kPage, 'n');
  const std::string after_write = version_of(arrived());
  measured("file changed after read(): {} bytes; buffer changed after write(): {} bytes arrive",
           after_read, after_write);
  EXPECT_EQ("old", after_read);
  EXPECT_EQ("old", after_write);
}

TEST_F(ZeroCopy, a_file_changed_in_place_after_sendfile_changes_what_the_client_reads) {
  const int64_t sent = send_file(server(), file_, nullptr, kPage);
  overwrite(file_, 'n');
  const std::string seen = version_of(arrived());
  measured("sendfile() = {}, then the file is overwritten: the {} bytes arrive", sent, seen);
  EXPECT_EQ(static_cast<int64_t>(kPage), sent);
  EXPECT_EQ("new", seen);
}

TEST_F(ZeroCopy, sendfile_with_an_offset_moves_the_offset_and_leaves_the_position) {
  off_t offset = 1000;
  const int64_t sent = send_file(server(), file_, &offset, 500);
  measured("sent {}: offset 1000 becomes {}, position {}", sent, offset, position_of(file_));
  EXPECT_EQ(1500, offset);
  EXPECT_EQ(0, position_of(file_));
}

TEST_F(ZeroCopy, sendfile_without_an_offset_moves_the_position) {
  const int64_t sent = send_file(server(), file_, nullptr, 500);
  measured("sent {}: position {}", sent, position_of(file_));
  EXPECT_EQ(500, sent);
  EXPECT_EQ(500, position_of(file_));
}

TEST_F(ZeroCopy, sendfile_stops_at_the_end_of_the_file) {
  off_t offset = 0;
  const int64_t first = send_file(server(), file_, &offset, 10 * kPage);
  const int64_t second = send_file(server(), file_, &offset, 10 * kPage);
  measured("asked for {} of {}: {}, then {}", 10 * kPage, kPage, first, second);
  EXPECT_EQ(static_cast<int64_t>(kPage), first);
  EXPECT_EQ(0, second);
}

TEST_F(ZeroCopy, sendfile_to_a_full_socket_is_short_then_eagain_and_the_offset_tells) {
  set_nonblocking(server());
  const OwnedFd file = memory_file("");
  const off_t size = 256 * kMiB;  // a hole: no memory
  ASSERT_EQ(0, ::ftruncate(file.get(), size));
  off_t offset = 0;
  int64_t sum = 0, last = 0;
  while ((last = send_file(server(), file, &offset, 64 * kMiB)) > 0) sum += last;
  measured("{} KiB taken, then {}; the offset stands at {} KiB", sum / 1024, result_text(last),
           offset / 1024);
  EXPECT_EQ(-EAGAIN, last);
  EXPECT_LT(0, sum);
  EXPECT_LT(sum, size);
  EXPECT_EQ(sum, offset);
}

TEST_F(ZeroCopy, sendfile_writes_to_files_and_pipes_too) {
  const OwnedFd copy = memory_file("");
  const Pipe pipe = make_pipe();
  off_t offset = 0;
  const int64_t to_file = send_file(copy, file_, &offset, kPage);
  offset = 0;
  const int64_t to_pipe = send_file(pipe.write, file_, &offset, kPage);
  measured("to a file {}, to a pipe {}", result_text(to_file), result_text(to_pipe));
  EXPECT_EQ(static_cast<int64_t>(kPage), to_file);
  EXPECT_EQ(static_cast<int64_t>(kPage), to_pipe);
}

TEST_F(ZeroCopy, sendfile_refuses_a_file_opened_for_appending) {
  const OwnedFd copy = memory_file("");
  ASSERT_EQ(0, ::fcntl(copy.get(), F_SETFL, O_APPEND));
  off_t offset = 0;
  const int64_t result = send_file(copy, file_, &offset, kPage);
  measured("O_APPEND: {}", result_text(result));
  EXPECT_EQ(-EINVAL, result);
}

TEST_F(ZeroCopy, sendfile_does_not_read_from_a_socket_or_a_pipe) {
  const Connection other = open_connection(listen_on(loopback()));
  const Pipe pipe = make_pipe();
  send_all(other.client, "hello");
  ASSERT_EQ(5, ::write(pipe.write.get(), "hello", 5));
  await_event(other.server, POLLIN);
  off_t offset = 0;
  const int64_t from_socket = send_file(server(), other.server, nullptr, 5);
  const int64_t from_pipe = send_file(server(), pipe.read, nullptr, 5);
  const int64_t with_offset = send_file(server(), other.server, &offset, 5);
  measured("from a socket {}, from a pipe {}, from a socket with an offset {}",
           result_text(from_socket), result_text(from_pipe), result_text(with_offset));
  EXPECT_EQ(-EINVAL, from_socket);
  EXPECT_EQ(-EINVAL, from_pipe);
  EXPECT_EQ(-ESPIPE, with_offset);
}

// Before 5.12 sendfile(2) knew no pipes: it went through its own.
TEST_F(ZeroCopy, sendfile_from_a_socket_to_a_pipe_is_a_splice) {
  const Connection other = open_connection(listen_on(loopback()));
  const Pipe pipe = make_pipe();
  send_all(other.client, "hello");
  await_event(other.server, POLLIN);
  const int64_t result = send_file(pipe.write, other.server, nullptr, 5);
  measured("sendfile(pipe, socket) = {}", result_text(result));
  EXPECT_EQ(running_kernel() >= KernelVersion({5, 12}) ? 5 : -EINVAL, result);
}

TEST_F(ZeroCopy, sendfile_serves_a_file_that_cannot_be_mapped) {
  NEEDS_KERNEL(5, 12);
  const OwnedFd file(::open("/proc/version", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  void* mapped = ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, file.get(), 0);
  const int map_error = mapped == MAP_FAILED ? errno : 0;
  const int64_t sent = send_file(server(), file, nullptr, kPage);
  measured("/proc/version: mmap() {}, sendfile() {} bytes", net::errno_name(map_error), sent);
  EXPECT_NE(0, map_error);
  EXPECT_LT(0, sent);
}

TEST_F(ZeroCopy, msg_more_joins_the_head_to_what_sendfile_sends) {
  set_option(server(), IPPROTO_TCP, TCP_NODELAY, 1);
  const std::string head(200, 'h');
  const auto segments_with = [&](int flags) {
    const uint32_t before = count_segments(server());
    off_t offset = 0;
    EXPECT_EQ(200, ::send(server().get(), head.data(), head.size(), flags));
    EXPECT_EQ(1000, send_file(server(), file_, &offset, 1000));
    receive_exactly(client(), 1200);
    return count_segments(server()) - before;
  };
  const uint32_t plain = segments_with(0), joined = segments_with(MSG_MORE);
  measured("head and body: {} segments, with MSG_MORE {}", plain, joined);
  EXPECT_EQ(2U, plain);
  EXPECT_EQ(1U, joined);
}

TEST_F(ZeroCopy, splice_needs_a_pipe_on_one_side) {
  const Pipe pipe = make_pipe();
  loff_t offset = 0;
  const int64_t direct = splice_from(file_, server(), kPage, &offset);
  const int64_t in = splice_from(file_, pipe.write, kPage, &offset);
  const int64_t out = splice_from(pipe.read, server(), kPage);
  measured("file to socket {}, file to pipe {}, pipe to socket {}", result_text(direct),
           result_text(in), result_text(out));
  EXPECT_EQ(-EINVAL, direct);
  EXPECT_EQ(static_cast<int64_t>(kPage), in);
  EXPECT_EQ(static_cast<int64_t>(kPage), out);
}

TEST_F(ZeroCopy, splice_takes_bytes_out_of_a_socket) {
  const Pipe pipe = make_pipe();
  const OwnedFd upload = memory_file("");
  send_all(client(), std::string(kPage, 'n'));
  await_event(server(), POLLIN);
  const int64_t in = splice_from(server(), pipe.write, kPage);
  const int64_t out = splice_from(pipe.read, upload, kPage);
  measured("socket to pipe {}, pipe to file {}", result_text(in), result_text(out));
  EXPECT_EQ(static_cast<int64_t>(kPage), in);
  EXPECT_EQ(static_cast<int64_t>(kPage), out);
}

TEST_F(ZeroCopy, a_splice_moves_no_more_than_the_pipe_holds) {
  const OwnedFd file = memory_file(std::string(4 * kMiB, 'x'));
  const Pipe usual = make_pipe(65536), large = make_pipe(kMiB);
  loff_t offset = 0;
  const int64_t by_usual = splice_from(file, usual.write, 4 * kMiB, &offset);
  const int64_t by_large = splice_from(file, large.write, 4 * kMiB, &offset);
  measured("a call moves {} KiB by a pipe of 64 KiB, {} KiB by one of 1 MiB", by_usual / 1024,
           by_large / 1024);
  EXPECT_EQ(65536, by_usual);
  EXPECT_EQ(static_cast<int64_t>(kMiB), by_large);
}

TEST_F(ZeroCopy, a_pipe_does_not_grow_beyond_pipe_max_size) {
  const int64_t bytes_max = sysctl("fs.pipe-max-size");
  const Pipe pipe = make_pipe();
  const int64_t grown =
      said(::fcntl(pipe.write.get(), F_SETPIPE_SZ, static_cast<int>(2 * bytes_max)));
  if (grown > bytes_max) SKIP_EXPERIMENT("CAP_SYS_RESOURCE lifts the limit");
  measured("limit {} KiB; F_SETPIPE_SZ of twice as much: {}; the pipe stays at {} KiB",
           bytes_max / 1024, result_text(grown), ::fcntl(pipe.write.get(), F_GETPIPE_SZ) / 1024);
  EXPECT_EQ(-EPERM, grown);
}

TEST_F(ZeroCopy, tee_duplicates_without_taking_and_without_copying) {
  const Pipe first = make_pipe(), second = make_pipe();
  loff_t offset = 0;
  ASSERT_EQ(static_cast<int64_t>(kPage), splice_from(file_, first.write, kPage, &offset));
  const int64_t duplicated = said(::tee(first.read.get(), second.write.get(), kPage, 0));
  overwrite(file_, 'n');
  const std::string one = version_of(read_pipe(first.read, kPage));
  const std::string other = version_of(read_pipe(second.read, kPage));
  measured("tee() = {}; the file changed since: the first pipe has {} bytes, the second {}",
           duplicated, one, other);
  EXPECT_EQ(static_cast<int64_t>(kPage), duplicated);
  EXPECT_EQ("new", one);
  EXPECT_EQ("new", other);
}

TEST_F(ZeroCopy, vmsplice_lends_the_pipe_the_programs_memory) {
  alignas(4096) static char memory[kPage];
  std::fill_n(memory, kPage, 'o');
  const Pipe pipe = make_pipe();
  const iovec part{memory, kPage};
  const int64_t lent = said(::vmsplice(pipe.write.get(), &part, 1, 0));
  std::fill_n(memory, kPage, 'n');
  const std::string seen = version_of(read_pipe(pipe.read, kPage));
  measured("vmsplice() = {}, then the memory is overwritten: the pipe has {} bytes", lent, seen);
  EXPECT_EQ(static_cast<int64_t>(kPage), lent);
  EXPECT_EQ("new", seen);
}

TEST_F(ZeroCopy, a_program_cannot_lend_memory_with_msg_splice_pages) {
  alignas(4096) static char memory[kPage];
  std::fill_n(memory, kPage, 'o');
  const int64_t sent = said(::send(server().get(), memory, kPage, kMsgSplicePages));
  std::fill_n(memory, kPage, 'n');
  const std::string seen = version_of(arrived());
  measured("send(MSG_SPLICE_PAGES) = {}, memory overwritten: the {} bytes arrive", sent, seen);
  EXPECT_EQ("old", seen);
}

// MSG_ZEROCOPY (Linux 4.14): the notification is an "error" of the socket.
TEST_F(ZeroCopy, msg_zerocopy_over_loopback_is_copied_and_says_so) {
  set_option(server(), SOL_SOCKET, SO_ZEROCOPY, 1);
  const std::string bytes(16 * kPage, 'x');
  const int64_t sent = said(::send(server().get(), bytes.data(), bytes.size(), MSG_ZEROCOPY));
  if (sent == -ENOBUFS) SKIP_EXPERIMENT("RLIMIT_MEMLOCK or net.core.optmem_max is too low");
  receive_exactly(client(), static_cast<size_t>(sent));
  const sock_extended_err notice = next_notice(server());
  const bool copied = (notice.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0;
  measured("{} bytes sent, notification: {}", sent, copied ? "copied" : "not copied");
  EXPECT_EQ(SO_EE_ORIGIN_ZEROCOPY, notice.ee_origin);
  EXPECT_TRUE(copied);
}

// CPU time of the sending thread; the other end takes the bytes without copying them.
TEST_F(ZeroCopy, what_a_byte_costs_depends_on_path_and_size) {
  constexpr size_t kSizes[] = {4096, 65536, kMiB};
  constexpr size_t kTotal = 8 * kMiB;
  const Pipe pipe = make_pipe(kMiB);
  std::string text;
  std::vector<double> ratios;
  {
    const Drain drain(client());
    for (const size_t size : kSizes) {
      const OwnedFd file = memory_file(std::string(size, 'x'));
      const auto cost = [&](auto send) {
        int64_t least = INT64_MAX;
        for (int round = 0; round < 3; ++round) {
          const int64_t begin = measure::thread_cpu_ns();
          for (size_t done = 0; done < kTotal; done += size) send();
          least = std::min(least, measure::thread_cpu_ns() - begin);
        }
        return std::max(1.0, static_cast<double>(least));
      };
      const double copied = cost([&] { copy_to_socket(file, size); });
      const double sendfile = cost([&] { send_by_sendfile(file, size); });
      const double splice = cost([&] { send_by_splice(file, pipe, size); });
      ratios.push_back(sendfile / copied);
      text += fmt::format("{}{} KiB: sendfile {:.2f}, splice {:.2f}", text.empty() ? "" : "; ",
                          size / 1024, sendfile / copied, splice / copied);
    }
    send_fin(server());
  }
  measured("CPU time per byte, read and write being 1: {}", text);
  EXPECT_LT(ratios.back(), 3.0);  // of 1 MiB: a bound against nonsense, not a benchmark
}

// ---- Zero-copy sends by the ring ----

class SendZc : public ZeroCopy {
 protected:
  void SetUp() override {
    ZeroCopy::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto ring = net::Ring::open({});
    if (!ring) SKIP_EXPERIMENT(ring.error().message());
    ring_ = std::make_unique<NamedRing>(std::move(*ring));
  }

  void queue_send(int socket, uint8_t flags = 0) {
    ring_->queue(1, [&](io_uring_sqe* entry) {
      const unsigned report =
          running_kernel() >= KernelVersion{6, 2} ? IORING_SEND_ZC_REPORT_USAGE : 0;
      io_uring_prep_send_zc(entry, socket, bytes_.data(), bytes_.size(), MSG_NOSIGNAL, report);
      entry->flags |= flags;
    });
  }

  std::string bytes_ = std::string(16 * kPage, 'x');
  std::unique_ptr<NamedRing> ring_;
};

TEST_F(SendZc, completes_twice_the_second_time_when_the_buffer_is_free) {
  queue_send(server().get());
  const Completion sent = ring_->next();
  receive_exactly(client(), bytes_.size());
  const Completion notified = ring_->next();
  measured("first {} bytes, F_MORE {}; then the notification: {}, F_MORE {}", sent.result,
           sent.has_more(), notified.is_notification(), notified.has_more());
  EXPECT_EQ(static_cast<int>(bytes_.size()), sent.result);
  EXPECT_TRUE(sent.has_more());
  EXPECT_FALSE(sent.is_notification());
  EXPECT_TRUE(notified.is_notification());
  EXPECT_FALSE(notified.has_more());
}

TEST_F(SendZc, over_loopback_is_copied_and_the_notification_says_so) {
  NEEDS_KERNEL(6, 2);
  queue_send(server().get());
  ring_->next();
  receive_exactly(client(), bytes_.size());
  const auto usage = static_cast<unsigned>(ring_->next().result);
  const bool copied = (usage & IORING_NOTIF_USAGE_ZC_COPIED) != 0;
  measured("IORING_NOTIF_USAGE_ZC_COPIED: {}", copied ? "set" : "not set");
  EXPECT_TRUE(copied);
}

// A notification follows a completion with F_MORE and no other, whatever the result.
TEST_F(SendZc, that_fails_is_notified_too_where_f_more_is_set) {
  const OwnedFd unconnected = tcp_socket();
  queue_send(unconnected.get());
  const Completion failed = ring_->next();
  const auto second = ring_->look(failed.has_more() ? 1000 * kShort : kShort);
  measured("not connected: {}, F_MORE {}, notification {}", result_text(failed.result),
           failed.has_more(), second.has_value());
  EXPECT_GT(0, failed.result);
  EXPECT_EQ(failed.has_more(), second.has_value());
}

TEST_F(SendZc, to_a_client_that_never_acknowledges_keeps_the_buffer_until_disconnected) {
  deafen(client());
  queue_send(server().get());
  const Completion sent = ring_->next();
  const bool notified = ring_->look(kShort).has_value();
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  ASSERT_EQ(0, ::connect(server().get(), &nobody, sizeof nobody));
  const Completion last = ring_->next();
  measured("sent {}, notified within {} ms: {}; after connect(AF_UNSPEC): {}", sent.result,
           kShort.count(), notified, last.is_notification());
  EXPECT_EQ(static_cast<int>(bytes_.size()), sent.result);
  EXPECT_FALSE(notified);
  EXPECT_TRUE(last.is_notification());
}

TEST_F(SendZc, cannot_skip_its_completion) {
  queue_send(server().get(), IOSQE_CQE_SKIP_SUCCESS);
  const Completion refused = ring_->next();
  measured("with IOSQE_CQE_SKIP_SUCCESS: {}", result_text(refused.result));
  EXPECT_EQ(-EINVAL, refused.result);
}

TEST_F(SendZc, is_not_for_unix_sockets) {
  int ends[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  const OwnedFd one(ends[0]), other(ends[1]);
  queue_send(one.get());
  const Completion refused = ring_->next();
  measured("AF_UNIX: {}", result_text(refused.result));
  EXPECT_EQ(-EOPNOTSUPP, refused.result);
  while (refused.has_more() && !ring_->next().is_notification()) continue;
}

}  // namespace
}  // namespace notes

// Every send path, by body size, cork mode, receiver and kind of socket. One response at a time:
// the next is sent when the last byte of this one has been received, so that a small response is
// the server's single one and not a piece of a stream. Times come from a first pass, counts from a
// second, because a counted system call is a slower one. No benchmark ends well unless exactly the
// bytes that were sent have arrived.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>

#include "bench/micro/links.h"
#include "bench/micro/machine.h"
#include "bench/micro/receiver.h"
#include "bench/micro/sender.h"
#include "common/measure/cpu_time.h"
#include "server/send/path.h"
#include "server/send/tuning.h"

namespace micro {
namespace {

using ringserve::send::Cork;
using ringserve::send::PathInfo;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr std::array<uint64_t, 11> kSizes = {256,       kKiB,       4 * kKiB,  16 * kKiB,
                                             64 * kKiB, 256 * kKiB, kMiB,      4 * kMiB,
                                             16 * kMiB, 100 * kMiB, 256 * kMiB};
struct CorkInfo {
  std::string_view name;  // as --cork takes it
  Cork cork;
};
constexpr std::array<CorkInfo, 4> kCorks = {{{"auto", Cork::automatic},
                                             {"tcp-cork", Cork::tcp_cork},
                                             {"msg-more", Cork::msg_more},
                                             {"none", Cork::none}}};

struct Case {
  PathInfo path;
  uint64_t body_bytes;
  CorkInfo cork;
  Receiving receiving;
  Over over;

  std::string name() const {
    return fmt::format("send/path:{}/size:{}/cork:{}/receiver:{}/over:{}", path.name, body_bytes,
                       cork.name, name_of(receiving), name_of(over));
  }
};

// One file without a name, as large as the largest body asked for so far. It is written to the disk
// at once: pages that are written back later would disturb what is measured.
net::Result<std::shared_ptr<const net::OwnedFd>> body_file(uint64_t bytes) {
  static std::shared_ptr<const net::OwnedFd> file;
  static uint64_t file_bytes = 0;
  const std::string directory = std::filesystem::temp_directory_path();
  if (file == nullptr) {
    net::OwnedFd created(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!created.valid()) {
      return net::fail("open a temporary file in " + directory, errno,
                       "set TMPDIR to a directory on a disk file system");
    }
    file = std::make_shared<const net::OwnedFd>(std::move(created));
  }
  const std::string block(64 * kKiB, 'b');
  while (file_bytes < bytes) {
    const ssize_t written =
        ::pwrite(file->get(), block.data(), block.size(), static_cast<off_t>(file_bytes));
    if (written <= 0) return net::fail("write the temporary file in " + directory, errno);
    file_bytes += static_cast<uint64_t>(written);
  }
  if (::fsync(file->get()) < 0) return net::fail("fsync of the temporary file", errno);
  return file;
}

net::Result<Response> make_response(uint64_t body_bytes) {
  auto file = body_file(body_bytes);
  if (!file) return tl::unexpected(file.error());
  Response response;
  response.file = std::move(*file);
  response.body_bytes = body_bytes;
  response.head = fmt::format(
      "HTTP/1.1 200 OK\r\nServer: ringserve\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Type: application/octet-stream\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "ETag: \"25f9b5e1a9c3f00-{:x}\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n",
      body_bytes, body_bytes);
  if (body_bytes <= ringserve::send::kBuiltInTuning.memory_body_bytes_max) {
    response.body = std::make_shared<const std::string>(body_bytes, 'b');
  }
  return response;
}

// Both ends of one connection, and what has gone through it.
class Run {
 public:
  static net::Result<std::unique_ptr<Run>> create(const Case& wanted) {
    auto response = make_response(wanted.body_bytes);
    if (!response) return tl::unexpected(response.error());
    auto link = open_link(wanted.over);
    if (!link) return tl::unexpected(link.error());
    std::unique_ptr<Run> run(new Run(std::move(*response), std::move(*link), wanted.receiving));
    auto sender = Sender::create(wanted.path.path, wanted.cork.cork, run->link_);
    if (!sender) return tl::unexpected(sender.error());
    run->sender_ = std::move(*sender);
    return run;
  }

  net::Status send() {
    auto status = sender_->send(response_);
    if (status) sent_bytes_ += response_.bytes();
    return status;
  }
  net::Status await_receipt() {
    if (receiver_.wait_for(sent_bytes_)) return {};
    return net::fail(
        fmt::format("{} bytes were sent, {} received", sent_bytes_, receiver_.received_bytes()),
        ETIMEDOUT);
  }
  net::Status send_and_await() {
    if (auto status = send(); !status) return status;
    return await_receipt();
  }
  net::Status check_received() {
    const auto received = receiver_.finish();
    if (!received) return tl::unexpected(received.error());
    if (*received == sent_bytes_) return {};
    return net::fail(fmt::format("{} bytes were sent, {} received", sent_bytes_, *received), 0);
  }

  const Response& response() const { return response_; }
  uint64_t segments() const { return data_segments(link_); }
  SendCounts counts() const { return sender_->counts(); }
  Receiver& receiver() { return receiver_; }

 private:
  Run(Response response, Link link, Receiving receiving)
      : response_(std::move(response)), link_(std::move(link)), receiver_(link_, receiving) {}

  const Response response_;
  const Link link_;
  Receiver receiver_;
  std::unique_ptr<Sender> sender_;
  uint64_t sent_bytes_ = 0;
};

// CPU time of all threads of this process, told apart at two moments. What is neither the sender's
// nor the receiver's belongs to the ring's own worker threads, which uring-splice works with.
struct CpuClocks {
  int64_t process_ns, sender_ns, receiver_ns;

  static CpuClocks read(Run& run) {
    return {measure::process_cpu_ns(), measure::thread_cpu_ns(), run.receiver().cpu_ns()};
  }
  int64_t ring_workers_ns() const { return process_ns - sender_ns - receiver_ns; }
};

void report_cpu(benchmark::State& state, const Run& run, const CpuClocks& before,
                const CpuClocks& after, int64_t sending_ns) {
  const auto responses = static_cast<double>(state.iterations());
  const double bytes = responses * static_cast<double>(run.response().bytes());
  const int64_t workers_ns =
      std::max<int64_t>(after.ring_workers_ns() - before.ring_workers_ns(), 0);
  const auto sender_ns = static_cast<double>(sending_ns + workers_ns);
  const auto receiver_ns = static_cast<double>(after.receiver_ns - before.receiver_ns);
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.counters["send_ns"] = sender_ns / responses;
  state.counters["send_ns/B"] = sender_ns / bytes;
  state.counters["recv_ns"] = receiver_ns / responses;
  state.counters["recv_ns/B"] = receiver_ns / bytes;
}

net::Status count(benchmark::State& state, Run& run) {
  auto syscalls = SyscallCounter::open();
  const uint64_t responses = std::clamp<uint64_t>(4 * kMiB / run.response().bytes(), 1, 32);
  const uint64_t segments_before = run.segments();
  const SendCounts before = run.counts();
  uint64_t calls = 0;
  for (uint64_t i = 0; i < responses; ++i) {
    if (syscalls) syscalls->start();
    net::Status status = run.send();
    if (syscalls) calls += syscalls->stop();
    if (!status) return status;
    if (status = run.await_receipt(); !status) return status;
  }
  const SendCounts after = run.counts();
  const auto a_response = [&](uint64_t total) {
    return static_cast<double>(total) / static_cast<double>(responses);
  };
  if (syscalls) state.counters["syscalls"] = a_response(calls);
  state.counters["sqes"] = a_response(after.ring_entries - before.ring_entries);
  state.counters["segments"] = a_response(run.segments() - segments_before);
  state.counters["zc_bytes"] = a_response(after.zero_copy_bytes - before.zero_copy_bytes);
  state.counters["zc_copied"] =
      a_response(after.reported_copied_bytes - before.reported_copied_bytes);
  return {};
}

net::Status measure_case(benchmark::State& state, Run& run) {
  // The first response opens the congestion window and makes pipes and buffers.
  if (auto status = run.send_and_await(); !status) return status;
  const CpuClocks before = CpuClocks::read(run);
  int64_t sending_ns = 0;
  net::Status status;
  while (status && state.KeepRunning()) {
    const int64_t began_ns = measure::monotonic_ns();
    const int64_t cpu_began_ns = measure::thread_cpu_ns();
    status = run.send();
    sending_ns += measure::thread_cpu_ns() - cpu_began_ns;
    if (status) status = run.await_receipt();
    state.SetIterationTime(static_cast<double>(measure::monotonic_ns() - began_ns) * 1e-9);
  }
  if (!status) return status;
  report_cpu(state, run, before, CpuClocks::read(run), sending_ns);
  if (status = count(state, run); !status) return status;
  return run.check_received();
}

void send_responses(benchmark::State& state, const Case& wanted) {
  auto run = Run::create(wanted);
  if (!run) return skip(state, run.error());
  if (auto status = measure_case(state, **run); !status) skip(state, status.error());
}

void add(const Case& wanted) {
  benchmark::RegisterBenchmark(wanted.name().c_str(),
                               [wanted](benchmark::State& state) { send_responses(state, wanted); })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

// Unix sockets have no segments that a cork could fill: one mode stands for all.
bool register_all() {
  for (const Over over : {Over::tcp, Over::veth, Over::unix_socket}) {
    for (const Receiving receiving : {Receiving::discard, Receiving::copy}) {
      for (const CorkInfo& cork : kCorks) {
        if (over == Over::unix_socket && cork.cork != Cork::automatic) continue;
        for (const uint64_t size : kSizes) {
          for (const PathInfo& path : ringserve::send::all_paths()) {
            add({path, size, cork, receiving, over});
          }
        }
      }
    }
  }
  return true;
}

[[maybe_unused]] const bool kRegistered = register_all();

}  // namespace
}  // namespace micro

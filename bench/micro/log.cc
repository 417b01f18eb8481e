// The access log: what a line costs the worker that makes it, and the thread that writes it.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <thread>

#include "common/measure/cpu_time.h"
#include "common/net/owned_fd.h"
#include "common/net/result.h"
#include "server/log/access_log.h"

namespace micro {
namespace {

namespace log = ringserve::log;

log::Record short_request() {
  log::Record record;
  record.remote = "127.0.0.1";
  record.received_at_us = 1'795'243'200'000'123;
  record.duration_us = 7;
  record.method = "GET";
  record.target = "/1k";
  record.host = "127.0.0.1:8080";
  record.status = 200;
  record.sent_bytes = 1253;
  record.body_bytes = 1024;
  record.copied_bytes = 1253;
  record.send_path = "memory";
  return record;
}

log::Record browser_request() {
  log::Record record = short_request();
  record.remote = "2001:db8:85a3::8a2e:370:7334";
  record.target = "/assets/application-3f2a9c.css?v=17";
  record.host = "www.example.org";
  record.referer = "https://www.example.org/articles/2024/a-long-title-of-an-article";
  record.user_agent =
      "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
      "Chrome/120.0.0.0 Safari/537.36";
  record.sent_bytes = 148'253;
  record.body_bytes = record.zero_copy_bytes = 148'000;
  record.copied_bytes = 253;
  record.send_path = "sendfile";
  return record;
}

// Names in other scripts, unescaped as some clients send them, and bytes of no script at all.
log::Record foreign_request() {
  log::Record record = browser_request();
  record.target = "/r\xc3\xa9sum\xc3\xa9/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e/\xff\xfe?q=\\x";
  return record;
}

void format(benchmark::State& state, log::Format format, log::Record record) {
  log::LineFormatter formatter(format);
  std::string room(log::LineFormatter::bytes_max(record), '\0');
  size_t bytes = 0;
  for (auto _ : state) {
    record.received_at_us += 3;  // a second has many lines
    bytes = static_cast<size_t>(formatter.write(record, room.data()) - room.data());
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}

// Until all but the last block of lines has been written, so that none is ever dropped.
bool wait_for_writer(int file, uint64_t made_bytes) {
  constexpr int kPatience_ms = 5000;
  for (int waited_ms = 0; waited_ms < kPatience_ms; ++waited_ms) {
    struct stat facts {};
    if (::fstat(file, &facts) < 0) return false;
    const auto written_bytes = static_cast<uint64_t>(facts.st_size);
    if (written_bytes + log::BlockQueue::kBlockBytes > made_bytes) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

// Gives the memory of what is written back to the kernel, which the next lines will get. Without
// that every page of the file may be one that a virtual machine's host has to provide first, at ten
// times the price of writing it.
bool forget_file(int file) {
  struct stat facts {};
  return ::fstat(file, &facts) == 0 &&
         (facts.st_size == 0 ||
          ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, facts.st_size) == 0);
}

// Lines through a channel to a file. The time is the worker's, `writer_ns` the CPU time of the
// other thread, both for one line.
void write(benchmark::State& state, log::Format format, log::Record record) {
  std::string path = std::filesystem::temp_directory_path() / "ringserve_micro_log_XXXXXX";
  const int made = ::mkstemp(path.data());
  if (made < 0) return state.SkipWithError(("mkstemp: " + net::errno_name(errno)).c_str());
  const net::OwnedFd file(made);
  auto opened = log::AccessLog::open(path, format, 1);
  if (!opened) return state.SkipWithError(opened.error().message().c_str());

  constexpr unsigned kTurnLines = 16;
  log::Channel& channel = (*opened)->channel(0);
  // As long as all that follow, but for the digits of the time.
  std::string room(log::LineFormatter::bytes_max(record), '\0');
  const auto line_bytes =
      static_cast<uint64_t>(log::LineFormatter(format).write(record, room.data()) - room.data());
  // A block of lines before each look at the file.
  const uint64_t turns = log::BlockQueue::kBlockBytes / (kTurnLines * line_bytes) + 1;
  int64_t worker_ns = 0;
  uint64_t lines = 0;
  int64_t writer_ns = measure::thread_cpu_ns() - measure::process_cpu_ns();
  for (auto _ : state) {
    const int64_t begun_ns = measure::thread_cpu_ns();
    for (uint64_t turn = 0; turn < turns; ++turn) {
      for (unsigned i = 0; i < kTurnLines; ++i) {
        record.received_at_us += 3;
        channel.write(record);
      }
      channel.flush();
    }
    const int64_t took_ns = measure::thread_cpu_ns() - begun_ns;
    worker_ns += took_ns;
    lines += turns * kTurnLines;
    state.SetIterationTime(static_cast<double>(took_ns) * 1e-9);
    if (!wait_for_writer(file.get(), lines * line_bytes) || !forget_file(file.get())) {
      state.SkipWithError("the file does not grow, or cannot have holes");
      break;
    }
  }
  const uint64_t dropped = (*opened)->dropped();
  opened->reset();
  writer_ns += measure::process_cpu_ns() - measure::thread_cpu_ns();
  std::filesystem::remove(path);
  if (dropped > 0) return state.SkipWithError("lines were dropped");
  const auto count = static_cast<double>(lines);
  state.counters["worker_ns"] = static_cast<double>(worker_ns) / count;
  state.counters["writer_ns"] = static_cast<double>(writer_ns) / count;
  state.counters["bytes"] = static_cast<double>(line_bytes);
}

#define RINGSERVE_LOG_BENCHMARKS(request)                                                   \
  BENCHMARK_CAPTURE(format, common_##request, log::Format::common, request##_request())     \
      ->Name("log/format:common/request:" #request);                                        \
  BENCHMARK_CAPTURE(format, combined_##request, log::Format::combined, request##_request()) \
      ->Name("log/format:combined/request:" #request);                                      \
  BENCHMARK_CAPTURE(format, json_##request, log::Format::json, request##_request())         \
      ->Name("log/format:json/request:" #request);                                          \
  BENCHMARK_CAPTURE(write, combined_##request, log::Format::combined, request##_request())  \
      ->Name("log/write:combined/request:" #request)                                        \
      ->UseManualTime();                                                                    \
  BENCHMARK_CAPTURE(write, json_##request, log::Format::json, request##_request())          \
      ->Name("log/write:json/request:" #request)                                            \
      ->UseManualTime()

RINGSERVE_LOG_BENCHMARKS(short);
RINGSERVE_LOG_BENCHMARKS(browser);
RINGSERVE_LOG_BENCHMARKS(foreign);

}  // namespace
}  // namespace micro

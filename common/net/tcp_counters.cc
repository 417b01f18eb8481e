// Reads whole files with one pread(2) each, from descriptors opened once, and finds the counters
// by name. It must never allocate while reading: it runs every second beside a measurement.
#include "common/net/tcp_counters.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

namespace net {
namespace {

// Of the calling thread; /proc/net is that of the process's first thread.
constexpr const char* kSockstat = "/proc/thread-self/net/sockstat";
constexpr const char* kSockstat6 = "/proc/thread-self/net/sockstat6";
constexpr const char* kNetstat = "/proc/thread-self/net/netstat";
constexpr const char* kSnmp = "/proc/thread-self/net/snmp";

// Cuts the next word, or line, off `text`.
std::string_view take_until(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

std::optional<uint64_t> number_in(std::string_view word) {
  // snmp has columns that may be -1 (MaxConn); counters never are.
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// What follows "Group: ", or nothing when the line is of another group.
std::optional<std::string_view> line_of_group(std::string_view line, std::string_view group) {
  if (take_until(line, ':') != group) return std::nullopt;
  if (!line.empty()) line.remove_prefix(1);  // the space
  return line;
}

using Finder = std::optional<uint64_t> (*)(std::string_view, std::string_view, std::string_view);

struct Wanted {
  const char* name;
  uint64_t TcpCounters::*field;
};

Status fill_in(TcpCounters& counters, Finder find, std::string_view text, const char* path,
               std::string_view group, std::initializer_list<Wanted> all_wanted) {
  for (const Wanted& wanted : all_wanted) {
    const auto value = find(text, group, wanted.name);
    if (!value) return fail(fmt::format("{}: no {} {}", path, group, wanted.name), ENODATA);
    counters.*wanted.field += *value;
  }
  return {};
}

}  // namespace

std::optional<uint64_t> pair_counter(std::string_view text, std::string_view group,
                                     std::string_view name) {
  while (!text.empty()) {
    auto line = line_of_group(take_until(text, '\n'), group);
    if (!line) continue;
    while (!line->empty()) {
      const std::string_view key = take_until(*line, ' ');
      const std::string_view value = take_until(*line, ' ');
      if (key == name) return number_in(value);
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> column_counter(std::string_view text, std::string_view group,
                                       std::string_view name) {
  while (!text.empty()) {
    auto names = line_of_group(take_until(text, '\n'), group);
    if (!names) continue;
    auto values = line_of_group(take_until(text, '\n'), group);
    if (!values) return std::nullopt;
    while (!names->empty()) {
      const std::string_view key = take_until(*names, ' ');
      const std::string_view value = take_until(*values, ' ');
      if (key == name) return number_in(value);
    }
  }
  return std::nullopt;
}

Result<std::unique_ptr<TcpCounterReader>> TcpCounterReader::open() {
  std::unique_ptr<TcpCounterReader> reader(new TcpCounterReader());
  const auto open_file = [](const char* path, OwnedFd& file) -> Status {
    file.reset(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return fail(fmt::format("open {}", path), errno, "is /proc mounted?");
    return {};
  };
  if (auto status = open_file(kSockstat, reader->sockstat_); !status) {
    return tl::unexpected(status.error());
  }
  if (auto status = open_file(kNetstat, reader->netstat_); !status) {
    return tl::unexpected(status.error());
  }
  if (auto status = open_file(kSnmp, reader->snmp_); !status) {
    return tl::unexpected(status.error());
  }
  if (auto status = open_file(kSockstat6, reader->sockstat6_);
      !status && status.error().errno_value != ENOENT) {
    return tl::unexpected(status.error());
  }
  return reader;
}

Result<std::string_view> TcpCounterReader::text_of(const OwnedFd& file, const char* path) {
  size_t size = 0;
  // The kernel may hand out a long file in parts (seq_file).
  while (size < buffer_.size()) {
    const ssize_t got =
        ::pread(file.get(), buffer_.data() + size, buffer_.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(fmt::format("read {}", path), errno);
    if (got == 0) return std::string_view(buffer_.data(), size);
    size += static_cast<size_t>(got);
  }
  return fail(fmt::format("read {}: longer than {} bytes", path, buffer_.size()), EOVERFLOW);
}

Result<TcpCounters> TcpCounterReader::read() {
  using C = TcpCounters;
  TcpCounters counters;
  const auto add = [&](const OwnedFd& file, const char* path, Finder find, std::string_view group,
                       std::initializer_list<Wanted> wanted) -> Status {
    const Result<std::string_view> text = text_of(file, path);
    if (!text) return tl::unexpected(text.error());
    return fill_in(counters, find, *text, path, group, wanted);
  };
  Status status = add(sockstat_, kSockstat, pair_counter, "TCP",
                      {{"inuse", &C::in_use},
                       {"tw", &C::time_wait},  // of both families
                       {"orphan", &C::orphans},
                       {"alloc", &C::allocated}});
  if (status && sockstat6_.valid()) {
    status = add(sockstat6_, kSockstat6, pair_counter, "TCP6", {{"inuse", &C::in_use}});
  }
  if (status) {
    status = add(netstat_, kNetstat, column_counter, "TcpExt",
                 {{"ListenOverflows", &C::listen_overflows},
                  {"ListenDrops", &C::listen_drops},
                  {"TW", &C::time_wait_entered},
                  {"TWRecycled", &C::time_wait_recycled},
                  {"TCPTimeWaitOverflow", &C::time_wait_overflow}});
  }
  if (status) {
    status =
        add(snmp_, kSnmp, column_counter, "Tcp", {{"RetransSegs", &C::retransmitted_segments}});
  }
  if (!status) return tl::unexpected(status.error());
  return counters;
}

}  // namespace net

// The columns are stable: new ones are added at the end.
#include "client/load/report/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <vector>

#include "client/load/report/derived.h"
#include "client/load/report/files.h"

namespace ringload {
namespace {

constexpr std::array kColumns{"at_s",
                              "length_s",
                              "event",
                              "requests",
                              "rate_per_s",
                              "bytes",
                              "errors",
                              "connections_opened",
                              "connected",
                              "lost",
                              "planned_rate_per_s",
                              "p50_us",
                              "p90_us",
                              "p99_us",
                              "p999_us",
                              "max_us",
                              "client_cpu_s",
                              "server_cpu_s",
                              "time_wait",
                              "time_wait_server",
                              "time_wait_all",
                              "established",
                              "ports_free",
                              "next_free_in_s",
                              "exhausted_in_s",
                              "listen_overflows",
                              "listen_drops",
                              "time_wait_overflow",
                              "time_wait_recycled",
                              "retransmits"};

std::string cell(uint64_t value) { return fmt::format("{}", value); }
std::string cell(double value) { return fmt::format("{:.6g}", value); }
template <class T>
std::string cell(const std::optional<T>& value) {
  return value ? cell(*value) : std::string();
}

const char* event_of(const SecondRow& row, bool exhausted) {
  if (exhausted) return "exhausted";
  return row.warmup ? "warmup" : "";
}

void add_latency(std::vector<std::string>& cells, const Percentiles& latency) {
  for (const uint64_t ns :
       {latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns, latency.max_ns}) {
    const bool answered = latency.max_ns != 0;
    cells.push_back(answered ? fmt::format("{:.3f}", static_cast<double>(ns) / 1000) : "");
  }
}

void add_sockets(std::vector<std::string>& cells, const SocketSample& sockets) {
  const size_t all = kColumns.size();
  if (!sockets.valid) {
    cells.resize(all);
    return;
  }
  for (std::string text :
       {cell(sockets.time_wait), cell(sockets.time_wait_server), cell(sockets.time_wait_all),
        cell(sockets.established), cell(sockets.ports_free), cell(sockets.next_free_in_s),
        cell(sockets.exhausted_in_s), cell(sockets.listen_overflows), cell(sockets.listen_drops),
        cell(sockets.time_wait_overflow), cell(sockets.time_wait_recycled),
        cell(sockets.retransmits)}) {
    cells.push_back(std::move(text));
  }
}

}  // namespace

std::string csv_header() { return fmt::format("{}\n", fmt::join(kColumns, ",")); }

std::string csv_row(const SecondRow& row, bool exhausted) {
  std::vector<std::string> cells{fmt::format("{:.3f}", row.at_s),
                                 fmt::format("{:.3f}", row.length_s),
                                 event_of(row, exhausted),
                                 cell(row.requests),
                                 cell(ratio(static_cast<double>(row.requests), row.length_s)),
                                 cell(row.bytes),
                                 cell(row.errors),
                                 cell(row.connections_opened),
                                 cell(row.connected),
                                 cell(row.lost),
                                 cell(row.planned_rate_per_s)};
  add_latency(cells, row.latency);
  cells.push_back(cell(row.client_cpu_s));
  cells.push_back(cell(row.server_cpu_s));
  add_sockets(cells, row.sockets);
  return fmt::format("{}\n", fmt::join(cells, ","));
}

net::Result<CsvWriter> CsvWriter::open(const std::string& path) {
  auto fd = create_file(path);
  if (!fd) return tl::unexpected(fd.error());
  if (auto status = write_all(fd->get(), csv_header(), path); !status) {
    return tl::unexpected(status.error());
  }
  return CsvWriter(std::move(*fd), path);
}

net::Status CsvWriter::row(const SecondRow& row, bool exhausted) {
  return write_all(fd_.get(), csv_row(row, exhausted), path_);
}

std::string csv_of(const Outcome& outcome) {
  std::string text = csv_header();
  for (const SecondRow& row : outcome.seconds) {
    text += csv_row(row, exhausted_in(row, outcome.exhaustion));
  }
  return text;
}

bool exhausted_in(const SecondRow& row, const std::optional<Exhaustion>& exhaustion) {
  if (!exhaustion) return false;
  return exhaustion->at_s <= row.at_s && exhaustion->at_s > row.at_s - row.length_s;
}

}  // namespace ringload

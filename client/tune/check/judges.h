// The judges, one for each parameter that can limit something; judge.cc has their table.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "client/tune/check/judge.h"

namespace ringtune {

// What a judge says; judge.cc adds parameter and present value.
struct Opinion {
  Verdict verdict = Verdict::no_matter;
  std::string arithmetic;
  std::string advice = {};
  std::optional<std::string> wanted = {};
};

using Judge = Opinion (*)(const Machine&, const Expectation&);
Judge judge_of(std::string_view name);  // nullptr: it never limits

inline Opinion ok(std::string arithmetic) { return {Verdict::ok, std::move(arithmetic)}; }
inline Opinion no_matter(std::string why) { return {Verdict::no_matter, std::move(why)}; }
inline Opinion unasked(std::string_view keys) {
  return {Verdict::unasked, fmt::format("give {}", keys)};
}
// The value is not what the kernel writes there: nothing can be said.
inline Opinion unreadable() { return {Verdict::unasked, "its value cannot be read"}; }

// "180000"; "1.5 GiB"; "559 Mbit/s"; a rate is rounded down.
std::string count_text(double count);
std::string bytes_text(double bytes);
std::string bits_text(double bit_per_s);
std::string rate_text(double per_s);
uint64_t power_of_two_from(uint64_t least);

// judge_ports.cc
Opinion judge_port_range(const Machine&, const Expectation&);
Opinion judge_reserved_ports(const Machine&, const Expectation&);
Opinion judge_tw_reuse(const Machine&, const Expectation&);
Opinion judge_tw_reuse_delay(const Machine&, const Expectation&);
Opinion judge_timestamps(const Machine&, const Expectation&);
Opinion judge_tw_buckets(const Machine&, const Expectation&);
Opinion judge_max_orphans(const Machine&, const Expectation&);

// judge_queues.cc
Opinion judge_somaxconn(const Machine&, const Expectation&);
Opinion judge_syn_backlog(const Machine&, const Expectation&);
Opinion judge_syncookies(const Machine&, const Expectation&);
Opinion judge_abort_on_overflow(const Machine&, const Expectation&);
Opinion judge_device_backlog(const Machine&, const Expectation&);
Opinion judge_device_budget(const Machine&, const Expectation&);
Opinion judge_conntrack(const Machine&, const Expectation&);

// judge_buffers.cc
Opinion judge_rmem(const Machine&, const Expectation&);
Opinion judge_wmem(const Machine&, const Expectation&);
Opinion judge_tcp_mem(const Machine&, const Expectation&);
Opinion judge_notsent_lowat(const Machine&, const Expectation&);
Opinion judge_limit_output(const Machine&, const Expectation&);
Opinion judge_moderate_rcvbuf(const Machine&, const Expectation&);
Opinion judge_window_scaling(const Machine&, const Expectation&);

// judge_transport.cc
Opinion judge_congestion(const Machine&, const Expectation&);
Opinion judge_after_idle(const Machine&, const Expectation&);
Opinion judge_keepalive_time(const Machine&, const Expectation&);
Opinion judge_retries2(const Machine&, const Expectation&);

// judge_host.cc
Opinion judge_nofile(const Machine&, const Expectation&);
Opinion judge_memlock(const Machine&, const Expectation&);
Opinion judge_file_max(const Machine&, const Expectation&);
Opinion judge_nr_open(const Machine&, const Expectation&);
Opinion judge_pipe_max_size(const Machine&, const Expectation&);
Opinion judge_pipe_pages(const Machine&, const Expectation&);
Opinion judge_io_uring(const Machine&, const Expectation&);
Opinion judge_watches(const Machine&, const Expectation&);

}  // namespace ringtune

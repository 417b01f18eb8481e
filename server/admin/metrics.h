// The numbers of a Snapshot as Prometheus wants them: text exposition format 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). Pure text.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "server/admin/snapshot.h"

namespace ringserve::admin {

constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

// Values of the label `kind`, by Timeout.
constexpr std::array<std::string_view, kTimeouts> kTimeoutKinds = {"header", "idle", "send",
                                                                   "linger"};

// Values of the label `kind`, by Limit.
constexpr std::array<std::string_view, kLimits> kLimitKinds = {
    "connections_per_address", "requests_per_connection", "request_rate", "send_rate"};

// All metrics, each with HELP and TYPE; what the kernel does not tell (negative) is left out.
std::string metrics_text(const Snapshot& snapshot);

// `text` as it stands between the quotes of a label: backslash, quote and line feed are escaped.
std::string escaped_label(std::string_view text);

}  // namespace ringserve::admin

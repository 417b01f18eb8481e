// The status page and what its script polls. Pure text, made from status.html and a Snapshot.
#pragma once

#include <string>

#include "server/admin/history.h"
#include "server/admin/snapshot.h"

namespace ringserve::admin {

// The page with the numbers as they are now, all that is not ours escaped.
std::string status_page(const Snapshot& now, const History& history);

// {"version", "send_path", "uptime_s", "draining", "headline": [figure], "tables": [{"title",
// "rows": [figure]}], "history": {"at_s": [number], ...}}, where a figure is {"label", "value",
// "remark", "alarming"}, and each list of the history has an element for each sample, the oldest
// first.
std::string status_json(const Snapshot& now, const History& history);

}  // namespace ringserve::admin

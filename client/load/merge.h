// Joins the results of runs that loaded one service at the same time, from several machines: exact
// where it can be (counts, histograms), and saying so where it cannot (percentiles of a second).
#pragma once

#include <string>
#include <vector>

#include "client/load/outcome.h"
#include "common/net/result.h"

namespace ringload {

// `file_names` stand for the outcomes, in the same order, in messages and in `merged_from`.
//
// Counts, CPU and histograms are added up; the duration is the longest, so that the rate, which is
// requests by duration, is the sum of the rates of runs of equal length. Rows are joined by their
// second since the start of each run: counts are added, percentiles are those of the worst run.
// Sockets of different hosts are added up; runs on one host saw the same ones, and count once.
//
// Refuses: nothing to merge, open loop with closed loop (their latencies mean different things),
// the same run twice.
net::Result<Outcome> merge(std::vector<Outcome> outcomes,
                           const std::vector<std::string>& file_names);

// Reads files written by --json and merges them.
net::Result<Outcome> merge_files(const std::vector<std::string>& file_names);

}  // namespace ringload

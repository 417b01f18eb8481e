// What a run shows on stderr while it goes on: one line a second, and on a terminal a progress bar
// below, drawn anew in place. One thread only. Writing may fail (a closed terminal): that never
// disturbs the run.
#pragma once

#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "client/load/outcome.h"

namespace ringload {

enum class LiveMode {
  automatic,  // lines, and the bar where the descriptor is a terminal
  plain,      // lines only
  off,        // nothing
};

// The line of a second and its header: 80 columns, no newline. Where nothing is known, "-".
std::string live_header();
std::string live_line(const SecondRow& row);

class Live {
 public:
  // `fd` is not owned.
  explicit Live(LiveMode mode, int fd = STDERR_FILENO);

  void begin(const RunFacts& facts);
  // `fraction_done` (0 to 1) for the bar: by requests of the measured part, or by time, warm-up
  // included. Not used where neither was asked for: such a run has no end of its own, and no bar.
  void row(const SecondRow& row, double fraction_done);
  // Paragraphs between the lines: wrapped, without control characters.
  void note(const std::vector<std::string>& paragraphs);
  // Takes the bar away.
  void end();

 private:
  void clear_bar();
  void draw_bar();
  void print(std::string_view text) const;
  size_t columns() const;
  std::string left_text(const SecondRow& row) const;

  int fd_;
  bool shown_;
  bool terminal_;
  bool bar_drawn_ = false;
  unsigned rows_since_header_ = 0;
  double duration_wanted_s_ = 0;  // 0: until the requests are done
  uint64_t requests_wanted_ = 0;
  double fraction_done_ = 0;
  std::string bar_text_;  // beside the bar: "42 %, 6 s left"
};

}  // namespace ringload

// What a child prints, collected while it runs: a full pipe must never stop a server in the
// middle of a test, and a test can wait for a line instead of sleeping.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "tests/support/patience.h"
#include "tests/support/unique_fd.h"

namespace support {

class OutputTap {
 public:
  // Reads until the other end is closed.
  explicit OutputTap(UniqueFd pipe);
  ~OutputTap();
  OutputTap(const OutputTap&) = delete;
  OutputTap& operator=(const OutputTap&) = delete;

  std::string text() const;
  // Everything, once the last writer is gone.
  std::string whole();
  // True when the condition held for the text before the deadline or the end of the stream.
  bool wait_until(const std::function<bool(const std::string&)>& condition,
                  const Deadline& deadline);

 private:
  void collect();

  UniqueFd pipe_;
  mutable std::mutex mutex_;
  std::condition_variable grown_;
  std::string text_;
  bool ended_ = false;
  std::thread reader_;
};

// Lines of `text` that contain every one of the words.
std::size_t count_lines_with(const std::string& text,
                             std::initializer_list<std::string_view> words);

}  // namespace support

// One thread a pipe, until the pipe ends. It relies on the child being the only writer, and
// must never interpret what it collects.
#include "tests/support/output_tap.h"

#include <algorithm>
#include <cerrno>
#include <sstream>

namespace support {

OutputTap::OutputTap(UniqueFd pipe) : pipe_(std::move(pipe)), reader_([this] { collect(); }) {}

OutputTap::~OutputTap() { reader_.join(); }

void OutputTap::collect() {
  char chunk[16384];
  for (;;) {
    const ssize_t n = ::read(pipe_.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (n > 0) text_.append(chunk, static_cast<std::size_t>(n));
    if (n <= 0) ended_ = true;
    grown_.notify_all();
    if (n <= 0) return;
  }
}

std::string OutputTap::text() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

std::string OutputTap::whole() {
  const Deadline deadline;
  std::unique_lock lock(mutex_);
  grown_.wait_until(lock, deadline.at(), [this] { return ended_; });
  return text_;
}

bool OutputTap::wait_until(const std::function<bool(const std::string&)>& condition,
                           const Deadline& deadline) {
  std::unique_lock lock(mutex_);
  grown_.wait_until(lock, deadline.at(), [&] { return ended_ || condition(text_); });
  return condition(text_);
}

std::size_t count_lines_with(const std::string& text,
                             std::initializer_list<std::string_view> words) {
  std::istringstream lines(text);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool all = std::all_of(words.begin(), words.end(), [&](std::string_view word) {
      return line.find(word) != std::string::npos;
    });
    if (all) ++count;
  }
  return count;
}

}  // namespace support

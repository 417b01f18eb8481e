// The one thread that writes the access log: it takes the lines of all channels, in large pieces,
// and is the only one to wait for the disk. What goes wrong it says in the error log, not too
// often.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/owned_fd.h"
#include "common/net/result.h"
#include "server/counter.h"
#include "server/log/channel.h"
#include "server/log/destination.h"

namespace ringserve::log {

class Writer {
 public:
  using Clock = std::chrono::steady_clock;

  // Lines wait no longer than this for more to be written with.
  static constexpr std::chrono::milliseconds kFlushPeriod{250};
  // At the end, for a pipe that takes no more.
  static constexpr std::chrono::seconds kEndPatience{3};

  static net::Result<std::shared_ptr<Writer>> create(const std::string& path, Format format,
                                                     unsigned channels);

  Channel& channel(unsigned index) { return *channels_.at(index); }

  // The thread's: returns when everything is written after end(), or could not be.
  void run();
  // No channel is used any more. Called once.
  void end();
  void reopen();  // any thread
  uint64_t dropped() const;

 private:
  // How a round over the channels ended: nothing was left, the destination takes no more for now,
  // or it failed.
  enum class Round { done, blocked, failed };

  Writer(std::string path, Destination destination, net::OwnedFd wake)
      : path_(std::move(path)), destination_(std::move(destination)), wake_(std::move(wake)) {}

  Round write_channels();
  Round write_from(BlockQueue& queue);
  void open_again();
  void wait(Round round);
  void report(Round round);
  void report_dropped();
  void give_up_the_rest();

  const std::string path_;
  Destination destination_;
  net::OwnedFd wake_;  // an eventfd
  std::vector<std::unique_ptr<Channel>> channels_;
  std::atomic<bool> ending_ = false;
  std::atomic<bool> reopen_wanted_ = false;

  size_t next_channel_ = 0;  // where a round that was broken off goes on
  size_t line_part_ = 0;     // bytes of that channel's first line that are written already
  net::Error failure_;       // of the last round that failed

  Counter unwritten_;  // lines that were given up at the end
  uint64_t reported_dropped_ = 0;
  std::optional<Clock::time_point> complained_at_, reported_at_;
  bool in_trouble_ = false;  // and the error log says so
};

}  // namespace ringserve::log

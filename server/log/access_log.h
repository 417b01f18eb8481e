// The access log: one line for each response, formatted by the worker into a bounded channel of its
// own, written to the file by a thread of the log's. A worker never waits for the disk: what finds
// no room is dropped and counted.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "common/net/result.h"
#include "server/log/channel.h"
#include "server/log/line_formatter.h"
#include "server/log/record.h"

namespace ringserve::log {

class Writer;

class AccessLog {
 public:
  // `path`: a file that is appended to and made if absent, a FIFO, or "-" for stdout. `channels`:
  // one for each worker.
  static net::Result<std::unique_ptr<AccessLog>> open(const std::string& path, Format format,
                                                      unsigned channels);
  // Writes what is left, waiting for a slow disk some seconds at most (Writer::kEndPatience and one
  // more). No worker uses its channel any more.
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  Channel& channel(unsigned index);
  // The file was moved away (logrotate): opens the path again. From any thread. The old file stays
  // in use where that fails, which is said in the error log. Nothing for stdout.
  void reopen();
  uint64_t dropped() const;  // lines, of all channels; any thread

 private:
  explicit AccessLog(std::shared_ptr<Writer> writer);

  std::shared_ptr<Writer> writer_;  // the thread's too: it may have to be left behind
  std::future<void> ended_;
  std::thread thread_;
};

}  // namespace ringserve::log

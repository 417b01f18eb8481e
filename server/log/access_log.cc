// Starts and ends the writer's thread, and leaves it behind if a disk does not let it end.
#include "server/log/access_log.h"

#include <spdlog/spdlog.h>

#include <system_error>
#include <utility>

#include "server/log/writer.h"

namespace ringserve::log {

net::Result<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path, Format format,
                                                        unsigned channels) {
  auto writer = Writer::create(path, format, channels);
  if (!writer) return tl::unexpected(writer.error());
  try {
    return std::unique_ptr<AccessLog>(new AccessLog(std::move(*writer)));
  } catch (const std::system_error& error) {
    return net::fail("start the access log's thread", error.code().value());
  }
}

AccessLog::AccessLog(std::shared_ptr<Writer> writer) : writer_(std::move(writer)) {
  std::packaged_task<void()> task([writer = writer_] { writer->run(); });
  ended_ = task.get_future();
  thread_ = std::thread(std::move(task));
}

AccessLog::~AccessLog() {
  constexpr std::chrono::seconds kDiskPatience{1};
  writer_->end();
  if (ended_.wait_for(Writer::kEndPatience + kDiskPatience) == std::future_status::ready) {
    thread_.join();
    return;
  }
  spdlog::error("the access log's disk does not answer: its last lines may be lost");
  thread_.detach();
}

Channel& AccessLog::channel(unsigned index) { return writer_->channel(index); }
void AccessLog::reopen() { writer_->reopen(); }
uint64_t AccessLog::dropped() const { return writer_->dropped(); }

}  // namespace ringserve::log

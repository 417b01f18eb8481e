// The thread that watches a run: it wakes once a second and when something happens, puts rows
// together, looks at the sockets, and decides when the run ends.
#pragma once

#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/load/collector.h"
#include "client/load/engine/worker.h"
#include "client/load/report/csv.h"
#include "client/load/report/live.h"
#include "client/load/sockets/tracker.h"
#include "common/measure/cpu_time.h"

namespace ringload {

class Coordinator {
 public:
  // Prepares requests, tracker and threads; nothing is sent yet.
  static net::Result<std::unique_ptr<Coordinator>> create(const Plan& plan);
  ~Coordinator();

  // Until the run is over. The error says why it could not be done at all.
  net::Result<Outcome> run();
  bool interrupted() const { return interrupted_; }

 private:
  struct Prediction {
    double made_at_s;
    double exhausted_at_s;
  };

  explicit Coordinator(const Plan& plan);
  net::Status prepare();
  net::Status start_tracker();
  net::Status open_csv();
  net::Status start_workers();
  void work(unsigned number, int wake_fd);

  void begin();
  void wait();
  void on_signals();
  static void unblock_signals();
  void note_measured_start();
  void watch_exhaustion();
  void on_row(SecondRow& row);
  void watch_conditions(const SecondRow& row);
  void watch_silence(const SecondRow& row);
  void stop(const std::string& reason, int64_t patience_ns);
  void finish_outcome();
  double at_s(int64_t at_ns) const;
  double fraction_done(const SecondRow& row) const;

  const Plan& plan_;
  Materials materials_;
  Control control_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<net::OwnedFd> wakes_;  // eventfds, by worker
  std::vector<std::thread> threads_;
  std::vector<net::Status> created_;  // by worker; complete when ready_ is
  std::latch ready_;                  // every worker has its ring
  std::latch go_{1};
  bool abandoned_ = true;  // until run(); read by the workers after go_

  net::OwnedFd signals_;
  std::unique_ptr<SocketTracker> tracker_;
  std::unique_ptr<measure::ProcessTreeCpu> server_cpu_;
  std::optional<CsvWriter> csv_;
  Live live_;
  Collector collector_;
  Outcome outcome_;

  std::vector<Prediction> predictions_;
  bool measuring_ = false;
  bool stopping_ = false;
  bool interrupted_ = false;
  bool ended_ = false;  // the last row is in
  int64_t client_cpu_start_ns_ = 0;
  int64_t server_cpu_start_ns_ = 0;
  int64_t server_cpu_row_ns_ = 0;
  double silent_s_ = 0;
  uint64_t connected_ = 0;  // at the end of the last row
  net::Status file_status_;
};

}  // namespace ringload

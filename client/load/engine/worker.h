// One thread of the generator: a ring, its share of the connections, of the rate and of the
// numbers. Its loop is run(); connections.cc opens and ends connections, responses.cc takes in
// answers. Workers share nothing that changes but Control.
#pragma once

#include <deque>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "client/load/engine/body_check.h"
#include "client/load/engine/connection.h"
#include "client/load/engine/connector.h"
#include "client/load/engine/control.h"
#include "client/load/engine/port_gate.h"
#include "client/load/engine/requests.h"
#include "client/load/engine/schedule.h"
#include "client/load/engine/tally.h"
#include "client/load/plan.h"
#include "common/net/ring.h"

namespace ringload {

// What all workers read: made before they start, unchanged while they run.
struct Materials {
  const Plan& plan;
  std::vector<RequestSet> requests;                       // by target
  std::vector<std::unique_ptr<ExpectedBodies>> expected;  // by target; empty unless verified
};

class Worker {
 public:
  // `number` of plan.threads. Call run() in the thread that called create(): the ring has one
  // issuer.
  static net::Result<std::unique_ptr<Worker>> create(const Materials& materials, Control& control,
                                                     Mailbox& mailbox, unsigned number,
                                                     int wake_fd);
  // Until the run is over; the last interval is in the mailbox then.
  void run();

 private:
  enum class Operation : uint8_t { wake, connect, receive, discard, room, cancel };
  struct Retry {
    int64_t at_ns;
    uint32_t slot;
    bool operator<(const Retry& other) const { return at_ns > other.at_ns; }  // earliest on top
  };
  // A head seen before: most responses of a run begin with the same bytes, until the Date changes.
  struct KnownHead {
    std::string bytes;
    ResponseHead head;
  };

  Worker(const Materials& materials, Control& control, Mailbox& mailbox, unsigned number);
  net::Status open_ring(int wake_fd);

  // worker.cc: the loop
  void turn();
  int64_t next_event_ns() const;
  void on_completion(const io_uring_cqe& cqe);
  void look_around();  // timeouts, slots that are to join or leave, hopelessness
  void check_timeouts(Connection& connection);
  void hand_over_due_intervals();
  void hand_over_interval();
  void give_up();
  bool may_begin() const { return now_ns_ < end_ns_; }
  bool out_of_budget() const;  // of --requests
  bool has_work() const;       // for another connection
  bool done() const;

  // worker.cc: open loop
  void dispatch_due();
  Connection* pop_available();
  void make_available(Connection& connection);
  uint64_t count_unsent() const;
  int64_t due_ns(uint64_t index);

  // connections.cc
  // A slot in a port gate whose turn it is may pass it; the others wait behind it.
  enum class Gate { wait, pass };
  // Connects, or waits for a request to connect for.
  void open_slot(Connection& connection, Gate gate = Gate::wait);
  void connect(Connection& connection, Gate gate);
  void on_connect(Connection& connection, int result);
  void connect_failed(Connection& connection, std::string_view phase, std::string_view name);
  void no_port(Connection& connection);         // EADDRNOTAVAIL
  void end_connection(Connection& connection);  // after the last answer
  void drop_socket(Connection& connection);     // closes, whatever is under way
  void lose_connection(Connection& connection, std::string_view phase, std::string_view name);
  void reopen(Connection& connection);
  void plan_retry(Connection& connection, int64_t delay_ns);
  void try_again();
  void settle_probes();
  void retry(Connection& connection, Gate gate);
  void give_back_request(Connection& connection);
  void end_lost_time(Connection& connection);
  bool wanted(const Connection& connection) const;
  bool keeps_going(const Connection& connection) const;  // may take another request

  // requests, connections.cc
  bool take_budget();
  void take(Connection& connection, int64_t from_ns);
  void refill(Connection& connection);  // closed loop
  void send_taken(Connection& connection);
  void arm_receive(Connection& connection);
  void set_low_water(Connection& connection, int bytes);

  // responses.cc
  void on_receive(Connection& connection, const io_uring_cqe& cqe);
  void on_discard(Connection& connection, int result);
  void on_end_of_file(Connection& connection);
  void consume(Connection& connection, std::string_view input);
  bool consume_head(Connection& connection, std::string_view& input);
  void begin_body(Connection& connection, const ResponseHead& head);
  void consume_body(Connection& connection, std::string_view& input);
  void check_body(Connection& connection, std::string_view part);
  uint64_t first_body_byte(const Connection& connection) const;
  std::string_view fault_of_body(Connection& connection) const;
  void complete_response(Connection& connection);
  void after_input(Connection& connection);

  uint64_t pack(Operation operation, const Connection& connection) const;
  const Target& target_of(const Connection& connection) const;
  std::string_view expected_of(Connection& connection) const;

  const Materials& materials_;
  const Plan& plan_;
  Control& control_;
  Mailbox& mailbox_;
  const unsigned number_;
  const bool lazy_;  // a connection is opened when there is a request for it

  std::unique_ptr<net::Ring> ring_;
  std::unique_ptr<net::BufferRing> buffers_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Connector connector_;
  std::vector<PortGate> gates_;  // by target: ports run out toward one destination
  std::priority_queue<Retry> retries_;
  std::vector<uint32_t> without_buffer_;  // receives that found no buffer
  std::vector<KnownHead> known_heads_;
  std::vector<std::string_view> body_parts_;  // scratch
  std::mt19937_64 random_;

  Schedule schedule_;
  std::deque<uint32_t> available_;
  uint64_t next_index_;  // of the schedule
  int64_t next_due_ns_ = kNever;
  bool blocked_ = false;  // requests are due that no connection can take

  std::unique_ptr<Interval> interval_;
  int64_t interval_cpu_ns_ = 0;  // thread CPU time at its start
  int64_t next_row_ns_ = 0;
  bool end_row_handed_over_ = false;

  int64_t now_ns_ = 0;
  int64_t end_ns_ = kNever;  // of Control, read once a turn
  int64_t next_look_ns_ = 0;
  uint64_t in_flight_ = 0;    // requests sent and not answered
  uint64_t outstanding_ = 0;  // and those taken that wait to be sent
  uint64_t open_ = 0;         // connections
  uint64_t attempts_failed_ = 0;
  bool ever_opened_ = false;
  bool hopeless_ = false;
  bool giving_up_ = false;
};

}  // namespace ringload

// A server that does what a test tells it: answers, lies, stops in the middle, is silent. One
// thread of the test, which ends with the object. It writes down who came and what was asked, so
// that a load generator's figures can be held against what really arrived.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/endpoint.h"

struct pollfd;

namespace support {

// One thing done on a connection; a script is done in order.
struct Action {
  enum class Kind { send, drip, pour, pause, stall_all, close, reset };
  Kind kind = Kind::send;
  std::string bytes = {};
  int time_ms = 0;
};
using Script = std::vector<Action>;

Action send_bytes(std::string bytes);
Action drip_bytes(std::string bytes);  // a segment each
Action pour_for_ever(std::string bytes);
Action pause_ms(int time_ms);      // this connection
Action stall_all_ms(int time_ms);  // the whole server: it neither accepts nor reads nor answers
Action close_connection();
Action reset_connection();
// A 200 with Content-Length; `fields` are whole lines with their ends.
std::string ok_reply(std::string_view body = "hello", std::string_view fields = "");
std::string reply(int status, std::string_view body = "", std::string_view fields = "");

struct SeenRequest {
  std::uint64_t number = 0;         // from 1, of the server
  std::uint64_t connection = 0;     // from 1, in the order of arrival
  std::uint64_t on_connection = 0;  // from 1, of this connection
  std::string head;                 // with its empty line
  std::string target;
};

struct Tally {
  std::uint64_t connections = 0;
  std::uint64_t requests = 0;
  std::uint64_t ended_by_client = 0;  // the client closed first
  std::uint64_t reset_by_client = 0;
  std::set<std::string> peers;  // addresses without ports
  std::map<std::string, std::uint64_t> targets;
  std::vector<SeenRequest> first_requests;  // as many as are kept, in the order of arrival
};

class ScriptedServer {
 public:
  using OnRequest = std::function<Script(const SeenRequest&)>;  // called by the server's thread

  // Listens at once; throws when it cannot. `on_accept` is done before any request is answered.
  explicit ScriptedServer(OnRequest on_request, Script on_accept = {},
                          std::string_view listen = "127.0.0.1:0");
  // Every request gets this script.
  explicit ScriptedServer(Script for_every_request, Script on_accept = {});
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  const Endpoint& endpoint() const { return endpoint_; }
  std::string url(std::string_view target = "/") const;
  Tally tally() const;
  // False when it did not come true before the deadline.
  bool wait_until(const std::function<bool(const Tally&)>& condition) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    UniqueFd fd;
    std::uint64_t number = 0;
    std::uint64_t requests = 0;
    std::string received;
    std::deque<Action> todo;
    Clock::time_point resume_at{};
    bool blocked = false;  // its socket takes no more bytes for now
    bool paused(Clock::time_point now) const { return now < resume_at; }
  };

  void run();
  bool wait_for_events(std::vector<pollfd>& events);
  int patience_ms(Clock::time_point now) const;
  void accept_all();
  bool read_from(Connection& connection);  // false: the connection is over
  void take_requests(Connection& connection);
  bool act(Connection& connection);
  bool send_some(Connection& connection, Action& action);

  const OnRequest on_request_;
  const Script on_accept_;
  Endpoint endpoint_;
  UniqueFd listener_;
  UniqueFd stop_;  // an eventfd
  std::list<Connection> connections_;
  Clock::time_point stalled_until_{};

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Tally tally_;
  std::thread thread_;
};

}  // namespace support

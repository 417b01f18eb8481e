// What the connections of one worker share, and the limits they keep. Owned by the worker.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/net/ring.h"
#include "server/clients/send_watch.h"
#include "server/http/reply.h"
#include "server/http/request_parser.h"
#include "server/http/target.h"
#include "server/listing/lister.h"
#include "server/notice.h"
#include "server/pool.h"
#include "server/response_log.h"
#include "server/search.h"
#include "server/send/path.h"
#include "server/settings.h"
#include "server/sites.h"
#include "server/slots.h"
#include "server/statistics.h"
#include "server/timers.h"

namespace ringserve {

struct Services {
  net::Ring& ring;
  net::BufferRing& receive_buffers;
  TimerWheel& timers;
  send::Path& path;
  http::Preamble& preamble;
  std::vector<uint64_t>& runnable;  // owner_bits() of connections to be given a turn
  std::vector<uint64_t>& to_flush;  // and of those whose replies leave when the turn ends
  // Has the directory that a connection's search holds open listed; Connection::on_listed() brings
  // the result.
  std::function<void(SlotId, Search&, listing::Format)> list;
  Notice& tls_notice;  // of all workers together
  bool bodies_from_memory = true;
  uint64_t memory_body_bytes_max = 0;  // longer ones never leave from memory

  // These change with a reload.
  Timeouts timeouts{};
  Limits limits{};
  ClosePolicy close = ClosePolicy::server;
  SitesRef sites{};

  int64_t now_ms = 0;          // CLOCK_MONOTONIC, of this turn of the loop
  int64_t now_us = 0;          // CLOCK_REALTIME, of this turn; only where there is an access log
  int64_t received_at_us = 0;  // the same, of the turn that brought the request being answered
  bool draining = false;       // no further request on any connection
  bool handed_over = false;    // but one more on those that are idle
  Statistics statistics{};
  Pool<http::RequestParser> parsers{};
  Pool<send::Transfer> transfers{};
  Pool<Search> searches{};
  ResponseLogs log{};
  Pool<clients::SendWatch> send_watches{};
  http::Target target{};  // scratch
  std::string text{};     // scratch
};

}  // namespace ringserve

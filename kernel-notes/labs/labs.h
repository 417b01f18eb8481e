// The labs: each is a conversation that teaches one thing, in a file of its own. It prints what it
// does and notes what it expected (Conversation::expect()). All run in a private network of the
// process; main.cc names them.
#pragma once

#include <string>
#include <vector>

#include "kernel-notes/labs/conversation.h"
#include "kernel-notes/labs/party.h"

namespace notes::labs {

struct Arguments {
  bool full = false;                 // --full: with the kernel's real times
  std::vector<std::string> words{};  // whatever else was given
};

constexpr uint16_t kServerPort = 8080;  // of every server here: the network is the lab's own

void close_against_shutdown(Conversation& conversation, const Arguments& arguments);
void connected_udp(Conversation& conversation, const Arguments& arguments);
void liveness(Conversation& conversation, const Arguments& arguments);
void numbered_echo(Conversation& conversation, const Arguments& arguments);
void restart_in_time_wait(Conversation& conversation, const Arguments& arguments);
void slow_reader(Conversation& conversation, const Arguments& arguments);
void time_wait_outage(Conversation& conversation, const Arguments& arguments);
void udp_chat(Conversation& conversation, const Arguments& arguments);
void udp_request_reply(Conversation& conversation, const Arguments& arguments);
void unix_sockets(Conversation& conversation, const Arguments& arguments);
void writev_hello(Conversation& conversation, const Arguments& arguments);

}  // namespace notes::labs

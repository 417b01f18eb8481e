// A chat by UDP: whoever sends "<JOIN>" is remembered by address and port, and hears every line of
// the others. Messages that begin with "<" are for the relay.
#include <algorithm>

#include "kernel-notes/labs/labs.h"

namespace notes::labs {
namespace {

constexpr const char* kJoin = "<JOIN>";
constexpr const char* kLeave = "<LEAVE>";

Address relay_address() { return net::verbs::loopback(kServerPort); }

bool same(const Address& a, const Address& b) { return a.text() == b.text(); }

class Relay {
 public:
  explicit Relay(Party party) : party_(std::move(party)), socket_(net::verbs::udp_socket()) {
    party_.bind(socket_, relay_address());
  }

  // Takes one message; the number of members it was sent on to.
  size_t serve() {
    const Outcome message = party_.receive_from(socket_);
    const Address& sender = *message.sender;
    if (message.bytes.starts_with('<')) {
      control(message.bytes, sender);
      return 0;
    }
    size_t sent = 0;
    for (const Address& member : members_) {
      if (same(member, sender)) continue;
      sent += party_.send_to(socket_, member, message.bytes).succeeded();
    }
    return sent;
  }

  size_t members() const { return members_.size(); }

 private:
  void control(const std::string& what, const Address& sender) {
    const auto is_sender = [&](const Address& member) { return same(member, sender); };
    if (what == kJoin && std::ranges::none_of(members_, is_sender)) members_.push_back(sender);
    if (what == kLeave) std::erase_if(members_, is_sender);
    party_.note("members: {}", members_.size());
  }

  Party party_;
  OwnedFd socket_;
  std::vector<Address> members_;
};

struct Member {
  explicit Member(Party of) : party(std::move(of)), socket(net::verbs::udp_socket()) {}

  void say(const char* line) { party.send_to(socket, relay_address(), line); }
  std::string hear() { return party.receive_from(socket).bytes; }
  // Whether nothing has come.
  bool hears_nothing() { return !net::verbs::has_event(socket, POLLIN, Milliseconds(0)); }

  Party party;
  OwnedFd socket;
};

}  // namespace

void udp_chat(Conversation& conversation, const Arguments&) {
  conversation.tell(
      "Whoever sends \"<JOIN>\" to the relay is a member, known by address and port, until "
      "\"<LEAVE>\". Other lines go to every member but the one who sent them.");
  conversation.scene("Ann, Bob and Cy talk", {{"Ann", 4}, {"relay", 5}, {"Bob and Cy", 4}});
  Relay relay(Party(conversation, 1));
  Member ann(Party(conversation, 0)), bob(Party(conversation, 2, "Bob")),
      cy(Party(conversation, 2, "Cy"));

  ann.say(kJoin);
  relay.serve();
  bob.say(kJoin);
  relay.serve();
  bob.say("hi Ann");
  const size_t to_one = relay.serve();
  const std::string at_ann = ann.hear();
  conversation.expect(to_one == 1 && at_ann == "hi Ann" && bob.hears_nothing(),
                      "a line goes to the other one who has joined, and not back to its sender");
  conversation.expect(cy.hears_nothing(), "Cy, who has not joined, hears nothing");

  cy.say(kJoin);
  relay.serve();
  ann.say("hi all");
  const size_t to_two = relay.serve();
  const std::string at_bob = bob.hear(), at_cy = cy.hear();
  conversation.expect(to_two == 2 && at_bob == "hi all" && at_cy == "hi all" && ann.hears_nothing(),
                      "with three members a line goes to two");

  ann.say("<what?>");
  relay.serve();
  conversation.expect(relay.members() == 3 && bob.hears_nothing() && cy.hears_nothing(),
                      "a message that begins with \"<\" is for the relay, and goes to nobody");

  bob.say(kLeave);
  relay.serve();
  cy.say("bye");
  const size_t after = relay.serve();
  const std::string last = ann.hear();
  conversation.expect(after == 1 && last == "bye" && bob.hears_nothing(),
                      "who has left hears nothing more; without \"<LEAVE>\" the relay would not "
                      "notice");
}

}  // namespace notes::labs

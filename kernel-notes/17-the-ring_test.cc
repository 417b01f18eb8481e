// io_uring under a server: what stays armed, what ends it, whose memory it uses, when completions
// come, and what needs a thread after all (17-the-ring.md).
#include <algorithm>

#include "kernel-notes/the_ring.h"

namespace notes {
namespace {

TEST_F(MultishotAccept, takes_every_connection_with_one_entry) {
  ring_->accept_many(1, listener_);
  std::vector<OwnedFd> sockets;
  int armed = 0;
  for (int i = 0; i < 5; ++i) {
    sockets.push_back(knock());
    const Completion accepted = ring_->next();
    sockets.emplace_back(accepted.result);
    armed += accepted.result >= 0 && accepted.has_more() ? 1 : 0;
  }
  measured("1 entry, 5 completions, {} with F_MORE", armed);
  EXPECT_EQ(5, armed);
}

TEST_F(MultishotAccept, ends_when_descriptors_run_out_and_the_client_waits_in_the_queue) {
  const OwnedFd clients[] = {tcp_socket(), tcp_socket()};
  std::vector<OwnedFd> sockets;
  Completion refused;
  {
    const LastDescriptor limit;
    ring_->accept_many(1, listener_);
    for (const OwnedFd& client : clients) EXPECT_EQ(0, try_connect(client, local_of(listener_)));
    sockets.emplace_back(ring_->next().result);
    refused = ring_->next();
  }
  ring_->accept_many(2, listener_);
  sockets.emplace_back(ring_->next().result);
  measured("the last one: accepted {}; then {}, F_MORE {}; armed again: accepted {}",
           sockets[0].valid(), result_text(refused.result), refused.has_more(), sockets[1].valid());
  EXPECT_EQ(-EMFILE, refused.result);
  EXPECT_FALSE(refused.has_more());
  EXPECT_TRUE(sockets[1].valid());
}

TEST_F(MultishotAccept, keeps_to_the_descriptor_limit_of_when_it_was_armed) {
  const OwnedFd clients[] = {tcp_socket(), tcp_socket()};
  {
    const LastDescriptor limit;
    ring_->accept_many(1, listener_);
  }
  for (const OwnedFd& client : clients) EXPECT_EQ(0, try_connect(client, local_of(listener_)));
  const OwnedFd socket(ring_->next().result);
  const Completion refused = ring_->next();
  measured("limit raised after arming: one accepted, then {}", result_text(refused.result));
  EXPECT_TRUE(socket.valid());
  EXPECT_EQ(-EMFILE, refused.result);
}

TEST_F(MultishotAccept, of_two_rings_at_one_listener_the_first_gets_all_connections) {
  const auto [first, second] = shared_out(listener_, true);
  measured("of 8 connections the first ring gets {}, the second {}", first, second);
  EXPECT_EQ(8, first);
}

TEST_F(MultishotAccept, is_what_starves_the_second_ring_one_shot_accepts_take_turns) {
  const auto [first, second] = shared_out(listener_, false);
  measured("one-shot: of 8 connections the first ring gets {}, the second {}", first, second);
  EXPECT_LE(2, first);
  EXPECT_LE(2, second);
}

TEST_F(MultishotReceive, goes_on_until_the_end_of_the_file) {
  make_buffers(8);
  ring_->receive_many(1, server(), *buffers_);
  int messages = 0;
  for (int i = 0; i < 3; ++i) {
    send_all(client(), "hello");
    const Completion received = ring_->next();
    messages += received.result == 5 && received.has_more() ? 1 : 0;
  }
  send_fin(client());
  const Completion last = ring_->next();
  measured("{} messages with F_MORE, then {} without: F_MORE {}", messages, last.result,
           last.has_more());
  EXPECT_EQ(3, messages);
  EXPECT_EQ(0, last.result);
  EXPECT_FALSE(last.has_more());
}

TEST_F(MultishotReceive, takes_a_provided_buffer_when_data_arrives_and_not_before) {
  make_buffers(2);
  std::vector<Connection> many;
  for (uint64_t name = 0; name < 16; ++name) {
    many.push_back(open_connection(listener_));
    ring_->receive_many(name, many.back().server, *buffers_);
  }
  const bool all_wait = !ring_->look(std::chrono::milliseconds(0));
  send_all(many[11].client, "hello");
  const Completion received = ring_->next();
  measured("16 receives on 2 buffers: {} wait; number {} gets {} bytes",
           all_wait ? "all" : "not all", received.name, received.result);
  EXPECT_TRUE(all_wait);
  EXPECT_EQ(11U, received.name);
  EXPECT_EQ(5, received.result);
}

TEST_F(MultishotReceive, ends_with_enobufs_when_buffers_run_out_and_nothing_is_lost) {
  make_buffers(2);
  ring_->receive_many(1, server(), *buffers_);
  std::vector<Completion> seen;
  for (const char* text : {"1st", "2nd", "third"}) {
    send_all(client(), text);
    seen.push_back(ring_->next());
  }
  give_back(seen[0]);
  ring_->receive_many(2, server(), *buffers_);
  const Completion late = ring_->next();
  measured("2 buffers in use: {}, F_MORE {}; one given back, armed again: {} bytes",
           result_text(seen[2].result), seen[2].has_more(), late.result);
  EXPECT_EQ(-ENOBUFS, seen[2].result);
  EXPECT_FALSE(seen[2].has_more());
  EXPECT_EQ(5, late.result);
}

TEST_F(RingSend, is_short_when_the_socket_is_full) {
  ring_->send(1, server(), much_);
  const Completion sent = ring_->next();
  measured("{} of {} KiB, on a blocking socket", sent.result / 1024, much_.size() / 1024);
  EXPECT_LT(static_cast<size_t>(sent.result), much_.size());
}

TEST_F(RingSend, with_msg_waitall_completes_when_all_is_sent) {
  ring_->send(1, server(), much_, MSG_WAITALL);
  const bool early = ring_->look(kShort).has_value();
  std::thread reader([&] { receive_exactly(client(), much_.size()); });
  const Completion sent = ring_->next();
  reader.join();
  measured("nobody reads: completed {}; then {} KiB at once", early, sent.result / 1024);
  EXPECT_FALSE(early);
  EXPECT_EQ(much_.size(), static_cast<size_t>(sent.result));
}

TEST_F(Links, hold_an_entry_back_until_the_one_before_is_done) {
  queue_linked([&](io_uring_sqe* entry) { io_uring_prep_poll_add(entry, server().get(), POLLIN); });
  const bool early = ring_->look(kShort).has_value();
  send_all(client(), "x");
  const uint64_t first = ring_->next().name, second = ring_->next().name;
  measured("before the first is done: {}; then {}, {}", early ? "one" : "none", first, second);
  EXPECT_FALSE(early);
  EXPECT_EQ(1U, first);
  EXPECT_EQ(2U, second);
}

TEST_F(Links, are_broken_by_a_short_splice) {
  const auto whole = splice_then_nop(4096), part = splice_then_nop(1000);
  measured("splice {}: the next entry {}; splice {} of 4096: {}", whole.first,
           result_text(whole.second), part.first, result_text(part.second));
  EXPECT_EQ(std::pair(4096, 0), whole);
  EXPECT_EQ(std::pair(1000, -ECANCELED), part);
}

TEST_F(Links, are_not_broken_by_a_short_send_without_msg_waitall) {
  queue_linked([&](io_uring_sqe* entry) {
    io_uring_prep_send(entry, server().get(), much_.data(), much_.size(), MSG_NOSIGNAL);
  });
  const auto [sent, next] = both();
  measured("send {} of {} KiB: the next entry {}", sent.result / 1024, much_.size() / 1024,
           result_text(next.result));
  EXPECT_LT(static_cast<size_t>(sent.result), much_.size());
  EXPECT_EQ(0, next.result);
}

TEST_F(TheRing, completes_in_the_order_of_being_done_not_of_being_asked) {
  ring_->receive(1, server());
  ring_->queue(2, [](io_uring_sqe* entry) { io_uring_prep_nop(entry); });
  const Completion first = ring_->next();
  measured("a receive that waits, then a NOP: number {} completes first", first.name);
  EXPECT_EQ(2U, first.name);
}

TEST_F(TheRing, awaits_a_nonblocking_socket_all_the_same_but_not_with_msg_dontwait) {
  set_nonblocking(server());
  ring_->receive(1, server());
  const bool waits = !ring_->look(kShort);
  ring_->receive(2, server(), MSG_DONTWAIT);
  const Completion refused = ring_->next();
  measured("O_NONBLOCK: waits {}; MSG_DONTWAIT: {}", waits, result_text(refused.result));
  EXPECT_TRUE(waits);
  EXPECT_EQ(-EAGAIN, refused.result);
}

TEST_F(TheRing, does_not_await_what_a_splice_waits_for) {
  const Pipe empty = make_pipe();
  ring_->queue(1, [&](io_uring_sqe* entry) {
    io_uring_prep_splice(entry, empty.read.get(), -1, server().get(), -1, 4096, SPLICE_F_NONBLOCK);
  });
  const Completion refused = ring_->next();
  measured("splice from an empty pipe, SPLICE_F_NONBLOCK: {}", result_text(refused.result));
  EXPECT_EQ(-EAGAIN, refused.result);
}

TEST_F(TheRing, cancels_a_receive_with_ecanceled) {
  ring_->receive(1, server());
  ring_->cancel(2, 1);
  const auto [received, canceller] = both();
  ring_->cancel(3, 1);
  const Completion again = ring_->next();
  measured("the receive {}, the cancel {}; a second cancel {}", result_text(received.result),
           result_text(canceller.result), result_text(again.result));
  EXPECT_EQ(-ECANCELED, received.result);
  EXPECT_EQ(0, canceller.result);
  EXPECT_EQ(-ENOENT, again.result);
}

TEST_F(TheRing, keeps_a_closed_socket_open_while_a_receive_is_under_way) {
  ring_->receive(1, server());
  connection_.server.reset();
  const bool completed = ring_->look(kShort).has_value();
  const bool fin_before = has_event(client(), POLLIN, kShort);
  ring_->cancel(2, 1);
  both();
  await_event(client(), POLLIN);
  measured("close(): receive ended {}, FIN {}; after cancel: FIN", completed, fin_before);
  EXPECT_FALSE(completed);
  EXPECT_FALSE(fin_before);
}

TEST_F(TheRing, ends_a_receive_by_shutdown) {
  ring_->receive(1, server());
  ::shutdown(server().get(), SHUT_RDWR);
  const Completion received = ring_->next();
  measured("shutdown(SHUT_RDWR): the receive ends with {}", result_text(received.result));
  EXPECT_EQ(0, received.result);
}

// ---- When completions come ----

TEST_F(Completions, wait_with_defer_taskrun_until_they_are_asked_for) {
  NEEDS_KERNEL(6, 1);
  io_uring plain{};
  ASSERT_EQ(0, io_uring_queue_init(8, &plain, 0));
  for (io_uring* ring : {&plain, ring_->raw()}) {
    io_uring_prep_poll_add(io_uring_get_sqe(ring), server().get(), POLLIN);
    ASSERT_EQ(1, io_uring_submit(ring));
  }
  send_all(client(), "hello");
  await("a completion of the plain ring", [&] { return io_uring_cq_ready(&plain) == 1; });
  await("work for the ring", [&] { return ring_->ring().has_completions(); });
  const unsigned before = io_uring_cq_ready(ring_->raw());
  io_uring_get_events(ring_->raw());
  const unsigned after = io_uring_cq_ready(ring_->raw());
  io_uring_queue_exit(&plain);
  measured("{}: {} before io_uring_get_events(), {} after; a plain ring: 1 before",
           ring_->ring().features(), before, after);
  EXPECT_EQ(0U, before);
  EXPECT_EQ(1U, after);
}

TEST_F(Completions, beyond_the_queue_are_kept_and_not_lost) {
  NamedRing small({.submissions = 4, .completions = 8});
  for (uint64_t i = 0; i < 32; ++i) small.queue(i, [](auto* entry) { io_uring_prep_nop(entry); });
  io_uring_submit(small.raw());
  const unsigned in_queue = io_uring_cq_ready(small.raw());
  const bool overflow = (*small.raw()->sq.kflags & IORING_SQ_CQ_OVERFLOW) != 0;
  std::set<uint64_t> seen;
  for (int i = 0; i < 32; ++i) seen.insert(small.next().name);
  measured("32 completions: {} in the queue of 8, overflow flag {}; {} in the end", in_queue,
           overflow, seen.size());
  EXPECT_EQ(8U, in_queue);
  EXPECT_TRUE(overflow);
  EXPECT_EQ(32U, seen.size());
}

TEST_F(Completions, that_find_the_queue_full_end_a_multishot) {
  NEEDS_KERNEL(6, 12);
  NamedRing small({.submissions = 4, .completions = 4});
  std::vector<OwnedFd> sockets;
  for (int i = 0; i < 8; ++i) sockets.push_back(knock());
  await("8 in the queue", [&] { return info_of(listener_).tcpi_unacked == 8; });
  std::vector<Completion> accepted;
  for (const uint64_t attempt : {1, 2}) {
    small.accept_many(attempt, listener_);
    while (const auto seen = small.look(std::chrono::milliseconds(0))) {
      accepted.push_back(*seen);
      sockets.emplace_back(seen->result);
    }
  }
  const auto first = std::count_if(accepted.begin(), accepted.end(),
                                   [](const Completion& one) { return one.name == 1; });
  ASSERT_LT(0, first);
  const bool goes_on = accepted[static_cast<size_t>(first) - 1].has_more();
  measured("8 clients, 4 places: {} accepted, the last F_MORE {}; {} when armed again", first,
           goes_on, accepted.size() - static_cast<size_t>(first));
  EXPECT_FALSE(goes_on);
  EXPECT_EQ(8U, accepted.size());
}

TEST_F(TheRing, of_a_single_issuer_takes_no_entries_from_another_thread) {
  io_uring own{};
  ASSERT_EQ(0, io_uring_queue_init(8, &own, IORING_SETUP_SINGLE_ISSUER));
  const auto submit_to = [&own](int& result) {
    io_uring_prep_nop(io_uring_get_sqe(&own));
    result = io_uring_submit(&own);
  };
  int here = 0, there = 0;
  submit_to(here);
  std::thread([&] { submit_to(there); }).join();
  io_uring_queue_exit(&own);
  measured("the thread that made it: {} submitted; another thread: {}", here, result_text(there));
  EXPECT_EQ(1, here);
  EXPECT_EQ(-EEXIST, there);
}

// ---- What needs a thread ----

TEST_F(RingThreads, are_made_for_splice_and_hints_and_stat) {
  const OwnedFd file = memory_file(std::string(4096, 'x'));
  const Pipe pipe = make_pipe();
  struct statx facts {};
  const size_t splice = made_by([&](io_uring_sqe* entry) {
    io_uring_prep_splice(entry, file.get(), 0, pipe.write.get(), -1, 4096, 0);
  });
  const size_t advice = made_by([&](io_uring_sqe* entry) {
    io_uring_prep_fadvise(entry, file.get(), 0, 4096, POSIX_FADV_WILLNEED);
  });
  const size_t stat = made_by([&](io_uring_sqe* entry) {
    io_uring_prep_statx(entry, AT_FDCWD, "/", 0, STATX_SIZE, &facts);
  });
  measured("threads: splice {}, fadvise(WILLNEED) {}, statx {}", splice, advice, stat);
  EXPECT_LE(1U, splice);
  EXPECT_LE(1U, advice);
  EXPECT_LE(1U, stat);
}

TEST_F(RingThreads, are_not_made_for_what_can_wait_by_poll_or_is_at_hand) {
  char memory[16];
  const size_t send = made_by(
      [&](io_uring_sqe* entry) { io_uring_prep_send(entry, client().get(), "hello", 5, 0); });
  const size_t receive = made_by([&](io_uring_sqe* entry) {
    io_uring_prep_recv(entry, server().get(), memory, sizeof memory, 0);
  });
  const size_t open = made_by([&](io_uring_sqe* entry) {
    io_uring_prep_openat(entry, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC | O_DIRECTORY, 0);
  });
  measured("threads: send {}, recv {}, openat of what is cached {}", send, receive, open);
  EXPECT_EQ(0U, send + receive + open);
}

// Of this program, which is in the page cache since it runs, and of a file in memory.
TEST_F(RingThreads, are_made_for_a_cached_read_where_the_file_system_knows_no_nowait) {
  const OwnedFd program(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  const OwnedFd memory = memory_file("hello");
  std::string seen;
  for (const auto& [file, name] : {std::pair(&program, "program"), std::pair(&memory, "memfd")}) {
    char bytes[5];
    const size_t threads = made_by([&, file = file](io_uring_sqe* entry) {
      io_uring_prep_read(entry, file->get(), bytes, sizeof bytes, 0);
    });
    seen += fmt::format("{}: NOWAIT {}, threads {}; ", name, knows_nowait(*file), threads);
    EXPECT_EQ(knows_nowait(*file), threads == 0) << name;
  }
  measured("{}", seen.substr(0, seen.size() - 2));
}

// ---- Direct descriptors ----

TEST_F(DirectDescriptors, are_not_in_the_table_of_the_process) {
  accept_direct(4);
  const OwnedFd other = knock();
  const size_t before = open_descriptors();
  const Completion accepted = ring_->next();
  const size_t made = open_descriptors() - before;
  char memory[16];
  ring_->queue(2, [&](io_uring_sqe* entry) {
    io_uring_prep_recv(entry, accepted.result, memory, sizeof memory, 0);
    entry->flags |= IOSQE_FIXED_FILE;
  });
  send_all(other, "hello");
  const Completion received = ring_->next();
  measured("accepted as slot {}, +{} descriptors; recv on the slot: {} bytes", accepted.result,
           made, received.result);
  EXPECT_EQ(0U, made);
  EXPECT_EQ(5, received.result);
}

TEST_F(DirectDescriptors, that_run_out_cost_the_client_its_connection) {
  accept_direct(1);
  const OwnedFd first = knock();
  const Completion accepted = ring_->next();
  const OwnedFd second = knock();
  const Completion refused = ring_->next();
  await_event(second, POLLIN);
  const int seen = try_receive(second);
  measured("slot {}, then {}: F_MORE {}; the client sees {}", accepted.result,
           result_text(refused.result), refused.has_more(),
           seen == 0 ? "the end of the file" : net::errno_name(seen));
  EXPECT_EQ(-ENFILE, refused.result);
  EXPECT_EQ(0, seen);
}
}  // namespace
}  // namespace notes

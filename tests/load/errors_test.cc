// Servers that misbehave. Each failure is counted once, in its phase and under its name; the run
// ends; a good answer is never counted as bad nor a bad one as good.
#include "tests/support/load_test.h"

namespace {

using namespace support;

constexpr std::uint64_t kRequests = 40;
const Script kSilence;

// What every request is answered with, and what it must be counted as.
struct Misbehaviour {
  const char* name;
  Script script;
  const char* phase;
  std::vector<std::string> error_names;  // any of them
};

std::string head_of(std::uint64_t length) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}
const std::string kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

class EveryAnswer : public LoadTest, public ::testing::WithParamInterface<Misbehaviour> {};

TEST_P(EveryAnswer, is_counted_as_what_it_is) {
  const Misbehaviour& wrong = GetParam();
  const ScriptedServer scripted(wrong.script);
  const LoadRun run = load(
      {"-c", "4", "-t", "2", "-n", std::to_string(kRequests), "--timeout", "5s", scripted.url()});
  std::uint64_t counted = 0;
  for (const std::string& name : wrong.error_names) counted += run.errors(wrong.phase, name);
  EXPECT_EQ(counted, kRequests) << run.json.at("errors");
  EXPECT_EQ(run.count("errors_total"), kRequests) << run.json.at("errors");
  EXPECT_EQ(run.ended(), 0U);
  EXPECT_EQ(scripted.tally().requests, kRequests);
}

INSTANTIATE_TEST_SUITE_P(
    misbehaving, EveryAnswer,
    ::testing::Values(
        Misbehaviour{"no_answer_but_the_end", {close_connection()}, "recv", {"EOF"}},
        Misbehaviour{"no_answer_but_a_reset", {reset_connection()}, "recv", {"ECONNRESET"}},
        Misbehaviour{"half_a_head_then_the_end",
                     {send_bytes("HTTP/1.1 200 OK\r\nContent-Le"), close_connection()},
                     "recv",
                     {"EOF"}},
        Misbehaviour{"half_a_head_then_a_reset",
                     {send_bytes("HTTP/1.1 200 OK\r\nContent-Le"), reset_connection()},
                     "recv",
                     {"ECONNRESET"}},
        Misbehaviour{
            "a_head_and_no_body", {send_bytes(head_of(10)), close_connection()}, "body", {"SHORT"}},
        Misbehaviour{"half_a_body_then_the_end",
                     {send_bytes(head_of(10) + "hello"), close_connection()},
                     "body",
                     {"SHORT"}},
        Misbehaviour{
            "half_a_large_body_then_the_end",
            {send_bytes(head_of(2'000'000) + std::string(1'000'000, 'x')), close_connection()},
            "body",
            {"SHORT"}},
        Misbehaviour{"half_a_body_then_a_reset",
                     {send_bytes(head_of(10) + "hello"), reset_connection()},
                     "recv",
                     {"ECONNRESET"}},
        Misbehaviour{"a_body_in_chunks_without_the_last",
                     {send_bytes(kChunkedHead + "5\r\nhello\r\n"), close_connection()},
                     "body",
                     {"SHORT"}},
        Misbehaviour{"a_chunk_size_that_is_none",
                     {send_bytes(kChunkedHead + "zz\r\nhello\r\n"), close_connection()},
                     "parse",
                     {"HPE_INVALID_CHUNK_SIZE"}},
        Misbehaviour{"two_lengths",
                     {send_bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n"
                                 "\r\nhello"),
                      close_connection()},
                     "parse",
                     {"HPE_UNEXPECTED_CONTENT_LENGTH"}},
        Misbehaviour{
            "a_negative_length",
            {send_bytes("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"), close_connection()},
            "parse",
            {"HPE_INVALID_CONTENT_LENGTH"}},
        Misbehaviour{"a_length_beyond_all_numbers",
                     {send_bytes("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n"
                                 "\r\nhello"),
                      close_connection()},
                     "parse",
                     {"HPE_INVALID_CONTENT_LENGTH"}},
        Misbehaviour{"bytes_of_another_protocol",
                     {send_bytes(std::string("\x16\x03\x01\x02\x00\x01", 6)), close_connection()},
                     "parse",
                     {"HPE_INVALID_CONSTANT"}},
        Misbehaviour{"words",
                     {send_bytes("I do not speak HTTP.\r\n\r\n"), close_connection()},
                     "parse",
                     {"HPE_INVALID_CONSTANT"}},
        Misbehaviour{"an_endless_head",
                     {send_bytes("HTTP/1.1 200 OK\r\n"), pour_for_ever("X-Again: and again\r\n")},
                     "parse",
                     {"HEAD_TOO_LARGE", "HPE_HEADER_OVERFLOW"}},
        Misbehaviour{
            "an_endless_field",
            {send_bytes("HTTP/1.1 200 OK\r\nX-Long: "), pour_for_ever(std::string(1000, 'x'))},
            "parse",
            {"HEAD_TOO_LARGE", "HPE_HEADER_OVERFLOW"}},
        Misbehaviour{"another_protocol_by_101",
                     {send_bytes("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n"
                                 "\r\n"),
                      close_connection()},
                     "parse",
                     {"UPGRADE"}},
        Misbehaviour{"a_404", {send_bytes(reply(404, "nothing here"))}, "status", {"404"}},
        Misbehaviour{
            "a_500_and_the_end",
            {send_bytes(reply(500, "broken", "Connection: close\r\n")), close_connection()},
            "status",
            {"500"}}),
    [](const auto& each) { return std::string(each.param.name); });

struct Oddity {
  const char* name;
  Script script;
};

// Unusual, and right: no errors.
class OddAnswer : public LoadTest, public ::testing::WithParamInterface<Oddity> {};

TEST_P(OddAnswer, is_good) {
  const ScriptedServer scripted(GetParam().script);
  const LoadRun run = load({"-c", "4", "-n", std::to_string(kRequests), scripted.url()});
  expect_all_good(run, kRequests);
  EXPECT_EQ(scripted.tally().requests, kRequests);
  EXPECT_EQ(run.json.at("statuses").size(), 1U) << run.json.at("statuses");
}

INSTANTIATE_TEST_SUITE_P(
    unusual, OddAnswer,
    ::testing::Values(
        Oddity{"a_byte_at_a_time", {drip_bytes(ok_reply())}},
        Oddity{"chunks_a_byte_at_a_time",
               {drip_bytes(kChunkedHead + "5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n")}},
        Oddity{"no_body", {send_bytes(ok_reply(""))}},
        Oddity{"a_body_until_the_end",
               {send_bytes("HTTP/1.0 200 OK\r\n\r\nhello"), close_connection()}},
        Oddity{"no_body_until_the_end",
               {send_bytes("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"), close_connection()}},
        Oddity{"a_100_before_the_answer",
               {send_bytes("HTTP/1.1 100 Continue\r\n\r\n" + ok_reply())}},
        Oddity{"several_103_before_the_answer",
               {drip_bytes("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                           "HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" +
                           ok_reply())}},
        Oddity{"an_answer_in_two_halves",
               {send_bytes(head_of(10) + "hello"), pause_ms(20), send_bytes("world")}},
        Oddity{"http_1_0_kept_alive",
               {send_bytes("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n"
                           "\r\nhello")}}),
    [](const auto& each) { return std::string(each.param.name); });

class ErrorsTest : public LoadTest {};

TEST_F(ErrorsTest, answers_without_content_are_good) {
  for (const int code : {204, 304}) {
    const ScriptedServer scripted({send_bytes("HTTP/1.1 " + std::to_string(code) +
                                              " Empty\r\n"
                                              "Content-Length: 1000\r\n\r\n")});
    const LoadRun run = load({"-n", "40", scripted.url()});
    EXPECT_EQ(run.ended(), 40U) << code;
    EXPECT_EQ(run.status_count(code), 40U);
    EXPECT_EQ(run.count("errors_total"), 0U);
  }
}

TEST_F(ErrorsTest, every_tenth_500_is_counted) {
  const ScriptedServer scripted([](const SeenRequest& request) -> Script {
    return {send_bytes(request.number % 10 == 0 ? reply(500, "oh") : ok_reply())};
  });
  const LoadRun run = load({"-c", "4", "-n", "1000", scripted.url()});
  EXPECT_EQ(run.ended(), 900U);
  EXPECT_EQ(run.errors("status", "500"), 100U);
  EXPECT_EQ(run.count("errors_total"), 100U);
  EXPECT_EQ(run.status_count(200), 900U);
  EXPECT_EQ(run.status_count(500), 100U);
}

TEST_F(ErrorsTest, a_server_that_hangs_up_at_once_is_an_error_each_time) {
  const ScriptedServer scripted(kSilence, {close_connection()});
  const LoadRun run = load({"-c", "4", "-n", "40", scripted.url()});
  EXPECT_EQ(run.count("errors_total"), run.errors("recv") + run.errors("send"));
  EXPECT_EQ(run.count("errors_total"), 40U);
  EXPECT_EQ(run.ended(), 0U);
}

TEST_F(ErrorsTest, an_answer_nobody_asked_for_does_not_count) {
  const ScriptedServer scripted(kSilence, {send_bytes(ok_reply("before any request"))});
  const LoadRun run = load({"-c", "2", "-n", "10", "--timeout", "200ms", scripted.url()});
  EXPECT_EQ(run.count("errors_total") + run.ended(), 10U);
}

TEST_F(ErrorsTest, more_bytes_than_announced_are_noticed) {
  const ScriptedServer scripted({send_bytes(head_of(5) + "hello, world, this is too much\r\n")});
  const LoadRun run = load({"-c", "2", "-n", "40", scripted.url()});
  EXPECT_EQ(run.ended(), 40U);
  EXPECT_EQ(scripted.tally().requests, 40U);
  EXPECT_EQ(run.errors("parse", "UNEXPECTED_BYTES"), 40U) << run.json.at("errors");
  EXPECT_EQ(run.count("errors_total"), 40U);
}

TEST_F(ErrorsTest, no_answer_is_a_timeout) {
  const ScriptedServer scripted(kSilence);
  const LoadRun run = load({"-c", "4", "-n", "8", "--timeout", "200ms", scripted.url()});
  EXPECT_EQ(run.errors("timeout", "response"), 8U) << run.json.at("errors");
  EXPECT_EQ(run.count("errors_total"), 8U);
}

TEST_F(ErrorsTest, an_answer_that_never_ends_is_a_timeout) {
  const ScriptedServer scripted({send_bytes(kChunkedHead), pour_for_ever("5\r\nhello\r\n")});
  const LoadRun run = load({"-c", "2", "-n", "2", "--timeout", "300ms", scripted.url()});
  EXPECT_EQ(run.errors("timeout", "response"), 2U) << run.json.at("errors");
}

TEST_F(ErrorsTest, a_server_that_does_not_accept_is_a_timeout_or_an_unanswered_request) {
  // A listener nobody accepts from: the kernel completes as many connections as its queue holds.
  Endpoint endpoint = Endpoint::parse("127.0.0.1:0");
  const UniqueFd listener = listen_at(endpoint);
  const LoadRun run = load({"-c", "40", "-n", "60", "-d", "2s", "--timeout", "500ms",
                            "http://" + endpoint.authority() + "/"});
  EXPECT_EQ(run.ended(), 0U);
  EXPECT_GT(run.errors("timeout", "response"), 0U) << run.json.at("errors");
  EXPECT_GT(run.errors("timeout", "connect"), 0U) << run.json.at("errors");
}

TEST_F(ErrorsTest, a_silent_connection_does_not_stop_the_others) {
  const ScriptedServer scripted([](const SeenRequest& request) -> Script {
    if (request.connection == 1) return kSilence;
    return {send_bytes(ok_reply())};
  });
  const LoadRun run =
      load({"-c", "4", "-d", "2s", "-r", "300", "--timeout", "500ms", scripted.url()});
  EXPECT_GT(run.ended(), 500U);
  EXPECT_EQ(run.errors("timeout", "response"), 1U) << run.json.at("errors");
  EXPECT_EQ(run.count("errors_total"), 1U);
}

TEST_F(ErrorsTest, a_server_that_does_not_close_as_asked_is_counted_and_closed_on) {
  const ScriptedServer scripted({send_bytes(ok_reply())});
  const LoadRun run = load({"-c", "2", "-n", "6", "--new-connection", "--close-by", "server",
                            "--timeout", "300ms", scripted.url()});
  EXPECT_EQ(run.ended(), 6U);
  EXPECT_GT(run.errors("close", "TIMEOUT"), 0U) << run.json.at("errors");
  EXPECT_EQ(run.count("errors_total"), run.errors("close", "TIMEOUT"));
}

TEST_F(ErrorsTest, requests_that_hang_at_the_end_are_given_up) {
  const ScriptedServer scripted([](const SeenRequest& request) -> Script {
    if (request.number > 100) return kSilence;
    return {send_bytes(ok_reply())};
  });
  const LoadRun run = load({"-c", "4", "-d", "1s", "--timeout", "1500ms", scripted.url()});
  EXPECT_EQ(run.ended(), 100U);
  // Each of the four got none: given up at the end, or by its own timeout before.
  EXPECT_EQ(run.count("unanswered") + run.errors("timeout", "response"), 4U);
}

TEST_F(ErrorsTest, slots_come_back_after_the_server_was_killed_and_restarted) {
  tree().fill("page", 1000);
  ServerSpec spec;
  spec.listen = {loopback_address_of_this_process() + ":0"};
  serve_as(spec);
  spec.listen = {server().endpoint().text()};
  LoadProcess loading({"-c", "6", "-t", "2", "-d", "5s", "-r", "400", "--live", "plain",
                       "--timeout", "2s", url("/page")});
  ASSERT_TRUE(loading.wait_for_live_rows(1));
  server().signal(SIGKILL);
  expect_exit({-1, SIGKILL});
  stop();
  ASSERT_TRUE(loading.wait_for_live_rows(3));
  expect_exit({0, 0});
  serve_as(spec);
  const LoadRun run = noted(loading.finish());
  EXPECT_EQ(run.status, (ExitStatus{0, 0}));
  EXPECT_GT(run.errors("connect", "ECONNREFUSED"), 0U) << run.json.at("errors");
  EXPECT_GT(run.count("connections.failed"), 0U);
  EXPECT_GT(run.number("connections.lost"), 0);
  EXPECT_LT(run.number("connections.lost"), 6);
  // All six are back at the end.
  const auto& last = run.json.at("seconds").back();
  EXPECT_EQ(last.at("connected"), 6U) << last;
  EXPECT_GT(run.sum_of_seconds("requests", run.number("duration_s") - 1.1), 0U);
}

}  // namespace

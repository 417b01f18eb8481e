// --tuning FILE: a good file is followed and named at the start, a bad one ends the start with
// exit 2 and a line that says which file, where in it, and what to do.
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kKiB = 1024;

class TuningTest : public ServerTest {
 protected:
  // A file beside the root; the kernel is the running one unless said otherwise.
  std::string tuning_file(const std::string& rest, std::string kernel = running_kernel()) {
    return tree().outside("tuning.json",
                          "{\"format\": \"ringserve-tuning 1\",\n"
                          " \"measured\": {\"date\": \"2026-11-21\", \"kernel\": \"" +
                              kernel +
                              "\", \"cpu\": \"c\", \"command\": \"bench/paths\", "
                              "\"commit\": \"abc\"},\n " +
                              rest + "}\n");
  }

  // As far as the file system keeps it elsewhere; without a disk it stays where it is.
  void drop_from_page_cache(std::string_view name) {
    const UniqueFd file(::open(tree().path(name).c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_EQ(::fdatasync(file.get()), 0);
    ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }

  static std::string running_kernel() {
    utsname kernel{};
    EXPECT_EQ(::uname(&kernel), 0);
    return kernel.release;
  }

  void expect_usage_error(std::vector<std::string> arguments,
                          std::initializer_list<std::string> words) {
    const Finished run = run_ringserve(std::move(arguments));
    EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_EQ(run.err.rfind("ringserve: error: --tuning: ", 0), 0U) << run.err;
    for (const std::string& word : words) {
      EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
    }
  }

  // A file with this inside is refused, by its name and these words.
  void expect_refused(const std::string& rest, std::initializer_list<std::string> words) {
    const std::string file = tuning_file(rest);
    expect_usage_error({"--listen=127.0.0.1:0", "--tuning", file, tree().root()}, words);
    expect_usage_error({"--tuning=" + file, tree().path("absent")}, {file, "bench/paths"});
  }
};

TEST_F(TuningTest, files_arrive_byte_for_byte_in_every_band) {
  const std::vector<std::size_t> sizes{1,          4 * kKiB,       64 * kKiB,   64 * kKiB + 1,
                                       128 * kKiB, 128 * kKiB + 1, 1024 * kKiB, 1024 * kKiB + 1,
                                       700'000,    5'000'000};
  for (const std::size_t size : sizes) {
    tree().fill("of-" + std::to_string(size), size);
  }
  for (const std::string memory : {"0", "65536", "524288"}) {
    SCOPED_TRACE(memory);
    serve(
        {"--tuning", tuning_file("\"memory_body_bytes_max\": " + memory +
                                 ", \"bands\": [{\"up_to_bytes\": 131072, \"path\": \"sendfile\"},"
                                 "{\"up_to_bytes\": 1048576, \"path\": \"splice\"},"
                                 "{\"path\": \"sendfile\"}]")});
    HttpClient client = connect();
    for (int round = 0; round < 3; ++round) {
      for (const std::size_t size : sizes) expect_file(client, "of-" + std::to_string(size), size);
    }
    stop();
  }
}

TEST_F(TuningTest, bodies_up_to_the_ceiling_leave_from_memory_whole) {
  constexpr std::size_t kSize = 512 * kKiB;
  constexpr std::int64_t kLongAgo = 1'000'000'000;
  tree().fill("page", kSize);
  tree().modified_at("page", kLongAgo);
  serve({"--tuning",
         tuning_file("\"memory_body_bytes_max\": 524288, \"bands\": "
                     "[{\"path\": \"splice\"}]"),
         "--threads=1"});
  HttpClient client = connect({.receive_buffer_bytes = 4096});
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += request("GET", "/page");
  client.send(requests);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(same_bytes(client.read_response().body, TempTree::expected("page", 0, kSize)));
  }
}

TEST_F(TuningTest, a_slow_reader_gets_every_byte_by_sendfile) {
  constexpr std::size_t kSize = 8'000'001;
  tree().fill("file", kSize);
  serve({"--tuning", tuning_file("\"memory_body_bytes_max\": 0, \"bands\": "
                                 "[{\"path\": \"sendfile\"}]")});
  HttpClient client = connect({.receive_buffer_bytes = 4096});
  expect_file(client, "file", kSize);
}

// What is dropped from the page cache comes in through the ring, whichever path sends it.
TEST_F(TuningTest, a_cold_file_arrives_whole_by_either_path) {
  constexpr std::size_t kSize = 3'000'001;
  tree().fill("file", kSize);
  for (const std::string path : {"sendfile", "splice"}) {
    SCOPED_TRACE(path);
    serve({"--tuning",
           tuning_file("\"memory_body_bytes_max\": 0, \"bands\": [{\"path\": \"" + path + "\"}]")});
    HttpClient client = connect();
    for (int round = 0; round < 3; ++round) {
      drop_from_page_cache("file");
      expect_file(client, "file", kSize);
    }
    stop();
  }
}

TEST_F(TuningTest, the_start_tells_the_tuning_in_force) {
  const std::string file =
      tuning_file("\"memory_body_bytes_max\": 4096, \"bands\": [{\"path\": \"splice\"}]");
  ServerProcess& told = serve({"--tuning", file});
  EXPECT_TRUE(told.wait_for_log("tuning " + file));
  EXPECT_NE(told.log().find("2026-11-21"), std::string::npos) << told.log();
  EXPECT_NE(told.log().find(running_kernel() + "): memory up to 4 KiB, splice"), std::string::npos)
      << told.log();
  EXPECT_EQ(told.log().find("warning"), std::string::npos) << told.log();
  stop();
  EXPECT_TRUE(serve().wait_for_log("ringserve: tuning built in ("));
  stop();
  EXPECT_EQ(serve({"--send-path=splice"}).log().find("tuning"), std::string::npos);
}

TEST_F(TuningTest, a_tuning_of_another_kernel_is_followed_with_a_warning) {
  ServerProcess& warned =
      serve({"--tuning", tuning_file("\"memory_body_bytes_max\": 4096, \"bands\": "
                                     "[{\"path\": \"splice\"}]",
                                     "4.4.0-other")});
  EXPECT_TRUE(warned.wait_for_log("was measured on Linux 4.4.0-other"));
  EXPECT_NE(warned.log().find("bench/paths"), std::string::npos) << warned.log();
  tree().fill("page", 1000);
  expect_file("page", 1000);
}

TEST_F(TuningTest, the_tuning_printed_is_one_that_can_be_loaded) {
  const Finished built_in = run_ringserve({"--print-tuning"});
  EXPECT_EQ(built_in.status, (ExitStatus{0, 0})) << built_in.err;
  const std::string file = tree().outside("printed.json", built_in.out);
  const Finished again = run_ringserve({"--print-tuning", "--tuning", file});
  EXPECT_EQ(again.status, (ExitStatus{0, 0})) << again.err;
  EXPECT_EQ(again.out, built_in.out);
  serve({"--tuning", file, "--send-path=auto"});
  expect_alive();
}

TEST_F(TuningTest, a_file_that_cannot_be_read_is_named) {
  const std::string absent = tree().beside("absent.json");
  expect_usage_error({"--tuning", absent, tree().root()}, {absent, "ENOENT", "bench/paths"});
  expect_usage_error({"--tuning", tree().root(), tree().root()}, {tree().root(), "EISDIR"});
  expect_usage_error({"--tuning=/dev/zero", tree().root()}, {"/dev/zero", "longer than"});
  expect_usage_error({"--tuning", "", tree().root()}, {"ENOENT"});
}

TEST_F(TuningTest, what_is_not_json_is_named_by_line_and_column) {
  expect_refused("\"memory_body_bytes_max\" 5", {"line 3, column 26", "not JSON"});
}

TEST_F(TuningTest, an_unknown_path_is_named) {
  expect_refused("\"memory_body_bytes_max\": 0, \"bands\": [{\"path\": \"teleport\"}]",
                 {"bands[0].path", "\"teleport\"", "sendfile, splice"});
}

TEST_F(TuningTest, bands_out_of_order_are_named) {
  expect_refused(
      "\"memory_body_bytes_max\": 0, \"bands\": [{\"up_to_bytes\": 9, \"path\": \"splice\"},"
      "{\"up_to_bytes\": 8, \"path\": \"sendfile\"}, {\"path\": \"splice\"}]",
      {"bands[1].up_to_bytes", "more than the 9"});
  expect_refused(
      "\"memory_body_bytes_max\": 0, \"bands\": [{\"up_to_bytes\": 9, \"path\": \"splice\"},"
      "{\"up_to_bytes\": 9, \"path\": \"sendfile\"}, {\"path\": \"splice\"}]",
      {"bands[1].up_to_bytes", "more than the 9"});
}

TEST_F(TuningTest, an_unknown_key_is_named) {
  expect_refused("\"memory_body_bytes\": 0, \"bands\": [{\"path\": \"splice\"}]",
                 {"unknown key \"memory_body_bytes\"", "memory_body_bytes_max"});
}

TEST_F(TuningTest, a_number_too_large_is_refused_with_its_range) {
  for (const std::string number : {"524289", "18446744073709551616", "1e300"}) {
    expect_refused("\"memory_body_bytes_max\": " + number + ", \"bands\": [{\"path\": \"splice\"}]",
                   {"memory_body_bytes_max", "from 0 to 524288"});
  }
}

TEST_F(TuningTest, a_tuning_for_another_path_than_auto_is_a_usage_error) {
  const std::string file =
      tuning_file("\"memory_body_bytes_max\": 0, \"bands\": [{\"path\": \"splice\"}]");
  expect_usage_error({"--tuning", file, "--send-path", "sendfile", tree().root()},
                     {"--send-path auto", "sendfile", "leave one"});
}

}  // namespace

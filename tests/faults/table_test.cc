// Every row of server/FAULTS.md: the call fails, the client gets what the row says, the server says
// what the row says, and afterwards everything is as before. One server for all rows of a path.
#include <csignal>
#include <optional>
#include <set>
#include <sstream>

#include "tests/faults/fault_table.h"

namespace faults {
namespace {

using support::HttpClient;
using support::Response;
using support::TempTree;

constexpr std::size_t kSmallBytes = 1000;
constexpr std::size_t kPageBytes = 5000;  // kept in memory, and sent from there, not copied
constexpr std::size_t kMediumBytes = 40'000;
constexpr std::size_t kLargeBytes = 2 * 1024 * 1024;
constexpr std::size_t kNewBytes = 600'000;
constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr int kListed = 3;  // names in a directory

// Descriptors the server may keep: files of its cache, pipes and listings.
constexpr std::size_t kKeptMax = 48;
constexpr std::size_t kGrowthMax_bytes = 32 * 1024 * 1024;

class FaultTable : public FaultTest, public ::testing::WithParamInterface<const char*> {
 protected:
  // What is asked for, and what has to be so that it takes the way the row is about.
  struct Scene {
    std::string target;
    std::string file;  // whose bytes are expected; empty: a listing
    std::size_t size = 0;
    std::vector<Fault> conditions{};
    bool last = false;  // Connection: close
  };

  void SetUp() override {
    tree().fill("small", kSmallBytes);
    tree().fill("page", kPageBytes);
    tree().fill("medium", kMediumBytes);
    tree().fill("large", kLargeBytes);
  }

  void serve_path() {
    // One connection at a time is accepted, so that each brings an accept of its own.
    serve_with_faults({"--threads", "1", "--send-path", GetParam(), "--autoindex", "on",
                       "--open-files", "16", "--max-connections", "64",
                       "--max-connections-per-address", "60", "--access-log",
                       tree().beside("access.log")});
    note_descriptors();
  }

  Scene scene_of(const std::string& request);
  std::string make_new_file(std::size_t size);
  void wait_until_page_is_in_memory();

  void play(const Row& row);
  std::string outcome_of(std::optional<HttpClient>& client, const Scene& scene);
  std::string compare(HttpClient& client, const Scene& scene, const Response& head);
  void expect_nothing_else_was_said(const std::vector<Row>& rows);

 private:
  int made_ = 0;
};

std::string FaultTable::make_new_file(std::size_t size) {
  const std::string name = "new" + std::to_string(++made_) + "/file";
  tree().fill(name, size);
  return name;
}

// A body is kept only when the file is older than two seconds. Then it leaves by sendmsg.
void FaultTable::wait_until_page_is_in_memory() {
  const support::Deadline deadline;
  const std::uint64_t before = faults().calls(Call::sendmsg);
  while (faults().calls(Call::sendmsg) == before) {
    ASSERT_FALSE(deadline.passed()) << "the page is never sent from memory";
    expect_file("page", kPageBytes);
  }
}

FaultTable::Scene FaultTable::scene_of(const std::string& request) {
  if (request == "small") return {"/small", "small", kSmallBytes};
  if (request == "last") return {"/small", "small", kSmallBytes, {}, true};
  if (request == "medium") return {"/medium", "medium", kMediumBytes};
  if (request == "large") return {"/large", "large", kLargeBytes};
  if (request == "in memory") {
    wait_until_page_is_in_memory();
    return {"/page", "page", kPageBytes};
  }
  if (request == "first") {
    stop();
    serve_path();
    return {"/large", "large", kLargeBytes};
  }
  if (request == "full socket") {
    return {"/large",
            "large",
            kLargeBytes,
            {{Call::sendfile, EAGAIN},
             {Call::splice_to_socket, EAGAIN},
             {Call::sendto, EAGAIN},
             {Call::sendmsg, EAGAIN}}};
  }
  if (request == "new" || request == "cold name") {
    const std::string name = make_new_file(kSmallBytes);
    Scene scene{"/" + name, name, kSmallBytes};
    if (request == "cold name") scene.conditions = {{Call::openat2, EAGAIN, kAlways}};
    return scene;
  }
  if (request == "new large" || request == "cold") {
    const std::string name = make_new_file(kNewBytes);
    Scene scene{"/" + name, name, kNewBytes};
    if (request == "cold") {  // as far as the server can tell
      scene.conditions = {{Call::cachestat, ENOSYS, kAlways}, {Call::preadv2, EAGAIN, kAlways}};
    }
    return scene;
  }
  if (request == "listing") {
    const std::string directory = "list" + std::to_string(++made_);
    for (const char* name : {"/name0", "/name1"}) tree().write(directory + name, "");
    tree().link(directory + "/name2", "name0");
    return {"/" + directory + "/", ""};
  }
  throw std::runtime_error("no such request: " + request);
}

// "whole", the status where it is not 200, or how the connection ended.
std::string FaultTable::outcome_of(std::optional<HttpClient>& connected, const Scene& scene) {
  try {
    HttpClient& client = connected.emplace(server().endpoint());
    client.send(support::request(
        "GET", scene.target,
        scene.last ? support::Headers{{"Connection", "close"}} : support::Headers{}));
    Response head = client.read_head();
    if (head.status != 200) {
      client.read_exactly(head.content_length());
      return std::to_string(head.status);
    }
    const std::string outcome = compare(client, scene, head);
    if (scene.last && client.read_to_end().ending != support::Ending::kEndOfFile) return "reset";
    return outcome;
  } catch (const support::ConnectionReset&) {
    return "reset";
  } catch (const support::ConnectionEnded&) {
    return "cut short";
  } catch (const std::system_error& error) {
    if (error.code().value() != ECONNRESET) throw;
    return "reset";  // while it connected
  }
}

// Piece by piece, so that what came before a reset is compared too.
std::string FaultTable::compare(HttpClient& client, const Scene& scene, const Response& head) {
  if (scene.file.empty()) {
    const std::string page = client.read_exactly(head.content_length());
    for (int i = 0; i < kListed; ++i) {
      if (page.find("name" + std::to_string(i)) == page.npos) return "a name less";
    }
    return "whole";
  }
  if (head.content_length() != scene.size) return "wrong length";
  for (std::size_t at = 0; at < scene.size; at += kPieceBytes) {
    const std::size_t bytes = std::min(kPieceBytes, scene.size - at);
    if (client.read_exactly(bytes) != TempTree::expected(scene.file, at, bytes)) {
      return "wrong bytes";
    }
  }
  return "whole";
}

void FaultTable::play(const Row& row) {
  SCOPED_TRACE(row.text);
  if (row.fault.call == Call::inotify_add_watch && !server_watches_files()) return;
  const Scene scene = scene_of(row.request);
  for (const Fault& condition : scene.conditions) faults().inject(condition);
  faults().inject(row.fault);
  {
    std::optional<HttpClient> client;
    const std::string outcome = outcome_of(client, scene);
    EXPECT_EQ(outcome, row.outcome);
    EXPECT_TRUE(faults().wait_for_hit(row.fault.call)) << "the fault did not happen";
    faults().calm();
    if (outcome != "reset" && !scene.last) expect_file(*client, "small", kSmallBytes);
  }
  std::optional<HttpClient> other;
  // A listing is kept for a second: another directory.
  const Scene again = scene.file.empty() ? scene_of(row.request) : scene;
  EXPECT_EQ(outcome_of(other, again), "whole") << "afterwards";
  if (!row.said.empty()) {
    EXPECT_TRUE(server().wait_for_log(row.said)) << server().log();
  }
}

// Lines of spdlog: a time, a level, the message.
void FaultTable::expect_nothing_else_was_said(const std::vector<Row>& rows) {
  std::istringstream log(server().log());
  for (std::string line; std::getline(log, line);) {
    if (line.find("error") == line.npos && line.find("warning") == line.npos) continue;
    const bool expected = std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
      return !row.said.empty() && line.find(row.said) != line.npos;
    });
    EXPECT_TRUE(expected) << "no row expects: " << line;
  }
}

TEST_P(FaultTable, says_what_happens) {
  std::vector<Row> rows;
  for (Row& row : read_fault_document().rows) {
    if (row.path == GetParam()) rows.push_back(std::move(row));
  }
  ASSERT_FALSE(rows.empty());
  serve_path();
  expect_file("small", kSmallBytes);
  const std::size_t before_bytes = support::resident_bytes(server().pid());
  for (const Row& row : rows) play(row);
  if (!support::is_sanitized()) {
    EXPECT_LE(support::resident_bytes(server().pid()), before_bytes + kGrowthMax_bytes);
  }
  expect_descriptors_are_back(kKeptMax);
  expect_nothing_else_was_said(rows);

  // The main thread waits in the read: a signal makes it read again.
  faults().inject({Call::read_signalfd, EINTR});
  server().signal(SIGUSR1);
  EXPECT_TRUE(faults().wait_for_hit(Call::read_signalfd));
}

INSTANTIATE_TEST_SUITE_P(Paths, FaultTable, ::testing::ValuesIn(support::kSendPaths),
                         support::path_name);

// What can fail is in a row, or has a test of its own that the document names.
TEST(FaultTableDocument, has_every_call) {
  const FaultDocument document = read_fault_document();
  std::set<Call> in_rows;
  for (const Row& row : document.rows) in_rows.insert(row.fault.call);
  for (std::size_t i = 0; i < kCalls; ++i) {
    const std::string name = "`" + std::string(kCallNames[i]) + "`";
    const bool is_there =
        in_rows.contains(static_cast<Call>(i)) || document.rest.find(name) != document.rest.npos;
    EXPECT_TRUE(is_there) << name;
  }
}

}  // namespace
}  // namespace faults

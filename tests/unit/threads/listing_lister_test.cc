// The thread that makes listings: what it hands over, whom it answers with one listing, and that
// everyone is answered exactly once, however it ends.
#include "server/listing/lister.h"

#include <sys/mman.h>

#include <atomic>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/listing_support.h"

namespace ringserve::listing {
namespace {

constexpr std::chrono::seconds kPatience{60};  // the machine may be busy, the build instrumented

class ListerTest : public testing::Test {
 protected:
  using Answer = std::future<Listing>;

  void SetUp() override { start(); }
  void TearDown() override {
    open_gate();
    lister_.reset();
  }

  void start() {
    auto started = Lister::start([this](const files::File& file, Format format) {
      ++described_;
      if (file.name == "gate/") {
        at_gate_.set_value();
        gate_.get_future().wait();
      }
      return files::Description{format == Format::json ? "json" : "html", 4};
    });
    ASSERT_TRUE(started) << started.error().message();
    lister_ = std::move(*started);
  }

  Wanted wanted(const std::string& path = {}, Format format = Format::html) {
    Wanted wanted;
    wanted.path = path;
    wanted.site = tree_.root();
    wanted.format = format;
    wanted.root = tree_.open();
    return wanted;
  }
  Answer ask(Wanted wanted) {
    auto promise = std::make_shared<std::promise<Listing>>();
    Answer answer = promise->get_future();
    net::OwnedFd directory = tree_.open(wanted.path);
    lister_->list(std::move(wanted), std::move(directory),
                  [promise](Listing listing) { promise->set_value(std::move(listing)); });
    return answer;
  }
  Answer ask(const std::string& path = {}, Format format = Format::html) {
    return ask(wanted(path, format));
  }
  static Listing result(Answer answer) {
    if (answer.wait_for(kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "nobody answers";
      return {nullptr, ETIMEDOUT};
    }
    return answer.get();
  }
  static std::string content_of(const Listing& listing) {
    if (listing.file == nullptr) {
      ADD_FAILURE() << "no listing: " << net::errno_name(listing.error);
      return {};
    }
    std::string content(listing.file->size_bytes, '\0');
    EXPECT_EQ(::pread(listing.file->fd.get(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    return content;
  }

  // Returns when the lister's thread stands still, in the middle of a listing.
  Answer stop_at_gate() {
    tree_.directory("gate");
    Answer answer = ask("gate/");
    EXPECT_EQ(at_gate_.get_future().wait_for(kPatience), std::future_status::ready);
    return answer;
  }
  void open_gate() {
    if (!gate_is_open_.exchange(true)) gate_.set_value();
  }

  TemporaryDirectory tree_;
  std::atomic<size_t> described_ = 0;
  std::promise<void> at_gate_, gate_;
  std::atomic<bool> gate_is_open_ = false;
  std::unique_ptr<Lister> lister_;
};

TEST_F(ListerTest, a_listing_is_a_file_with_its_facts) {
  tree_.directory("docs");
  tree_.write("docs/file");
  const Listing listing = result(ask("docs/"));
  EXPECT_EQ(listing.error, 0);
  const std::string page = content_of(listing);
  EXPECT_NE(page.find("href=\"./file\""), std::string::npos);
  EXPECT_NE(page.find("<title>Index of /docs/</title>"), std::string::npos);

  const files::File& file = *listing.file;
  struct stat facts {};
  ASSERT_EQ(0, ::fstat(file.fd.get(), &facts));
  EXPECT_EQ(file.identity, files::Identity::of(facts));
  EXPECT_EQ(file.size_bytes, static_cast<uint64_t>(facts.st_size));
  EXPECT_EQ(file.name, "docs/");
  EXPECT_EQ(file.description.text, "html");
  EXPECT_GE(file.opening, uint64_t{1} << 63);
  EXPECT_EQ(file.etag.front(), '"');
  EXPECT_EQ(file.etag.back(), '"');
  EXPECT_GT(file.etag.size(), 10U);
  ASSERT_EQ(0, ::stat((tree_.root() + "/docs/file").c_str(), &facts));
  EXPECT_GE(file.mtime_s, facts.st_ctim.tv_sec);
  EXPECT_TRUE(file.has_useful_mtime);
}

TEST_F(ListerTest, nobody_can_change_a_listing) {
  const Listing listing = result(ask());
  ASSERT_NE(listing.file, nullptr);
  const int fd = listing.file->fd.get();
  EXPECT_EQ(::pwrite(fd, "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(::ftruncate(fd, 0), -1);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::lseek(fd, 0, SEEK_CUR), 0);
}

TEST_F(ListerTest, what_links_lead_to_has_no_useful_time) {
  tree_.write("file");
  tree_.link("link", "file");
  const Listing listing = result(ask());
  EXPECT_NE(content_of(listing).find("href=\"./link\""), std::string::npos);
  EXPECT_FALSE(listing.file->has_useful_mtime);
}

TEST_F(ListerTest, every_form_is_a_listing_of_its_own) {
  tree_.write("file");
  tree_.write(".hidden");
  tree_.link("link", "file");
  Wanted hidden = wanted({}, Format::json);
  hidden.hidden = true;
  Wanted plain = wanted({}, Format::json);
  plain.follow_symlinks = files::FollowSymlinks::never;
  Answer html = ask();
  Answer all = ask(std::move(hidden));
  Answer no_links = ask(std::move(plain));
  EXPECT_EQ(content_of(result(std::move(html))).substr(0, 9), "<!DOCTYPE");
  const Listing listing = result(std::move(all));
  EXPECT_EQ(nlohmann::json::parse(content_of(listing)).at("total"), 3);
  EXPECT_EQ(listing.file->description.text, "json");
  const auto json = nlohmann::json::parse(content_of(result(std::move(no_links))));
  ASSERT_EQ(json.at("total"), 1);
  EXPECT_EQ(json.at("entries").at(0).at("name"), "file");
}

TEST_F(ListerTest, sites_with_the_same_paths_are_told_apart) {
  Wanted other = wanted();
  other.site = "another";
  const Listing one = result(ask());
  const Listing two = result(ask(std::move(other)));
  ASSERT_NE(one.file, nullptr);
  ASSERT_NE(two.file, nullptr);
  EXPECT_NE(one.file, two.file);
  EXPECT_NE(one.file->opening, two.file->opening);
}

TEST_F(ListerTest, an_entity_tag_follows_the_content) {
  tree_.write("file");
  const std::string before = result(ask()).file->etag;
  lister_.reset();
  start();
  EXPECT_EQ(result(ask()).file->etag, before) << "the same after a restart";
  lister_.reset();
  start();
  tree_.write("file", "now it has a size");
  EXPECT_NE(result(ask()).file->etag, before);
}

TEST_F(ListerTest, a_change_is_seen_before_long) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  ASSERT_EQ(content_of(result(ask())).find("./new"), std::string::npos);
  tree_.write("new");
  while (content_of(result(ask())).find("./new") == std::string::npos) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
  }
}

TEST_F(ListerTest, what_cannot_be_read_is_an_errno_value) {
  tree_.write("file");
  EXPECT_EQ(result(ask("file")).error, ENOTDIR);
  EXPECT_EQ(result(ask("absent/")).error, EBADF) << "what it was given is no descriptor";
  EXPECT_EQ(result(ask()).error, 0) << "the thread goes on";
}

TEST_F(ListerTest, more_names_than_it_lists_are_counted) {
  tree_.write_many(Lister::kNamesMax + 11);
  const Listing listing = result(ask("", Format::json));
  const auto json = nlohmann::json::parse(content_of(listing));
  EXPECT_EQ(json.at("entries").size(), Lister::kNamesMax);
  EXPECT_EQ(json.at("total"), Lister::kNamesMax + 11);
  EXPECT_EQ(json.at("truncated"), true);
}

TEST_F(ListerTest, one_listing_answers_all_who_wait_for_it) {
  constexpr int kAsking = 100;
  tree_.directory("docs");
  Answer first = stop_at_gate();
  std::vector<Answer> answers;
  for (int i = 0; i < kAsking; ++i) answers.push_back(ask("docs/"));
  open_gate();
  const Listing shared = result(std::move(answers.back()));
  answers.pop_back();
  ASSERT_NE(shared.file, nullptr);
  for (Answer& answer : answers) EXPECT_EQ(result(std::move(answer)).file, shared.file);
  EXPECT_NE(result(std::move(first)).file, shared.file);
  EXPECT_EQ(described_, 2U) << "one at the gate, one for all of them";
}

TEST_F(ListerTest, from_many_threads_every_wish_is_answered) {
  constexpr int kThreads = 4;
  constexpr int kWishes = 40;
  for (int i = 0; i < kWishes; ++i) tree_.directory(std::to_string(i % 7));
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kWishes; ++i) {
        const std::string path = std::to_string(i % 7) + "/";
        const Listing listing = result(ask(path));
        if (content_of(listing).find("Index of /" + path) != std::string::npos) ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, kThreads * kWishes);
}

TEST_F(ListerTest, too_many_wishes_are_refused_at_once) {
  Answer first = stop_at_gate();
  std::vector<Answer> waiting;
  for (size_t i = 0; i < Lister::kWaitingMax; ++i) waiting.push_back(ask());
  Answer refused = ask();
  ASSERT_EQ(refused.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(refused.get().error, EBUSY);
  open_gate();
  for (Answer& answer : waiting) EXPECT_EQ(result(std::move(answer)).error, 0);
  EXPECT_EQ(result(std::move(first)).error, 0);
  EXPECT_EQ(result(ask()).error, 0) << "there is room again";
}

TEST_F(ListerTest, its_end_answers_everyone) {
  constexpr int kAsking = 50;
  std::vector<Answer> answers;
  answers.push_back(stop_at_gate());
  for (int i = 0; i < kAsking; ++i) {
    tree_.directory(std::to_string(i));
    answers.push_back(ask(std::to_string(i) + "/"));
  }
  std::thread opener([this] { open_gate(); });
  lister_.reset();
  opener.join();
  for (Answer& answer : answers) {
    ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    const Listing listing = answer.get();
    EXPECT_EQ(listing.error, listing.file != nullptr ? 0 : ECANCELED);
  }
}

TEST_F(ListerTest, its_end_does_not_wait_for_a_large_directory) {
  tree_.write_many(50'000);
  Answer answer = ask();
  lister_.reset();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  const Listing listing = answer.get();
  EXPECT_EQ(listing.error, listing.file != nullptr ? 0 : ECANCELED);
}

TEST_F(ListerTest, a_listing_outlives_its_maker) {
  tree_.write("file");
  const Listing listing = result(ask());
  lister_.reset();
  EXPECT_NE(content_of(listing).find("./file"), std::string::npos);
}

}  // namespace
}  // namespace ringserve::listing

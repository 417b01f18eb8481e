// Precompressed neighbours that the kernel cannot tell of without the disk: asked for through the
// ring, whatever it answers, and whatever happens meanwhile.
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>

#include "tests/unit/site_fixture.h"

namespace ringserve::files {
namespace {

// Trees made while this lives are in memory, on a file system that keeps no absent names in the
// kernel's cache: each of them is asked for through the ring.
class MemoryTmpdir {
 protected:
  MemoryTmpdir() {
    const char* before = std::getenv("TMPDIR");
    if (before != nullptr) before_ = before;
    if (::access(kMemory, W_OK) == 0) ::setenv("TMPDIR", kMemory, 1);
  }
  ~MemoryTmpdir() {
    if (before_) {
      ::setenv("TMPDIR", before_->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
  }

 private:
  static constexpr const char* kMemory = "/dev/shm";
  std::optional<std::string> before_;
};

class SiteVariantsByRing : protected MemoryTmpdir, public SiteVariants {
 protected:
  void SetUp() override {
    struct statfs facts {};
    ASSERT_EQ(::statfs(tree().root().c_str(), &facts), 0);
    if (facts.f_type != TMPFS_MAGIC) GTEST_SKIP() << "there is no memory file system";
    write_form("a.css");
  }
  void begin(const char* expected_open_path) {
    site().find("a.css", now_ms(), lookup());
    expect_wanted(expected_open_path);
  }
  void expect_wanted(const char* open_path) {
    ASSERT_EQ(lookup().outcome, Outcome::wants_open);
    EXPECT_EQ(lookup().open_path, open_path);
  }
  void answer(int result) { site().opened(lookup(), result, now_ms()); }
};

TEST_F(SiteVariantsByRing, each_that_the_kernel_cannot_tell_of_is_asked_for) {
  write_form("a.css.zst");
  begin("a.css.br");
  answer(-ENOENT);
  expect_wanted("a.css.gz");
  answer(-ENOENT);
  ASSERT_EQ(lookup().outcome, Outcome::file);
  EXPECT_EQ(content_of(*lookup().file->variants[kZst]), "of a.css.zst");
  EXPECT_EQ(lookup().file->variants[kBr], nullptr);
  EXPECT_EQ(suffixes("a.css"), Suffixes{".zst"});
  EXPECT_TRUE(is_cached("a.css"));
}

TEST_F(SiteVariantsByRing, one_that_the_disk_fails_to_give_is_asked_for_again_next_time) {
  warm("a.css");
  begin("a.css.br");
  answer(-EIO);
  opening_to_end(lookup());
  ASSERT_EQ(lookup().outcome, Outcome::file);
  EXPECT_FALSE(is_cached("a.css"));
  begin("a.css.br");
  answer(-EACCES);
  opening_to_end(lookup());
  EXPECT_TRUE(is_cached("a.css")) << "a refusal is an answer";
}

TEST_F(SiteVariantsByRing, one_that_keeps_saying_try_again_is_left_out_in_the_end) {
  begin("a.css.br");
  unsigned answers = 0;
  while (lookup().outcome == Outcome::wants_open && lookup().open_path == "a.css.br") {
    ASSERT_LT(++answers, 100u);
    answer(-EAGAIN);
  }
  opening_to_end(lookup());
  EXPECT_EQ(lookup().outcome, Outcome::file);
  EXPECT_FALSE(is_cached("a.css"));
}

TEST_F(SiteVariantsByRing, one_that_appears_during_the_look_is_found_by_the_next) {
  warm("a.css");
  begin("a.css.br");
  write_form("a.css.br");
  await_change();
  answer(-ENOENT);  // of before it appeared
  opening_to_end(lookup());
  ASSERT_EQ(lookup().outcome, Outcome::file);
  EXPECT_FALSE(is_cached("a.css"));
  EXPECT_EQ(suffixes("a.css"), Suffixes{".br"});
}

TEST_F(SiteVariantsByRing, a_look_that_is_given_up_holds_no_descriptor) {
  begin("a.css.br");
  EXPECT_TRUE(lookup().base.fd.valid());
  lookup().reset();
  EXPECT_FALSE(lookup().base.fd.valid());
}

}  // namespace
}  // namespace ringserve::files

// Precompressed neighbours: which are taken, which are not, and that one that comes, changes or
// goes is noticed as a change of the file itself.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/unit/site_fixture.h"

namespace ringserve::files {
namespace {

TEST_F(SiteVariants, every_neighbour_is_a_file_of_its_own_told_as_the_first) {
  write_all_forms("docs/a.css");
  const FileRef base = file("docs/a.css");
  ASSERT_NE(base, nullptr);
  EXPECT_EQ(base->description.text, description_of("docs/a.css", "text/css", -1, true));
  ASSERT_EQ(base->variants.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const FileRef variant = base->variants[i];
    ASSERT_NE(variant, nullptr) << i;
    EXPECT_EQ(variant->name, "docs/a.css" + options().variant_suffixes[i]);
    EXPECT_EQ(content_of(*variant), "of " + variant->name);
    EXPECT_EQ(variant->description.text,
              description_of("docs/a.css", "text/css", static_cast<int>(i), true));
    EXPECT_NE(variant->opening, base->opening);
    EXPECT_TRUE(variant->variants.empty());
  }
}

TEST_F(SiteVariants, forms_of_the_same_size_and_time_have_different_etags) {
  for (const char* name : {"a", "a.br", "a.zst", "a.gz"}) {
    tree().write(name, "same");
    modified_at(name, {kMtime_s, 0});
  }
  std::set<std::string> etags;
  file("a")->for_each_form([&](File& form) { etags.insert(form.etag); });
  EXPECT_EQ(etags.size(), 4u);
}

TEST_F(SiteVariants, a_file_without_neighbours_has_no_variants) {
  write_form("a.css");
  write_form("a.css.bz2");
  write_form("b.css.br");
  EXPECT_EQ(suffixes("a.css"), Suffixes{});
  EXPECT_EQ(file("a.css")->description.text, description_of("a.css", "text/css", -1, false));
  EXPECT_EQ(file("b.css"), nullptr) << "a variant alone is no file";
}

TEST_F(SiteVariants, a_variant_asked_for_by_its_name_is_a_plain_file) {
  write_all_forms("a.css");
  write_form("a.css.br.gz");
  EXPECT_EQ(suffixes("a.css.br"), Suffixes{});
  EXPECT_EQ(file("a.css.br")->description.text,
            description_of("a.css.br", MediaTypes::kDefault, -1, false));
}

TEST_F(SiteVariants, of_an_index_file_they_are_found_too) {
  write_all_forms("docs/index.html");
  EXPECT_EQ(suffixes("docs/"), (Suffixes{".br", ".zst", ".gz"}));
  EXPECT_EQ(file("docs/")->description.text,
            description_of("docs/index.html", "text/html", -1, true));
}

TEST_F(SiteVariants, an_older_one_is_not_used) {
  write_form("a.css", {kMtime_s, 500});
  write_form("a.css.br", {kMtime_s, 499});
  write_form("a.css.zst", {kMtime_s, 500});
  write_form("a.css.gz", {kMtime_s, 501});
  EXPECT_EQ(suffixes("a.css"), (Suffixes{".zst", ".gz"}));
}

TEST_F(SiteVariants, what_is_no_regular_file_below_the_root_is_left_out) {
  write_form("a.css");
  tree().directory("a.css.br");
  tree().fifo("a.css.zst");
  tree().link("a.css.gz", tree().outside("secret", "x"));
  EXPECT_EQ(suffixes("a.css"), Suffixes{});
  tree().remove("a.css.gz");
  tree().link("a.css.gz", "absent");
  EXPECT_EQ(look_up("a.css"), Outcome::file);
  EXPECT_EQ(suffixes("a.css"), Suffixes{});
}

TEST_F(SiteVariants, a_link_below_the_root_is_followed) {
  write_form("a.css");
  write_form("packed/a.br");
  tree().link("a.css.br", "packed/a.br");
  tree().link("a.css.gz", tree().path("packed/a.br"));
  EXPECT_EQ(suffixes("a.css"), (Suffixes{".br", ".gz"}));
}

TEST_F(SiteVariants, no_link_is_followed_where_none_may_be) {
  options().follow_symlinks = FollowSymlinks::never;
  write_form("a.css");
  write_form("packed/a.br");
  tree().link("a.css.br", "packed/a.br");
  EXPECT_EQ(suffixes("a.css"), Suffixes{});
}

// Each change must be announced for the path "docs/" or "docs/index.html", and only then be
// noticed.
class SiteVariantChanges : public SiteVariants, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    write_form("docs/index.html");
    if (!is_watching()) GTEST_SKIP() << "TMPDIR's file system announces no changes";
  }
  std::string path() const { return GetParam(); }

  void begin_with(const Suffixes& expected) {
    warm(path());
    ASSERT_EQ(suffixes(path()), expected);
    pass_ms(5000);
    ASSERT_TRUE(is_cached(path())) << "nothing was announced";
  }
  void expect_noticed(const Suffixes& expected) {
    await_change();
    EXPECT_FALSE(is_cached(path()));
    EXPECT_EQ(suffixes(path()), expected);
  }
};

TEST_P(SiteVariantChanges, one_that_appears_is_noticed) {
  begin_with({});
  write_form("docs/index.html.zst");
  expect_noticed({".zst"});
}

TEST_P(SiteVariantChanges, one_that_vanishes_is_noticed) {
  write_all_forms("docs/index.html");
  begin_with({".br", ".zst", ".gz"});
  tree().remove("docs/index.html.br");
  expect_noticed({".zst", ".gz"});
}

TEST_P(SiteVariantChanges, one_that_is_replaced_is_noticed) {
  write_form("docs/index.html.gz");
  begin_with({".gz"});
  tree().replace("docs/index.html.gz", "new");
  expect_noticed({".gz"});
  EXPECT_EQ(content_of(*file(path())->variants[kGz]), "new");
}

TEST_P(SiteVariantChanges, one_that_grows_is_noticed) {
  write_form("docs/index.html.gz");
  begin_with({".gz"});
  tree().append("docs/index.html.gz", "more");
  expect_noticed({".gz"});
  EXPECT_EQ(content_of(*file(path())->variants[kGz]), "of docs/index.html.gzmore");
}

TEST_P(SiteVariantChanges, one_that_becomes_old_or_young_is_noticed) {
  write_form("docs/index.html.br");
  begin_with({".br"});
  modified_at("docs/index.html.br", {kMtime_s - 1, 0});
  expect_noticed({});
  pass_ms(1);
  warm(path());
  modified_at("docs/index.html.br", {kMtime_s + 1, 0});
  expect_noticed({".br"});
}

TEST_P(SiteVariantChanges, a_younger_file_makes_its_variants_stale) {
  write_all_forms("docs/index.html");
  begin_with({".br", ".zst", ".gz"});
  write_form("docs/index.html", {kMtime_s + 1, 0});
  expect_noticed({});
}

INSTANTIATE_TEST_SUITE_P(site, SiteVariantChanges, ::testing::Values("docs/index.html", "docs/"),
                         [](const auto& path) {
                           return std::string_view(path.param).ends_with('/') ? "by_directory"
                                                                              : "by_name";
                         });

// Where nothing is announced: a link on the way.
class SiteVariantsUnwatched : public SiteVariants {
 protected:
  void SetUp() override {
    write_form("real/a.css");
    tree().link("shown", "real");
  }
};

TEST_F(SiteVariantsUnwatched, one_that_appears_is_noticed_at_the_next_look) {
  EXPECT_EQ(suffixes("shown/a.css"), Suffixes{});
  write_form("real/a.css.br");
  pass_ms(500);
  EXPECT_EQ(suffixes("shown/a.css"), Suffixes{".br"});
}

TEST_F(SiteVariantsUnwatched, one_that_is_changed_or_removed_is_noticed_at_once) {
  write_form("real/a.css.br");
  EXPECT_EQ(suffixes("shown/a.css"), Suffixes{".br"});
  EXPECT_TRUE(is_cached("shown/a.css"));
  tree().append("real/a.css.br", "more");
  EXPECT_FALSE(is_cached("shown/a.css"));
  EXPECT_EQ(suffixes("shown/a.css"), Suffixes{".br"});
  tree().remove("real/a.css.br");
  EXPECT_FALSE(is_cached("shown/a.css"));
  EXPECT_EQ(suffixes("shown/a.css"), Suffixes{});
}

TEST_F(SiteVariantsUnwatched, one_that_lies_behind_a_link_is_not_trusted_for_long) {
  write_form("real/packed.br");
  tree().link("real/a.css.br", "packed.br");
  EXPECT_EQ(suffixes("real/a.css"), Suffixes{".br"});
  EXPECT_TRUE(is_cached("real/a.css"));
  pass_ms(500);
  EXPECT_FALSE(is_cached("real/a.css"));
}

TEST_F(SiteVariantsUnwatched, one_whose_link_leads_nowhere_yet_is_found_when_it_does) {
  tree().link("real/a.css.br", "../later");
  EXPECT_EQ(suffixes("real/a.css"), Suffixes{});
  write_form("later");
  pass_ms(500);
  EXPECT_EQ(suffixes("real/a.css"), Suffixes{".br"});
}

TEST_F(SiteVariants, one_with_a_second_name_is_not_trusted_for_long) {
  write_form("a.css");
  write_form("a.css.br");
  ASSERT_EQ(::link(tree().path("a.css.br").c_str(), tree().path("other_name").c_str()), 0);
  file("a.css");
  EXPECT_TRUE(is_cached("a.css"));
  pass_ms(500);
  EXPECT_FALSE(is_cached("a.css"));
}

TEST_F(SiteVariants, the_limit_of_open_files_counts_them) {
  options().open_files_max = 6;
  for (const char* name : {"a", "b", "c"}) {
    write_form(name);
    write_form(std::string(name) + ".gz");
    EXPECT_EQ(look_up(name), Outcome::file);
  }
  EXPECT_EQ(site().cached_files(), 3u) << "two descriptors each";
  write_form("a.br");
  EXPECT_EQ(look_up("a"), Outcome::file);
  EXPECT_EQ(site().cached_files(), 2u) << "a third for one of them";
}

TEST_F(SiteVariants, a_file_with_more_forms_than_may_be_open_is_kept_alone) {
  options().open_files_max = 1;
  write_all_forms("a");
  write_all_forms("b");
  file("a");
  EXPECT_EQ(suffixes("b"), (Suffixes{".br", ".zst", ".gz"}));
  EXPECT_EQ(site().cached_files(), 1u);
}

// Young files are not taken into memory, so the forms here are links to a file that every system
// has, and that is older than the test.
TEST_F(SiteVariants, small_ones_are_held_in_memory_and_counted) {
  const std::string old = "/etc/passwd";
  const auto bytes = static_cast<size_t>(std::filesystem::file_size(old));
  options().follow_symlinks = FollowSymlinks::always;
  options().memory_cache_bytes = 5 * bytes;
  options().memory_body_bytes_max = bytes;
  options().open_files_max = 7;
  for (const char* name : {"a", "a.br", "a.gz", "b", "b.zst", "b.gz"}) tree().link(name, old);
  std::string content;
  std::getline(std::ifstream(old), content, '\0');  // the page cache has it from here on

  const FileRef a = file("a");
  a->for_each_form([&](File& form) {
    EXPECT_TRUE(form.body_in_memory);
    EXPECT_EQ(form.body, content);
  });
  EXPECT_EQ(site().cached_body_bytes(), 3 * bytes);
  // The sixth body does not fit beside the first three: they go together.
  const FileRef b = file("b");
  EXPECT_EQ(site().cached_files(), 1u);
  EXPECT_EQ(site().cached_body_bytes(), 3 * bytes);
  EXPECT_TRUE(b->variants[kZst]->body_in_memory);
  EXPECT_TRUE(b->variants[kGz]->body_in_memory);
  EXPECT_EQ(a->variants[kBr]->body, content) << "a response may still send it";
  tree().remove("b");
  pass_ms(500);
  EXPECT_EQ(file("b"), nullptr);
  EXPECT_EQ(site().cached_body_bytes(), 0u);
}

}  // namespace
}  // namespace ringserve::files

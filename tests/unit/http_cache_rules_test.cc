// Which Cache-Control a file gets: fnmatch(3) patterns, the first that matches.
#include "server/http/cache_rules.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringserve::http {
namespace {

bool matches(const std::string& pattern, std::string_view name) {
  const std::vector<CacheRule> rules = {{pattern, "max-age=60"}};
  return cache_control_for(rules, name) == "max-age=60";
}

TEST(CacheRule, without_a_slash_is_about_the_last_segment) {
  EXPECT_TRUE(matches("*.css", "style.css"));
  EXPECT_TRUE(matches("*.css", "a/b/style.css"));
  EXPECT_FALSE(matches("*.css", "style.css/other"));
  EXPECT_FALSE(matches("*.css", "style.cssx"));
  EXPECT_TRUE(matches("index.html", "docs/index.html"));
  EXPECT_TRUE(matches("*", "anything/at/all"));
  EXPECT_TRUE(matches("*.[0-9a-f][0-9a-f].js", "app.3f.js"));
  EXPECT_TRUE(matches(".*", "a/.hidden"));
}

TEST(CacheRule, with_a_slash_is_about_the_whole_path) {
  EXPECT_TRUE(matches("/assets/*", "assets/a.css"));
  EXPECT_TRUE(matches("/assets/*", "assets/deep/down/a.css")) << "a star matches slashes";
  EXPECT_FALSE(matches("/assets/*", "other/assets/a.css"));
  EXPECT_TRUE(matches("*/assets/*", "other/assets/a.css"));
  EXPECT_TRUE(matches("/index.html", "index.html"));
  EXPECT_FALSE(matches("/index.html", "docs/index.html"));
  EXPECT_FALSE(matches("assets/*", "assets/a.css")) << "a path begins with a slash";
}

TEST(CacheRule, takes_odd_names_as_they_are) {
  EXPECT_TRUE(matches("*.txt", "a b\n\xFF.txt"));
  EXPECT_TRUE(matches("a\\*b", "a*b"));
  EXPECT_FALSE(matches("a\\*b", "axb"));
  EXPECT_FALSE(matches("[", "x"));
}

TEST(CacheRule, is_the_first_that_matches) {
  const std::vector<CacheRule> rules = {
      {"*.html", "no-cache"}, {"/assets/*", "max-age=31536000, immutable"}, {"*", "max-age=60"}};
  EXPECT_EQ(cache_control_for(rules, "assets/a.html"), "no-cache");
  EXPECT_EQ(cache_control_for(rules, "assets/a.css"), "max-age=31536000, immutable");
  EXPECT_EQ(cache_control_for(rules, "a.css"), "max-age=60");
  EXPECT_EQ(cache_control_for({}, "a.css"), "");
}

}  // namespace
}  // namespace ringserve::http

// The configuration file: TOML into texts with places, and mistakes shown where they are.
#include <gtest/gtest.h>

#include "server/config/document.h"
#include "server/config/settings.h"

namespace ringserve::config {
namespace {

class DocumentTest : public ::testing::Test {
 protected:
  Document parse(const std::string& text) {
    mistakes_.clear();
    return parse_document("dir/conf.toml", text, mistakes_);
  }

  // "name=text|text" of each setting.
  static std::vector<std::string> said(const Layer& layer) {
    std::vector<std::string> all;
    for (const Said& said : layer) {
      std::string texts;
      for (const Text& text : said.texts) texts += (texts.empty() ? "" : "|") + text.value;
      all.push_back(said.setting->name + "=" + texts);
    }
    return all;
  }

  // One mistake, at this place, with these words.
  void expect_mistake(const std::string& text, Place place, std::string_view words) {
    parse(text);
    ASSERT_EQ(mistakes_.size(), 1U) << text << '\n' << explain(mistakes_, "conf.toml", text);
    EXPECT_EQ(mistakes_[0].place.line, place.line) << text;
    EXPECT_EQ(mistakes_[0].place.column, place.column) << text;
    EXPECT_NE(mistakes_[0].message.find(words), std::string::npos) << mistakes_[0].message;
  }

  Mistakes mistakes_;
};

TEST_F(DocumentTest, values_become_the_texts_of_a_command_line) {
  const Document document = parse(
      "threads = 4\n"
      "memory-cache = \"64MiB\"\n"
      "hidden = true\n"
      "autoindex = true\n"
      "print-listen = false\n"
      "listen = \"127.0.0.1:80\"\n"
      "index = [\"a.html\", \"b.html\"]\n"
      "header = []\n");
  EXPECT_TRUE(mistakes_.empty()) << explain(mistakes_, "conf.toml", document.text);
  EXPECT_EQ(said(document.top),
            (std::vector<std::string>{"threads=4", "memory-cache=64MiB", "hidden=true",
                                      "autoindex=on", "print-listen=false", "listen=127.0.0.1:80",
                                      "index=a.html|b.html", "header="}));
  EXPECT_EQ(document.top[6].texts[1].place, (Place{7, 20}));
}

TEST_F(DocumentTest, tables_of_rules_keep_the_order_of_the_file) {
  const Document document = parse(
      "cache-control = {\"*.z\" = \"1\", \"*.a\" = \"a=2\"}\n"
      "error-page = [\"404=x\"]\n"
      "[redirect]\n\"/z\" = \"/1\"\n\"/a\" = \"/2\"\n");
  EXPECT_EQ(said(document.top),
            (std::vector<std::string>{"cache-control=*.z=1|*.a=a=2", "error-page=404=x",
                                      "redirect=/z=/1|/a=/2"}));
}

TEST_F(DocumentTest, sites_are_layers_of_their_own) {
  const Document document = parse(
      "hidden = true\n[[site]]\nnames = [\"a\"]\n[site.error-page]\n404 = \"x\"\n"
      "[[site]]\nnames = \"b\"\nhidden = false\n");
  EXPECT_TRUE(mistakes_.empty()) << explain(mistakes_, "conf.toml", document.text);
  ASSERT_EQ(document.sites.size(), 2U);
  EXPECT_EQ(said(document.top), (std::vector<std::string>{"hidden=true"}));
  EXPECT_EQ(said(document.sites[0].layer),
            (std::vector<std::string>{"names=a", "error-page=404=x"}));
  EXPECT_EQ(said(document.sites[1].layer), (std::vector<std::string>{"names=b", "hidden=false"}));
  EXPECT_EQ(document.sites[1].place.line, 6U);
}

TEST_F(DocumentTest, relative_paths_begin_at_the_directory_of_the_file) {
  const Document document = parse(
      "root = \"www\"\naccess-log = \"-\"\ntuning = \"/t.json\"\nfallback = \"index.html\"\n");
  EXPECT_EQ(said(document.top),
            (std::vector<std::string>{"root=dir/www", "access-log=-", "tuning=/t.json",
                                      "fallback=index.html"}));
  EXPECT_EQ(said(parse_document("conf.toml", "root = \"www\"", mistakes_).top),
            (std::vector<std::string>{"root=www"}));
}

TEST_F(DocumentTest, what_is_not_toml_is_shown_where_it_ends_to_be) {
  // Which column is toml++'s choice.
  for (const char* text :
       {"threads = 4\nindex = \"a\n", "threads = 4\nthreads = 5\n", "threads = 4\nindex = = 4"}) {
    const Document document = parse(text);
    EXPECT_FALSE(document.is_parsed);
    ASSERT_EQ(mistakes_.size(), 1U) << text;
    EXPECT_EQ(mistakes_[0].place.line, 2U) << text;
    EXPECT_GE(mistakes_[0].place.column, 1U) << text;
    EXPECT_NE(mistakes_[0].message, "") << text;
  }
}

TEST_F(DocumentTest, unknown_settings_are_told_their_near_ones) {
  expect_mistake("trheads = 4\n", {1, 1}, "unknown setting 'trheads' - did you mean 'threads'?");
  expect_mistake("idle_timeout_s = 4\n", {1, 1}, "did you mean 'idle-timeout-s'?");
  expect_mistake("\n[[sites]]\nroot = \"x\"\n", {2, 3}, "did you mean 'site'?");
  expect_mistake("xylophone-quartet = 1\n", {1, 1}, "unknown setting 'xylophone-quartet'");
  expect_mistake("[[site]]\nindx = \"x\"\n", {2, 1}, "did you mean 'index'?");
}

TEST_F(DocumentTest, settings_stand_where_they_belong) {
  expect_mistake("[[site]]\nroot = \"x\"\n  threads = 4\n", {3, 3}, "above the first [[site]]");
  expect_mistake("names = [\"a\"]\n", {1, 1}, "stands in a [[site]]");
  expect_mistake("[site]\nroot = \"x\"\n", {1, 2}, "[[site]], in two brackets");
  expect_mistake("site = 3\n", {1, 1}, "in two brackets");
}

TEST_F(DocumentTest, types_are_as_expected) {
  expect_mistake("threads = \"4\"\n", {1, 11}, "threads: expected a whole number, not a string");
  expect_mistake("threads = 1.5\n", {1, 11}, "not a number with a fraction");
  expect_mistake("threads = [1]\n", {1, 11}, "not an array");
  expect_mistake("memory-cache = true\n", {1, 16}, "a number of bytes or a string");
  expect_mistake("hidden = \"on\"\n", {1, 10}, "expected true or false, not a string");
  expect_mistake("autoindex = 1\n", {1, 13}, "expected \"on\" or \"off\"");
  expect_mistake("cork = 1979-05-27\n", {1, 8}, "expected a string, not a date or a time");
  expect_mistake("index = [\"a\", 5]\n", {1, 15}, "a string or an array of strings");
  expect_mistake("index = {a = \"b\"}\n", {1, 9}, "not a table");
  expect_mistake("error-page = 404\n", {1, 14}, "an array of strings \"KEY=VALUE\" or a table");
  expect_mistake("error-page = {404 = 5}\n", {1, 21}, "expected a string, not a whole number");
  expect_mistake("cache-control = {\"a=b\" = \"c\"}\n", {1, 18}, "no '='");
  expect_mistake("root = [\"a\"]\n", {1, 8}, "expected a string, not an array");
}

TEST_F(DocumentTest, every_mistake_is_found_and_the_rest_is_read) {
  const Document document =
      parse("trheads = 1\nthreads = \"x\"\nidle-timeout-s = 5\n[[site]]\nhiden = true\n");
  EXPECT_EQ(mistakes_.size(), 3U);
  EXPECT_EQ(said(document.top), (std::vector<std::string>{"threads=", "idle-timeout-s=5"}));
}

TEST_F(DocumentTest, sites_have_a_limit) {
  std::string text;
  for (size_t i = 0; i <= kSitesMax; ++i) text += "[[site]]\n";
  expect_mistake(text, {kSitesMax + 1, 1}, "more than 1024");
}

TEST_F(DocumentTest, a_file_that_cannot_be_read_is_named) {
  const Document document = read_document("/nowhere/conf.toml", mistakes_);
  EXPECT_FALSE(document.is_parsed);
  ASSERT_EQ(mistakes_.size(), 1U);
  EXPECT_NE(mistakes_[0].message.find("'/nowhere/conf.toml': ENOENT"), std::string::npos);
  mistakes_.clear();
  read_document("/dev/zero", mistakes_);
  ASSERT_EQ(mistakes_.size(), 1U);
  EXPECT_NE(mistakes_[0].message.find("longer than 1048576 bytes"), std::string::npos);
}

TEST(Explain, points_at_the_place) {
  const std::string text = "first\n\tsecond = \"\xc3\xa4\" 5\x1b\r\n";
  const Mistakes mistakes{{{2, 15}, "no"}, {{1, 1}, "yes", true}, {{}, "whole"}};
  EXPECT_EQ(explain(mistakes, "f.toml", text),
            "ringserve: error: whole\n"
            "f.toml:1:1: warning: yes\n"
            "  first\n"
            "  ^\n"
            "f.toml:2:15: error: no\n"
            "  \tsecond = \"\xc3\xa4\" 5?\n"
            "  \t             ^\n");
  EXPECT_EQ(count_errors(mistakes), 2U);
}

TEST(Explain, a_place_behind_the_end_has_an_empty_line) {
  EXPECT_EQ(explain({{{9, 3}, "end"}}, "f", "a\n"), "f:9:3: error: end\n  \n  ^\n");
}

}  // namespace
}  // namespace ringserve::config

// Layers over layers: who wins, what only the whole can tell, and what a reload may change.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "server/config/assemble.h"
#include "server/config/reload.h"

namespace ringserve::config {
namespace {

class Assemble : public ::testing::Test {
 protected:
  // "--" is left out: {"threads", "4"}.
  void command_line(std::vector<std::pair<std::string, std::vector<std::string>>> settings) {
    layer_.clear();
    for (auto& [name, texts] : settings) {
      Said& said = layer_.emplace_back(Said{find_setting(name), {}});
      for (std::string& text : texts) said.texts.push_back({std::move(text)});
    }
  }

  const Options& assemble_file(const std::string& text) {
    mistakes_.clear();
    loaded_.document = parse_document("conf.toml", text, mistakes_);
    loaded_.assembled = assemble(layer_, &*loaded_.document, mistakes_);
    require_roots(loaded_, mistakes_);
    return loaded_.assembled.options;
  }
  const Options& assemble_alone() {
    mistakes_.clear();
    loaded_ = load(layer_, "", mistakes_);
    require_roots(loaded_, mistakes_);
    return loaded_.assembled.options;
  }
  const Options& good_file(const std::string& text) {
    const Options& options = assemble_file(text);
    EXPECT_TRUE(mistakes_.empty()) << explained();
    return options;
  }

  std::string explained() const { return explain(mistakes_, "conf.toml", ""); }
  void expect_mistake(const std::string& text, std::string_view words) {
    assemble_file(text);
    EXPECT_EQ(mistakes_.size(), 1U) << explained();
    EXPECT_NE(explained().find(words), std::string::npos) << explained();
  }

  Layer layer_;
  Loaded loaded_;
  Mistakes mistakes_;
};

TEST_F(Assemble, defaults_need_a_root_only) {
  command_line({{"root", {"/srv"}}});
  const Options& options = assemble_alone();
  EXPECT_TRUE(mistakes_.empty()) << explained();
  ASSERT_EQ(options.sites.size(), 1U);
  EXPECT_EQ(options.sites[0].root, "/srv");
  EXPECT_EQ(options.sites[0].index_names, (std::vector<std::string>{"index.html"}));
  ASSERT_EQ(options.listen.size(), 1U);
  EXPECT_EQ(options.listen[0].text(), "127.0.0.1:8080");
  EXPECT_GE(options.threads, 1U);
  EXPECT_EQ(options.access_log_format, LogFormat::off);
}

TEST_F(Assemble, no_root_is_a_mistake_with_its_place) {
  assemble_alone();
  EXPECT_EQ(explained(),
            "ringserve: error: ROOT is required: the directory to serve, or --config FILE\n");
  expect_mistake("", "conf.toml:1:1: error: no root");
  expect_mistake("\n[[site]]\nroot = \"/a\"\n[[site]]\nnames = \"b\"\n", "conf.toml:4:");
  command_line({{"root", {"/srv"}}});
  good_file("");
}

TEST_F(Assemble, a_file_that_is_no_toml_has_that_mistake_only) {
  expect_mistake("=", "conf.toml:1:1");
}

TEST_F(Assemble, the_command_line_wins_over_the_top_level_and_a_site_over_both) {
  command_line({{"idle-timeout-s", {"7"}}, {"header", {"X: line"}}, {"index", {"line"}}});
  const Options& options = good_file(
      "root = \"/top\"\nidle-timeout-s = 5\nsend-timeout-s = 6\nheader = [\"X: a\", \"Y: b\"]\n"
      "charset = \"none\"\n"
      "[[site]]\nindex = \"own\"\n[[site]]\nnames = \"b\"\nroot = \"/b\"\nheader = []\n");
  EXPECT_EQ(options.idle_timeout_s, 7U);
  EXPECT_EQ(options.send_timeout_s, 6U);
  ASSERT_EQ(options.sites.size(), 2U);
  EXPECT_EQ(options.sites[0].root, "/top");
  EXPECT_EQ(options.sites[0].headers, (std::vector<std::string>{"X: line"}));
  EXPECT_EQ(options.sites[0].index_names, (std::vector<std::string>{"own"}));
  EXPECT_EQ(options.sites[1].root, "/b");
  EXPECT_EQ(options.sites[1].headers, (std::vector<std::string>{}));
  EXPECT_EQ(options.sites[1].index_names, (std::vector<std::string>{"line"}));
  EXPECT_EQ(options.sites[1].charset, "");
}

TEST_F(Assemble, a_wrong_text_is_a_mistake_even_where_another_layer_wins) {
  command_line({{"threads", {"2"}}, {"root", {"/srv"}}});
  expect_mistake("threads = 0\n", "conf.toml:1:11: error: threads: '0' is not a whole number");
}

TEST_F(Assemble, mistakes_of_the_command_line_carry_its_names) {
  command_line({{"threads", {"0"}}, {"root", {""}}});
  assemble_alone();
  EXPECT_NE(explained().find("ringserve: error: --threads: '0'"), std::string::npos) << explained();
  EXPECT_NE(explained().find("ringserve: error: ROOT: "), std::string::npos) << explained();
  EXPECT_EQ(mistakes_.size(), 2U);
}

TEST_F(Assemble, a_log_alone_is_combined_and_a_format_alone_goes_to_stdout) {
  command_line({{"root", {"/srv"}}});
  const Options& path = good_file("access-log = \"/log\"\n");
  EXPECT_EQ(path.access_log_format, LogFormat::combined);
  EXPECT_EQ(path.access_log_path, "/log");
  const Options& format = good_file("access-log-format = \"json\"\n");
  EXPECT_EQ(format.access_log_format, LogFormat::json);
  EXPECT_EQ(format.access_log_path, "-");
  EXPECT_EQ(good_file("access-log = \"/log\"\naccess-log-format = \"off\"\n").access_log_format,
            LogFormat::off);
}

TEST_F(Assemble, admin_is_not_public_unless_asked_for) {
  command_line({{"root", {"/srv"}}});
  expect_mistake("admin = [\"127.0.0.1:1\", \"0.0.0.0:9100\"]\n",
                 "conf.toml:1:25: error: admin: 0.0.0.0:9100");
  expect_mistake("admin = \"[2001:db8::1]:9100\"\n", "or add admin-public");
  good_file("admin = [\"127.0.0.1:0\", \"[::1]:9100\", \"unix:/run/admin\"]\n");
  EXPECT_EQ(good_file("admin = \"0.0.0.0:9100\"\nadmin-public = true\n").admin.size(), 1U);
}

TEST_F(Assemble, a_name_has_one_site) {
  command_line({{"root", {"/srv"}}});
  expect_mistake(
      "[[site]]\nnames = [\"a\", \"b\"]\n[[site]]\nnames = [\"c\", \"B\"]\n",
      "conf.toml:4:15: error: names: 'b' is already a name of the site at line 2, column 15");
}

TEST_F(Assemble, only_the_first_site_may_have_no_names) {
  command_line({{"root", {"/srv"}}});
  good_file("[[site]]\n[[site]]\nnames = \"a\"\n");
  expect_mistake("[[site]]\nnames = \"a\"\n[[site]]\n", "conf.toml:3:");
  expect_mistake("[[site]]\nnames = \"a\"\n[[site]]\nnames = []\n", "without names");
}

TEST_F(Assemble, rules_of_a_site_have_the_place_of_their_text) {
  command_line({{"root", {"/srv"}}});
  expect_mistake("[[site]]\nheader = [\n  \"X: a\",\n  \"Date: b\",\n]\n",
                 "conf.toml:4:3: error: header: 'Date' is made by the server");
}

TEST_F(Assemble, what_waits_for_a_restart_is_named) {
  command_line({{"root", {"/srv"}}});
  const Options running = good_file("threads = 1\n");
  EXPECT_TRUE(needs_restart(running, running).empty());
  const Options live = good_file(
      "threads = 1\nmax-connections-per-address = 9\nmax-requests-per-connection = 9\n"
      "request-rate-per-address = 9\nrequest-burst-per-address = 9\nmin-send-rate = 9\n"
      "fair-share = true\nclose = \"client\"\n"
      "idle-timeout-s = 3\naccess-log = \"/l\"\nhidden = true\nheader = \"X: y\"\n");
  EXPECT_TRUE(needs_restart(running, live).empty());
  const Options other = good_file(
      "threads = 2\nlisten = \"127.0.0.1:0\"\ncongestion = \"reno\"\nsend-path = \"splice\"\n"
      "cork = \"none\"\nmemory-cache = 0\nopen-files = 9\nmax-connections = 9\n"
      "admin = \"127.0.0.1:0\"\n");
  EXPECT_EQ(needs_restart(running, other),
            (std::vector<std::string>{"listen", "threads", "congestion", "send-path", "cork",
                                      "memory-cache", "open-files", "max-connections", "admin"}));
  Options tuned = running;
  tuned.tuning.tuning.memory_body_bytes_max += 1;
  EXPECT_EQ(needs_restart(running, tuned), (std::vector<std::string>{"tuning"}));
}

TEST_F(Assemble, a_reload_reads_the_file_again_and_refuses_a_bad_one) {
  const std::string path = ::testing::TempDir() + "/reload-" + std::to_string(::getpid()) + ".toml";
  const auto write = [&](const char* text) { std::ofstream(path) << text; };
  command_line({{"threads", {"3"}}});
  write("root = \"/a\"\nthreads = 1\n");
  const Options running = load(layer_, path, mistakes_).assembled.options;
  EXPECT_TRUE(mistakes_.empty()) << explained();
  write("root = \"/b\"\nidle-timeout-s = 9\n");
  const auto wanted = reload(running);
  ASSERT_TRUE(wanted.has_value()) << wanted.error().message();
  EXPECT_EQ(wanted->sites.at(0).root, "/b");
  EXPECT_EQ(wanted->idle_timeout_s, 9U);
  EXPECT_EQ(wanted->threads, 3U);
  EXPECT_TRUE(needs_restart(running, *wanted).empty());
  EXPECT_EQ(reload(*wanted)->config_path, path);
  write("root = \"/c\"\nidle-timeout-s = 0\ncork = 5\n");
  const auto refused = reload(*wanted);
  ASSERT_FALSE(refused.has_value());
  const std::string message = refused.error().message();
  EXPECT_EQ(message,
            path + ":2:18: idle-timeout-s: '0' is not a whole number from 1 to 3600 (and 1 more)");
  EXPECT_EQ(::unlink(path.c_str()), 0);
  EXPECT_NE(reload(*wanted).error().message().find("ENOENT"), std::string::npos);
}

TEST_F(Assemble, there_is_nothing_to_reload_without_a_file) {
  command_line({{"root", {"/srv"}}});
  const auto again = reload(assemble_alone());
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().message().find("--config FILE"), std::string::npos);
}

}  // namespace
}  // namespace ringserve::config

// The configuration file: `check` explains it, --config serves it, mistakes end both with exit 2
// and are shown where they are. The example and the manual say what the binary does.
#include <fstream>
#include <set>
#include <sstream>

#include "tests/support/server_test.h"

namespace {

using namespace support;

std::string file_of_repository(const std::string& name) {
  std::ifstream in(RINGSERVE_SOURCE_DIR "/" + name);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(text, "") << name;
  return text;
}

class ConfigTest : public ServerTest {
 protected:
  // A file beside the root; "ROOT" in the text stands for the root.
  std::string config(std::string text) {
    replace_all(text, "ROOT", tree().root());
    return tree().outside("conf.toml", text);
  }

  static void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }

  static void expect_says(const std::string& text, std::initializer_list<std::string> words) {
    for (const std::string& word : words) {
      EXPECT_NE(text.find(word), std::string::npos) << "no '" << word << "' in: " << text;
    }
  }

  void expect_good(const std::string& file, std::initializer_list<std::string> words) {
    const Finished run = run_ringserve({"check", file});
    EXPECT_EQ(run.status, (ExitStatus{0, 0})) << run.err;
    EXPECT_EQ(run.err, "");
    expect_says(run.out, words);
  }

  // By `check` and by a start alike.
  void expect_mistakes(const std::string& file, std::initializer_list<std::string> words) {
    const Finished checked = run_ringserve({"check", file});
    EXPECT_EQ(checked.status, (ExitStatus{2, 0})) << checked.err;
    EXPECT_EQ(checked.out, "");
    expect_says(checked.err, words);
    const Finished started = run_ringserve({"--listen=127.0.0.1:0", "--config", file});
    EXPECT_EQ(started.status, (ExitStatus{2, 0})) << started.err;
    EXPECT_EQ(started.out, "");
    expect_says(started.err, words);
  }
};

TEST_F(ConfigTest, check_says_what_a_good_file_asks_for) {
  tree().write("404.html", "gone");
  tree().directory("../www");
  const std::string file = config(
      "listen = \"127.0.0.1:8088\"\nadmin = \"127.0.0.1:9100\"\naccess-log-format = \"json\"\n"
      "[[site]]\nnames = [\"Example.org\"]\nroot = \"ROOT\"\nerror-page = {404 = \"404.html\"}\n"
      "precompressed = \"br,gzip\"\ncache-control = [\"*.css=max-age=1\", \"*=no-cache\"]\n"
      "[[site]]\nnames = \"*.example.net\"\nroot = \"www\"\nredirect = \"/a=/b\"\n");
  expect_good(file, {file + " is good: 2 sites on 127.0.0.1:8088",
                     "example.org and every name that is not below\n    root " + tree().root(),
                     "index index.html; precompressed br, gzip; 2 cache rules; 404 is 404.html",
                     "*.example.net\n    root " + tree().beside("www"), "1 redirect",
                     "access log -, json", "admin 127.0.0.1:9100"});
}

TEST_F(ConfigTest, every_mistake_is_shown_where_it_is) {
  const std::string file = config(
      "trheads = 4\n"
      "idle-timeout-s = 0\n"
      "root = \"ROOT\"\n"
      "header = [\"X: y\",\n"
      "\t\"Date: now\"]\n"
      "[[site]]\n"
      "cork = \"none\"\n");
  expect_mistakes(
      file,
      {file +
           ":1:1: error: unknown setting 'trheads' - did you mean 'threads'?\n  trheads = 4\n  ^\n",
       file + ":2:18: error: idle-timeout-s: '0' is not a whole number from 1 to 3600\n"
              "  idle-timeout-s = 0\n                   ^\n",
       file +
           ":5:2: error: header: 'Date' is made by the server itself\n  \t\"Date: now\"]\n  \t^\n",
       file + ":7:1: error: cork is a setting of the whole server"});
  expect_says(run_ringserve({"check", file}).err, {file + ": 4 errors, 0 warnings\n"});
}

TEST_F(ConfigTest, what_is_not_toml_is_shown_by_line_and_column) {
  const std::string file = config("root = \"ROOT\"\nindex = [\"a\"\nhidden = true\n");
  expect_mistakes(file, {file + ":3:1: error: ", "  hidden = true\n  ^\n"});
}

TEST_F(ConfigTest, a_file_that_cannot_be_read_is_named) {
  const std::string absent = tree().beside("absent.toml");
  expect_mistakes(absent, {"ringserve: error: open '" + absent + "': ENOENT"});
  expect_mistakes(tree().root(), {tree().root(), "EISDIR"});
}

TEST_F(ConfigTest, check_looks_at_directories_and_pages) {
  tree().directory("www/sub");
  tree().directory("logs");
  const std::string file = config(
      "access-log = \"ROOT/absent/access.log\"\n"
      "[[site]]\nroot = \"ROOT/www\"\nerror-page = [\"404=404.html\", \"500=sub\"]\n"
      "fallback = \"../x\"\n"
      "[[site]]\nnames = \"b\"\nroot = \"ROOT/nowhere\"\n");
  const Finished run = run_ringserve({"check", file});
  EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
  expect_says(run.err,
              {file + ":1:14: error: access-log: directory " + tree().path("absent"),
               file + ":4:15: warning: error-page: 404.html below the root: ENOENT",
               file + ":4:31: warning: error-page: sub below the root: not a file",
               file + ":5:12: error: fallback: '../x' must be the path of a file",
               file + ":8:8: error: root: directory " + tree().path("nowhere") + ": ENOENT",
               ": 3 errors, 2 warnings"});
}

TEST_F(ConfigTest, warnings_alone_leave_a_file_good) {
  const std::string file = config("root = \"ROOT\"\nfallback = \"app.html\"\n");
  const Finished run = run_ringserve({"check", file});
  EXPECT_EQ(run.status, (ExitStatus{0, 0})) << run.err;
  expect_says(run.err, {":2:12: warning: fallback: app.html below the root: ENOENT"});
  expect_says(run.out, {"is good: 1 site on 127.0.0.1:8080", "every name\n", "fallback app.html"});
}

TEST_F(ConfigTest, a_log_that_cannot_be_written_is_a_mistake) {
  tree().directory("logs");
  tree().mode("logs", 0555);
  const std::string file = config("root = \"ROOT\"\naccess-log = \"ROOT/logs/access.log\"\n");
  const Finished run = run_ringserve({"check", file}, obeying_file_modes());
  EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
  expect_says(run.err, {":2:14: error: access-log: directory " + tree().path("logs") + ": EACCES"});
  const std::string directory = config("root = \"ROOT\"\naccess-log = \"ROOT\"\n");
  expect_says(run_ringserve({"check", directory}).err, {"EISDIR"});
}

TEST_F(ConfigTest, check_has_a_command_line_of_its_own) {
  const Finished help = run_ringserve({"check", "--help"});
  EXPECT_EQ(help.status, (ExitStatus{0, 0}));
  expect_says(help.out, {"ringserve check", "FILE"});
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"check"}, {"check", ""}, {"check", "a", "b"}, {"check", "--x"}}) {
    const Finished run = run_ringserve(arguments);
    EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
    expect_says(run.err, {"ringserve check: error: ", "ringserve check --help"});
  }
}

TEST_F(ConfigTest, the_file_says_what_is_served) {
  tree().fill("www/start.html", 1000);
  const std::string socket = tree().beside("configured.sock");
  const std::string file =
      config("listen = \"unix:" + socket + "\"\nroot = \"ROOT/www\"\nindex = \"start.html\"\n");
  ChildProcess process({ringserve_binary(), "--print-listen", "--config", file});
  ASSERT_TRUE(process.out().wait_until(
      [&](const std::string& text) { return text.find(socket + "\n") != std::string::npos; },
      Deadline()));
  HttpClient client(Endpoint::parse("unix:" + socket), {});
  const Response response = client.get("/");
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected("www/start.html", 0, 1000)));
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait_for_exit(), (ExitStatus{0, 0}));
}

TEST_F(ConfigTest, the_command_line_wins_over_the_file) {
  tree().fill("line.html", 1000);
  const std::string file = config(
      "listen = \"unix:/nowhere/at/all\"\nroot = \"ROOT/absent\"\nindex = \"file.html\"\n"
      "threads = 3\n");
  serve({"--config", file, "--index", "line.html", "--threads=1"});
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(ConfigTest, a_mistake_on_the_command_line_is_shown_beside_those_of_the_file) {
  const std::string file = config("threads = 0\n");
  const Finished run = run_ringserve({"--config", file, "--cork=champagne", tree().root()});
  EXPECT_EQ(run.status, (ExitStatus{2, 0}));
  expect_says(run.err, {"ringserve: error: --cork: 'champagne' is not one of",
                        ":1:11: error: threads", "ringserve --help lists the options"});
}

TEST_F(ConfigTest, an_empty_name_of_a_file_is_no_configuration) {
  const Finished run = run_ringserve({"--config", "", tree().root()});
  EXPECT_EQ(run.status, (ExitStatus{2, 0}));
  expect_says(run.err, {"--config: must be the path of a file"});
}

TEST_F(ConfigTest, the_tuning_of_a_file_is_the_one_in_force) {
  const Finished built_in = run_ringserve({"--print-tuning"});
  std::string tuning = built_in.out;
  replace_all(tuning, "\"memory_body_bytes_max\": 6144", "\"memory_body_bytes_max\": 1234");
  tree().outside("tuning.json", tuning);
  const std::string file = config("tuning = \"tuning.json\"\n");
  expect_says(run_ringserve({"--print-tuning", "--config", file}).out, {"1234"});
  expect_mistakes(config("tuning = \"absent.json\"\nroot = \"ROOT\"\n"),
                  {":1:10: error: tuning: open '" + tree().beside("absent.json") + "': ENOENT"});
  expect_mistakes(config("tuning = \"tuning.json\"\nsend-path = \"splice\"\nroot = \"ROOT\"\n"),
                  {":1:10: error: tuning: only --send-path auto chooses by size"});
}

TEST_F(ConfigTest, the_example_is_good_where_its_directories_are) {
  std::string example = file_of_repository("deploy/ringserve.toml");
  for (const char* name : {"www/example.org/errors/404.html", "www/example.org/errors/503.html",
                           "www/app/index.html", "log/empty"}) {
    tree().write(name, "x");
  }
  replace_all(example, "/srv/www", tree().path("www"));
  replace_all(example, "/var/log/ringserve", tree().path("log"));
  expect_good(config(example), {"2 sites on 0.0.0.0:80, [::]:80", "www.example.org, example.org",
                                "404 is errors/404.html", "3 cache rules", "fallback index.html",
                                "access.log, json", "admin 127.0.0.1:9100"});
}

TEST_F(ConfigTest, a_mistake_in_the_example_would_be_found) {
  std::string example = file_of_repository("deploy/ringserve.toml");
  replace_all(example, "access-log-format", "acces-log-format");
  expect_says(run_ringserve({"check", config(example)}).err, {"did you mean 'access-log-format'?"});
}

// Words that begin with `mark` at the beginning of a line, up to one of `ends`.
std::set<std::string> names_after(const std::string& mark, std::string_view ends,
                                  const std::string& text) {
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(mark, 0) != 0) continue;
    names.insert(line.substr(mark.size(), line.find_first_of(ends, mark.size()) - mark.size()));
  }
  return names;
}

TEST_F(ConfigTest, the_manual_and_the_help_have_the_same_settings) {
  std::set<std::string> manual =
      names_after("| `", "`", file_of_repository("server/CONFIGURATION.md"));
  EXPECT_EQ(manual.erase("names"), 1U);  // of a [[site]] only
  EXPECT_EQ(manual.erase("root"), 1U);   // ROOT
  std::set<std::string> help = names_after("  --", " ", run_ringserve({"--help"}).out);
  EXPECT_EQ(help.erase("version"), 1U);
  EXPECT_EQ(manual, help);
}

TEST_F(ConfigTest, the_help_fits_into_80_columns) {
  std::istringstream lines(run_ringserve({"--help"}).out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

}  // namespace

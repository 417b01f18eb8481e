// Every setting, once: its name, its help, what it may be and where it goes. The command line, the
// configuration file, --help and `ringserve check` are all made from this list. Made at its first
// use, never changed after that.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"
#include "server/options.h"

namespace ringserve::config {

constexpr unsigned kThreadsMax = 1024;

enum class Scope { process, site };
enum class Takes { flag, on_off, number, size, text };  // in the configuration file
enum class Times { once, list, map };                   // map: each text is "KEY=VALUE"
enum class CommandLine { option, positional, absent };  // absent: only in [[site]]

// Where a text goes when it is right.
struct Target {
  Options& options;
  SiteConfig& site;
};

struct Setting {
  std::string name;  // as on the command line, without the dashes: "idle-timeout-s"
  std::string placeholder{};
  std::string group{};
  std::string help{};  // lines of at most 52 columns
  Scope scope = Scope::process;
  Takes takes = Takes::text;
  Times times = Times::once;
  CommandLine command_line = CommandLine::option;
  bool is_path = false;  // a relative one in the file begins at the file's directory

  // Checks one text and puts it into its place, or says what is allowed. A flag's text is "true"
  // or "false".
  std::function<net::Status(const std::string& text, Target target)> put{};
  // Of a repeatable setting: forgets what a lower layer said. Null: put() does.
  std::function<void(Target target)> clear{};
  // Whether two running states agree, for what takes effect only at a start. Null: a reload does.
  std::function<bool(const Options& a, const Options& b)> same{};
};

// In the order of --help.
const std::vector<Setting>& settings();

// Null if there is none of this name.
const Setting* find_setting(std::string_view name);

// The parts of settings(), each in a file of its own.
std::vector<Setting> process_settings();
std::vector<Setting> limit_settings();
std::vector<Setting> log_settings();
std::vector<Setting> site_settings();

}  // namespace ringserve::config

// Strict where sysctl(8) guesses: what is not understood is a mistake with its line, and the
// commands then do nothing at all.
#include "client/tune/conf/sysctl_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "client/tune/conf/values.h"
#include "common/net/read_file.h"

namespace ringtune {
namespace {

constexpr std::string_view kBlank = " \t\r";
constexpr std::string_view kGlob = "*?[";
constexpr int kDepthMax = 16;  // of the directories below /proc/sys

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool has_control_letter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char letter) {
    const auto code = static_cast<unsigned char>(letter);
    return (code < 0x20 && code != '\t') || code == 0x7f;
  });
}

void swap_separators(std::string& text) {
  for (char& letter : text) letter = letter == '.' ? '/' : letter == '/' ? '.' : letter;
}

class Parser {
 public:
  SysctlFile parse(std::string_view text) {
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++line_;
      read_line(trimmed(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::move(file_);
  }

 private:
  void mistake(std::string what) { file_.mistakes.push_back({line_, std::move(what)}); }

  void read_line(std::string_view line) {
    if (line.empty() || line.front() == '#' || line.front() == ';') return;
    if (has_control_letter(line)) return mistake("a control letter; write plain text");
    Assignment assignment;
    assignment.line = line_;
    if (line.front() == '-') {
      assignment.may_fail = true;
      line = trimmed(line.substr(1));
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return mistake(fmt::format("'{}' has no '='; write NAME = VALUE", line));
    }
    const std::string_view name = trimmed(line.substr(0, equals));
    if (name.find_first_of(kGlob) != std::string_view::npos) {
      return mistake(fmt::format("'{}' is a pattern; write a line for each parameter", name));
    }
    auto path = path_of_parameter(name);
    if (!path) return mistake(path.error().message());
    assignment.path = std::move(*path);
    assignment.name = name_of_path(assignment.path);
    assignment.value = tidy_value(line.substr(equals + 1));
    std::erase_if(file_.assignments,
                  [&](const Assignment& earlier) { return earlier.path == assignment.path; });
    file_.assignments.push_back(std::move(assignment));
  }

  SysctlFile file_;
  unsigned line_ = 0;
};

net::Result<std::string> read_standard_input() {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::fail("read the standard input", errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > kSysctlFileBytesMax) {
      return net::fail(fmt::format("the standard input: longer than {} bytes", kSysctlFileBytesMax),
                       0);
    }
  }
}

}  // namespace

SysctlFile parse_sysctl_file(std::string_view text) { return Parser().parse(text); }

net::Result<SysctlFile> read_sysctl_file(const std::string& path) {
  const auto text = path == "-" ? read_standard_input() : net::read_file(path, kSysctlFileBytesMax);
  if (!text) return tl::unexpected(text.error());
  return parse_sysctl_file(*text);
}

net::Result<std::string> path_of_parameter(std::string_view name) {
  std::string path(name);
  const size_t separator = path.find_first_of("./");
  if (separator == std::string::npos) {
    return net::fail(fmt::format("'{}' is no name of a parameter", name), 0,
                     "write it with its dots: net.ipv4.tcp_rmem");
  }
  if (path[separator] == '.') swap_separators(path);
  int depth = 0;
  for (std::string_view rest = path;;) {
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, end);
    const bool has_blank = part.find_first_of(kBlank) != std::string_view::npos;
    if (part.empty() || part == "." || part == ".." || has_blank || ++depth > kDepthMax) {
      return net::fail(fmt::format("'{}' is no name of a parameter", name), 0,
                       "write it as sysctl(8) does: net.ipv4.tcp_rmem");
    }
    if (end == rest.size()) return path;
    rest.remove_prefix(end + 1);
  }
}

std::string name_of_path(std::string_view path) {
  std::string name(path);
  swap_separators(name);
  return name;
}

}  // namespace ringtune

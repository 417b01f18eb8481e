// A strict reader of Prometheus' text format 0.0.4: what it lets through, Prometheus reads. Header
// only, for the unit tests and the black-box tests; it must share nothing with what writes the
// text.
#pragma once

#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace support {

struct MetricsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class MetricsText {
 public:
  using Labels = std::map<std::string, std::string>;

  // Throws MetricsError, which names the line, where the format is not kept.
  explicit MetricsText(const std::string& text) {
    if (text.empty() || text.back() != '\n') throw MetricsError("the last line has no end");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      try {
        take(line);
      } catch (const MetricsError& error) {
        throw MetricsError(std::string(error.what()) + ": " + line);
      }
    }
  }

  bool has(const std::string& name) const { return samples_.count(name) != 0; }
  // The value of the sample with exactly these labels; throws where there is none.
  double value(const std::string& name, const Labels& labels = {}) const {
    const auto metric = samples_.find(name);
    if (metric == samples_.end()) throw MetricsError("no metric " + name);
    const auto sample = metric->second.find(labels);
    if (sample == metric->second.end()) throw MetricsError("no such labels at " + name);
    return sample->second;
  }
  double sum(const std::string& name) const {
    double all = 0;
    if (!has(name)) return all;
    for (const auto& [labels, number] : samples_.at(name)) all += number;
    return all;
  }
  const std::string& type(const std::string& name) const { return types_.at(name); }
  const std::map<std::string, std::string>& types() const { return types_; }

 private:
  // Takes a line apart, from left to right.
  class Cursor {
   public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    bool skip(std::string_view prefix) {
      if (!rest_.starts_with(prefix)) return false;
      rest_.remove_prefix(prefix.size());
      return true;
    }
    void expect(std::string_view prefix) {
      if (!skip(prefix)) throw MetricsError("no '" + std::string(prefix) + "' where it belongs");
    }
    // [a-zA-Z_][a-zA-Z0-9_]*, of metrics also with colons.
    std::string name(bool colons) {
      size_t size = 0;
      const auto fits = [&](unsigned char c) {
        return std::isalpha(c) || c == '_' || (colons && c == ':') || (size > 0 && std::isdigit(c));
      };
      while (size < rest_.size() && fits(static_cast<unsigned char>(rest_[size]))) ++size;
      if (size == 0) throw MetricsError("no name where one belongs");
      return cut(size);
    }
    // Up to the closing quote, which is taken too.
    std::string quoted() {
      std::string plain;
      while (!skip("\"")) plain += character(true);
      return plain;
    }
    char character(bool quote_is_escaped) {
      if (skip("\\\\")) return '\\';
      if (skip("\\n")) return '\n';
      if (quote_is_escaped && skip("\\\"")) return '"';
      if (rest_.empty() || rest_.front() == '\\') throw MetricsError("a bad escape or no end");
      return cut(1).front();
    }
    std::string whole() { return cut(rest_.size()); }
    bool at_end() const { return rest_.empty(); }

   private:
    std::string cut(size_t size) {
      std::string text(rest_.substr(0, size));
      rest_.remove_prefix(size);
      return text;
    }
    std::string_view rest_;
  };

  void take(const std::string& line) {
    Cursor at(line);
    if (at.skip("# HELP ")) {
      const std::string name = at.name(true);
      at.expect(" ");
      take_help(name, at);
    } else if (at.skip("# TYPE ")) {
      const std::string name = at.name(true);
      at.expect(" ");
      take_type(name, at.whole());
    } else {
      const std::string name = at.name(true);
      const Labels labels = at.skip("{") ? labels_at(at) : Labels{};
      at.expect(" ");
      take_sample(name, labels, at.whole());
    }
  }

  // HELP, TYPE and samples of a metric stand together.
  void begin(const std::string& name) {
    if (name == present_) return;
    if (!begun_.insert(name).second) throw MetricsError("lines of a metric are apart");
    present_ = name;
  }

  void take_help(const std::string& name, Cursor& at) {
    begin(name);
    if (!helped_.insert(name).second) throw MetricsError("HELP twice");
    while (!at.at_end()) at.character(false);
  }

  void take_type(const std::string& name, const std::string& type) {
    begin(name);
    if (samples_.count(name) != 0) throw MetricsError("TYPE behind a sample");
    if (type != "counter" && type != "gauge") throw MetricsError("an unknown type");
    if (!types_.emplace(name, type).second) throw MetricsError("TYPE twice");
  }

  void take_sample(const std::string& name, const Labels& labels, const std::string& value) {
    begin(name);
    if (types_.count(name) == 0 || helped_.count(name) == 0) throw MetricsError("no HELP or TYPE");
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (value.empty() || value.front() == ' ' || *end != '\0') throw MetricsError("no number");
    if (!samples_[name].emplace(labels, number).second) throw MetricsError("said twice");
  }

  static Labels labels_at(Cursor& at) {
    Labels labels;
    do {
      const std::string name = at.name(false);
      at.expect("=\"");
      if (!labels.emplace(name, at.quoted()).second) throw MetricsError("a label twice");
    } while (at.skip(","));
    at.expect("}");
    return labels;
  }

  std::string present_;
  std::set<std::string> begun_, helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::map<Labels, double>> samples_;
};

}  // namespace support

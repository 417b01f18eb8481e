// Reads the embedded files strictly: a key that is misspelt or missing is an error, since nobody
// would notice it in the output.
#include "client/tune/catalogue/catalogue.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <stdexcept>

#include "client/tune/catalogue/files.h"
#include "client/tune/conf/values.h"
#include "common/check.h"
#include "common/cli/mistakes.h"

namespace ringtune {
namespace {

[[noreturn]] void broken(const std::string& where, const std::string& what) {
  throw std::runtime_error(fmt::format("catalogue: {}: {}", where, what));
}

// Takes the keys out of a table one by one; what is left at the end is a mistake.
class Fields {
 public:
  Fields(const toml::table& table, std::string where) : rest_(table), where_(std::move(where)) {}

  std::string text(const char* key) {
    const auto value = rest_[key].value<std::string>();
    if (!value) broken(where_, fmt::format("'{}' is missing", key));
    rest_.erase(key);
    return *value;
  }

  std::string text_or_nothing(const char* key) {
    return rest_.contains(key) ? text(key) : std::string();
  }

  toml::array array_or_nothing(const char* key) {
    const toml::array* found = rest_[key].as_array();
    if (found == nullptr) return {};
    toml::array copy = *found;
    rest_.erase(key);
    return copy;
  }

  void expect_nothing_left() const {
    if (!rest_.empty()) {
      broken(where_, fmt::format("unknown key '{}'", rest_.begin()->first.str()));
    }
  }

  const std::string& where() const { return where_; }

 private:
  toml::table rest_;
  std::string where_;
};

Scope scope_of(Fields& fields) {
  const std::string word = fields.text("scope");
  if (word == "network") return Scope::network;
  if (word == "host") return Scope::host;
  if (word == "user") return Scope::user;
  if (word == "process") return Scope::process;
  broken(fields.where(), fmt::format("scope '{}'", word));
}

RaiseOnly raise_only_of(Fields& fields) {
  const std::string word = fields.text_or_nothing("raise_only");
  if (word.empty()) return RaiseOnly::no;
  if (word == "number") return RaiseOnly::number;
  if (word == "last") return RaiseOnly::last;
  if (word == "ports") return RaiseOnly::ports;
  broken(fields.where(), fmt::format("raise_only '{}'", word));
}

void read_purposes(Fields& fields, Parameter& parameter) {
  for (const toml::node& node : fields.array_or_nothing("for")) {
    const std::string word = node.value_or(std::string());
    if (word != "serve" && word != "load") broken(fields.where(), fmt::format("for '{}'", word));
    (word == "serve" ? parameter.for_serve : parameter.for_load) = true;
  }
}

Parameter parameter_of(const toml::table& table) {
  Fields fields(table, table["name"].value_or(std::string("a parameter without a name")));
  Parameter parameter;
  parameter.name = fields.text("name");
  parameter.brief = fields.text("brief");
  parameter.does = fields.text("does");
  parameter.unit = fields.text("unit");
  parameter.default_value = fields.text_or_nothing("default");
  parameter.default_from = fields.text_or_nothing("default_from");
  parameter.range = fields.text("range");
  parameter.read_by = fields.text("read_by");
  parameter.scope = scope_of(fields);
  read_purposes(fields, parameter);
  parameter.kubernetes = fields.text_or_nothing("kubernetes");
  parameter.gone = fields.text_or_nothing("gone");
  parameter.raise_only = raise_only_of(fields);
  parameter.folklore = fields.text_or_nothing("folklore");
  parameter.note = fields.text_or_nothing("note");
  parameter.experiment = fields.text_or_nothing("experiment");
  for (const toml::node& node : fields.array_or_nothing("refuse")) {
    if (!node.is_table()) broken(fields.where(), "refuse is not a table");
    Fields rule(*node.as_table(), fields.where() + ", refuse");
    parameter.refusals.push_back({rule.text("when"), rule.text("why")});
    rule.expect_nothing_left();
  }
  fields.expect_nothing_left();
  if (parameter.gone.empty() && parameter.default_from.empty()) {
    broken(parameter.name, "'default_from' is missing");
  }
  return parameter;
}

std::vector<Parameter> read_files() {
  std::vector<Parameter> all;
  for (const std::string_view file :
       {kPortsToml, kListenToml, kBuffersToml, kTransportToml, kDeviceToml, kHostToml}) {
    const toml::table document = toml::parse(file);
    const toml::array* parameters = document["parameter"].as_array();
    if (parameters == nullptr || document.size() != 1) broken("a file", "no list of parameters");
    for (const toml::node& node : *parameters) all.push_back(parameter_of(*node.as_table()));
  }
  return all;
}

std::string_view last_part(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string with_dots(std::string_view name) {
  std::string text(name);
  if (text.rfind("/proc/sys/", 0) == 0) text.erase(0, std::string_view("/proc/sys/").size());
  std::replace(text.begin(), text.end(), '/', '.');
  return text;
}

}  // namespace

const std::vector<Parameter>& catalogue() {
  static const std::vector<Parameter> all = read_files();
  return all;
}

const Parameter* find_parameter(std::string_view name) {
  const std::string dotted = with_dots(name);
  const Parameter* by_last_part = nullptr;
  for (const Parameter& parameter : catalogue()) {
    if (parameter.name == dotted) return &parameter;
    if (last_part(parameter.name) != dotted) continue;
    if (by_last_part != nullptr) return nullptr;  // two end so
    by_last_part = &parameter;
  }
  return by_last_part;
}

std::string near_parameter(std::string_view wrong) {
  const std::string dotted = with_dots(wrong);
  std::vector<std::string> names;
  for (const Parameter& parameter : catalogue()) names.push_back(parameter.name);
  std::string near = cli::nearest_name(names, dotted);
  if (!near.empty() && dotted.find('.') != std::string::npos) return near;
  for (std::string& name : names) name = last_part(name);
  const std::string near_end = cli::nearest_name(names, last_part(dotted));
  const Parameter* found = near_end.empty() ? nullptr : find_parameter(near_end);
  return found != nullptr ? found->name : near;
}

bool lowers(const Parameter& parameter, std::string_view present, std::string_view wanted) {
  switch (parameter.raise_only) {
    case RaiseOnly::no: return false;
    case RaiseOnly::number:
    case RaiseOnly::last: {
      const auto before = last_number(present);
      const auto after = last_number(wanted);
      return before && after && *after < *before;
    }
    case RaiseOnly::ports: {
      const auto before = two_numbers(present);
      const auto after = two_numbers(wanted);
      return before && after && after->second - after->first < before->second - before->first;
    }
  }
  return false;
}

const Refusal* refusal_of(const Parameter& parameter, std::string_view present,
                          std::string_view wanted) {
  for (const Refusal& refusal : parameter.refusals) {
    if (refusal.when == "any") return &refusal;
    if (refusal.when == "lower") {
      const auto before = last_number(present);
      const auto after = last_number(wanted);
      if (before && after && *after < *before) return &refusal;
    } else if (same_value(parameter.name, refusal.when, wanted)) {
      return &refusal;
    }
  }
  return nullptr;
}

std::string_view scope_words(Scope scope) {
  switch (scope) {
    case Scope::network: return "network namespace";
    case Scope::host: return "host";
    case Scope::user: return "user namespace";
    case Scope::process: return "process";
  }
  return "";
}

}  // namespace ringtune

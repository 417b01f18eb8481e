// toml++ parses and knows where everything stands. Tables are walked in the order of the file, not
// of their keys, so that a table of rules means what it looks like.
#include "server/config/document.h"

#include <fmt/format.h>
// Its assertions end the process at what is only a mistake in a file ("[[[a").
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>

#include "common/cli/mistakes.h"
#include "common/net/read_file.h"
#include "server/config/settings.h"
#include "server/config/words.h"

namespace ringserve::config {
namespace {

constexpr std::string_view kSiteKey = "site";

Place begin_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

struct Entry {
  const toml::key* key;
  const toml::node* node;
  Place place() const { return begin_of(key->source()); }
};

std::vector<Entry> in_order_of_file(const toml::table& table) {
  std::vector<Entry> entries;
  for (auto&& [key, node] : table) entries.push_back({&key, &node});
  std::ranges::sort(entries, {}, [](const Entry& entry) { return entry.place(); });
  return entries;
}

// As a person would call it.
std::string_view type_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or a time";
  }
}

std::string_view expected_type(const Setting& setting) {
  if (setting.times == Times::list) return "a string or an array of strings";
  if (setting.times == Times::map) return "an array of strings \"KEY=VALUE\" or a table";
  switch (setting.takes) {
    case Takes::flag: return "true or false";
    case Takes::on_off: return "\"on\" or \"off\"";
    case Takes::number: return "a whole number";
    case Takes::size: return "a number of bytes or a string such as \"64MiB\"";
    case Takes::text: break;
  }
  return "a string";
}

class Reader {
 public:
  Reader(Document& document, Mistakes& mistakes) : document_(document), mistakes_(mistakes) {}

  void read(const toml::table& top) {
    for (const Entry& entry : in_order_of_file(top)) {
      if (entry.key->str() == kSiteKey) {
        read_sites(entry);
      } else if (const Setting* setting = setting_of(entry, false)) {
        read_setting(*setting, *entry.node, document_.top);
      }
    }
  }

 private:
  void complain(Place place, std::string message) {
    mistakes_.push_back({place, std::move(message)});
  }

  void read_sites(const Entry& entry) {
    const toml::array* sites = entry.node->as_array();
    if (sites == nullptr || !sites->is_homogeneous<toml::table>()) {
      return complain(entry.place(), "site: each site begins with [[site]], in two brackets");
    }
    for (const toml::node& node : *sites) {
      const Place place = begin_of(node.source());
      if (document_.sites.size() == kSitesMax) {
        return complain(place, fmt::format("site: there are more than {}", kSitesMax));
      }
      SiteTable& site = document_.sites.emplace_back();
      site.place = place;
      for (const Entry& each : in_order_of_file(*node.as_table())) {
        const Setting* setting = setting_of(each, true);
        if (setting != nullptr) read_setting(*setting, *each.node, site.layer);
      }
    }
  }

  // Null, and a complaint, where this key has no business here.
  const Setting* setting_of(const Entry& entry, bool in_site) {
    const std::string name(entry.key->str());
    const Setting* setting = find_setting(name);
    if (setting == nullptr) {
      complain(entry.place(), fmt::format("unknown setting {}{}", in_quotes(name), guess(name)));
    } else if (in_site && setting->scope == Scope::process) {
      complain(entry.place(), fmt::format("{} is a setting of the whole server: it stands above "
                                          "the first [[site]]",
                                          name));
    } else if (!in_site && setting->command_line == CommandLine::absent) {
      complain(entry.place(), fmt::format("{} stands in a [[site]]", name));
    } else {
      return setting;
    }
    return nullptr;
  }

  static std::string guess(const std::string& name) {
    std::vector<std::string> names{std::string(kSiteKey)};
    for (const Setting& setting : settings()) names.push_back(setting.name);
    const std::string near = cli::nearest_name(names, name);
    return near.empty() ? "" : fmt::format(" - did you mean '{}'?", near);
  }

  void read_setting(const Setting& setting, const toml::node& node, Layer& layer) {
    Said said{&setting, {}};
    const toml::array* array = node.as_array();
    const toml::table* table = node.as_table();
    if (array != nullptr && setting.times != Times::once) {
      for (const toml::node& element : *array) read_text(setting, element, "", said);
    } else if (table != nullptr && setting.times == Times::map) {
      for (const Entry& entry : in_order_of_file(*table)) read_pair(setting, entry, said);
    } else {
      read_text(setting, node, "", said);
    }
    layer.push_back(std::move(said));
  }

  void read_pair(const Setting& setting, const Entry& entry, Said& said) {
    const std::string key(entry.key->str());
    if (key.find('=') != std::string::npos) {
      return complain(entry.place(), fmt::format("{}: a key has no '=' in it", setting.name));
    }
    read_text(setting, *entry.node, key + "=", said);
  }

  // One value becomes one text, or a complaint about its type.
  void read_text(const Setting& setting, const toml::node& node, const std::string& prefix,
                 Said& said) {
    const Place place = begin_of(node.source());
    std::string text;
    const bool takes_number = setting.takes == Takes::number || setting.takes == Takes::size;
    const bool takes_text = setting.takes != Takes::flag && setting.takes != Takes::number;
    if (const auto* boolean = node.as_boolean();
        boolean != nullptr && setting.takes == Takes::flag) {
      text = boolean->get() ? "true" : "false";
    } else if (boolean != nullptr && setting.takes == Takes::on_off) {
      text = boolean->get() ? "on" : "off";
    } else if (const auto* integer = node.as_integer(); integer != nullptr && takes_number) {
      text = std::to_string(integer->get());
    } else if (const auto* string = node.as_string(); string != nullptr && takes_text) {
      text = prefix + (setting.is_path ? from_directory(string->get()) : string->get());
    } else {
      return complain(
          place, fmt::format("{}: expected {}, not {}", setting.name,
                             prefix.empty() ? expected_type(setting) : "a string", type_of(node)));
    }
    said.texts.push_back({std::move(text), place});
  }

  // The path as seen from the file's directory. "-" is stdout, and nothing stays nothing.
  std::string from_directory(const std::string& path) const {
    if (path.empty() || path == "-" || path.front() == '/') return path;
    return document_.path.substr(0, document_.path.rfind('/') + 1) + path;
  }

  Document& document_;
  Mistakes& mistakes_;
};

}  // namespace

Document parse_document(std::string path, std::string text, Mistakes& mistakes) {
  Document document;
  document.path = std::move(path);
  document.text = std::move(text);
  try {
    const toml::table top = toml::parse(document.text);
    Reader(document, mistakes).read(top);
    document.is_parsed = true;
  } catch (const toml::parse_error& error) {
    mistakes.push_back({begin_of(error.source()), printable(error.description())});
  }
  return document;
}

Document read_document(const std::string& path, Mistakes& mistakes) {
  auto text = net::read_file(path, kDocumentBytesMax);
  if (text) return parse_document(path, std::move(*text), mistakes);
  mistakes.push_back({{}, text.error().message()});
  Document unread;
  unread.path = path;
  return unread;
}

}  // namespace ringserve::config

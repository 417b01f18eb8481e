// The order is the precedence: defaults, the file's top level, the command line, and for each site
// its own table. A wrong text is complained about wherever it stands, also where another layer says
// something else.
#include "server/config/assemble.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>

#include "server/config/words.h"

namespace ringserve::config {
namespace {

constexpr const char* kListenDefault = "127.0.0.1:8080";

unsigned usable_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) < 0) return 1;
  return static_cast<unsigned>(std::clamp(CPU_COUNT(&cpus), 1, static_cast<int>(kThreadsMax)));
}

// As the person who made the mistake wrote it: "--threads" or "threads".
std::string label(std::string_view name, Place place) {
  if (place.line != 0) return std::string(name);
  const Setting* setting = find_setting(name);
  const bool is_positional = setting != nullptr && setting->command_line == CommandLine::positional;
  return is_positional ? "ROOT" : fmt::format("--{}", name);
}

class Assembler {
 public:
  Assembler(Assembled& assembled, Mistakes& mistakes)
      : options_(assembled.options), assembled_(assembled), mistakes_(mistakes) {}

  void run(const Layer& command_line, const Document* document) {
    options_.threads = usable_cpus();
    SiteConfig above;
    if (document != nullptr) apply(document->top, above, assembled_.places);
    apply(command_line, above, assembled_.places);
    if (document == nullptr || document->sites.empty()) {
      add_site({}, above);
    } else {
      for (const SiteTable& table : document->sites) add_site(table.layer, above);
    }
    finish();
    if (document != nullptr) check_names(*document);
  }

 private:
  void complain(std::string_view name, Place place, const std::string& message) {
    mistakes_.push_back({place, fmt::format("{}: {}", label(name, place), message)});
  }

  void apply(const Layer& layer, SiteConfig& site, Places& places) {
    for (const Said& said : layer) {
      const Setting& setting = *said.setting;
      const Target target{options_, site};
      std::vector<Place>& accepted = places[setting.name];
      accepted.clear();
      if (setting.clear) setting.clear(target);
      for (const Text& text : said.texts) {
        if (auto status = setting.put(text.value, target); !status) {
          complain(setting.name, text.place, status.error().message());
        } else {
          accepted.push_back(text.place);
        }
      }
    }
  }

  void add_site(const Layer& layer, const SiteConfig& above) {
    options_.sites.push_back(above);
    assembled_.sites.push_back(assembled_.places);
    apply(layer, options_.sites.back(), assembled_.sites.back());
  }

  bool is_said(std::string_view name) const { return assembled_.places.contains(name); }
  Place said_at(std::string_view name, size_t index = 0) const {
    return place_of(assembled_.places, name, index);
  }

  void finish() {
    options_.listen_by_default = options_.listen.empty();
    if (options_.listen_by_default) options_.listen.push_back(*net::Address::parse(kListenDefault));
    if (is_said("access-log") && !is_said("access-log-format")) {
      options_.access_log_format = LogFormat::combined;
    }
    if (is_said("tuning") && options_.send_path != send::PathName::automatic) {
      complain("tuning", said_at("tuning"),
               fmt::format("only --send-path auto chooses by size, not {} - leave one of the two "
                           "out",
                           name_of(options_.send_path)));
    }
    for (size_t i = 0; i < options_.admin.size(); ++i) {
      const net::Address& address = options_.admin[i];
      if (options_.admin_public || address.is_unix() || address.is_loopback()) continue;
      complain("admin", said_at("admin", i),
               fmt::format("{} can be reached from other machines, and tells them about this one - "
                           "use a loopback address or unix:/absolute/path, or add {}",
                           address.text(), label("admin-public", said_at("admin", i))));
    }
  }

  static bool says_names(const Layer& layer) {
    return std::ranges::any_of(layer, [](const Said& said) {
      return said.setting->command_line == CommandLine::absent && !said.texts.empty();
    });
  }

  // A name leads to one site, and a site without names answers for those that no other has: only
  // the first can be asked for them.
  void check_names(const Document& document) {
    std::map<std::string, Place> taken;
    for (size_t i = 0; i < document.sites.size(); ++i) {
      const std::vector<std::string>& names = options_.sites[i].names;
      if (i > 0 && !says_names(document.sites[i].layer)) {
        mistakes_.push_back({document.sites[i].place,
                             "site: nobody can ask for a site without names, unless it is the "
                             "first: add names = [\"example.org\"]"});
      }
      for (size_t j = 0; j < names.size(); ++j) {
        const Place place = place_of(assembled_.sites[i], "names", j);
        const auto [other, is_new] = taken.try_emplace(names[j], place);
        if (is_new) continue;
        complain("names", place,
                 fmt::format("{} is already a name of the site at line {}, column {}",
                             in_quotes(names[j]), other->second.line, other->second.column));
      }
    }
  }

  Options& options_;
  Assembled& assembled_;
  Mistakes& mistakes_;
};

}  // namespace

Place place_of(const Places& places, std::string_view name, size_t index) {
  const auto found = places.find(name);
  if (found == places.end() || index >= found->second.size()) return {};
  return found->second[index];
}

Assembled assemble(const Layer& command_line, const Document* document, Mistakes& mistakes) {
  Assembled assembled;
  Assembler(assembled, mistakes).run(command_line, document);
  return assembled;
}

Loaded load(const Layer& command_line, const std::string& config_path, Mistakes& mistakes) {
  Loaded loaded;
  if (!config_path.empty()) loaded.document = read_document(config_path, mistakes);
  const Document* document = loaded.document ? &*loaded.document : nullptr;
  loaded.assembled = assemble(command_line, document, mistakes);
  loaded.assembled.options.config_path = config_path;
  loaded.assembled.options.command_line = command_line;
  return loaded;
}

void require_roots(const Loaded& loaded, Mistakes& mistakes) {
  const Document* document = loaded.document ? &*loaded.document : nullptr;
  if (document != nullptr && !document->is_parsed) return;  // who knows what it says
  for (size_t i = 0; i < loaded.assembled.sites.size(); ++i) {
    // A root that was said and is wrong has had its complaint.
    if (loaded.assembled.sites[i].contains("root")) continue;
    if (document == nullptr) {
      mistakes.push_back({{}, "ROOT is required: the directory to serve, or --config FILE"});
    } else if (document->sites.empty()) {
      mistakes.push_back({{1, 1}, "no root: say which directory to serve, root = \"/srv/www\""});
    } else {
      mistakes.push_back(
          {document->sites[i].place, "site: no root: say which directory it serves"});
    }
  }
}

}  // namespace ringserve::config

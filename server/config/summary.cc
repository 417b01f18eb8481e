// Only what differs from the defaults is worth a word; numbers of rules rather than the rules.
#include "server/config/summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ringserve::config {
namespace {

void add_count(std::vector<std::string>& facts, size_t number, std::string_view what) {
  if (number > 0) facts.push_back(fmt::format("{} {}{}", number, what, number == 1 ? "" : "s"));
}

std::string_view name_of(Coding coding) {
  switch (coding) {
    case Coding::br: return "br";
    case Coding::zstd: return "zstd";
    case Coding::gzip: break;
  }
  return "gzip";
}

std::string facts_of(const SiteConfig& site) {
  std::vector<std::string> facts{fmt::format("index {}", fmt::join(site.index_names, ", "))};
  if (site.autoindex) facts.push_back("autoindex");
  if (site.hidden) facts.push_back("hidden files");
  if (!site.fallback.empty()) facts.push_back("fallback " + site.fallback);
  if (!site.precompressed.empty()) {
    std::vector<std::string_view> codings;
    for (const Coding coding : site.precompressed) codings.push_back(name_of(coding));
    facts.push_back(fmt::format("precompressed {}", fmt::join(codings, ", ")));
  }
  add_count(facts, site.cache_control.size(), "cache rule");
  add_count(facts, site.headers.size(), "header");
  if (!site.cors.empty()) facts.push_back(fmt::format("cors {}", fmt::join(site.cors, ", ")));
  add_count(facts, site.redirects.size(), "redirect");
  for (const ErrorPage& page : site.error_pages) {
    facts.push_back(fmt::format("{} is {}", page.status, page.path));
  }
  add_count(facts, site.media_types.size(), "media type");
  return fmt::format("{}", fmt::join(facts, "; "));
}

std::string texts_of(const std::vector<net::Address>& addresses) {
  std::vector<std::string> texts;
  for (const net::Address& address : addresses) texts.push_back(address.text());
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

std::string summary(const std::string& path, const Options& options) {
  std::string text = fmt::format("{} is good: {} site{} on {}\n", path, options.sites.size(),
                                 options.sites.size() == 1 ? "" : "s", texts_of(options.listen));
  for (const SiteConfig& site : options.sites) {
    const bool is_first = &site == &options.sites.front();
    const std::string names = fmt::format("{}", fmt::join(site.names, ", "));
    text += fmt::format("  {}{}\n    root {}\n    {}\n", names,
                        !is_first       ? ""
                        : names.empty() ? "every name"
                                        : " and every name that is not below",
                        site.root, facts_of(site));
  }
  if (options.access_log_format != LogFormat::off) {
    text += fmt::format("  access log {}, {}\n", options.access_log_path,
                        name_of(options.access_log_format));
  }
  if (!options.admin.empty()) text += fmt::format("  admin {}\n", texts_of(options.admin));
  return text;
}

}  // namespace ringserve::config

// Names to sites, and what each site adds to replies. Texts are made here, once: a reply only
// copies them.
#include "server/sites.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/http/host.h"
#include "server/http/reply.h"

namespace ringserve {
namespace {

// A browser may ask the same question again after this: one day is what browsers cut it to.
constexpr unsigned kPreflightSeconds = 86'400;

std::string_view name_of(config::Coding coding) {
  switch (coding) {
    case config::Coding::br: return "br";
    case config::Coding::zstd: return "zstd";
    case config::Coding::gzip: return "gzip";
  }
  return "";
}

std::string_view suffix_of(config::Coding coding) {
  switch (coding) {
    case config::Coding::br: return ".br";
    case config::Coding::zstd: return ".zst";
    case config::Coding::gzip: return ".gz";
  }
  return "";
}

std::string allow_origin(std::string_view origin) {
  return fmt::format("Access-Control-Allow-Origin: {}\r\n", origin);
}

// What a script of another origin may read besides the fields that the Fetch standard always shows.
constexpr std::string_view kExposed =
    "Access-Control-Expose-Headers: Accept-Ranges, Content-Encoding, Content-Length, "
    "Content-Range, "
    "Date, ETag\r\n";

files::Description description_of(const http::EntityFields& entity) {
  http::EntityText text = http::describe(entity);
  return {.text = std::move(text.lines),
          .repeated_bytes = text.repeated_bytes,
          .part_bytes = text.part_bytes};
}

std::string fields_of(const config::SiteConfig& site) {
  std::string fields;
  for (const std::string& header : site.headers) fields += header + "\r\n";
  if (site.cors.size() == 1) fields += allow_origin(site.cors.front());
  if (!site.cors.empty()) fields += kExposed;
  return fields;
}

std::string preflight_fields_of(const config::SiteConfig& site) {
  if (site.cors.empty()) return {};
  return fmt::format(
      "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
      "Access-Control-Allow-Headers: *, Range, If-Range, If-Match, If-None-Match, "
      "If-Modified-Since, If-Unmodified-Since\r\n"
      "Access-Control-Max-Age: {}\r\n",
      kPreflightSeconds);
}

// Which request fields choose among replies: RFC 9110 section 12.5.5.
std::string vary_of(const config::SiteConfig& site, bool has_variants) {
  const bool by_origin = site.cors.size() > 1;
  if (has_variants) return by_origin ? "Accept-Encoding, Origin" : "Accept-Encoding";
  return by_origin ? "Origin" : "";
}

SiteRules make_rules(const config::SiteConfig& config, const files::MediaTypes& system_types) {
  SiteRules rules;
  rules.config = config;
  rules.media_types = system_types.with(config.media_types, config.charset);
  for (const config::Coding coding : config.precompressed) rules.codings.push_back(name_of(coding));
  for (const config::Redirect& redirect : config.redirects) {
    rules.redirects.push_back({redirect.from, redirect.to});
  }
  for (const config::CacheRule& rule : config.cache_control) {
    rules.cache_rules.push_back({rule.pattern, rule.value});
  }
  rules.fields = fields_of(config);
  rules.other_fields = rules.fields;
  const bool by_origin = config.cors.size() > 1;
  if (by_origin) rules.other_fields += "Vary: Origin\r\n";
  rules.listing_fields =
      rules.fields + (by_origin ? "Vary: Accept, Origin\r\n" : "Vary: Accept\r\n");
  rules.preflight_fields = preflight_fields_of(config);
  return rules;
}

}  // namespace

std::string_view SiteRules::fields_for(const http::Request& request, std::string& out) const {
  if (config.cors.size() < 2 || request.origin.empty()) return {};
  if (std::find(config.cors.begin(), config.cors.end(), request.origin) == config.cors.end()) {
    return {};
  }
  out = allow_origin(request.origin);
  return out;
}

const std::string* SiteRules::error_page(int status) const {
  for (const config::ErrorPage& page : config.error_pages) {
    if (page.status == status) return &page.path;
  }
  return nullptr;
}

files::Description SiteRules::describe(const files::Appearance& appearance) const {
  http::EntityFields entity;
  entity.content_type = appearance.content_type;
  if (appearance.variant >= 0) {
    entity.content_encoding = codings[static_cast<size_t>(appearance.variant)];
  }
  entity.etag = appearance.file.etag;
  entity.cache_control = http::cache_control_for(cache_rules, appearance.name);
  const std::string vary = vary_of(config, appearance.has_variants);
  entity.vary = vary;
  entity.more = fields;
  entity.has_mtime = appearance.file.has_useful_mtime;
  entity.mtime_s = appearance.file.mtime_s;
  entity.size_bytes = appearance.file.size_bytes;
  return description_of(entity);
}

std::shared_ptr<const Rules> Rules::make(const std::vector<config::SiteConfig>& configs,
                                         const files::MediaTypes& system_types,
                                         uint32_t generation) {
  auto rules = std::make_shared<Rules>();
  rules->generation = generation;
  for (const config::SiteConfig& config : configs) {
    rules->sites.push_back(make_rules(config, system_types));
  }
  return rules;
}

net::Result<SitesRef> Sites::open(std::shared_ptr<const Rules> rules, const SiteLimits& limits,
                                  files::LeftToClose* left_to_close) {
  SitesRef sites(new Sites(std::move(rules)));
  const std::vector<SiteRules>& all = sites->rules_->sites;
  for (size_t index = 0; index < all.size(); ++index) {
    const SiteRules& site = all[index];
    files::SiteOptions options;
    options.root = site.config.root;
    options.index_names = site.config.index_names;
    options.follow_symlinks = site.config.follow_symlinks;
    options.open_files_max = std::max<size_t>(limits.open_files / all.size(), 1);
    options.memory_cache_bytes = limits.memory_cache_bytes / all.size();
    options.memory_body_bytes_max = limits.memory_body_bytes_max;
    options.media_types = &site.media_types;
    options.etag = site.config.etag;
    options.left_to_close = left_to_close;
    options.list_directories = site.config.autoindex;
    for (const config::Coding coding : site.config.precompressed) {
      options.variant_suffixes.emplace_back(suffix_of(coding));
    }
    options.describe = [&site](const files::Appearance& file) { return site.describe(file); };
    auto opened = files::Site::open(std::move(options));
    if (!opened) return tl::unexpected(opened.error());
    sites->sites_.push_back({sites.get(), &site, std::move(*opened)});
    for (const std::string& name : site.config.names) {
      if (name.rfind("*.", 0) == 0) {
        sites->by_pattern_.emplace_back(name, index);
      } else {
        sites->by_name_.emplace(name, index);
      }
    }
  }
  std::stable_sort(sites->by_pattern_.begin(), sites->by_pattern_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  return sites;
}

ServedSite* Sites::find(std::string_view authority) {
  if (sites_.size() == 1 || authority.empty()) return &main();
  if (!http::normalise_host(authority, host_)) return nullptr;
  const auto found = by_name_.find(host_);
  if (found != by_name_.end()) return &sites_[found->second];
  for (const auto& [pattern, index] : by_pattern_) {
    if (http::host_matches(pattern, host_)) return &sites_[index];
  }
  return &main();
}

files::Description describe_listing(const files::File& file, listing::Format format) {
  http::EntityFields fields;
  fields.content_type =
      format == listing::Format::json ? "application/json" : "text/html; charset=utf-8";
  fields.etag = file.etag;
  fields.has_mtime = file.has_useful_mtime;
  fields.mtime_s = file.mtime_s;
  fields.size_bytes = file.size_bytes;
  return description_of(fields);
}

}  // namespace ringserve

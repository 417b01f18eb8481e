// Settings of a site. On the command line and at the top level of the file they are those of all
// sites; what a [[site]] says replaces them.
#include "server/config/settings.h"
#include "server/config/site_rules.h"
#include "server/config/words.h"

namespace ringserve::config {
namespace {

constexpr const char* kSite = "Site";
constexpr const char* kReplies = "Replies";

constexpr Choice<files::FollowSymlinks> kFollow[] = {{"within", files::FollowSymlinks::within},
                                                     {"never", files::FollowSymlinks::never},
                                                     {"always", files::FollowSymlinks::always}};
constexpr Choice<files::EtagKind> kEtags[] = {{"size-mtime", files::EtagKind::size_mtime},
                                              {"inode", files::EtagKind::inode},
                                              {"off", files::EtagKind::off}};

auto site_put(net::Status (*put)(const std::string&, SiteConfig&)) {
  return [put](const std::string& text, Target to) { return put(text, to.site); };
}

template <typename T>
auto site_clear(std::vector<T> SiteConfig::*member) {
  return [member](Target to) { (to.site.*member).clear(); };
}

template <typename T, size_t size>
auto put_choice(T SiteConfig::*member, const Choice<T> (&choices)[size]) {
  return [member, &choices](const std::string& text, Target to) -> net::Status {
    const auto value = choose<T>(text, choices);
    if (!value) return tl::unexpected(value.error());
    to.site.*member = *value;
    return {};
  };
}

net::Status put_root(const std::string& text, SiteConfig& site) {
  if (text.empty() || text.find('\0') != std::string::npos) {
    return net::fail("must be the path of a directory", 0);
  }
  site.root = text;
  return {};
}

// A list or a map of texts, each with a shape of its own.
template <typename T>
Setting rules(std::string name, std::string placeholder, std::string help, Times times,
              net::Status (*put)(const std::string&, SiteConfig&),
              std::vector<T> SiteConfig::*member) {
  return {.name = std::move(name),
          .placeholder = std::move(placeholder),
          .group = kReplies,
          .help = std::move(help),
          .scope = Scope::site,
          .times = times,
          .put = site_put(put),
          .clear = site_clear(member)};
}

std::vector<Setting> tree_settings() {
  return {
      {.name = "names",
       .scope = Scope::site,
       .times = Times::list,
       .command_line = CommandLine::absent,
       .put = site_put(put_site_name),
       .clear = site_clear(&SiteConfig::names)},
      {.name = "root",
       .placeholder = " ",
       .help = "The directory to serve",
       .scope = Scope::site,
       .command_line = CommandLine::positional,
       .is_path = true,
       .put = site_put(put_root)},
      {.name = "index",
       .placeholder = "NAME",
       .group = kSite,
       .help = "File served for a directory, repeatable;\ndefault index.html",
       .scope = Scope::site,
       .times = Times::list,
       .put = site_put(put_index),
       .clear = site_clear(&SiteConfig::index_names)},
      {.name = "autoindex",
       .placeholder = "on|off",
       .group = kSite,
       .help = "List directories that have no index file;\ndefault off: 404",
       .scope = Scope::site,
       .takes = Takes::on_off,
       .put = put_choice(&SiteConfig::autoindex, kOnOff)},
      {.name = "follow-symlinks",
       .placeholder = "NAME",
       .group = kSite,
       .help = "within (default): a link is followed while it\nstays below ROOT; never; always",
       .scope = Scope::site,
       .put = put_choice(&SiteConfig::follow_symlinks, kFollow)},
      {.name = "hidden",
       .group = kSite,
       .help = "Serve names that begin with a dot; default: 404,\nbut /.well-known/ is served",
       .scope = Scope::site,
       .takes = Takes::flag,
       .put = [](const std::string& text, Target to) -> net::Status {
         to.site.hidden = text == "true";
         return {};
       }},
  };
}

}  // namespace

std::vector<Setting> site_settings() {
  std::vector<Setting> all = tree_settings();
  all.push_back({.name = "fallback",
                 .placeholder = "FILE",
                 .group = kSite,
                 .help = "Served where there is no such file, with 200: for\nsingle-page "
                         "applications; below ROOT",
                 .scope = Scope::site,
                 .put = site_put(put_fallback)});
  all.push_back(rules("precompressed", "LIST",
                      "Send FILE.br, FILE.zst or FILE.gz to who takes it:\nbr,zstd,gzip, most "
                      "wanted first; default: none",
                      Times::list, put_precompressed, &SiteConfig::precompressed));
  all.push_back({.name = "etag",
                 .placeholder = "NAME",
                 .group = kReplies,
                 .help = "size-mtime (default): equal where the tree is\ncopied with its times; "
                         "inode: also the inode; off",
                 .scope = Scope::site,
                 .put = put_choice(&SiteConfig::etag, kEtags)});
  all.push_back(rules("cache-control", "PATTERN=VALUE",
                      "Repeatable, the first that matches counts:\n'*.css=max-age=3600', "
                      "'/assets/*=max-age=31536000'",
                      Times::map, put_cache_control, &SiteConfig::cache_control));
  all.push_back(rules("header", "'NAME: VALUE'", "Repeatable: a field of every reply", Times::list,
                      put_header, &SiteConfig::headers));
  all.push_back(rules("cors", "ORIGIN",
                      "Repeatable: https://example.org may read what is\nserved; * for all",
                      Times::list, put_cors, &SiteConfig::cors));
  all.push_back(rules("redirect", "FROM=TO",
                      "Repeatable, the first that matches counts: 301 to\n/new or "
                      "https://host/new; '/old/*=/new/*'",
                      Times::map, put_redirect, &SiteConfig::redirects));
  all.push_back(rules("error-page", "STATUS=FILE",
                      "Repeatable: the body of such errors, as\n404=404.html; below ROOT",
                      Times::map, put_error_page, &SiteConfig::error_pages));
  all.push_back(rules("media-type", "EXT=TYPE",
                      "Repeatable: for names that end in .EXT, before\n/etc/mime.types; as "
                      "wasm=application/wasm",
                      Times::map, put_media_type, &SiteConfig::media_types));
  all.push_back({.name = "charset",
                 .placeholder = "NAME",
                 .group = kReplies,
                 .help = "Said of text types; default utf-8; none",
                 .scope = Scope::site,
                 .put = site_put(put_charset)});
  return all;
}

}  // namespace ringserve::config

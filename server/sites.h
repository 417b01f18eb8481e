// The sites of a server: what each says and does (SiteRules, made once for all workers), and for
// each worker its directory trees (Sites). A reload makes new ones; requests under way keep theirs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/net/result.h"
#include "server/config/site_config.h"
#include "server/files/media_types.h"
#include "server/files/site.h"
#include "server/http/cache_rules.h"
#include "server/http/redirects.h"
#include "server/http/request.h"
#include "server/listing/lister.h"

namespace ringserve {

// A site's configuration, made ready. Constant once made; shared by all workers.
struct SiteRules {
  config::SiteConfig config;
  files::MediaTypes media_types;
  std::vector<std::string_view> codings;  // as in Accept-Encoding, in the order of precompressed
  std::vector<http::Rule> redirects;
  std::vector<http::CacheRule> cache_rules;
  std::string fields;            // lines for every reply: --header, and --cors where it is one
  std::string other_fields;      // those of replies that are not about a file of the site
  std::string listing_fields;    // and those of listings
  std::string preflight_fields;  // lines for OPTIONS from another origin; empty: not allowed

  // The lines that depend on who asks: "Access-Control-Allow-Origin: ..." for one of several
  // origins, or nothing. `out` is scratch.
  std::string_view fields_for(const http::Request& request, std::string& out) const;
  // The path of the page for an error; null: the built-in text.
  const std::string* error_page(int status) const;
  // What a reply says about a file of this site: SiteOptions::describe.
  files::Description describe(const files::Appearance& appearance) const;
};

// All sites of one state of the configuration.
struct Rules {
  std::vector<SiteRules> sites;  // the first answers for unknown names
  uint32_t generation = 0;       // of the configuration; counts reloads

  static std::shared_ptr<const Rules> make(const std::vector<config::SiteConfig>& configs,
                                           const files::MediaTypes& system_types,
                                           uint32_t generation);
};

// A worker's share of the machine, to be divided among its sites.
struct SiteLimits {
  size_t open_files = 1;
  size_t memory_cache_bytes = 0;
  uint64_t memory_body_bytes_max = 0;
};

class Sites;

// One site as one worker serves it.
struct ServedSite {
  Sites* owner = nullptr;  // whoever keeps the site beyond this turn keeps its owner
  const SiteRules* rules = nullptr;
  std::unique_ptr<files::Site> files;
};

// One worker's sites; used by its thread only. Whoever waits for a file of one keeps them all.
class Sites : public std::enable_shared_from_this<Sites> {
 public:
  static net::Result<std::shared_ptr<Sites>> open(std::shared_ptr<const Rules> rules,
                                                  const SiteLimits& limits,
                                                  files::LeftToClose* left_to_close = nullptr);

  // The site of a host, as in a Host field or an authority; null where that is malformed.
  ServedSite* find(std::string_view authority);
  ServedSite& main() { return sites_.front(); }
  std::vector<ServedSite>& all() { return sites_; }
  uint32_t generation() const { return rules_->generation; }

 private:
  explicit Sites(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}

  std::shared_ptr<const Rules> rules_;
  std::vector<ServedSite> sites_;
  std::unordered_map<std::string, size_t> by_name_;         // exact names
  std::vector<std::pair<std::string, size_t>> by_pattern_;  // "*.example.org", longest first
  std::string host_;                                        // scratch
};

using SitesRef = std::shared_ptr<Sites>;

// What a reply says about a directory's listing: listing::Lister::Describe. The site's own lines
// are added by the reply, since sites share listings.
files::Description describe_listing(const files::File& file, listing::Format format);

}  // namespace ringserve

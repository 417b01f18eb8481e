// The settings of a site that have a shape of their own: fields, rules, origins, pages. Each checks
// one text, adds it to the site, or says what is allowed. Pure text: nothing is opened.
#pragma once

#include <cstddef>
#include <string>

#include "common/net/result.h"
#include "server/config/site_config.h"
#include "server/http/reply.h"

namespace ringserve::config {

constexpr size_t kCacheControlBytesMax = 256;  // of one value
constexpr size_t kOriginBytesMax = 256;
constexpr size_t kCharsetBytesMax = 40;
constexpr size_t kHostNameBytesMax = 253;   // RFC 1035 section 2.3.4, without the last dot
constexpr size_t kRedirectBytesMax = 2048;  // of each of its sides
constexpr size_t kHeadersBytesMax = 3072;   // of all header settings of a site, as lines with CRLF

// What is left of kSiteFieldsBytesMax after the headers has room for the other lines of a site:
// Cache-Control, Access-Control-Allow-Origin and Vary, with their names.
constexpr size_t kFieldNamesBytesMax = 128;
static_assert(kHeadersBytesMax + kCacheControlBytesMax + kOriginBytesMax + kFieldNamesBytesMax <=
              http::kSiteFieldsBytesMax);

net::Status put_site_name(const std::string& text, SiteConfig& site);      // "*.Example.org"
net::Status put_index(const std::string& text, SiteConfig& site);          // "index.html"
net::Status put_precompressed(const std::string& text, SiteConfig& site);  // "br,zstd"
net::Status put_error_page(const std::string& text, SiteConfig& site);     // "404=errors/404.html"
net::Status put_fallback(const std::string& text, SiteConfig& site);  // "app.html", "" for none
net::Status put_header(const std::string& text, SiteConfig& site);    // "X-Frame-Options: DENY"
net::Status put_cache_control(const std::string& text, SiteConfig& site);  // "*.css=max-age=60"
net::Status put_cors(const std::string& text, SiteConfig& site);           // "https://example.org"
net::Status put_redirect(const std::string& text, SiteConfig& site);       // "/old/*=/new/*"
net::Status put_media_type(const std::string& text, SiteConfig& site);  // "wasm=application/wasm"
net::Status put_charset(const std::string& text, SiteConfig& site);     // "utf-8", "none"

}  // namespace ringserve::config

// Whatever is let through here is copied into heads of replies or compared with paths, without
// another look: so no control characters, no lengths without a limit, no redirect that leads where
// the request says.
#include "server/config/site_rules.h"

#include <algorithm>

#include "common/net/address.h"
#include "server/config/words.h"
#include "server/files/media_types.h"
#include "server/http/text.h"

namespace ringserve::config {
namespace {

constexpr Choice<Coding> kCodings[] = {
    {"br", Coding::br}, {"zstd", Coding::zstd}, {"gzip", Coding::gzip}};

tl::unexpected<net::Error> wrong(const std::string& text, std::string_view why) {
  return net::fail(fmt::format("{} {}", in_quotes(text), why), 0);
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

// As http::decode_target() makes paths, the first slash aside: a path of another shape would never
// match one.
bool is_plain_path(std::string_view path) {
  if (has_control_characters(path)) return false;
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    if (segment.empty()) return false;
    path.remove_prefix(slash + 1);
  }
}

// "/errors/404.html" or "errors/404.html": below the root, without the slash.
net::Result<std::string> file_below_root(const std::string& text) {
  const std::string path = text.substr(text.starts_with('/') ? 1 : 0);
  if (path.empty() || path.ends_with('/') || !is_plain_path(path)) {
    return wrong(text, "must be the path of a file below the root, without '.' or '..'");
  }
  return path;
}

bool is_host_name(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
  });
}

// Field names that the server says itself, or that are about the connection.
struct Reserved {
  std::string_view name;  // lower case
  std::string_view why;
};
constexpr std::string_view kMadeByServer = "is made by the server itself";
constexpr Reserved kReserved[] = {
    {"accept-ranges", kMadeByServer},
    {"access-control-allow-origin", "is made by the server: use the setting cors"},
    {"allow", kMadeByServer},
    {"cache-control", "is made by the server: use the setting cache-control"},
    {"connection", kMadeByServer},
    {"content-encoding", "is made by the server: see the setting precompressed"},
    {"content-length", kMadeByServer},
    {"content-range", kMadeByServer},
    {"content-type", "is made by the server: see the settings media-type and charset"},
    {"date", kMadeByServer},
    {"etag", "is made by the server: see the setting etag"},
    {"keep-alive", kMadeByServer},
    {"last-modified", kMadeByServer},
    {"location", "is made by the server: see the setting redirect"},
    {"server", kMadeByServer},
    {"trailer", kMadeByServer},
    {"transfer-encoding", kMadeByServer},
    {"upgrade", kMadeByServer},
};

// The part of an origin or URL after "scheme://": "host" or "host:port", what Address::parse()
// calls a port.
bool is_authority(const std::string& text) {
  const bool bracketed = text.starts_with('[');
  const size_t colon = text.find(':', bracketed ? text.find(']') : 0);
  const std::string host = lower_case(text.substr(0, colon));
  if (colon != std::string::npos && !parse_number(text.substr(colon + 1), 1, 65535)) return false;
  if (bracketed) return net::Address::parse(host + ":0").has_value();
  return host.size() <= kHostNameBytesMax && !host.starts_with('*') && is_host_name(host);
}

// Where a redirect may lead: "/path" on the same host, or a whole URL. A target that begins with
// two slashes, or with a slash and a backslash as browsers read it, names another host unseen.
net::Status check_redirect_target(const std::string& text) {
  if (text.size() > kRedirectBytesMax) {
    return net::fail(fmt::format("the target is longer than {} bytes", kRedirectBytesMax), 0);
  }
  if (!is_visible_ascii(text)) {
    return wrong(text, "must be percent-encoded: no blanks, control or other characters");
  }
  if (text.starts_with('/')) {
    const bool leads_away = text.starts_with("//") || text.starts_with("/\\");
    if (!leads_away) return {};
    return wrong(text, "names a host: begin with one slash, or with https://");
  }
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!text.starts_with(scheme)) continue;
    const std::string rest = text.substr(scheme.size());
    if (is_authority(rest.substr(0, rest.find_first_of("/?#")))) return {};
    return wrong(text, "names no host");
  }
  return wrong(text, "must begin with one slash, or with http:// or https:// and a host");
}

// "*" only as the whole last segment: what stands for it begins with no slash, so that neither a
// host can grow longer ("https://host*") nor a second slash come first ("/*" for "/old*").
bool is_star_in_place(std::string_view text) {
  const size_t star = text.find('*');
  return star == std::string_view::npos || (star == text.size() - 1 && text.ends_with("/*"));
}

// Whether the target is redirected again by the same rule, without end.
bool leads_to_itself(const Redirect& redirect) {
  const std::string_view path =
      std::string_view(redirect.to).substr(0, redirect.to.find_first_of("?#"));
  if (!redirect.from.ends_with('*')) return path == redirect.from;
  return path.starts_with(std::string_view(redirect.from).substr(0, redirect.from.size() - 1));
}

}  // namespace

net::Status put_site_name(const std::string& text, SiteConfig& site) {
  const std::string name = lower_case(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
  if (name.size() > kHostNameBytesMax) {
    return net::fail(fmt::format("a name has at most {} bytes", kHostNameBytesMax), 0);
  }
  const bool is_ipv6 = name.starts_with('[') && net::Address::parse(name + ":0").has_value();
  if (!is_ipv6 && !is_host_name(name)) {
    return wrong(text,
                 "is not a host name such as example.org, *.example.org, 192.0.2.1 or "
                 "[2001:db8::1], without a port");
  }
  if (std::ranges::find(site.names, name) != site.names.end()) return wrong(text, "is there twice");
  site.names.push_back(name);
  return {};
}

net::Status put_index(const std::string& text, SiteConfig& site) {
  if (text.empty() || text.find('/') != std::string::npos || !is_plain_path(text)) {
    return wrong(text, "must be a file name without a slash");
  }
  site.index_names.push_back(text);
  return {};
}

net::Status put_precompressed(const std::string& text, SiteConfig& site) {
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string name(http::trim(std::string_view(text).substr(begin, comma - begin)));
    const auto coding = choose<Coding>(name, kCodings);
    if (!coding) return tl::unexpected(coding.error());
    if (std::ranges::find(site.precompressed, *coding) != site.precompressed.end()) {
      return wrong(name, "is there twice");
    }
    site.precompressed.push_back(*coding);
    begin = comma + 1;
  }
  return {};
}

net::Status put_error_page(const std::string& text, SiteConfig& site) {
  constexpr uint64_t kStatusMin = 400, kStatusMax = 599;
  const auto pair = split_pair(text);
  if (!pair) return wrong(text, "is not STATUS=FILE, such as 404=404.html");
  const auto status = parse_number(pair->first, kStatusMin, kStatusMax);
  if (!status) return tl::unexpected(status.error());
  auto path = file_below_root(pair->second);
  if (!path) return tl::unexpected(path.error());
  if (std::ranges::find(site.error_pages, static_cast<int>(*status), &ErrorPage::status) !=
      site.error_pages.end()) {
    return wrong(pair->first, "has a page already");
  }
  site.error_pages.push_back({static_cast<int>(*status), std::move(*path)});
  return {};
}

net::Status put_fallback(const std::string& text, SiteConfig& site) {
  if (text.empty()) {
    site.fallback.clear();
    return {};
  }
  auto path = file_below_root(text);
  if (!path) return tl::unexpected(path.error());
  site.fallback = std::move(*path);
  return {};
}

net::Status put_header(const std::string& text, SiteConfig& site) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  if (colon == std::string::npos || !is_token(name)) {
    return wrong(text, "is not a field such as 'X-Frame-Options: DENY'");
  }
  const auto reserved = std::ranges::find(kReserved, lower_case(name), &Reserved::name);
  if (reserved != std::end(kReserved)) return wrong(name, reserved->why);
  const std::string_view value = http::trim(std::string_view(text).substr(colon + 1));
  if (has_control_characters(value)) return wrong(text, "has a control character in it");
  constexpr size_t kLineEndBytes = 2;
  std::string field = fmt::format("{}: {}", name, value);
  size_t bytes = field.size() + kLineEndBytes;
  for (const std::string& other : site.headers) bytes += other.size() + kLineEndBytes;
  if (bytes > kHeadersBytesMax) {
    return net::fail(fmt::format("all headers of a site together have at most {} bytes; with "
                                 "this one they have {}",
                                 kHeadersBytesMax, bytes),
                     0);
  }
  site.headers.push_back(std::move(field));
  return {};
}

net::Status put_cache_control(const std::string& text, SiteConfig& site) {
  auto pair = split_pair(text);
  if (!pair || pair->second.empty()) {
    return wrong(text, "is not PATTERN=VALUE, such as *.css=max-age=3600");
  }
  if (has_control_characters(text)) return wrong(text, "has a control character in it");
  const std::string& pattern = pair->first;
  if (pattern.find('/') != std::string::npos && pattern.find_first_of("/*?[") != 0) {
    return wrong(pattern, "must begin with a slash: with one in it, it is compared to whole paths");
  }
  if (pair->second.size() > kCacheControlBytesMax) {
    return net::fail(fmt::format("the value is longer than {} bytes", kCacheControlBytesMax), 0);
  }
  site.cache_control.push_back({std::move(pair->first), std::move(pair->second)});
  return {};
}

net::Status put_cors(const std::string& text, SiteConfig& site) {
  constexpr std::string_view kMark = "://";
  const std::string origin = lower_case(text);
  const size_t mark = origin.find(kMark);
  if (origin != "*" &&
      (mark == 0 || mark == std::string::npos || origin.size() > kOriginBytesMax ||
       !is_token(origin.substr(0, mark)) || !is_authority(origin.substr(mark + kMark.size())))) {
    return wrong(text, "is not an origin such as https://example.org, without a path, or *");
  }
  const bool has_star = std::ranges::find(site.cors, "*") != site.cors.end();
  if (has_star || (origin == "*" && !site.cors.empty())) {
    return net::fail("* allows every origin: it stands alone", 0);
  }
  site.cors.push_back(origin);
  return {};
}

net::Status put_redirect(const std::string& text, SiteConfig& site) {
  auto pair = split_pair(text);
  if (!pair) return wrong(text, "is not FROM=TO, such as /old/*=/new/*");
  const Redirect redirect{std::move(pair->first), std::move(pair->second)};
  if (!redirect.from.starts_with('/') || redirect.from.size() > kRedirectBytesMax ||
      redirect.from.find_first_of("?#") != std::string::npos ||
      !is_plain_path(std::string_view(redirect.from).substr(1))) {
    return wrong(redirect.from,
                 "must be a path that begins with a slash, decoded, without '..', '//' or a query");
  }
  if (auto status = check_redirect_target(redirect.to); !status) return status;
  if (!is_star_in_place(redirect.from) || !is_star_in_place(redirect.to)) {
    return wrong(text, "has a * that is not the whole last segment, as in /old/*");
  }
  if (redirect.to.ends_with('*') && !redirect.from.ends_with('*')) {
    return wrong(text, "has a * in its target, but nothing that it stands for");
  }
  if (leads_to_itself(redirect)) return wrong(text, "leads to itself again");
  site.redirects.push_back(redirect);
  return {};
}

net::Status put_media_type(const std::string& text, SiteConfig& site) {
  const auto pair = split_pair(text);
  if (!pair) return wrong(text, "is not EXT=TYPE, such as wasm=application/wasm");
  const std::string extension =
      lower_case(pair->first.substr(pair->first.starts_with('.') ? 1 : 0));
  if (!is_token(extension) || extension.find('.') != std::string::npos ||
      extension.size() > files::MediaTypes::kExtensionBytesMax) {
    return wrong(pair->first, fmt::format("is not the end of a file name, without dots and of at "
                                          "most {} bytes, such as wasm",
                                          files::MediaTypes::kExtensionBytesMax));
  }
  const std::string& type = pair->second;
  const std::string essence(http::trim(type.substr(0, type.find(';'))));
  const size_t slash = essence.find('/');
  if (slash == std::string::npos || !is_token(essence.substr(0, slash)) ||
      !is_token(essence.substr(slash + 1)) || has_control_characters(type) ||
      type.size() > files::MediaTypes::kTypeBytesMax) {
    return wrong(type, fmt::format("is not a media type such as application/wasm, of at most {} "
                                   "bytes",
                                   files::MediaTypes::kTypeBytesMax));
  }
  site.media_types.emplace_back(extension, type);
  return {};
}

net::Status put_charset(const std::string& text, SiteConfig& site) {
  if (!is_token(text) || text.size() > kCharsetBytesMax) {
    return wrong(text, "is not the name of a character set, such as utf-8, or none");
  }
  site.charset = text == "none" ? "" : text;
  return {};
}

}  // namespace ringserve::config

// What each setting takes and refuses: one text at a time, as the command line and the file bring
// it.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "server/config/settings.h"
#include "server/config/site_rules.h"
#include "server/files/media_types.h"

namespace ringserve::config {
namespace {

class Settings : public ::testing::Test {
 protected:
  // The complaint, or nothing.
  std::string put(std::string_view name, const std::string& text) {
    const Setting* setting = find_setting(name);
    if (setting == nullptr) return "no such setting";
    const auto status = setting->put(text, {options_, site_});
    return status ? "" : status.error().message();
  }
  void takes(std::string_view name, const std::string& text) {
    EXPECT_EQ(put(name, text), "") << name << ' ' << text;
  }
  void refuses(std::string_view name, const std::string& text, std::string_view why) {
    const std::string complaint = put(name, text);
    EXPECT_NE(complaint, "") << name << " takes " << text;
    EXPECT_NE(complaint.find(why), std::string::npos) << name << ' ' << text << ": " << complaint;
  }

  Options options_;
  SiteConfig site_;
};

TEST_F(Settings, have_a_name_of_their_own_and_a_help_that_fits) {
  std::set<std::string> names;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_TRUE(setting.put) << setting.name;
    EXPECT_EQ(static_cast<bool>(setting.clear), setting.times != Times::once) << setting.name;
    std::istringstream lines(setting.help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 52U) << line;
    if (setting.command_line == CommandLine::option) {
      EXPECT_NE(setting.help, "") << setting.name;
      EXPECT_NE(setting.group, "") << setting.name;
    }
  }
}

TEST_F(Settings, numbers_are_whole_and_in_their_range) {
  takes("threads", "1");
  takes("threads", "1024");
  EXPECT_EQ(options_.threads, 1024U);
  for (const char* text :
       {"", "0", "-1", "1025", "1.5", "2x", " 1", "+1", "0x10", "many", "18446744073709551617"}) {
    refuses("threads", text, "is not a whole number from 1 to 1024");
  }
  takes("drain-timeout-s", "0");
  refuses("idle-timeout-s", "0", "from 1 to 3600");
  refuses("idle-timeout-s", "3601", "from 1 to 3600");
}

TEST_F(Settings, sizes_have_units_of_1024) {
  const auto bytes_of = [&](const std::string& text) {
    takes("memory-cache", text);
    return options_.memory_cache_bytes;
  };
  EXPECT_EQ(bytes_of("0"), 0U);
  EXPECT_EQ(bytes_of("1000000"), 1000000U);
  EXPECT_EQ(bytes_of("7b"), 7U);
  EXPECT_EQ(bytes_of("512k"), 512U << 10);
  EXPECT_EQ(bytes_of("512KiB"), 512U << 10);
  EXPECT_EQ(bytes_of("3 MB"), 3U << 20);
  EXPECT_EQ(bytes_of("16TiB"), uint64_t{16} << 40);
  for (const char* text : {"", "-1", "lots", "64XB", "1e999", "99999999999999999999", "17TiB",
                           "1.5GiB", "MiB", "1kk", "18446744073709551615GiB"}) {
    refuses("memory-cache", text, "is not a size");
  }
}

TEST_F(Settings, limits_of_clients_may_be_none) {
  for (const char* name : {"max-connections-per-address", "max-requests-per-connection",
                           "request-rate-per-address", "request-burst-per-address"}) {
    takes(name, "0");
    takes(name, "1000000");
    for (const char* text : {"", "-1", "1.5", "some", "1000000000000"}) {
      refuses(name, text, "is not a whole number from 0 to");
    }
  }
  refuses("request-rate-per-address", "1000001", "from 0 to 1000000");
  takes("min-send-rate", "0");
  takes("min-send-rate", "16KiB");
  EXPECT_EQ(options_.min_send_rate, 16384U);
  refuses("min-send-rate", "2GiB", "is not a size");
  refuses("min-send-rate", "fast", "is not a size");
}

TEST_F(Settings, choices_name_all_there_are) {
  takes("send-path", "uring-splice");
  EXPECT_EQ(options_.send_path, send::PathName::uring_splice);
  refuses("send-path", "teleport", "is not one of auto, read-write, writev, sendfile");
  refuses("send-path", "", "is not one of");
  refuses("cork", "champagne", "auto, tcp-cork, msg-more, none");
  refuses("follow-symlinks", "sometimes", "within, never, always");
  refuses("access-log-format", "xml", "off, common, combined, json");
  refuses("etag", "md5", "size-mtime, inode, off");
  refuses("autoindex", "true", "off, on");
  takes("etag", "off");
  EXPECT_EQ(site_.etag, files::EtagKind::off);
  takes("autoindex", "on");
  EXPECT_TRUE(site_.autoindex);
}

TEST_F(Settings, site_names_are_hosts_without_a_port) {
  for (const char* text : {"Example.ORG", "*.example.org", "example.net.", "192.0.2.1", "localhost",
                           "[2001:db8::1]"}) {
    takes("names", text);
  }
  EXPECT_EQ(site_.names, (std::vector<std::string>{"example.org", "*.example.org", "example.net",
                                                   "192.0.2.1", "localhost", "[2001:db8::1]"}));
  for (const char* text : {"", ".", "*", "example.org:80", "http://example.org", "a..b", "a b",
                           "*.*.org", "www.*.org", "[::1]:80", "[x]", "ex\xc3\xa4mple"}) {
    refuses("names", text, "is not a host name");
  }
  refuses("names", std::string(254, 'a'), "at most 253");
  refuses("names", "EXAMPLE.org", "twice");
}

TEST_F(Settings, precompressed_is_a_list_in_the_order_of_preference) {
  takes("precompressed", "gzip, br");
  takes("precompressed", "zstd");
  EXPECT_EQ(site_.precompressed, (std::vector{Coding::gzip, Coding::br, Coding::zstd}));
  refuses("precompressed", "br", "twice");
  refuses("precompressed", "gz", "br, zstd, gzip");
  refuses("precompressed", "", "br, zstd, gzip");
  site_.precompressed.clear();
  refuses("precompressed", "br,", "'' is not one of br, zstd, gzip");
}

TEST_F(Settings, pages_lie_below_the_root) {
  takes("error-page", "404=/errors/404.html");
  takes("error-page", "503 = down.html");
  ASSERT_EQ(site_.error_pages.size(), 2U);
  EXPECT_EQ(site_.error_pages[0].path, "errors/404.html");
  EXPECT_EQ(site_.error_pages[1].status, 503);
  refuses("error-page", "404=other.html", "has a page already");
  refuses("error-page", "404", "STATUS=FILE");
  refuses("error-page", "399=x", "from 400 to 599");
  refuses("error-page", "600=x", "from 400 to 599");
  for (const char* path : {"", "/", "..", "../x", "a/../x", "a//b", "//x", "./x", "a/", "a\nb"}) {
    refuses("error-page", std::string("500=") + path, "below the root");
    if (*path != '\0') refuses("fallback", path, "below the root");
  }
  takes("fallback", "/app/index.html");
  EXPECT_EQ(site_.fallback, "app/index.html");
  takes("fallback", "");
  EXPECT_EQ(site_.fallback, "");
}

TEST_F(Settings, headers_are_fields_that_the_server_does_not_make) {
  takes("header", "X-Frame-Options:  DENY ");
  takes("header", "Link: </a>; rel=preload, <b>: c");
  EXPECT_EQ(site_.headers,
            (std::vector<std::string>{"X-Frame-Options: DENY", "Link: </a>; rel=preload, <b>: c"}));
  for (const char* text :
       {"", "no colon", ": x", "X Y: z", "X-\r\nY: z", "X\xc3\xa4: z", "X : y"}) {
    refuses("header", text, "is not a field");
  }
  for (const char* text : {"X: a\r\nSet-Cookie: b", "X: a\nb", "X: a\x01", "X: a\x7f"}) {
    refuses("header", text, "control character");
  }
  refuses("header", std::string("X: a\0b", 6), "control character");
  for (const char* name :
       {"Content-Length", "content-type", "Content-Range", "Content-Encoding", "Transfer-Encoding",
        "CONNECTION", "Date", "ETag", "Last-Modified", "Accept-Ranges", "Location", "Allow",
        "Trailer", "Upgrade", "Server", "Keep-Alive"}) {
    refuses("header", std::string(name) + ": x", "is made by the server");
  }
  refuses("header", "Cache-Control: no-store", "setting cache-control");
  refuses("header", "Access-Control-Allow-Origin: *", "setting cors");
}

TEST_F(Settings, the_headers_of_a_site_have_a_limit_together) {
  const std::string name = "X-Long: ";  // and CRLF
  takes("header", name + std::string(kHeadersBytesMax / 2 - name.size() - 2, 'x'));
  refuses("header", name + std::string(kHeadersBytesMax / 2 - name.size() - 1, 'x'),
          "at most 3072");
  takes("header", name + std::string(kHeadersBytesMax / 2 - name.size() - 2, 'x'));
  refuses("header", "X: y", "at most 3072");
}

TEST_F(Settings, cache_rules_keep_their_order) {
  takes("cache-control", "*.css=public, max-age=3600");
  takes("cache-control", "/a/* = no-cache");
  ASSERT_EQ(site_.cache_control.size(), 2U);
  EXPECT_EQ(site_.cache_control[0].pattern, "*.css");
  EXPECT_EQ(site_.cache_control[0].value, "public, max-age=3600");
  EXPECT_EQ(site_.cache_control[1].pattern, "/a/*");
  for (const char* text : {"", "*.css", "=x", "*.css=", "*.css= "}) {
    refuses("cache-control", text, "PATTERN=VALUE");
  }
  refuses("cache-control", "*=a\r\nX: y", "control character");
  refuses("cache-control", "assets/*=x", "must begin with a slash");
  refuses("cache-control", "*=" + std::string(kCacheControlBytesMax + 1, 'x'), "longer than 256");
}

TEST_F(Settings, cors_takes_origins_or_the_star_alone) {
  takes("cors", "https://Example.org");
  takes("cors", "http://localhost:3000");
  takes("cors", "https://[2001:db8::1]:8443");
  EXPECT_EQ(site_.cors, (std::vector<std::string>{"https://example.org", "http://localhost:3000",
                                                  "https://[2001:db8::1]:8443"}));
  for (const char* text : {"", "null", "example.org", "https://", "https://example.org/",
                           "https://a.b/c", "https://*.a.b", "://a", "https://a:0", "https://a:x",
                           "https://a b", "https://u@a", "https://a\r\nX: y"}) {
    refuses("cors", text, "is not an origin");
  }
  refuses("cors", "*", "stands alone");
  site_.cors.clear();
  takes("cors", "*");
  refuses("cors", "https://example.org", "stands alone");
}

TEST_F(Settings, redirects_lead_where_they_say) {
  for (const char* text : {"/old=/new", "/old/*=/new/*", "/shop=https://shop.example.org/",
                           "/docs/*=https://docs.example.org:8443/v1/*", "/x=/y?a=b#c", "/gone/*=/",
                           "/w x=/wx", "/*=https://example.org/*"}) {
    takes("redirect", text);
  }
  EXPECT_EQ(site_.redirects[4].from, "/x");
  EXPECT_EQ(site_.redirects[4].to, "/y?a=b#c");
  refuses("redirect", "/old", "FROM=TO");
  for (const char* from : {"old", "//old", "/a/../b", "/a?b", "/a#b", "/a//b", "/a\nb"}) {
    refuses("redirect", std::string(from) + "=/new", "must be a path");
  }
  for (const char* to : {"new", "ftp://example.org/", "javascript:alert(1)", "https:/x", ""}) {
    refuses("redirect", std::string("/a=") + to, "must begin with one slash");
  }
  for (const char* to : {"//evil.example", "/\\evil.example"}) {
    refuses("redirect", std::string("/a=") + to, "names a host");
  }
  for (const char* to : {"https://", "https:///x", "https://*", "http://u@h/", "https://a:b/"}) {
    refuses("redirect", std::string("/a/*=") + to, "names no host");
  }
  for (const char* to : {"/a b", "/a\r\nX: y", "/\xc3\xa4", "/a\x7f"}) {
    refuses("redirect", std::string("/old=") + to, "percent-encoded");
  }
}

TEST_F(Settings, a_redirect_cannot_be_made_to_leave_by_its_star) {
  for (const char* text : {"/old*=/*", "/old*=/new", "/a/*/b=/c", "/a/*=/b*", "/a/*=/b?x=*"}) {
    refuses("redirect", text, "whole last segment");
  }
  refuses("redirect", "/old=/new/*", "nothing that it stands for");
  refuses("redirect", "/a=/a", "leads to itself");
  refuses("redirect", "/a=/a?b=c", "leads to itself");
  refuses("redirect", "/a/*=/a/b/*", "leads to itself");
  refuses("redirect", "/*=/index.html", "leads to itself");
  refuses("redirect", "/a=/" + std::string(kRedirectBytesMax, 'x'), "longer than 2048");
}

TEST_F(Settings, media_types_are_by_extension) {
  takes("media-type", ".WASM=application/wasm");
  takes("media-type", "txt=text/plain; charset=latin1");
  EXPECT_EQ(site_.media_types[0].first, "wasm");
  EXPECT_EQ(site_.media_types[1].second, "text/plain; charset=latin1");
  refuses("media-type", "wasm", "EXT=TYPE");
  refuses("media-type", "tar.gz=application/gzip", "without dots");
  refuses("media-type", "a/b=text/plain", "without dots");
  refuses("media-type", "x=text", "is not a media type");
  refuses("media-type", "x=text/", "is not a media type");
  refuses("media-type", "x=text/plain; a\r\nb", "is not a media type");
  refuses("media-type", "x=text/" + std::string(files::MediaTypes::kTypeBytesMax, 'x'),
          "at most 100 bytes");
}

TEST_F(Settings, charset_may_be_none) {
  takes("charset", "iso-8859-1");
  EXPECT_EQ(site_.charset, "iso-8859-1");
  takes("charset", "none");
  EXPECT_EQ(site_.charset, "");
  refuses("charset", "utf 8", "is not the name");
  refuses("charset", "", "is not the name");
}

TEST_F(Settings, messages_do_not_steer_a_terminal) {
  EXPECT_EQ(put("charset", "\x1b[2J").find('\x1b'), std::string::npos);
  EXPECT_NE(put("charset", "\x1b[2J").find("\\x1b"), std::string::npos);
}

TEST_F(Settings, are_all_in_the_manual) {
  std::ifstream in(RINGSERVE_SOURCE_DIR "/server/CONFIGURATION.md");
  const std::string manual{std::istreambuf_iterator<char>(in), {}};
  for (const Setting& setting : settings()) {
    const std::string mark = setting.same ? " ↻ |" : " |";
    EXPECT_NE(manual.find("\n| `" + setting.name + "`" + mark), std::string::npos) << setting.name;
  }
}

}  // namespace
}  // namespace ringserve::config

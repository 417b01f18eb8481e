// One site as it was asked for: plain data, checked, in the units of its names. Made by the reader
// of the command line and of the configuration file; never changed after that.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/files/site.h"

namespace ringserve::config {

enum class Coding { br, zstd, gzip };  // RFC 7932, RFC 8878, RFC 1952

struct CacheRule {
  std::string pattern;  // fnmatch(3), '*' matches slashes too; against "/path/name", or against the
                        // last segment where the pattern has no slash
  std::string value;    // of Cache-Control
};

struct Redirect {
  std::string from;  // "/old", or "/old/*" for everything below
  std::string to;    // "/new", "https://host/new", or one of them with "*" at its end
};

struct ErrorPage {
  int status = 0;    // 400 to 599
  std::string path;  // of the file, below the root, without a leading slash
};

struct SiteConfig {
  std::vector<std::string> names;  // lower case, no port; "*.example.org" for all below; empty: any
  std::string root;
  std::vector<std::string> index_names = {"index.html"};
  files::FollowSymlinks follow_symlinks = files::FollowSymlinks::within;
  bool hidden = false;                // serve names that begin with a dot
  bool autoindex = false;             // list directories that have no index file
  std::vector<Coding> precompressed;  // neighbours that may be sent instead, most wanted first
  files::EtagKind etag = files::EtagKind::size_mtime;
  std::vector<ErrorPage> error_pages;
  std::string fallback;                  // path below the root; empty: none
  std::vector<std::string> headers;      // "Name: value", added to every reply
  std::vector<CacheRule> cache_control;  // the first that matches
  std::vector<std::string> cors;         // origins, or the one "*"
  std::vector<Redirect> redirects;       // the first that matches
  std::vector<std::pair<std::string, std::string>> media_types;  // extension, type
  std::string charset = "utf-8";                                 // of text types; empty: none
};

}  // namespace ringserve::config

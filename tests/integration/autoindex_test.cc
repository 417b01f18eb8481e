// Directories without an index file, listed on request: for people, for programs, and for names as
// odd as a file system allows.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "tests/support/server_test.h"

namespace {

using namespace support;
using nlohmann::json;

class AutoindexTest : public ServerTest {
 protected:
  void list(std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"--autoindex", "on"});
    serve(options);
  }

  json json_of(std::string_view target, const Headers& headers = {}) {
    const Response response = get(target, headers);
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(response.header("Content-Type").substr(0, 16), "application/json") << target;
    return json::parse(response.body, nullptr, false);
  }
  std::vector<std::string> names_of(std::string_view target) {
    const json listing = json_of(target);
    std::vector<std::string> names;
    for (const json& entry : listing.at("entries")) names.push_back(entry.at("name"));
    return names;
  }

  // Of the entries on a page: what stands in their href, as a browser understands it.
  static std::vector<std::string> references_of(const std::string& page) {
    static const std::regex link("href=\"(\\./[^\"]*)\"");
    std::vector<std::string> references;
    for (std::sregex_iterator it(page.begin(), page.end(), link), end; it != end; ++it) {
      std::string reference = (*it)[1];
      reference = std::regex_replace(reference, std::regex("&#39;"), "'");
      references.push_back(std::regex_replace(reference, std::regex("&amp;"), "&"));
    }
    return references;
  }
};

TEST_F(AutoindexTest, without_it_there_is_nothing_to_see) {
  tree().write("docs/file", "");
  serve();
  EXPECT_EQ(status_of("/docs/"), 404);
  EXPECT_EQ(status_of("/docs/?format=json"), 404);
  EXPECT_EQ(status_of("/"), 404);
}

TEST_F(AutoindexTest, people_get_a_page) {
  tree().write("docs/file", "twelve bytes");
  tree().directory("docs/sub");
  list();
  const Response page = get("/docs/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.content_length(), page.body.size());
  EXPECT_EQ(references_of(page.body), (std::vector<std::string>{"./sub/", "./file"}));
  EXPECT_NE(page.body.find("<title>Index of /docs/</title>"), std::string::npos);
  EXPECT_NE(page.body.find("href=\"../\">Parent directory"), std::string::npos);
  EXPECT_EQ(get("/").body.find("Parent directory"), std::string::npos);
}

TEST_F(AutoindexTest, programs_get_json) {
  tree().write("docs/file", "twelve bytes");
  tree().modified_at("docs/file", 1'795'243'200);
  list();
  const json expected = json::parse(R"({"path": "/docs/", "entries": [
      {"name": "file", "href": "./file", "type": "file", "size_bytes": 12,
       "modified": "2026-11-21T06:40:00Z"}], "truncated": false, "total": 1})");
  EXPECT_EQ(json_of("/docs/?format=json"), expected);
  EXPECT_EQ(json_of("/docs/", {{"Accept", "application/json"}}), expected);
  EXPECT_EQ(json_of("/docs/", {{"Accept", "text/html;q=0.5, application/json"}}), expected);
}

TEST_F(AutoindexTest, whoever_does_not_care_gets_the_page) {
  list();
  for (const char* accept :
       {"*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json;q=0.5, text/html", "image/png"}) {
    const Response response = get("/", {{"Accept", accept}});
    EXPECT_EQ(response.status, 200) << accept;
    EXPECT_EQ(response.header("Content-Type").substr(0, 9), "text/html") << accept;
  }
  EXPECT_NE(get("/").header("Vary").find("Accept"), std::string::npos)
      << "a cache between has to tell the two apart";
}

TEST_F(AutoindexTest, head_says_what_get_would) {
  tree().write("docs/file", "");
  list();
  for (const char* target : {"/docs/", "/docs/?format=json"}) {
    const Response with_body = get(target);
    const Response without = head(target);
    EXPECT_EQ(without.status, 200);
    EXPECT_EQ(without.body, "");
    EXPECT_EQ(without.content_length(), with_body.body.size());
    EXPECT_EQ(without.header("ETag"), with_body.header("ETag"));
    EXPECT_EQ(without.header("Content-Type"), with_body.header("Content-Type"));
  }
}

TEST_F(AutoindexTest, a_listing_is_revalidated_and_sent_in_parts) {
  tree().write("file", "");
  list();
  const Response whole = get("/");
  const std::string etag = whole.header("ETag");
  ASSERT_FALSE(etag.empty());
  EXPECT_EQ(get("/", {{"If-None-Match", etag}}).status, 304);
  const Response part = get("/", {{"Range", "bytes=10-19"}, {"If-Range", etag}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, whole.body.substr(10, 10));
  EXPECT_NE(get("/?format=json").header("ETag"), etag);
}

TEST_F(AutoindexTest, a_change_is_seen_before_long) {
  list();
  ASSERT_EQ(references_of(get("/").body), std::vector<std::string>{});
  tree().write("new", "");
  HttpClient client = connect();
  const Deadline deadline;
  while (client.get("/").body.find("./new") == std::string::npos) ASSERT_FALSE(deadline.passed());
}

TEST_F(AutoindexTest, an_index_file_is_served_instead) {
  tree().write("docs/index.html", "the index");
  list();
  EXPECT_EQ(get("/docs/").body, "the index");
  EXPECT_EQ(get("/docs/?format=json").body, "the index");
}

TEST_F(AutoindexTest, a_directory_without_its_slash_is_redirected) {
  tree().directory("docs");
  list();
  const Response plain = get("/docs");
  EXPECT_EQ(plain.status, 301);
  EXPECT_EQ(plain.header("Location"), "/docs/");
  EXPECT_EQ(get("/docs?format=json").header("Location"), "/docs/?format=json");
}

TEST_F(AutoindexTest, the_sites_fields_come_once_however_many_there_are) {
  tree().write("a", "a");
  std::vector<std::string> options = {"--autoindex", "on"};
  for (int i = 0; i < 30; ++i) {
    options.insert(options.end(),
                   {"--header", "X-Field-" + std::to_string(i) + ": " + std::string(80, 'x')});
  }
  serve(options);
  for (const Headers& headers :
       {Headers{}, Headers{{"If-Match", "\"x\""}}, Headers{{"Range", "bytes=99999999-"}},
        Headers{{"If-None-Match", "*"}}, Headers{{"Range", "bytes=0-0"}}}) {
    const Response response = get("/", headers);
    EXPECT_EQ(response.header("X-Field-29"), std::string(80, 'x')) << response.status;
  }
}

TEST_F(AutoindexTest, names_are_sorted_as_people_expect) {
  for (const char* name : {"b10", "b9", "A", "c"}) tree().write(name, "");
  tree().directory("z");
  list();
  EXPECT_EQ(names_of("/?format=json"), (std::vector<std::string>{"z", "A", "b9", "b10", "c"}));
}

TEST_F(AutoindexTest, hidden_names_are_not_told) {
  tree().write(".secret", "");
  tree().write("docs/.secret", "");
  tree().write(".git/config", "");
  list();
  for (const char* target : {"/", "/docs/", "/?format=json", "/docs/?format=json"}) {
    const std::string body = get(target).body;
    EXPECT_EQ(body.find("secret"), std::string::npos) << target;
    EXPECT_EQ(body.find(".git"), std::string::npos) << target;
  }
  EXPECT_EQ(status_of("/.git/"), 404);
  stop();
  list({"--hidden"});
  EXPECT_EQ(names_of("/?format=json"), (std::vector<std::string>{".git", "docs", ".secret"}));
}

TEST_F(AutoindexTest, links_out_of_the_root_are_not_told) {
  tree().outside("secret", "a secret");
  tree().write("file", "four");
  tree().directory("docs");
  tree().link("docs/inside", "../file");
  tree().link("docs/out", "../../secret");
  tree().link("docs/nowhere", "absent");
  list();
  EXPECT_EQ(names_of("/docs/?format=json"), std::vector<std::string>{"inside"});
  EXPECT_EQ(get("/docs/inside").body, "four");
}

TEST_F(AutoindexTest, every_name_leads_to_its_file) {
  const std::vector<std::string> names{"javascript:alert(1)",
                                       "<script>alert(1)<",
                                       "\" onclick=\"x",
                                       "' onclick='x",
                                       "&lt;",
                                       "a&b=c",
                                       "with space",
                                       " around ",
                                       "new\nline",
                                       "tab\t",
                                       "per%cent",
                                       "%41",
                                       "what?x=1",
                                       "hash#tag",
                                       "c:",
                                       "back\\slash",
                                       "a...",
                                       "-rf",
                                       "ümläut",
                                       "\xff\xfe",
                                       "cut-\xe2\x82",
                                       "\xc0\xaf",
                                       "plus+",
                                       "semi;colon"};
  std::map<std::string, int> bodies;
  for (const std::string& name : names) {
    tree().write("odd names/" + name, "content of " + name);
    bodies["content of " + name] = 1;
  }
  list();
  const std::string page = get("/odd%20names/").body;
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("\" onclick"), std::string::npos);
  const std::vector<std::string> references = references_of(page);
  ASSERT_EQ(references.size(), names.size());
  HttpClient client = connect();
  for (const std::string& reference : references) {
    const Response response = client.get("/odd%20names" + reference.substr(1));
    EXPECT_EQ(response.status, 200) << reference;
    EXPECT_EQ(bodies[response.body]--, 1) << reference << " leads to another file";
  }
  const json listing = json_of("/odd%20names/?format=json");
  ASSERT_EQ(listing.at("entries").size(), names.size());
  for (const json& entry : listing.at("entries")) {
    const std::string reference = entry.at("href");
    EXPECT_EQ(client.get("/odd%20names" + reference.substr(1)).status, 200) << reference;
  }
}

TEST_F(AutoindexTest, directories_lead_to_their_listings) {
  tree().write("a b/<c>/file", "found");
  list();
  std::string at = "/";
  for (int depth = 0; depth < 2; ++depth) {
    const std::vector<std::string> references = references_of(get(at).body);
    ASSERT_EQ(references.size(), 1U) << at;
    at += references[0].substr(2);
  }
  EXPECT_EQ(at, "/a%20b/%3Cc%3E/");
  EXPECT_EQ(get(at + "file").body, "found");
}

class AutoindexByPath : public AutoindexTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(AutoindexByPath, ten_thousand_names_are_listed) {
  constexpr std::size_t kNames = 10'000;
  for (std::size_t i = 0; i < kNames; ++i) tree().write(std::to_string(i) + ".txt", "");
  list({"--send-path", GetParam()});
  const json listing = json_of("/?format=json");
  EXPECT_EQ(listing.at("total"), kNames);
  EXPECT_EQ(listing.at("truncated"), false);
  ASSERT_EQ(listing.at("entries").size(), kNames);
  for (std::size_t i = 0; i < kNames; ++i) {
    ASSERT_EQ(listing.at("entries").at(i).at("name"), std::to_string(i) + ".txt");
  }
  const Response page = get("/");
  EXPECT_EQ(references_of(page.body).size(), kNames);
  EXPECT_NE(page.body.find("10000 files"), std::string::npos);
  EXPECT_NE(page.body.find("</html>"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(autoindex, AutoindexByPath, ::testing::ValuesIn(kSendPaths), path_name);

}  // namespace

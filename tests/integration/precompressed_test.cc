// Precompressed neighbours over HTTP: chosen by Accept-Encoding, told apart by caches and by
// ranges, and never an older one.
#include <map>
#include <set>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::int64_t kModified_s = 1'700'000'000;

class PrecompressedTest : public ServerTest {
 protected:
  // Each form with a content of its own: the tests look at which one arrives, not at what is in it.
  void fill_forms(const std::string& name, std::size_t size = kSize) {
    for (const char* suffix : {"", ".br", ".zst", ".gz"}) fill_form(name + suffix, size);
  }
  void fill_form(const std::string& name, std::size_t size = kSize) {
    tree().fill(name, size);
    tree().modified_at(name, kModified_s);
  }
  void serve_precompressed(std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--precompressed", "br,zstd,gzip"});
    serve(std::move(more));
  }

  static void expect_form(const Response& response, const std::string& name,
                          const std::string& coding, std::size_t size = kSize) {
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.header("Content-Encoding"), coding);
    EXPECT_EQ(response.header("Vary"), "Accept-Encoding");
    EXPECT_TRUE(same_bytes(response.body, TempTree::expected(name, 0, size)));
  }
  Response get_accepting(std::string_view target, const std::string& codings) {
    return get(target, {{"Accept-Encoding", codings}});
  }

  static constexpr std::size_t kSize = 3000;
};

TEST_F(PrecompressedTest, the_client_says_which_form_it_wants) {
  fill_forms("a.css");
  serve_precompressed();
  HttpClient client = connect();
  const std::vector<std::array<std::string, 3>> wishes{
      {"gzip", "a.css.gz", "gzip"},
      {"br", "a.css.br", "br"},
      {"zstd", "a.css.zst", "zstd"},
      {"gzip, deflate, br, zstd", "a.css.br", "br"},
      {"gzip, zstd", "a.css.zst", "zstd"},
      {"gzip;q=1.0, br;q=0.5", "a.css.gz", "gzip"},
      {"*", "a.css.br", "br"},
      {"br;q=0, *", "a.css.zst", "zstd"},
      {"deflate", "a.css", ""},
      {"identity", "a.css", ""},
      {"", "a.css", ""},
  };
  for (const auto& [accepted, name, coding] : wishes) {
    SCOPED_TRACE(accepted);
    const Response response = client.get("/a.css", {{"Accept-Encoding", accepted}});
    expect_form(response, name, coding);
    EXPECT_EQ(response.header("Content-Type"), get("/a.css").header("Content-Type"));
  }
  expect_form(client.get("/a.css"), "a.css", "");
}

TEST_F(PrecompressedTest, who_refuses_every_form_gets_406) {
  fill_form("a.css");
  fill_form("a.css.gz");
  serve_precompressed();
  EXPECT_EQ(get_accepting("/a.css", "identity;q=0, br").status, 406);
  expect_form(get_accepting("/a.css", "identity;q=0, gzip"), "a.css.gz", "gzip");
  EXPECT_EQ(get_accepting("/a.css", "*;q=0").status, 406);
}

TEST_F(PrecompressedTest, a_file_without_neighbours_does_not_vary) {
  fill_form("a.css");
  serve_precompressed();
  const Response response = get_accepting("/a.css", "br, gzip");
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.has("Vary"));
  EXPECT_FALSE(response.has("Content-Encoding"));
}

TEST_F(PrecompressedTest, nothing_is_negotiated_unless_it_is_asked_for) {
  fill_forms("a.css");
  serve();
  const Response response = get_accepting("/a.css", "br, gzip");
  EXPECT_FALSE(response.has("Vary"));
  EXPECT_FALSE(response.has("Content-Encoding"));
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected("a.css", 0, kSize)));
}

TEST_F(PrecompressedTest, every_form_has_an_etag_of_its_own_that_revalidates) {
  fill_forms("a.css");
  serve_precompressed();
  std::map<std::string, std::string> etags;
  for (const char* coding : {"identity", "br", "zstd", "gzip"}) {
    etags[coding] = get_accepting("/a.css", coding).header("ETag");
  }
  std::set<std::string> different;
  for (const auto& [coding, etag] : etags) different.insert(etag);
  EXPECT_EQ(different.size(), 4U);
  for (const auto& [coding, etag] : etags) {
    for (const auto& [asked, unused] : etags) {
      SCOPED_TRACE(asked + " with the tag of " + coding);
      const Response response =
          get("/a.css", {{"Accept-Encoding", asked}, {"If-None-Match", etag}});
      EXPECT_EQ(response.status, asked == coding ? 304 : 200);
      EXPECT_EQ(response.header("Vary"), "Accept-Encoding");
    }
  }
}

TEST_F(PrecompressedTest, a_range_is_a_part_of_the_form_that_is_sent) {
  fill_form("a.css", 5000);
  fill_form("a.css.gz", 3000);
  serve_precompressed();
  const Response whole = get_accepting("/a.css", "gzip");
  const Response part = get("/a.css", {{"Accept-Encoding", "gzip"},
                                       {"Range", "bytes=1000-1999"},
                                       {"If-Range", whole.header("ETag")}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.header("Content-Range"), "bytes 1000-1999/3000");
  EXPECT_EQ(part.header("Content-Encoding"), "gzip");
  EXPECT_TRUE(same_bytes(part.body, TempTree::expected("a.css.gz", 1000, 1000)));
  // The same range with the tag of another form: the whole.
  const Response other = get("/a.css", {{"Accept-Encoding", "identity"},
                                        {"Range", "bytes=1000-1999"},
                                        {"If-Range", whole.header("ETag")}});
  expect_form(other, "a.css", "", 5000);
}

TEST_F(PrecompressedTest, head_says_what_get_would) {
  fill_form("a.css", 5000);
  fill_form("a.css.gz", 3000);
  serve_precompressed();
  HttpClient client = connect();
  const Response head = client.exchange("HEAD", "/a.css", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(head.content_length(), 3000U);
  EXPECT_EQ(head.header("Content-Encoding"), "gzip");
}

TEST_F(PrecompressedTest, an_older_neighbour_is_not_used) {
  fill_form("a.css");
  fill_form("a.css.br");
  fill_form("a.css.gz");
  tree().modified_at("a.css.br", kModified_s - 1);
  serve_precompressed();
  expect_form(get_accepting("/a.css", "br, gzip"), "a.css.gz", "gzip");
}

TEST_F(PrecompressedTest, a_neighbour_asked_for_by_name_is_a_plain_file) {
  fill_forms("a.css");
  serve_precompressed();
  const Response response = get_accepting("/a.css.gz", "gzip, br");
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.has("Content-Encoding"));
  EXPECT_EQ(response.header("Content-Type"), "application/gzip");
  EXPECT_TRUE(same_bytes(response.body, TempTree::expected("a.css.gz", 0, kSize)));
}

TEST_F(PrecompressedTest, an_index_file_is_negotiated_too) {
  fill_forms("docs/index.html");
  serve_precompressed();
  expect_form(get_accepting("/docs/", "gzip"), "docs/index.html.gz", "gzip");
}

class PrecompressedByPath : public PrecompressedTest,
                            public ::testing::WithParamInterface<const char*> {};

TEST_P(PrecompressedByPath, every_form_arrives_whole) {
  constexpr std::size_t kLarge = 300'000;
  fill_forms("small.css", 1000);
  fill_forms("large.css", kLarge);
  serve_precompressed({"--send-path", GetParam()});
  HttpClient client = connect();
  for (int round = 0; round < 3; ++round) {
    expect_form(client.get("/small.css", {{"Accept-Encoding", "br"}}), "small.css.br", "br", 1000);
    expect_form(client.get("/large.css", {{"Accept-Encoding", "zstd"}}), "large.css.zst", "zstd",
                kLarge);
    expect_form(client.get("/large.css"), "large.css", "", kLarge);
  }
}

INSTANTIATE_TEST_SUITE_P(precompressed, PrecompressedByPath, ::testing::ValuesIn(kSendPaths),
                         path_name);

// Every answer is the old state or the new one, and in the end the new one.
TEST_F(PrecompressedTest, a_neighbour_that_comes_changes_and_goes_is_noticed) {
  fill_form("a.css");
  serve_precompressed();
  HttpClient client = connect();
  const Headers gzip{{"Accept-Encoding", "gzip"}};
  const auto wait_until = [&](const std::string& old_body, const std::string& new_body) {
    const Deadline deadline;
    std::string body;
    while ((body = client.get("/a.css", gzip).body) != new_body) {
      ASSERT_EQ(body, old_body);
      ASSERT_FALSE(deadline.passed()) << "the new state was never served";
    }
  };
  const std::string plain = TempTree::expected("a.css", 0, kSize);
  ASSERT_EQ(client.get("/a.css", gzip).body, plain);
  tree().replace("a.css.gz", "first");
  wait_until(plain, "first");
  tree().replace("a.css.gz", "second");
  wait_until("first", "second");
  tree().remove("a.css.gz");
  wait_until("second", plain);
}

}  // namespace

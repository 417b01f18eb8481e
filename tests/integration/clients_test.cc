// The clients people really use: curl and wget fetch, resume and ask, and what they write to
// disk is compared. A machine without them skips.
#include <fstream>
#include <iterator>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kSize = 5'000'000;

class ClientsTest : public ServerTest {
 protected:
  void SetUp() override {
    tree().fill("file.bin", kSize);
    tree().write("a page.html", "<p>a page</p>");
    tree().write("sub/index.html", "<p>sub</p>");
  }

  std::string url(const std::string& target) {
    return "http://" + server().endpoint().authority() + target;
  }
  std::string downloaded() {
    std::ifstream file(tree().beside("download"), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void expect_downloaded_file() {
    EXPECT_TRUE(same_bytes(downloaded(), TempTree::expected("file.bin", 0, kSize)));
  }

  // Runs a client to its end, with success; its stdout.
  std::string run(const std::string& program, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program);
    const Finished finished = run_to_exit(arguments);
    EXPECT_EQ(finished.status, (ExitStatus{0, 0})) << finished.err;
    return finished.out;
  }
};

class CurlTest : public ClientsTest {
 protected:
  void SetUp() override {
    const auto found = find_program("curl");
    if (!found) GTEST_SKIP() << "curl is not installed";
    program_ = *found;
    ClientsTest::SetUp();
    serve();
  }
  std::string curl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--silent", "--show-error", "--noproxy", "*"});
    return run(program_, std::move(arguments));
  }
  std::string program_;
};

TEST_F(CurlTest, fetches_the_whole) {
  curl({"--fail", "--output", tree().beside("download"), url("/file.bin")});
  expect_downloaded_file();
}

TEST_F(CurlTest, fetches_a_range) {
  EXPECT_TRUE(same_bytes(curl({"--fail", "--range", "1000-4999", url("/file.bin")}),
                         TempTree::expected("file.bin", 1000, 4000)));
}

TEST_F(CurlTest, resumes_a_download) {
  tree().outside("download", TempTree::expected("file.bin", 0, 1'234'567));
  curl({"--fail", "--continue-at", "-", "--output", tree().beside("download"), url("/file.bin")});
  expect_downloaded_file();
}

TEST_F(CurlTest, asks_for_the_head) {
  const std::string head = curl({"--fail", "--head", url("/file.bin")});
  EXPECT_EQ(head.substr(0, 12), "HTTP/1.1 200");
  EXPECT_NE(head.find("Content-Length: 5000000\r\n"), std::string::npos) << head;
}

TEST_F(CurlTest, follows_the_redirect_to_a_directory) {
  EXPECT_EQ(curl({"--fail", "--location", url("/sub")}), "<p>sub</p>");
}

TEST_F(CurlTest, speaks_http_1_0) {
  EXPECT_EQ(curl({"--fail", "--http1.0", url("/a%20page.html")}), "<p>a page</p>");
}

TEST_F(CurlTest, reuses_the_connection) {
  const std::string connections =
      curl({"--fail", "--output", tree().beside("download"), "--output", tree().beside("second"),
            "--write-out", "%{num_connects} ", url("/file.bin"), url("/sub/")});
  EXPECT_EQ(connections, "1 0 ");
}

TEST_F(CurlTest, sees_that_nothing_changed) {
  const std::string etag_file = tree().beside("etag");
  curl({"--fail", "--etag-save", etag_file, "--output", tree().beside("download"),
        url("/file.bin")});
  EXPECT_EQ(curl({"--etag-compare", etag_file, "--output", tree().beside("second"), "--write-out",
                  "%{http_code}", url("/file.bin")}),
            "304");
}

TEST_F(CurlTest, uploads_are_refused_and_reported) {
  const std::string upload = tree().outside("upload", std::string(100'000, 'u'));
  EXPECT_EQ(curl({"--upload-file", upload, "--output", tree().beside("download"), "--write-out",
                  "%{http_code}", url("/file.bin")}),
            "405");
}

class WgetTest : public ClientsTest {
 protected:
  void SetUp() override {
    const auto found = find_program("wget");
    if (!found) GTEST_SKIP() << "wget is not installed";
    program_ = *found;
    ClientsTest::SetUp();
    serve();
  }
  std::string wget(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--no-proxy", "--no-verbose", "--tries=1"});
    return run(program_, std::move(arguments));
  }
  std::string program_;
};

TEST_F(WgetTest, fetches_the_whole) {
  wget({"--output-document", tree().beside("download"), url("/file.bin")});
  expect_downloaded_file();
}

TEST_F(WgetTest, resumes_a_download) {
  tree().outside("download", TempTree::expected("file.bin", 0, 1'234'567));
  wget({"--continue", "--output-document", tree().beside("download"), url("/file.bin")});
  expect_downloaded_file();
}

TEST_F(WgetTest, looks_without_fetching) { wget({"--spider", url("/file.bin")}); }

TEST_F(WgetTest, mirrors_linked_pages) {
  tree().write("start.html", "<a href=\"sub/\">sub</a> <a href=\"a%20page.html\">page</a>");
  wget({"--recursive", "--level=2", "--no-host-directories", "--execute", "robots=off",
        "--directory-prefix", tree().beside("mirror"), url("/start.html")});
  EXPECT_EQ(::access(tree().beside("mirror/sub/index.html").c_str(), R_OK), 0);
  EXPECT_EQ(::access(tree().beside("mirror/a page.html").c_str(), R_OK), 0);
}

}  // namespace

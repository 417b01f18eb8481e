// Bodies: discarded in the kernel, copied, or compared byte by byte with the file they should be.
#include <array>
#include <functional>

#include "tests/support/load_test.h"

namespace {

using namespace support;

struct Size {
  const char* name;
  std::size_t bytes;
  unsigned requests;
};
constexpr std::size_t kLargeBytes = 20'000'000;
const std::array<Size, 4> kSizes{Size{"empty", 0, 200}, Size{"small", 777, 2000},
                                 Size{"medium", 100 * 1024, 500}, Size{"large", kLargeBytes, 8}};

class BodiesTest : public LoadTest {
 protected:
  void SetUp() override {
    for (const Size& size : kSizes) tree().fill(size.name, size.bytes);
  }
  std::string verify() { return "verify:" + tree().root(); }
};

class BodyMode : public BodiesTest, public ::testing::WithParamInterface<const char*> {
 protected:
  std::string mode() { return std::string(GetParam()) == "verify" ? verify() : GetParam(); }
  void expect_every_size_from(const std::function<std::string(const char*)>& url_of) {
    for (const Size& size : kSizes) {
      SCOPED_TRACE(size.name);
      const LoadRun run = load(
          {"-c", "4", "-n", std::to_string(size.requests), "--body", mode(), url_of(size.name)});
      expect_all_good(run, size.requests);
      EXPECT_GT(run.count("bytes"), size.requests * size.bytes);
      EXPECT_LT(run.count("bytes"), size.requests * (size.bytes + 1000));
    }
  }
};

TEST_P(BodyMode, takes_every_size) {
  serve();
  expect_every_size_from([this](const char* name) { return url(std::string("/") + name); });
}

TEST_P(BodyMode, takes_every_size_pipelined) {
  serve();
  for (const Size& size : kSizes) {
    SCOPED_TRACE(size.name);
    const LoadRun run = load({"-c", "2", "--pipeline", "4", "-n", std::to_string(size.requests),
                              "--body", mode(), url(std::string("/") + size.name)});
    expect_all_good(run, size.requests);
    EXPECT_GT(run.count("bytes"), size.requests * size.bytes);
  }
}

TEST_P(BodyMode, takes_every_size_from_nginx) {
  const auto nginx = find_program("nginx");
  if (!nginx) GTEST_SKIP() << "nginx is not installed";
  const std::string address = loopback_address_of_this_process() + ":8081";
  const std::string scratch = tree().beside("nginx");
  tree().outside("nginx.conf",
                 "daemon off; master_process off; pid " + scratch + ".pid;\nevents {}\nhttp {\n" +
                     "  access_log off; sendfile on;\n  server { listen " + address + "; root " +
                     tree().root() + "; }\n" + "  client_body_temp_path " + scratch + "-1;\n" +
                     "  proxy_temp_path " + scratch + "-2;\n  fastcgi_temp_path " + scratch +
                     "-3;\n  uwsgi_temp_path " + scratch + "-4;\n  scgi_temp_path " + scratch +
                     "-5;\n}\n");
  ChildProcess server({*nginx, "-c", tree().beside("nginx.conf"), "-e", scratch + ".log"});
  const Deadline deadline;
  while (!accepts_connections(Endpoint::parse(address))) {
    ASSERT_FALSE(deadline.passed()) << server.err().text();
    ASSERT_FALSE(server.wait_for_exit(Deadline(0))) << server.err().text();
  }
  expect_every_size_from([&](const char* name) { return "http://" + address + "/" + name; });
}

INSTANTIATE_TEST_SUITE_P(bodies, BodyMode, ::testing::Values("discard", "copy", "verify"),
                         [](const auto& each) { return std::string(each.param); });

// Each served file differs from the one it is compared with, in one way.
class Verify : public BodiesTest {
 protected:
  // What ringload is to find wrong: the server gets a tree of its own.
  void serve_wrong(const std::string& name, const std::string& bytes) {
    other_.write(name, bytes);
    ServerSpec spec;
    spec.root = other_.root();
    serve_as(spec);
  }
  void expect_mismatch(const std::string& name) {
    const LoadRun run = load({"-c", "2", "-n", "5", "--body", verify(), url("/" + name)});
    EXPECT_EQ(run.errors("body", "MISMATCH"), 5U) << run.json.at("errors");
    EXPECT_EQ(run.count("errors_total"), 5U);
    EXPECT_EQ(run.ended(), 0U);
  }
  std::string right(const std::string& name, std::size_t size) {
    return TempTree::expected(name, 0, size);
  }

 private:
  TempTree other_;
};

class VerifyFlippedByte : public Verify, public ::testing::WithParamInterface<std::size_t> {};

TEST_P(VerifyFlippedByte, is_caught) {
  std::string bytes = right("large", kLargeBytes);
  bytes[GetParam()] = static_cast<char>(bytes[GetParam()] ^ 1);
  serve_wrong("large", bytes);
  expect_mismatch("large");
}

INSTANTIATE_TEST_SUITE_P(first_middle_last, VerifyFlippedByte,
                         ::testing::Values(0, 12'345'678, kLargeBytes - 1));

TEST_F(Verify, catches_a_body_that_is_a_byte_short) {
  serve_wrong("medium", right("medium", 100 * 1024 - 1));
  expect_mismatch("medium");
}

TEST_F(Verify, catches_a_body_that_is_a_byte_long) {
  serve_wrong("medium", right("medium", 100 * 1024) + "x");
  expect_mismatch("medium");
}

TEST_F(Verify, catches_an_empty_body) {
  serve_wrong("small", "");
  expect_mismatch("small");
}

TEST_F(Verify, tells_the_right_ones_from_the_wrong_one) {
  const ScriptedServer scripted([this](const SeenRequest& request) -> Script {
    std::string body = right("small", 777);
    if (request.number == 30) body[776] = static_cast<char>(~body[776]);
    return {send_bytes(ok_reply(body))};
  });
  const LoadRun run =
      load({"-c", "4", "--pipeline", "2", "-n", "100", "--body", verify(), scripted.url("/small")});
  EXPECT_EQ(run.ended(), 99U);
  EXPECT_EQ(run.errors("body", "MISMATCH"), 1U);
}

TEST_F(Verify, reads_chunked_bodies) {
  const std::string body = right("small", 777);
  const std::string reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n" +
                            body.substr(0, 1) + "\r\n300;x=y\r\n" + body.substr(1, 0x300) +
                            "\r\n8\r\n" + body.substr(0x301) + "\r\n0\r\nTrailer: yes\r\n\r\n";
  const ScriptedServer scripted({send_bytes(reply)});
  expect_all_good(load({"-n", "100", "--body", verify(), scripted.url("/small")}), 100);
}

TEST_F(Verify, refuses_to_start_without_the_file_to_compare_with) {
  tree().remove("small");
  serve_wrong("small", "x");
  const LoadRun run = run_ringload({"-n", "5", "--body", verify(), url("/small")});
  EXPECT_TRUE(run.status.code == 1 || run.status.code == 2) << run.status;
  EXPECT_NE(run.err.find(tree().path("small")), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("ENOENT"), std::string::npos) << run.err;
}

}  // namespace

// How many segments a small response takes, counted by the kernel of the client (TCP_INFO).
// Head and body of one kibibyte fit in one segment: whatever sends two has not been corked.
#include <algorithm>
#include <tuple>

#include "tests/support/server_test.h"

namespace {

using namespace support;

constexpr std::size_t kBodyBytes = 1024;

class CorkTest : public ServerTest {
 protected:
  // The median of several responses on one connection, after one that warms the file up. A
  // single one may count a segment too many: on a busy machine an acknowledgement comes so late
  // that the kernel probes for a loss (TLP) and sends the last segment again.
  std::uint64_t segments_of_a_small_response(const std::string& path,
                                             const std::vector<std::string>& options) {
    tree().fill("small", kBodyBytes);
    std::vector<std::string> arguments{"--send-path", path, "--memory-cache", "0"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    serve(arguments);
    HttpClient client = connect();
    expect_file(client, "small", kBodyBytes);
    std::array<std::uint64_t, 9> counts{};
    for (std::uint64_t& count : counts) {
      const std::uint64_t before = client.tcp_facts().data_segments_in;
      expect_file(client, "small", kBodyBytes);
      count = client.tcp_facts().data_segments_in - before;
    }
    std::sort(counts.begin(), counts.end());
    return counts[counts.size() / 2];
  }
};

using CorkedParam = std::tuple<const char*, const char*>;
class Corked : public CorkTest, public ::testing::WithParamInterface<CorkedParam> {};

TEST_P(Corked, head_and_body_share_one_segment) {
  const auto [path, cork] = GetParam();
  EXPECT_EQ(segments_of_a_small_response(path, {"--cork", cork}), 1U);
}

INSTANTIATE_TEST_SUITE_P(cork, Corked,
                         ::testing::Combine(::testing::ValuesIn(kSendPaths),
                                            ::testing::Values("tcp-cork", "msg-more")),
                         [](const ::testing::TestParamInfo<CorkedParam>& each) {
                           return as_identifier(std::get<0>(each.param)) + "_" +
                                  as_identifier(std::get<1>(each.param));
                         });

class Uncorked : public CorkTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(Uncorked, head_and_body_are_two_segments) {
  EXPECT_EQ(segments_of_a_small_response(GetParam(), {"--cork", "none"}), 2U);
}

// The paths that cannot gather: the head has to be sent before the file.
INSTANTIATE_TEST_SUITE_P(cork, Uncorked, ::testing::Values("sendfile", "splice", "uring-splice"),
                         path_name);

TEST_F(CorkTest, the_default_is_not_none) {
  EXPECT_EQ(segments_of_a_small_response("sendfile", {}), 1U);
}

}  // namespace

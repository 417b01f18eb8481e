// Real files: the documentation tree of the machine, thousands of them in all sizes, fetched
// whole and compared. What the server says about a link is compared with the rule for links.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "tests/support/server_test.h"

namespace {

using namespace support;
namespace fs = std::filesystem;

const fs::path kTree = "/usr/share/doc";

std::string contents_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Whether the server may serve this name: where it leads is a file below the tree.
bool leads_to_a_file_inside(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (error || !fs::is_regular_file(real)) return false;
  const std::string inside = fs::canonical(kTree).string() + "/";
  return real.string().compare(0, inside.size(), inside) == 0;
}

// A relative link that climbs above the tree and comes back is refused by some rules and
// followed by others; both are safe.
bool climbs_on_the_way(const fs::path& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  if (error || target.is_absolute()) return false;
  const fs::path folder = path.lexically_relative(kTree).parent_path();
  long depth = std::distance(folder.begin(), folder.end());
  for (const fs::path& part : target) {
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

class DoctreeTest : public ServerTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (!fs::is_directory(kTree)) GTEST_SKIP() << "no " << kTree;
    std::size_t seen = 0;
    for (const auto& entry : fs::recursive_directory_iterator(kTree)) {
      if (entry.is_directory() && !entry.is_symlink()) continue;
      if (target_of(entry.path()).find("/.") != std::string::npos) continue;  // it is hidden
      // A fraction of the files is enough where each costs ten times as much; all the links.
      if (entry.is_symlink() || ++seen % scaled(1, 4) == 0) names_.push_back(entry.path());
    }
  }

  ServerSpec on_the_tree(std::vector<std::string> options) {
    ServerSpec spec;
    spec.root = kTree;
    spec.options = std::move(options);
    return spec;
  }

  static std::string target_of(const fs::path& path) {
    return "/" + percent_encoded(path.lexically_relative(kTree).string());
  }

  void compare(HttpClient& client, const fs::path& path) {
    const Response response = client.get(target_of(path));
    if (climbs_on_the_way(path) && response.status != 200) {
      ASSERT_TRUE(response.status == 403 || response.status == 404) << path;
    } else if (leads_to_a_file_inside(path)) {
      ASSERT_EQ(response.status, 200) << path;
      ASSERT_TRUE(same_bytes(response.body, contents_of(path))) << path;
      ASSERT_NE(response.header("Content-Type"), "") << path;
      bytes_ += response.body.size();
    } else if (fs::is_directory(path)) {
      ASSERT_TRUE(response.status == 301 || response.status == 403 || response.status == 404)
          << path << " -> " << response.status;
    } else {
      ASSERT_TRUE(response.status == 403 || response.status == 404)
          << path << " -> " << response.status;
    }
  }

  std::vector<fs::path> names_;
  std::size_t bytes_ = 0;
};

TEST_P(DoctreeTest, the_whole_tree_arrives_byte_for_byte) {
  serve_as(on_the_tree({"--send-path", GetParam()}));
  HttpClient client = connect();
  for (const fs::path& name : names_) ASSERT_NO_FATAL_FAILURE(compare(client, name));
  std::cout << names_.size() << " names, " << bytes_ / 1024 << " KiB\n";
}

TEST_P(DoctreeTest, the_tree_arrives_with_few_descriptors_and_little_memory) {
  serve_as(
      on_the_tree({"--send-path", GetParam(), "--open-files", "16", "--memory-cache", "64KiB"}));
  HttpClient client = connect();
  for (std::size_t i = 0; i < names_.size(); i += 5) {
    ASSERT_NO_FATAL_FAILURE(compare(client, names_[i]));
  }
  EXPECT_LT(open_descriptors(server().pid()), 150U);
}

TEST_P(DoctreeTest, the_tree_arrives_pipelined) {
  constexpr std::size_t kPipelined = 16;
  serve_as(on_the_tree({"--send-path", GetParam()}));
  HttpClient client = connect();
  std::vector<fs::path> files;
  for (const fs::path& name : names_) {
    if (leads_to_a_file_inside(name) && !climbs_on_the_way(name)) files.push_back(name);
  }
  for (std::size_t first = 0; first + kPipelined <= files.size(); first += 4 * kPipelined) {
    std::string requests;
    for (std::size_t i = first; i < first + kPipelined; ++i) {
      requests += request("GET", target_of(files[i]));
    }
    client.send(requests);
    for (std::size_t i = first; i < first + kPipelined; ++i) {
      const Response response = client.read_response();
      ASSERT_EQ(response.status, 200) << files[i];
      ASSERT_TRUE(same_bytes(response.body, contents_of(files[i]))) << files[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(doctree, DoctreeTest, ::testing::ValuesIn(kSendPaths), path_name);

}  // namespace

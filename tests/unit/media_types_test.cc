// Media types by extension: the system's, the site's own, and where a charset is said.
#include "server/files/media_types.h"

#include <gtest/gtest.h>

#include "tests/support/temp_tree.h"

namespace ringserve::files {
namespace {

MediaTypes loaded(std::string_view lines) {
  support::TempTree tree;
  tree.write("mime.types", lines);
  auto types = MediaTypes::load(tree.path("mime.types"));
  if (!types) throw std::runtime_error(types.error().message());
  return *types;
}

TEST(MediaTypes, are_found_by_the_last_extension_in_any_case) {
  const MediaTypes types = loaded("text/css css\nimage/png\tpng PNX # the rest xyz\n\n# a\n");
  EXPECT_EQ(types.of("a.css"), "text/css");
  EXPECT_EQ(types.of("dir.png/a.CSS"), "text/css");
  EXPECT_EQ(types.of("a.css.png"), "image/png");
  EXPECT_EQ(types.of("a.pnx"), "image/png");
}

TEST(MediaTypes, of_unknown_names_are_the_default) {
  const MediaTypes types = loaded("text/css css\ntext/long averyverylongextension\n");
  for (const char* name :
       {"", "README", "css", "a.", "a.xyz", "a.css/b", "a.css~", "a.averyverylongextension"}) {
    EXPECT_EQ(types.of(name), MediaTypes::kDefault) << name;
  }
}

TEST(MediaTypes, the_first_line_of_an_extension_wins_and_overlong_ones_are_left_out) {
  const MediaTypes types = loaded("text/a x\ntext/b x\ntext/" + std::string(100, 'c') + " y\n");
  EXPECT_EQ(types.of("a.x"), "text/a");
  EXPECT_EQ(types.of("a.y"), MediaTypes::kDefault);
}

TEST(MediaTypes, a_file_that_cannot_be_read_is_an_error) {
  const auto types = MediaTypes::load("/nonexistent/mime.types");
  ASSERT_FALSE(types.has_value());
  EXPECT_NE(types.error().message().find("/nonexistent/mime.types"), std::string::npos);
}

TEST(MediaTypes, a_site_may_have_its_own) {
  const MediaTypes system = loaded("text/css css\nimage/png png\n");
  const MediaTypes types = system.with({{"css", "text/x-css"}, {"WASM", "application/wasm"}}, "");
  EXPECT_EQ(types.of("a.css"), "text/x-css");
  EXPECT_EQ(types.of("a.wasm"), "application/wasm");
  EXPECT_EQ(types.of("a.png"), "image/png");
  EXPECT_EQ(system.of("a.css"), "text/css") << "other sites keep theirs";
}

TEST(MediaTypes, of_texts_say_their_charset) {
  const MediaTypes types =
      loaded("text/css css\napplication/javascript js\nText/Markdown MD\n").with({}, "utf-8");
  EXPECT_EQ(types.of("a.css"), "text/css; charset=utf-8");
  EXPECT_EQ(types.of("a.js"), "application/javascript; charset=utf-8");
  EXPECT_EQ(types.of("a.md"), "Text/Markdown; charset=utf-8");
}

TEST(MediaTypes, that_know_their_encoding_or_are_no_text_say_none) {
  for (const char* type :
       {"text/xml", "application/xml", "image/svg+xml", "application/xhtml+xml", "application/json",
        "application/manifest+json", "application/wasm", "image/png",
        "text/html; charset=iso-8859-1", "text/html;Charset=\"utf-16\"", "text/xml; a=b"}) {
    EXPECT_EQ(MediaTypes().with({{"x", type}}, "utf-8").of("a.x"), type);
  }
}

TEST(MediaTypes, a_charset_follows_other_parameters) {
  EXPECT_EQ(MediaTypes().with({{"x", "text/plain; format=flowed"}}, "utf-8").of("a.x"),
            "text/plain; format=flowed; charset=utf-8");
}

TEST(MediaTypes, no_charset_is_said_where_none_is_wanted) {
  EXPECT_EQ(loaded("text/css css\n").with({}, "").of("a.css"), "text/css");
}

TEST(MediaTypes, stay_within_their_limit) {
  const std::string longest = "text/" + std::string(MediaTypes::kTypeBytesMax - 5, 'x');
  const MediaTypes types = MediaTypes().with({{"a", longest}, {"b", longest + "x"}}, "utf-8");
  EXPECT_EQ(types.of("f.a"), longest) << "no room for a charset";
  EXPECT_EQ(types.of("f.b"), MediaTypes::kDefault);
}

}  // namespace
}  // namespace ringserve::files

// The file of --tuning: what is written is read back, what is wrong is named by its place, and the
// bands answer for every length.
#include "server/send/tuning.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ringserve::send {
namespace {

constexpr uint64_t kKiB = 1024;

// A good file, as JSON to be damaged.
nlohmann::json good() {
  return nlohmann::json::parse(R"({
    "format": "ringserve-tuning 1",
    "measured": {"date": "2026-11-21", "kernel": "6.18.1", "cpu": "A CPU",
                 "command": "bench/paths", "commit": "abc"},
    "memory_body_bytes_max": 131072,
    "bands": [{"up_to_bytes": 262144, "path": "sendfile"},
              {"up_to_bytes": 1048576, "path": "splice"},
              {"path": "sendfile"}]})");
}

NamedTuning read(const nlohmann::json& json) {
  auto tuning = parse_tuning("t.json", json.dump());
  EXPECT_TRUE(tuning) << tuning.error().message();
  return tuning.value();
}

void expect_refused(const std::string& text, std::initializer_list<std::string> words) {
  const auto tuning = parse_tuning("t.json", text);
  ASSERT_FALSE(tuning) << text;
  const std::string message = tuning.error().message();
  EXPECT_EQ(message.rfind("t.json: ", 0), 0U) << message;
  EXPECT_NE(message.find("bench/paths"), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  for (const std::string& word : words) {
    EXPECT_NE(message.find(word), std::string::npos) << "no '" << word << "' in: " << message;
  }
}

void expect_refused(const nlohmann::json& json, std::initializer_list<std::string> words) {
  expect_refused(json.dump(), words);
}

TEST(TuningTest, each_length_has_the_path_of_its_band) {
  const Tuning tuning = read(good()).tuning;
  EXPECT_EQ(tuning.memory_body_bytes_max, 128 * kKiB);
  EXPECT_EQ(tuning.path_for(1), FilePath::sendfile);
  EXPECT_EQ(tuning.path_for(256 * kKiB), FilePath::sendfile);
  EXPECT_EQ(tuning.path_for(256 * kKiB + 1), FilePath::splice);
  EXPECT_EQ(tuning.path_for(1024 * kKiB), FilePath::splice);
  EXPECT_EQ(tuning.path_for(1024 * kKiB + 1), FilePath::sendfile);
  EXPECT_EQ(tuning.path_for(UINT64_MAX), FilePath::sendfile);
}

TEST(TuningTest, one_band_holds_for_every_length) {
  auto json = good();
  json["bands"] = {{{"path", "sendfile"}}};
  const Tuning tuning = read(json).tuning;
  EXPECT_EQ(tuning.path_for(1), FilePath::sendfile);
  EXPECT_EQ(tuning.path_for(UINT64_MAX), FilePath::sendfile);
}

TEST(TuningTest, as_many_bands_as_there_may_be_are_read) {
  auto json = good();
  json["bands"] = nlohmann::json::array();
  for (size_t i = 1; i < Tuning::kBandsMax; ++i) {
    json["bands"].push_back({{"up_to_bytes", i}, {"path", i % 2 == 0 ? "sendfile" : "splice"}});
  }
  json["bands"].push_back({{"path", "splice"}});
  EXPECT_EQ(read(json).tuning.path_for(Tuning::kBandsMax - 1), FilePath::splice);
  EXPECT_EQ(read(json).tuning.path_for(2), FilePath::sendfile);
  json["bands"].insert(json["bands"].begin(), json["bands"][0]);
  expect_refused(json, {"bands", "1 to 8"});
}

TEST(TuningTest, what_is_written_is_read_back) {
  auto json = good();
  json["measured"]["notes"] = {"\"quoted\" \\ and \xc3\xa4", "two"};
  for (const NamedTuning& tuning : {built_in_tuning(), read(json)}) {
    const auto again = parse_tuning("again", tuning_json(tuning));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(tuning_json(*again), tuning_json(tuning));
    EXPECT_EQ(again->measured.notes, tuning.measured.notes);
    EXPECT_EQ(again->tuning.memory_body_bytes_max, tuning.tuning.memory_body_bytes_max);
    for (uint64_t bytes = 1; bytes < Tuning::kBandBytesMax; bytes *= 2) {
      EXPECT_EQ(again->tuning.path_for(bytes), tuning.tuning.path_for(bytes)) << bytes;
    }
  }
}

TEST(TuningTest, the_description_tells_origin_and_sizes) {
  const std::string text = describe(read(good()));
  for (const char* words : {"t.json", "2026-11-21", "6.18.1", "memory up to 128 KiB",
                            "sendfile up to 256 KiB, splice up to 1 MiB, sendfile"}) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  }
}

TEST(TuningTest, the_built_in_tuning_is_one_that_a_file_could_hold) {
  EXPECT_LE(kBuiltInTuning.memory_body_bytes_max, Tuning::kMemoryBodyBytesCeiling);
  const NamedTuning built_in = built_in_tuning();
  EXPECT_FALSE(built_in.is_file);
  EXPECT_NE(built_in.measured.date, "");
  EXPECT_NE(built_in.measured.kernel, "");
  EXPECT_NE(built_in.measured.command, "");
}

TEST(TuningTest, what_is_not_json_is_refused_by_line_and_column) {
  expect_refused(std::string(), {"line 1, column 1"});
  expect_refused(std::string("{\n  \"format\": \"ringserve-tuning 1\",\n  oops\n}"),
                 {"line 3, column 3"});
  expect_refused(good().dump() + "x", {"line 1"});
  expect_refused(std::string("{\"format\": \"\xff\"}"), {"line 1", "not JSON"});
  expect_refused(std::string(100'000, '['), {"not JSON"});
  expect_refused(std::string("{\"a\": 1e999}"), {"1e999"});
}

TEST(TuningTest, what_is_no_tuning_is_refused) {
  expect_refused(std::string("[]"), {"must be an object"});
  expect_refused(std::string("null"), {"must be an object"});
  expect_refused(std::string("{}"), {"format is missing"});
  auto json = good();
  json["format"] = "ringserve-tuning 2";
  expect_refused(json, {"format must be", "ringserve-tuning 1"});
}

TEST(TuningTest, an_unknown_key_is_named_with_the_known_ones) {
  auto json = good();
  json["memory"] = 1;
  expect_refused(json, {"unknown key \"memory\"", "memory_body_bytes_max"});
  json = good();
  json["measured"]["mood"] = "good";
  expect_refused(json, {"measured unknown key \"mood\"", "kernel"});
  json = good();
  json["bands"][1]["up_to"] = 3;
  expect_refused(json, {"bands[1] unknown key \"up_to\"", "up_to_bytes"});
  json = good();
  json["line\nbreak"] = 1;
  expect_refused(json, {"\"line\\nbreak\""});
}

TEST(TuningTest, a_key_that_stands_twice_is_refused) {
  std::string text = good().dump();
  text.insert(1, "\"memory_body_bytes_max\": 1, ");
  expect_refused(text, {"\"memory_body_bytes_max\" twice"});
}

TEST(TuningTest, a_missing_key_is_named) {
  for (const char* key : {"format", "measured", "memory_body_bytes_max", "bands"}) {
    auto json = good();
    json.erase(key);
    expect_refused(json, {std::string(key) + " is missing"});
  }
  for (const char* key : {"date", "kernel", "cpu", "command", "commit"}) {
    auto json = good();
    json["measured"].erase(key);
    expect_refused(json, {"measured." + std::string(key) + " is missing"});
  }
  auto json = good();
  json["bands"][0].erase("path");
  expect_refused(json, {"bands[0].path is missing"});
  json = good();
  json["bands"][0].erase("up_to_bytes");
  expect_refused(json, {"bands[0].up_to_bytes is missing"});
}

TEST(TuningTest, a_path_that_auto_does_not_have_is_named) {
  for (const char* path : {"teleport", "read-write", "", "Splice"}) {
    auto json = good();
    json["bands"][2]["path"] = path;
    expect_refused(json, {"bands[2].path", "\"" + std::string(path) + "\"", "sendfile, splice"});
  }
  auto json = good();
  json["bands"][2]["path"] = 7;
  expect_refused(json, {"bands[2].path", "sendfile, splice"});
}

TEST(TuningTest, bands_must_rise) {
  for (const uint64_t second : {262144, 262143, 1}) {
    auto json = good();
    json["bands"][1]["up_to_bytes"] = second;
    expect_refused(json, {"bands[1].up_to_bytes", "more than the 262144"});
  }
}

TEST(TuningTest, the_last_band_and_no_other_is_open) {
  auto json = good();
  json["bands"][2]["up_to_bytes"] = 1 << 30;
  expect_refused(json, {"bands[2].up_to_bytes", "last band"});
  json = good();
  json["bands"] = nlohmann::json::array();
  expect_refused(json, {"bands", "1 to 8"});
  json["bands"] = "splice";
  expect_refused(json, {"bands", "list"});
}

TEST(TuningTest, numbers_out_of_range_or_of_another_kind_are_refused) {
  for (const char* number : {"-1", "524289", "1.5", "1e3", "18446744073709551615",
                             "99999999999999999999999", "1e300", "\"64KiB\"", "true", "null"}) {
    auto json = good();
    json["memory_body_bytes_max"] = nlohmann::json::parse(number);
    expect_refused(json, {"memory_body_bytes_max", "from 0 to 524288"});
  }
  for (const char* number :
       {"0", "-1", "9007199254740993", "18446744073709551615", "1e300", "0.5", "[]"}) {
    auto json = good();
    json["bands"][0]["up_to_bytes"] = nlohmann::json::parse(number);
    expect_refused(json, {"bands[0].up_to_bytes", "from 1 to 9007199254740992"});
  }
}

TEST(TuningTest, the_limits_themselves_are_accepted) {
  for (const uint64_t bytes : {uint64_t{0}, Tuning::kMemoryBodyBytesCeiling}) {
    auto json = good();
    json["memory_body_bytes_max"] = bytes;
    EXPECT_EQ(read(json).tuning.memory_body_bytes_max, bytes);
  }
  auto json = good();
  json["bands"][1]["up_to_bytes"] = Tuning::kBandBytesMax;
  EXPECT_EQ(read(json).tuning.path_for(Tuning::kBandBytesMax), FilePath::splice);
  EXPECT_EQ(read(json).tuning.path_for(Tuning::kBandBytesMax + 1), FilePath::sendfile);
}

TEST(TuningTest, texts_that_would_spoil_a_log_are_refused) {
  for (const std::string& text :
       {std::string("two\nlines"), std::string("\x1b[31m"), std::string("\x7f"),
        std::string(kMeasuredTextBytesMax + 1, 'x')}) {
    auto json = good();
    json["measured"]["kernel"] = text;
    expect_refused(json, {"measured.kernel", "one line"});
    json = good();
    json["measured"]["notes"] = {"fine", text};
    expect_refused(json, {"measured.notes", "one line"});
  }
  auto json = good();
  json["measured"]["date"] = 20261121;
  expect_refused(json, {"measured.date", "text"});
}

}  // namespace
}  // namespace ringserve::send

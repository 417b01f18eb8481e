// What `ringtune emit --from` reads: what is wrong in such a file is told, and where in it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/tune/emit/measured.h"

namespace {

using nlohmann::json;

json measured() {
  return json::parse(R"({
    "format": 1, "command": "measure", "kernel": "6.18.1", "workload": "churn", "noisy": false,
    "parameters": [{"name": "net.ipv4.tcp_sack", "baseline": "1", "values":
      [{"value": "0", "ratio": 0.5, "low": 0.4, "high": null, "verdict": "worse"}]}]})");
}

json searched() {
  json document = measured();
  document["command"] = "search";
  document["screening"]["factors"] = json::parse(R"([
    {"name": "net.core.somaxconn", "low_value": "4", "high_value": "128", "ratio": 1.0,
     "low": 0.9, "high": 1.1, "verdict": "no difference"}])");
  return document;
}

TEST(Measured, is_what_measure_or_search_wrote) {
  const auto of_measure = ringtune::parse_measured(measured().dump(), "a.json");
  ASSERT_TRUE(of_measure) << of_measure.error().message();
  ASSERT_EQ(of_measure->parameters.size(), 1U);
  EXPECT_EQ(of_measure->parameters[0].values[0].ratio, 0.5);
  EXPECT_EQ(of_measure->parameters[0].values[0].high, std::nullopt);
  EXPECT_TRUE(of_measure->screened.empty());

  const auto of_search = ringtune::parse_measured(searched().dump(), "a.json");
  ASSERT_TRUE(of_search) << of_search.error().message();
  EXPECT_EQ(of_search->parameters.size(), 1U);
  ASSERT_EQ(of_search->screened.size(), 1U);
  EXPECT_EQ(of_search->screened[0].name, "net.core.somaxconn");
  EXPECT_EQ(of_search->screened[0].high_value, "128");
  EXPECT_EQ(of_search->screened[0].high.verdict, "no difference");
}

std::string message_about(const std::string& text) {
  const auto parsed = ringtune::parse_measured(text, "a.json");
  return parsed ? "it was taken" : parsed.error().message();
}

TEST(Measured, says_where_a_file_is_no_json) {
  EXPECT_NE(message_about("{\"format\": 1,\n  oh}").find("a.json: parse error at line 2, column 3"),
            std::string::npos)
      << message_about("{\"format\": 1,\n  oh}");
  EXPECT_NE(message_about("").find("line 1, column 1"), std::string::npos) << message_about("");
}

TEST(Measured, says_what_is_wrong_and_where) {
  struct Case {
    const char* pointer;  // RFC 6901: what of a good file is replaced
    json value;           // discarded: it is left out
    const char* message;
  };
  const json nothing(json::value_t::discarded);
  for (const Case& one :
       {Case{"", json::array(), "the whole: an object is expected here; it is []"},
        Case{"/format", 2, "format: format 1 is known; it is 2"},
        Case{"/command", "check", "command: 'measure' or 'search' is expected here"},
        Case{"/kernel", nothing, "kernel is missing"},
        Case{"/noisy", "no", "noisy: true or false is expected here; it is \"no\""},
        Case{"/parameters", 3, "parameters: a list is expected here; it is 3"},
        Case{"/parameters/0/name", "/etc/passwd", "parameters[0].name: "},
        Case{"/parameters/0/values/0/value", "1\nkernel.modprobe = x",
             "parameters[0].values[0].value: it is not one plain line"},
        Case{"/parameters/0/values/0/ratio", "much",
             "parameters[0].values[0].ratio: a number, or null, is expected here; it is \"much\""},
        Case{"/parameters/0/values/0/verdict", nothing,
             "parameters[0].values[0].verdict is missing"},
        Case{"/screening", nothing, "screening is missing"},
        Case{"/screening/factors/0/low_value", 4,
             "screening.factors[0].low_value: a text is expected here; it is 4"}}) {
    json document = searched();
    const json::json_pointer pointer(one.pointer);
    if (one.value.is_discarded()) {
      document.at(pointer.parent_pointer()).erase(pointer.back());
    } else {
      document.at(pointer) = one.value;
    }
    const std::string message = message_about(document.dump());
    EXPECT_NE(message.find(std::string("a.json: ") + one.message), std::string::npos) << message;
    EXPECT_NE(message.find("--json wrote"), std::string::npos) << message;
  }
}

}  // namespace

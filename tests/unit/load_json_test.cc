// The JSON: nothing is lost on the way, and nothing foreign is believed.
#include "client/load/report/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/load_sample.h"

namespace ringload {
namespace {

using nlohmann::json;

json written(const Outcome& outcome) { return json::parse(to_json(outcome)); }

Outcome read_back(const Outcome& outcome) {
  auto read = from_json(to_json(outcome), "A.json");
  EXPECT_TRUE(read.has_value()) << read.error().message();
  return read ? *read : Outcome{};
}

std::string refused(const std::string& text) {
  const auto read = from_json(text, "A.json");
  EXPECT_FALSE(read.has_value()) << text.substr(0, 200);
  return read ? "" : read.error().message();
}

// What is wrong once `change` has been done to a good file.
template <class Change>
std::string refused_after(Change change) {
  json document = written(sample::outcome());
  change(document);
  return refused(document.dump());
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Json, reads_back_what_was_written) {
  for (const Outcome& outcome : {sample::outcome(), sample::open_loop_outcome(), Outcome{}}) {
    const Outcome again = read_back(outcome);
    EXPECT_EQ(to_json(again), to_json(outcome));
    EXPECT_EQ(again.latency_ns.state(), outcome.latency_ns.state());
    EXPECT_EQ(again.schedule_error_ns.state(), outcome.schedule_error_ns.state());
    EXPECT_EQ(again.seconds.size(), outcome.seconds.size());
    EXPECT_EQ(again.errors, outcome.errors);
    EXPECT_EQ(again.statuses, outcome.statuses);
  }
}

TEST(Json, keeps_every_kind_of_field) {
  const Outcome again = read_back(sample::outcome());
  EXPECT_EQ(again.facts.version, "1.2.3");
  EXPECT_EQ(again.facts.started_at_s, 1'800'000'000.125);
  EXPECT_EQ(again.facts.urls, sample::facts().urls);
  EXPECT_TRUE(again.facts.new_connection);
  EXPECT_EQ(again.facts.close_by, CloseBy::reset);
  EXPECT_EQ(again.facts.body, BodyMode::verify);
  EXPECT_EQ(again.server_cpu_s, 2.125);
  EXPECT_EQ(again.connections.lost, 1.75);
  EXPECT_TRUE(again.seconds[0].warmup);
  EXPECT_EQ(again.seconds[2].latency.p999_ns, 400'000u);
  EXPECT_EQ(again.seconds[2].sockets.time_wait, 50u);
  EXPECT_EQ(again.seconds[2].sockets.exhausted_in_s, 3.25);
  EXPECT_EQ(again.sockets.forecast.sustainable_per_s, 100.0 / 60);
  EXPECT_EQ(again.sockets.sources.at(0).address, "127.0.0.1");
  EXPECT_EQ(again.sockets.trouble, "sock_diag: EAGAIN");
  ASSERT_TRUE(again.exhaustion.has_value());
  EXPECT_EQ(again.exhaustion->predicted_at_s, 2.625);
  EXPECT_EQ(again.exhaustion->at.time_wait, 92u);
  EXPECT_EQ(again.failed_conditions, sample::outcome().failed_conditions);
}

TEST(Json, offers_the_documented_figures) {
  const Outcome outcome = sample::outcome();
  const json document = written(outcome);
  EXPECT_EQ(document["ringload"], "1.2.3");
  EXPECT_EQ(document["format"], kJsonFormat);
  EXPECT_EQ(document["rate_per_s"], 1000.0);
  EXPECT_EQ(document["bytes_per_s"], 1e6);
  EXPECT_EQ(document["latency_kind"], "service_time");
  EXPECT_EQ(document["latency_us"]["p99"],
            static_cast<double>(outcome.latency_ns.at_quantile(0.99)) / 1000);
  EXPECT_EQ(document["latency_us"]["max"], static_cast<double>(outcome.latency_ns.max()) / 1000);
  EXPECT_EQ(document["errors"]["connect"]["EADDRNOTAVAIL"], 77);
  EXPECT_EQ(document["errors_total"], 89);
  EXPECT_EQ(document["statuses"]["404"], 12);
  EXPECT_EQ(document["sockets"]["exhausted_at_s"], 2.5);
  EXPECT_EQ(document["sockets"]["predicted_exhaustion_at_s"], 2.625);
  EXPECT_EQ(document["sockets"]["ports_free_min"], 0);
  EXPECT_EQ(document["sockets"]["retransmits"], 6);
  EXPECT_TRUE(document["schedule_error_us"].is_null());
  const json open = written(sample::open_loop_outcome());
  EXPECT_EQ(open["latency_kind"], "from_planned_time");
  EXPECT_EQ(open["schedule_error_us"]["max"], 49.5);
}

TEST(Json, has_null_where_there_is_no_figure) {
  Outcome outcome;
  outcome.sockets.forecast.sustainable_per_s = INFINITY;
  json document = written(outcome);
  EXPECT_TRUE(document["latency_us"]["p50"].is_null());
  EXPECT_TRUE(document["latency_us"]["min"].is_null());
  EXPECT_TRUE(document["server_cpu_s"].is_null());
  EXPECT_TRUE(document["sockets"]["exhausted_at_s"].is_null());
  EXPECT_TRUE(document["sockets"]["sustainable_per_s"].is_null());
  EXPECT_EQ(read_back(outcome).sockets.forecast.sustainable_per_s, INFINITY);
  outcome.sockets.facts.tcp = false;
  EXPECT_TRUE(written(outcome)["sockets"].is_null());
  EXPECT_FALSE(read_back(outcome).sockets.facts.tcp);
}

TEST(Json, survives_a_url_that_is_not_utf8) {
  Outcome outcome;
  outcome.facts.urls = {"http://127.0.0.1/\xff\xfe"};
  EXPECT_EQ(read_back(outcome).facts.urls.size(), 1u);
}

TEST(Json, refuses_foreign_files) {
  EXPECT_TRUE(contains(refused(""), "A.json: no JSON"));
  EXPECT_TRUE(contains(refused("{\"requests\": "), "A.json: no JSON (at byte"));
  EXPECT_TRUE(contains(refused("[1, 2]"), "not a result of ringload"));
  EXPECT_TRUE(contains(refused("{\"requests\": 5}"), "there is no key \"ringload\""));
  EXPECT_TRUE(contains(refused("{\"ringload\": \"1\"}"), "its format is null"));
  EXPECT_TRUE(contains(refused("{\"ringload\": \"1\", \"format\": 99}"), "its format is 99"));
  EXPECT_TRUE(contains(refused("{\"ringload\": 1e999}"), "out of range"));
  EXPECT_TRUE(contains(refused("{\"ringload\": \"1\", \"format\": 1}"), "run is missing"));
}

TEST(Json, names_what_is_missing_or_wrong) {
  EXPECT_TRUE(contains(refused_after([](json& d) { d.erase("requests"); }),
                       "A.json: not a result of ringload: requests is missing"));
  EXPECT_TRUE(
      contains(refused_after([](json& d) { d["run"].erase("host"); }), "run.host is missing"));
  EXPECT_TRUE(contains(refused_after([](json& d) { d["requests"] = -1; }),
                       "requests is not a whole number"));
  EXPECT_TRUE(contains(refused_after([](json& d) { d["run"]["threads"] = 5'000'000'000; }),
                       "run.threads is not below 2^32"));
  EXPECT_TRUE(contains(refused_after([](json& d) { d["run"]["close_by"] = "nobody"; }),
                       "run.close_by is not one of the known names"));
  EXPECT_TRUE(contains(refused_after([](json& d) { d["seconds"][1]["bytes"] = "many"; }),
                       "seconds[1].bytes is not a whole number"));
  EXPECT_TRUE(contains(refused_after([](json& d) { d["statuses"]["OK"] = 1; }),
                       "statuses.OK is not a known key"));
  EXPECT_TRUE(contains(refused_after([](json& d) { d["sockets"] = 5; }),
                       "sockets is not an object or null"));
}

TEST(Json, refuses_a_damaged_histogram) {
  const auto damage = [](const char* key, json value) {
    return refused_after([&](json& d) { d["histogram"][key] = std::move(value); });
  };
  EXPECT_TRUE(contains(damage("unit", "us"), "histogram is not in ns"));
  EXPECT_TRUE(contains(damage("precision_bits", 7), "histogram is not in ns with 10 bits"));
  EXPECT_TRUE(contains(damage("max", 1), "histogram is not a state"));
  EXPECT_TRUE(contains(damage("sum", 1), "histogram is not a state"));
  EXPECT_TRUE(contains(damage("buckets", json::array({json::array({1})})), "[index, count]"));
  EXPECT_TRUE(
      contains(damage("buckets", json::array({json::array({1u << 30, 1u})})), "[index, count]"));
}

TEST(Json, is_one_key_and_one_second_a_line) {
  const std::string text = to_json(sample::outcome());
  EXPECT_TRUE(text.starts_with("{\n\"ringload\": \"1.2.3\",\n\"format\": 1,\n"));
  EXPECT_TRUE(text.ends_with("}\n"));
  EXPECT_TRUE(contains(text, "\n{\"at_s\":2.0,"));
}

}  // namespace
}  // namespace ringload

// The JSON is read strictly: an unknown or repeated key is a mistake, not a remark, and a number
// out of range is refused, not cut. What is refused is named by its place in the file.
#include "server/send/tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "common/net/read_file.h"

namespace ringserve::send {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "ringserve-tuning 1";
constexpr const char* kAdvice = "bench/paths --tuning writes such a file, --print-tuning shows one";

constexpr std::string_view name_of(FilePath path) {
  return path == FilePath::sendfile ? "sendfile" : "splice";
}

// What is wrong and where: thrown inside of this file only.
struct Mistake {
  std::string place;  // "bands[1].path"; empty: the whole file
  std::string what;
};

std::string below(const std::string& place, std::string_view key) {
  return place.empty() ? std::string(key) : fmt::format("{}.{}", place, key);
}

// Quoted, and no control character in it.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

// One object of the file; its keys must all be known, and those asked for must be there.
class Object {
 public:
  Object(const Json& json, std::string place, std::initializer_list<std::string_view> known)
      : json_(json), place_(std::move(place)) {
    if (!json.is_object()) throw Mistake{place_, "must be an object"};
    for (const auto& item : json.items()) {
      if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
      std::string names;
      for (const std::string_view name : known) names += fmt::format(" {}", name);
      throw Mistake{place_, fmt::format("unknown key {}; known:{}", quoted(item.key()), names)};
    }
  }

  bool has(const char* key) const { return json_.contains(key); }
  std::string place(const char* key) const { return below(place_, key); }
  const Json& at(const char* key) const {
    if (!has(key)) throw Mistake{place(key), "is missing"};
    return json_.at(key);
  }

  uint64_t number(const char* key, uint64_t min, uint64_t max) const {
    const Json& value = at(key);
    if (value.is_number_unsigned()) {
      const auto number = value.get<uint64_t>();
      if (number >= min && number <= max) return number;
    }
    throw Mistake{place(key), fmt::format("must be a whole number from {} to {}", min, max)};
  }

  const Json& list(const char* key, size_t min, size_t max) const {
    const Json& value = at(key);
    if (value.is_array() && value.size() >= min && value.size() <= max) return value;
    throw Mistake{place(key), fmt::format("must be a list of {} to {} entries", min, max)};
  }

 private:
  const Json& json_;
  std::string place_;
};

std::string text_of(const Json& value, const std::string& place) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  const auto* text = value.get_ptr<const std::string*>();
  if (text == nullptr || text->size() > kMeasuredTextBytesMax ||
      std::any_of(text->begin(), text->end(), is_control)) {
    throw Mistake{
        place, fmt::format("must be a text of one line, at most {} bytes", kMeasuredTextBytesMax)};
  }
  return *text;
}

FilePath path_of(const Object& band) {
  const Json& value = band.at("path");
  if (value == "sendfile") return FilePath::sendfile;
  if (value == "splice") return FilePath::splice;
  const std::string given = value.is_string() ? quoted(value.get<std::string>()) : "this";
  throw Mistake{band.place("path"), fmt::format("{} is not one of sendfile, splice", given)};
}

void read_bands(const Object& file, Tuning& tuning) {
  const Json& bands = file.list("bands", 1, Tuning::kBandsMax);
  uint64_t previous = 0;
  for (size_t i = 0; i < bands.size(); ++i) {
    const std::string place = fmt::format("bands[{}]", i);
    const Object band(bands[i], place, {"up_to_bytes", "path"});
    const bool last = i + 1 == bands.size();
    if (last && band.has("up_to_bytes")) {
      throw Mistake{band.place("up_to_bytes"), "the last band has none: it holds for the rest"};
    }
    tuning.bands[i].path = path_of(band);
    tuning.bands[i].up_to_bytes =
        last ? Tuning::kNoLimit : band.number("up_to_bytes", 1, Tuning::kBandBytesMax);
    if (tuning.bands[i].up_to_bytes <= previous) {
      throw Mistake{band.place("up_to_bytes"),
                    fmt::format("must be more than the {} of the band before it", previous)};
    }
    previous = tuning.bands[i].up_to_bytes;
  }
}

Measured read_measured(const Json& json) {
  const Object object(json, "measured", {"date", "kernel", "cpu", "command", "commit", "notes"});
  const auto text = [&](const char* key) { return text_of(object.at(key), object.place(key)); };
  Measured measured{text("date"), text("kernel"), text("cpu"), text("command"), text("commit"), {}};
  if (!object.has("notes")) return measured;
  for (const Json& note : object.list("notes", 0, kMeasuredNotesMax)) {
    measured.notes.push_back(text_of(note, object.place("notes")));
  }
  return measured;
}

NamedTuning read_tuning(const std::string& name, const Json& json) {
  const Object file(json, "", {"format", "measured", "memory_body_bytes_max", "bands"});
  if (file.at("format") != kFormat) {
    throw Mistake{"format", fmt::format("must be \"{}\"", kFormat)};
  }
  NamedTuning named{name, true, {}, read_measured(file.at("measured"))};
  named.tuning.memory_body_bytes_max =
      file.number("memory_body_bytes_max", 0, Tuning::kMemoryBodyBytesCeiling);
  read_bands(file, named.tuning);
  return named;
}

// nlohmann's parser keeps the last of equal keys in silence.
class RepeatedKeys {
 public:
  bool operator()(int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(parsed).second && !first_) {
      first_ = parsed.get<std::string>();
    }
    return true;
  }
  const std::optional<std::string>& first() const { return first_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::optional<std::string> first_;
};

Json parse_strictly(std::string_view text) {
  RepeatedKeys repeated;
  const Json json = Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
    return repeated(depth, event, parsed);
  });
  if (repeated.first()) throw Mistake{"", fmt::format("key {} twice", quoted(*repeated.first()))};
  return json;
}

std::string line_and_column(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte > 0 ? byte - 1 : 0, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("line {}, column {}", line, before.size() - line_start + 1);
}

std::string as_size(uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  for (; bytes > 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size(); ++unit) bytes /= 1024;
  return fmt::format("{} {}", bytes, kUnits[unit]);
}

}  // namespace

NamedTuning built_in_tuning() {
  return {"built in",
          false,
          kBuiltInTuning,
          {"2026-11-21",
           "6.18.44",
           "Intel Xeon, 2 CPUs of a virtual machine",
           "bench/paths --paths auto-memory,auto-sendfile,auto-splice --seconds 0.2",
           "d0b87ad",
           {}}};
}

net::Result<NamedTuning> parse_tuning(const std::string& name, std::string_view text) {
  try {
    return read_tuning(name, parse_strictly(text));
  } catch (const Mistake& mistake) {
    return net::fail(fmt::format("{}: {}{}{}", name, mistake.place,
                                 mistake.place.empty() ? "" : " ", mistake.what),
                     0, kAdvice);
  } catch (const Json::parse_error& error) {
    return net::fail(fmt::format("{}: {}: not JSON", name, line_and_column(text, error.byte)), 0,
                     kAdvice);
  } catch (const Json::out_of_range& error) {
    // "[json.exception.out_of_range.406] number overflow parsing '1e999'"
    const std::string_view what(error.what());
    return net::fail(fmt::format("{}: {:.100}", name, what.substr(what.find("] ") + 2)), 0,
                     kAdvice);
  }
}

net::Result<NamedTuning> load_tuning(const std::string& path) {
  auto text = net::read_file(path, kTuningFileBytesMax);
  if (!text) return net::fail(text.error().what, text.error().errno_value, kAdvice);
  return parse_tuning(path, *text);
}

std::string tuning_json(const NamedTuning& named) {
  const Measured& measured = named.measured;
  Json bands = Json::array();
  for (const Band& band : named.tuning.bands) {
    Json entry = Json::object();
    const bool last = band.up_to_bytes == Tuning::kNoLimit;
    if (!last) entry["up_to_bytes"] = band.up_to_bytes;
    entry["path"] = name_of(band.path);
    bands.push_back(std::move(entry));
    if (last) break;
  }
  const Json json = {{"format", kFormat},
                     {"measured",
                      {{"date", measured.date},
                       {"kernel", measured.kernel},
                       {"cpu", measured.cpu},
                       {"command", measured.command},
                       {"commit", measured.commit},
                       {"notes", measured.notes}}},
                     {"memory_body_bytes_max", named.tuning.memory_body_bytes_max},
                     {"bands", bands}};
  return json.dump(2) + '\n';
}

std::string describe(const NamedTuning& named) {
  std::string text = fmt::format("{} ({}, {}, Linux {}): memory up to {}", named.name,
                                 named.measured.command, named.measured.date, named.measured.kernel,
                                 as_size(named.tuning.memory_body_bytes_max));
  for (const Band& band : named.tuning.bands) {
    text += fmt::format(", {}", name_of(band.path));
    if (band.up_to_bytes == Tuning::kNoLimit) break;
    text += fmt::format(" up to {}", as_size(band.up_to_bytes));
  }
  return text;
}

}  // namespace ringserve::send

// Builds request heads from the plan. The alias table gives a choice by Zipf's law in constant
// time, however many paths there are.
#include "client/load/engine/requests.h"

#include <fmt/format.h>
#include <strings.h>

#include <cmath>
#include <numeric>

namespace ringload {
namespace {

bool names_field(const std::string& header, std::string_view name) {
  return header.size() > name.size() && header[name.size()] == ':' &&
         ::strncasecmp(header.data(), name.data(), name.size()) == 0;
}

std::string write_request(const Plan& plan, const Target& target, const std::string& path,
                          bool closing) {
  std::string text = fmt::format("{} {} HTTP/1.{}\r\n", plan.method, path, plan.http_minor);
  bool has_host = false;
  bool has_connection = false;
  bool has_length = false;
  for (const std::string& header : plan.headers) {
    has_host |= names_field(header, "Host");
    has_connection |= names_field(header, "Connection");
    has_length |= names_field(header, "Content-Length");
  }
  if (!has_host) text += fmt::format("Host: {}\r\n", target.host_header);
  if (!has_connection) {
    // RFC 9112 section 9.3: HTTP/1.0 closes unless asked not to, HTTP/1.1 the other way round.
    if (closing && plan.http_minor == 1) text += "Connection: close\r\n";
    if (!closing && plan.http_minor == 0) text += "Connection: keep-alive\r\n";
  }
  // RFC 9110 section 8.6: a method that may have content says that there is none.
  const bool may_have_content =
      plan.method == "POST" || plan.method == "PUT" || plan.method == "PATCH";
  if (may_have_content && !has_length) text += "Content-Length: 0\r\n";
  for (const std::string& header : plan.headers) text += header + "\r\n";
  return text + "\r\n";
}

}  // namespace

RequestSet::RequestSet(const Plan& plan, const Target& target) {
  requests_.reserve(target.paths.size());
  const bool server_closes = plan.close_by == CloseBy::server && plan.requests_per_connection > 0;
  for (const std::string& path : target.paths) {
    requests_.push_back({write_request(plan, target, path, false),
                         server_closes ? write_request(plan, target, path, true) : std::string(),
                         path});
  }
  if (plan.zipf_exponent) weigh(*plan.zipf_exponent);
}

void RequestSet::weigh(double zipf_exponent) {
  const size_t count = requests_.size();
  std::vector<double> share(count);
  for (size_t i = 0; i < count; ++i) {
    share[i] = std::pow(static_cast<double>(i + 1), -zipf_exponent);
  }
  const double sum = std::accumulate(share.begin(), share.end(), 0.0);
  std::vector<uint32_t> small;
  std::vector<uint32_t> large;
  for (size_t i = 0; i < count; ++i) {
    share[i] *= static_cast<double>(count) / sum;
    (share[i] < 1 ? small : large).push_back(static_cast<uint32_t>(i));
  }
  keep_.assign(count, uint64_t{1} << 32);
  alias_.resize(count);
  std::iota(alias_.begin(), alias_.end(), 0U);
  while (!small.empty() && !large.empty()) {
    const uint32_t less = small.back();
    small.pop_back();
    const uint32_t more = large.back();
    keep_[less] = static_cast<uint64_t>(share[less] * 4294967296.0);
    alias_[less] = more;
    share[more] -= 1 - share[less];
    if (share[more] < 1) {
      large.pop_back();
      small.push_back(more);
    }
  }
}

uint32_t RequestSet::choose(std::mt19937_64& random) const {
  if (requests_.size() == 1) return 0;
  const uint64_t number = random();
  const auto column = static_cast<uint32_t>((uint64_t{size()} * (number >> 32)) >> 32);
  if (keep_.empty()) return column;
  return (number & 0xFFFFFFFF) < keep_[column] ? column : alias_[column];
}

}  // namespace ringload

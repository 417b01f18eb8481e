// The list is short and asked for while starting only, so a look-up goes through all of it.
#include "server/config/settings.h"

#include <algorithm>
#include <iterator>

namespace ringserve::config {

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = [] {
    std::vector<Setting> list;
    for (auto part : {process_settings, site_settings, limit_settings, log_settings}) {
      std::ranges::move(part(), std::back_inserter(list));
    }
    return list;
  }();
  return all;
}

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(settings(), name, &Setting::name);
  return found == settings().end() ? nullptr : &*found;
}

}  // namespace ringserve::config

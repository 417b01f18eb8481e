// The numbers of a Snapshot as people read them: what the status page shows, in its order. Made
// once here, so that the page as the server writes it and as the script keeps it say the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/admin/history.h"
#include "server/admin/snapshot.h"

namespace ringserve::admin {

struct Figure {
  std::string label;
  std::string value;
  std::string remark{};   // may be empty
  bool alarming = false;  // something an administrator should look at
};

struct Table {
  std::string title;
  std::vector<Figure> rows;
};

std::vector<Figure> headline(const Snapshot& now, const History& history);
std::vector<Table> tables(const Snapshot& now, const History& history);

std::string grouped(uint64_t number);          // "1,234,567"
std::string bytes_text(double bytes);          // "1.23 MB"; powers of 1000
std::string duration_text(double duration_s);  // "3 d 4 h", "2 min 5 s"

}  // namespace ringserve::admin

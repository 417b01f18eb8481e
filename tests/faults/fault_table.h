// server/FAULTS.md as the tests read it: every row of its table is something that is done and
// judged, so the document says what the server does, or a test fails.
#pragma once

#include <string>
#include <vector>

#include "tests/faults/fault_test.h"

namespace faults {

// One fault of one row.
struct Row {
  std::string text;     // for messages
  std::string path;     // the server's send path
  std::string request;  // a scene: scenes.h
  Fault fault{};
  std::string outcome;  // "whole", "reset", "503"
  std::string said;     // words in the server's log; empty: it says nothing
};

struct FaultDocument {
  std::vector<Row> rows;
  std::string rest;  // behind the rows: what tests of their own do
};

// Throws, with the line, what it does not understand.
FaultDocument read_fault_document();

}  // namespace faults

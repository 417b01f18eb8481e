// What the programs say to a mistake on their command line: what was wrong, and what was probably
// meant.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

constexpr int kExitUsage = 2;

// The name that `wrong` was probably meant to be, by Levenshtein's distance; empty if none is near.
std::string nearest_name(const std::vector<std::string>& names, std::string_view wrong);

int report(const CLI::App& app, const CLI::ParseError& error);

// "PROGRAM: error: MESSAGE" and where to find help; returns kExitUsage.
int report_usage_error(const std::string& program, const std::string& message);

}  // namespace cli

// What is known about kernel parameters and limits, whatever their values are: the table is in the
// TOML files beside this one, which the build puts into the program. It knows nothing of the
// machine it runs on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringtune {

enum class Scope {
  network,  // each network namespace has its own
  host,     // one for all, however many namespaces there are
  user,     // each user namespace has its own
  process,  // a limit of getrlimit(2), no sysctl
};

// Whose lowering hurts: which part of the value is compared.
enum class RaiseOnly { no, number, last, ports };

// A value that is not set, however many lists say so.
struct Refusal {
  std::string when;  // "any", "lower" than the present one, or a value
  std::string why;
};

struct Parameter {
  std::string name;   // as sysctl(8) writes it, or RLIMIT_...
  std::string brief;  // half a sentence
  std::string does;   // on this kernel
  std::string unit;
  std::string default_value;  // empty where the memory or the build decides, or it is empty
  std::string default_from;
  std::string range;
  std::string read_by;  // function and file of the kernel
  Scope scope = Scope::network;
  bool for_serve = false;  // it can limit a server, or a load test; if neither, it limits none
  bool for_load = false;
  std::string kubernetes;  // "safe since 1.29"; empty: not on the list
  std::string gone;        // the Linux that removed it; empty: it is there
  RaiseOnly raise_only = RaiseOnly::no;
  std::string folklore;
  std::string note;        // of kernel-notes, without .md; may be empty
  std::string experiment;  // "Suite.name" of that note; may be empty
  std::vector<Refusal> refusals;
};

// In the order of the files. Throws std::runtime_error if one of them is broken, which a test
// would have found.
const std::vector<Parameter>& catalogue();

// By its whole name, or by what comes after its last dot if only one parameter ends so; slashes
// do for dots. nullptr if there is none.
const Parameter* find_parameter(std::string_view name);

// The name that `wrong` was probably meant to be; empty if none is near.
std::string near_parameter(std::string_view wrong);

// Whether `wanted` is less than `present`, of a parameter that should only be raised. False where
// one of them is not what the parameter holds.
bool lowers(const Parameter& parameter, std::string_view present, std::string_view wanted);

// Why `wanted` is not to be set; nullptr if nothing speaks against it.
const Refusal* refusal_of(const Parameter& parameter, std::string_view present,
                          std::string_view wanted);

// "network namespace", "host", ...
std::string_view scope_words(Scope scope);

}  // namespace ringtune

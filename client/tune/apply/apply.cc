// Everything that can be found out is found out before the first write; then the way back is
// written; then the parameters, with signals held off, and after a failure those already written
// get their old values again.
#include "client/tune/apply/apply.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "client/tune/apply/compare.h"
#include "client/tune/apply/undo_file.h"
#include "client/tune/conf/values.h"
#include "client/tune/output.h"

namespace ringtune {
namespace {

constexpr const char* kFooter =
    "Asks before it changes anything. What was there is written to FILE.undo first. If one value\n"
    "is refused by the kernel, all go back to what they were. Values that the catalogue refuses "
    "by\n"
    "name, and maxima that would be lowered, need --anyway: ringtune diff FILE says why.\n"
    "Exit status: 0 done, or nothing to do; 2 nothing was changed, and why.";

struct ApplyOptions {
  std::string file;
  std::string undo;
  bool dry_run = false;
  bool yes = false;
  bool anyway = false;
};

// Nothing stops between the first write and the last, but what cannot be stopped.
class SignalsHeldOff {
 public:
  SignalsHeldOff() {
    sigset_t held;
    sigemptyset(&held);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&held, number);
    (void)::sigprocmask(SIG_BLOCK, &held, &before_);
  }
  ~SignalsHeldOff() { (void)::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeldOff(const SignalsHeldOff&) = delete;
  SignalsHeldOff& operator=(const SignalsHeldOff&) = delete;

 private:
  sigset_t before_{};
};

// What is to be changed; or why nothing may be.
net::Result<std::vector<Comparison>> changes_of(const std::vector<Comparison>& all, bool anyway) {
  std::vector<Comparison> changes;
  for (const Comparison& one : all) {
    const std::string where = fmt::format("line {}: {}", one.wanted.line, one.wanted.name);
    if (one.state == State::missing || one.state == State::unreadable) {
      if (!one.is_needed()) continue;
      return net::fail(where + ": " + one.error, 0,
                       "take the line out, or put a '-' before the name");
    }
    if (one.state == State::equal) continue;
    if (!one.objection.empty() && !anyway) {
      return net::fail(where + " = " + one.wanted.value + ": " + one.objection, 0,
                       "take the line out, or say --anyway");
    }
    changes.push_back(one);
  }
  return changes;
}

net::Status ask(size_t count, const ApplyOptions& options) {
  if (options.yes) return {};
  if (options.file == "-" || ::isatty(STDIN_FILENO) != 1) {
    return net::fail("nobody is there to be asked", 0, "say --yes, or --dry-run");
  }
  fmt::print("Change {} {} of the running system? [y/N] ", count,
             count == 1 ? "parameter" : "parameters");
  std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return net::fail("not confirmed", 0);
}

// Back to what was, the last first. The first failure is told, the others are tried all the same.
net::Status go_back(const ProcSys& proc_sys, const std::vector<Comparison>& written) {
  net::Status first_failure;
  for (auto one = written.rbegin(); one != written.rend(); ++one) {
    auto status = proc_sys.write(one->wanted.path, one->present);
    if (!status && first_failure) first_failure = std::move(status);
  }
  return first_failure;
}

struct Outcome {
  size_t count = 0;
  std::string remarks;
  std::optional<net::Error> failure;
  bool is_as_before = false;  // after a failure: everything could be taken back
};

Outcome write_all(const ProcSys& proc_sys, const std::vector<Comparison>& changes) {
  const SignalsHeldOff signals;
  std::vector<Comparison> done;
  Outcome outcome;
  for (const Comparison& change : changes) {
    if (const auto status = proc_sys.write(change.wanted.path, change.wanted.value); !status) {
      if (change.wanted.may_fail) {
        outcome.remarks += fmt::format("left out: {}\n", status.error().message());
        continue;
      }
      const auto back = go_back(proc_sys, done);
      outcome.failure = status.error();
      outcome.is_as_before = back.has_value();
      outcome.failure->advice +=
          back ? fmt::format("; everything is as it was ({} taken back)", done.size())
               : "; AND TAKING BACK FAILED: " + back.error().message();
      return outcome;
    }
    done.push_back(change);
    const auto now = proc_sys.read(change.wanted.path);
    if (now && !same_value(change.wanted.name, *now, change.wanted.value)) {
      outcome.remarks += fmt::format("the kernel made {} of {} = {}\n", tidy_value(*now),
                                     change.wanted.name, change.wanted.value);
    }
  }
  outcome.count = done.size();
  return outcome;
}

int change_them(const ProcSys& proc_sys, const std::vector<Comparison>& changes,
                const ApplyOptions& options) {
  const std::string undo = !options.undo.empty() ? options.undo
                           : options.file == "-" ? std::string()
                                                 : options.file + ".undo";
  if (undo.empty()) {
    return trouble(
        net::Error{"the standard input has no name for the way back", 0, "name a file by --undo"});
  }
  if (auto asked = ask(changes.size(), options); !asked) return trouble(asked.error());
  if (auto status = write_undo_file(undo, options.file, changes); !status) {
    return trouble(status.error());
  }
  const Outcome outcome = write_all(proc_sys, changes);
  if (outcome.failure) {
    // A way back that leads to where we are would only stand in the way of the next apply.
    if (outcome.is_as_before) (void)::unlink(undo.c_str());
    return trouble(*outcome.failure);
  }
  return print(fmt::format("{}{} changed. The way back: ringtune apply --anyway {}\n",
                           outcome.remarks, outcome.count, undo));
}

int apply(const ApplyOptions& options) {
  const auto file = read_sysctl_file(options.file);
  if (!file) return trouble(file.error());
  if (!file->mistakes.empty()) {
    fmt::print(stderr, "{}", mistakes_text(options.file, *file));
    return kExitTrouble;
  }
  if (!options.dry_run && ::geteuid() != 0) {
    return trouble(
        net::Error{"apply changes the running system", EPERM, "run it as root, or with --dry-run"});
  }
  const auto proc_sys = ProcSys::open();
  if (!proc_sys) return trouble(proc_sys.error());
  const auto changes = changes_of(compare(*file, *proc_sys), options.anyway);
  if (!changes) return trouble(changes.error());
  if (changes->empty()) return print("Nothing to change: the system is as the file says.\n");
  std::string plan;
  for (const Comparison& change : *changes) {
    plan += fmt::format("{}: {} -> {}\n", change.wanted.name, shown(change.present),
                        shown(change.wanted.value));
    if (!change.objection.empty()) plan += fmt::format("  although {}\n", change.objection);
  }
  if (const int printed = print(plan); printed != kExitDone) return printed;
  if (options.dry_run) return print("Nothing was changed (--dry-run).\n");
  return change_them(*proc_sys, *changes, options);
}

}  // namespace

void add_apply(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("apply", "Set what a sysctl.d file says, with a way back");
  const auto options = std::make_shared<ApplyOptions>();
  command->add_option("FILE", options->file, "As ringtune emit writes it; root only")
      ->required()
      ->option_text(" ");
  command->add_option("--undo", options->undo, "Where the way back is written; default FILE.undo")
      ->option_text("FILE");
  command->add_flag("--dry-run", options->dry_run, "Only say what would be changed");
  command->add_flag("--yes", options->yes, "Do not ask");
  command->add_flag("--anyway", options->anyway, "Also what the catalogue speaks against");
  command->footer(kFooter);
  command->callback([&run, options] { run = [options] { return apply(*options); }; });
}

}  // namespace ringtune

"""The command line of bench/versus/run, checked. A mistake ends the program with status 2 and one
line that says what to do."""

import argparse
import dataclasses
import datetime
import pathlib
import shlex
import sys

from harness import namespace, needs, servers

import workloads

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build" / "release"  # what bench/setup builds
OURS, AGAIN, FLOOR = "ringserve", "ringserve-again", "floor"
SUBJECTS = (OURS, AGAIN, FLOOR, *servers.PEER_COMMANDS)
GENERATORS = ("ringload", "wrk")
PAIRS_FULL, SECONDS_FULL = 14, 1.0
PAIRS_QUICK, SECONDS_QUICK = 10, 0.12
PAIRS_MAX, SECONDS_MIN, SECONDS_MAX = 1000, 0.02, 60.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What decides the figures: a run goes on (--resume) with the same plan only."""
    subjects: tuple
    workloads: tuple
    generators: tuple
    pairs: int
    seconds: float
    congestion: str
    quick: bool

    def command(self):
        """What gives this plan again."""
        words = ["bench/versus/run", *(["--quick"] if self.quick else [])]
        usual = (PAIRS_QUICK, SECONDS_QUICK) if self.quick else (PAIRS_FULL, SECONDS_FULL)
        for option, value, default in (
                ("--subjects", ",".join(self.subjects), ",".join(SUBJECTS)),
                ("--workloads", ",".join(self.workloads), ",".join(usual_workloads(self.quick))),
                ("--generators", ",".join(self.generators), ",".join(usual_generators(self.quick))),
                ("--pairs", self.pairs, usual[0]), ("--seconds", self.seconds, usual[1]),
                ("--congestion", self.congestion, namespace.choose_congestion(None))):
            words += [f"{option} {value}"] if value != default else []
        return " ".join(words)


def usual_workloads(quick):
    return [name for name, workload in workloads.ALL.items() if workload.quick or not quick]


def usual_generators(quick):
    """wrk knows whole seconds only: too long for three minutes."""
    return GENERATORS[:1] if quick else GENERATORS


class Parser(argparse.ArgumentParser):
    """One line, instead of the usage and then the line."""

    def error(self, message):
        print(f"{self.prog}: {message} (--help, --list)", file=sys.stderr)
        sys.exit(2)


def make_parser():
    parser = Parser(prog="bench/versus/run", allow_abbrev=False, description=(
        "Measures ringserve side by side with nginx, h2o, lighttpd, caddy and the floor: fresh "
        "processes in a fresh network namespace for each sample, one CPU each for server and "
        "client, interleaved rounds, ratios with intervals, and an A/A control."),
        epilog="Exit status: 0 done, 1 something could not be measured, 2 a mistake on the "
               "command line, 4 the machine was too noisy (the results are written), 130 "
               "interrupted. 1, 4 and 130 leave what --resume needs, if sampling had begun.")
    parser.add_argument("--quick", action="store_true",
                        help="three minutes: fewer workloads, short samples, no wrk")
    parser.add_argument("--subjects", metavar="NAME,...",
                        help=f"of {', '.join(SUBJECTS)}; ringserve and its control always run")
    parser.add_argument("--workloads", metavar="NAME,...", help="see --list")
    parser.add_argument("--generators", metavar="NAME,...", help=f"of {', '.join(GENERATORS)}")
    parser.add_argument("--pairs", type=int, metavar="N",
                        help=f"rounds of each workload ({PAIRS_FULL}; --quick: {PAIRS_QUICK})")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help=f"length of a sample ({SECONDS_FULL}; --quick: {SECONDS_QUICK})")
    parser.add_argument("--congestion", type=namespace.congestion_argument, metavar="NAME|host",
                        help="TCP congestion control of the samples; reno when the machine's is "
                             "bbr, whose pacing hides everything else on a loopback")
    parser.add_argument("--output", type=pathlib.Path, metavar="DIR",
                        help="for result.json, table.md, report.html and samples.jsonl "
                             "(build/versus/DATE)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                        help="write the result there as well")
    parser.add_argument("--resume", type=pathlib.Path, metavar="DIR",
                        help="go on with the run that was interrupted and wrote there")
    parser.add_argument("--keep-files", type=pathlib.Path, metavar="DIR",
                        help="make the files to serve there and keep them for the next run; else "
                             "they are temporary")
    parser.add_argument("--build", type=pathlib.Path, default=BUILD,
                        metavar="DIR", help="where the programs are (build/release)")
    parser.add_argument("--no-setup", action="store_true",
                        help="install and build nothing: measure what is here")
    parser.add_argument("--list", action="store_true", help="list workloads and subjects, and end")
    return parser


def parse(arguments=None):
    """The namespace of argparse, with `plan` (None: as the resumed run's) and `output`."""
    parser = make_parser()
    given = parser.parse_args(arguments)
    given.build = given.build.resolve()
    chosen = (given.subjects, given.workloads, given.generators, given.pairs, given.seconds,
              given.congestion, given.output)
    if given.resume and (given.quick or any(value is not None for value in chosen)):
        parser.error("--resume goes on as the run was begun: leave out the options that chose it")
    given.output = given.resume or given.output or (
        TOP / "build" / "versus" / datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S"))
    check_places(given, parser)
    given.plan = None if given.resume else plan_of(given, parser)
    return given


def check_places(given, parser):
    """What would otherwise be found out when there is something to write."""
    if not given.resume and (trouble := needs.directory_trouble(given.output)):
        parser.error(f"--output {given.output}: {trouble}: name a directory to write into")
    if given.keep_files and (trouble := needs.directory_trouble(given.keep_files)):
        parser.error(f"--keep-files {given.keep_files}: {trouble}: name a directory to write into")
    if given.json and (given.json.is_dir() or needs.directory_trouble(given.json.parent)):
        parser.error(f"--json {given.json}: name a file in a directory you may write to")


def resume_command(given, program=sys.argv[0]):
    """What goes on with the run, in the same surroundings."""
    return shlex.join(str(word) for word in (
        program, "--resume", given.output,
        *(("--keep-files", given.keep_files) if given.keep_files else ()),
        *(("--build", given.build) if given.build != BUILD else ()),
        *(("--no-setup",) if given.no_setup else ()),
        *(("--json", given.json) if given.json else ())))


def plan_of(given, parser):
    subjects = names(given.subjects, SUBJECTS, SUBJECTS, "subject", parser)
    pairs = given.pairs if given.pairs is not None else (
        PAIRS_QUICK if given.quick else PAIRS_FULL)
    seconds = given.seconds if given.seconds is not None else (
        SECONDS_QUICK if given.quick else SECONDS_FULL)
    if not 1 <= pairs <= PAIRS_MAX:
        parser.error(f"--pairs: {pairs}: choose 1 to {PAIRS_MAX}")
    if not SECONDS_MIN <= seconds <= SECONDS_MAX:
        parser.error(f"--seconds: {seconds:g}: choose {SECONDS_MIN} to {SECONDS_MAX:g}")
    return Plan(
        subjects=tuple(name for name in SUBJECTS if name in {OURS, AGAIN, *subjects}),
        workloads=names(given.workloads, workloads.ALL, usual_workloads(given.quick), "workload",
                        parser),
        generators=names(given.generators, GENERATORS, usual_generators(given.quick), "generator",
                         parser),
        pairs=pairs, seconds=seconds, congestion=namespace.choose_congestion(given.congestion),
        quick=given.quick)


def names(text, known, default, what, parser):
    """Of a list with commas: each one known, none twice, in the usual order."""
    if text is None:
        return tuple(default)
    asked = [name.strip() for name in text.split(",")]
    for name in asked:
        if name not in known:
            parser.error(f"there is no {what} {name!r}; there are {', '.join(known)}")
    return tuple(name for name in known if name in asked)

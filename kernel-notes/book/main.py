"""Runs the experiments of the notes, tells what holds on this kernel, and keeps it: see --help."""

import argparse
import datetime
import os
import pathlib
import signal
import sys

import experiments
import notes
import results

HOLDS, DIFFERS, MISTAKE, INTERRUPTED = 0, 1, 2, 130


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="kernel-notes/run",
        description="Runs the experiments behind kernel-notes/ in private network namespaces, "
                    "prints what holds on this kernel, and writes kernel-notes/results/. Needs no "
                    "root. Exits with 0 if every claim holds or was skipped, 1 if one differs.")
    parser.add_argument("topics", nargs="*", metavar="TOPIC",
                        help="a note's number or name: 04, 4, listen-queue (default: all)")
    parser.add_argument("--quick", action="store_true",
                        help="leave out what waits for timers of the kernel; under a minute")
    parser.add_argument("--list", action="store_true", help="list the topics")
    parser.add_argument("--results", metavar="FILE", type=pathlib.Path,
                        help="where to keep the results (default: kernel-notes/results/KERNEL.json;"
                             " what was not run keeps what it had)")
    parser.add_argument("--markdown", nargs="?", metavar="FILE", type=pathlib.Path,
                        const=pathlib.Path(), help="run nothing: write the results of FILE "
                        "(default: this kernel's) into the notes' tables")
    parser.add_argument("--programs", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--check-arguments", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        options.topics = notes.find(options.topics)
    except notes.UnknownTopic as unknown:
        parser.error(f"there is no topic '{unknown}'; --list shows them")
    return options


def kernel():
    """The version without what a distribution or a host adds to it: '6.18'."""
    return ".".join(os.uname().release.split("-")[0].split(".")[:2])


def write_markdown(options, file):
    found = results.read(file)
    if found is None:
        sys.exit(f"kernel-notes/run: {file} is not there; run the experiments first")
    changed, missing = notes.fill(options.topics, found)
    print(f"{file.name}: {changed} of {len(options.topics)} notes changed")
    for name in missing:
        print(f"  no result for {name}; its cell was left as it was")
    return DIFFERS if missing else HOLDS


def run(options, file):
    pcaps = file.parent / file.stem
    pcaps.mkdir(parents=True, exist_ok=True)
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        found = experiments.run(options.programs, options.topics, options.quick, pcaps)
    except experiments.Broken as broken:
        sys.exit(f"kernel-notes/run: {broken}")
    if not any(pcaps.iterdir()):
        pcaps.rmdir()
    results.write(file, kernel(), started, found)
    print(results.table(found), end="")
    seconds = (datetime.datetime.now(datetime.timezone.utc) - started).total_seconds()
    print(f"\nLinux {kernel()}: {results.summary(found)}, in {seconds:.0f} s; kept in {file}")
    return DIFFERS if results.any_differs(found) else HOLDS


def main():
    options = parse(sys.argv[1:])
    if options.check_arguments:
        return HOLDS
    if options.list:
        for topic in options.topics:
            print(f"{topic.number}  {topic.title}")
        return HOLDS
    file = options.results or notes.HERE / "results" / f"{kernel()}.json"
    if options.markdown is not None:
        return write_markdown(options, options.markdown if options.markdown.name else file)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(options, file)
    except KeyboardInterrupt:
        print("\nkernel-notes/run: stopped; nothing was kept", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

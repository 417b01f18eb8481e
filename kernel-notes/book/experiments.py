"""Runs the programs of the notes beside each other and reads what GoogleTest says of them. The
quick experiments of a topic are one process, each slow one is a process of its own: it waits."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SLOW = "*Slow.*"
QUICK_TOGETHER = 2          # processes; they compute
PROGRAM_SECONDS_MAX = 200   # beyond, a program is taken to hang
LOOK_AGAIN_SECONDS = 0.02
MESSAGE_BYTES_MAX = 300     # of a failed expectation

Job = collections.namedtuple("Job", "topic program filter")


class Broken(Exception):
    pass


class Running:
    """A program at work, in a directory of its own."""

    def __init__(self, job, pcaps):
        self.job = job
        self.started = time.monotonic()
        self.directory = tempfile.TemporaryDirectory(prefix="kernel-notes-")
        self.report = pathlib.Path(self.directory.name) / "report.json"
        self.log = open(pathlib.Path(self.directory.name) / "log", "w+b")
        self.process = subprocess.Popen(
            [job.program, f"--gtest_filter={job.filter}", f"--gtest_output=json:{self.report}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            env=os.environ | {"KERNEL_NOTES_PCAP": str(pcaps)})

    def is_over(self):
        if time.monotonic() - self.started > PROGRAM_SECONDS_MAX:
            self.process.kill()
        return self.process.poll() is not None

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self):
        self.log.close()
        self.directory.cleanup()

    def found(self):
        """The results; a program that died before it wrote a report is an error of the book's."""
        try:
            report = json.loads(self.report.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            self.log.seek(0)
            last = self.log.read()[-2000:].decode(errors="replace")
            raise Broken(f"{self.job.program.name} {self.job.filter} ended with "
                         f"{self.process.returncode} and no report:\n{last}") from None
        return list(read(report, self.job.topic))


def read(report, topic):
    """GoogleTest's report as results of this book."""
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            if test["result"] == "SUPPRESSED":
                continue
            outcome, measured = "holds", test.get("measured", "")
            if test["result"] == "SKIPPED":
                outcome, measured = "skipped", test.get("skipped", "")
            elif test.get("failures"):
                outcome = "differs"
                message = " ".join(test["failures"][0]["failure"].split())
                measured = measured or message[:MESSAGE_BYTES_MAX]
            yield {"topic": f"{topic.number}-{topic.slug}",
                   "experiment": f"{suite['name']}.{test['name']}", "line": test["line"],
                   "outcome": outcome, "measured": measured,
                   "seconds": float(test["time"].rstrip("s"))}


def slow_names(program):
    listed = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={SLOW}"],
                            capture_output=True, text=True, check=True).stdout
    suite, names = "", []
    for line in listed.splitlines():
        if line.startswith("  "):
            names.append(suite + line.split("#")[0].strip())
        elif line.split("#")[0].strip().endswith("."):
            suite = line.split("#")[0].strip()
    return names


def jobs_of(programs, topics, quick):
    """(those that compute, those that wait)"""
    computing, waiting = [], []
    for topic in topics:
        program = programs / topic.program
        if not program.exists():
            raise Broken(f"{program} is missing: a note without experiments, or a build that failed")
        computing.append(Job(topic, program, f"-{SLOW}"))
        if not quick:
            waiting += [Job(topic, program, name) for name in slow_names(program)]
    return computing, waiting


class Progress:
    """A line that is rewritten, on a terminal; else nothing until the end."""

    def __init__(self, total):
        self.total, self.done = total, 0
        self.is_terminal = sys.stderr.isatty()

    def show(self, running):
        if not self.is_terminal:
            return
        topics = sorted({each.job.topic.number for each in running})
        text = f"{self.done} of {self.total} programs done; running: {' '.join(topics)}"
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def run(programs, topics, quick, pcaps):
    """All results, in the order of the book."""
    computing, waiting = jobs_of(programs, topics, quick)
    progress = Progress(len(computing) + len(waiting))
    found, running = [], []
    try:
        running = [Running(job, pcaps) for job in waiting]
        slow = set(running)
        while running or computing:
            while computing and sum(each not in slow for each in running) < QUICK_TOGETHER:
                running.append(Running(computing.pop(0), pcaps))
            progress.show(running)
            over = [each for each in running if each.is_over()]
            for each in over:
                running.remove(each)
                progress.done += 1
                try:
                    found += each.found()
                finally:
                    each.close()
            if not over:
                time.sleep(LOOK_AGAIN_SECONDS)
    finally:
        for each in running:
            each.stop()
        progress.end()
    return sorted(found, key=lambda each: (each["topic"], each["line"]))

"""The parts of bench/versus/run that measure nothing: what it checks before the first sample, its
journal, and how an interrupted run ends."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(TOP / "bench"), str(TOP / "bench" / "versus")]

import journal  # noqa: E402
import options  # noqa: E402
import results  # noqa: E402
import workloads  # noqa: E402
from campaign import Campaign  # noqa: E402
from harness import needs, paired, site  # noqa: E402
from journal import CannotResume, Journal  # noqa: E402


def load_run():
    path = str(TOP / "bench" / "versus" / "run")
    loader = importlib.machinery.SourceFileLoader("versus_run", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("versus_run", loader))
    loader.exec_module(module)
    return module


run = load_run()
HEADER = {"format": journal.FORMAT, "plan": {"subjects": ["ringserve", "caddy"], "quick": False},
          "commit": "abc", "digests": {"ringserve": "0123456789abcdef"},
          "versions": {"nginx": "1.22"}, "kernel": "6.1", "started_at": "2030-01-02T03:04:05+00:00",
          "machine": {}}


class Directory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ringserve-bench-test-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)


def free(size_bytes=10**12, inodes=10**9, has_inodes=True):
    return types.SimpleNamespace(f_bavail=size_bytes // 4096, f_frsize=4096, f_favail=inodes,
                                 f_files=inodes if has_inodes else 0)


class RoomTest(Directory):
    def wanted(self, *names):
        wanted = needs.Wanted(self.directory / "site")
        for name in names:
            wanted.asker = name
            workloads.ALL[name].load(wanted)
        return wanted

    def test_every_workload_can_be_asked_without_making_a_file(self):
        self.assertGreater(len(self.wanted(*workloads.ALL).parts), 4)
        self.assertEqual([], list(self.directory.iterdir()))

    def test_where_there_is_room_nothing_is_said(self):
        needs.require_room(self.directory, self.wanted(*workloads.ALL), free())

    def test_too_few_inodes_are_told_with_the_workload_that_takes_them(self):
        wanted = self.wanted("small", "million")
        with self.assertRaisesRegex(needs.Missing, r"1,010,001 inodes \(million: 1,010,000\), "
                                    "999 are free: .*--keep-files"):
            needs.require_room(self.directory, wanted, free(inodes=999))
        needs.require_room(self.directory, wanted, free(inodes=0, has_inodes=False))

    def test_too_little_space_is_told(self):
        with self.assertRaisesRegex(needs.Missing, r"601 MB \(cold: 600\), 500 are free"):
            needs.require_room(self.directory, self.wanted("small", "cold"),
                               free(size_bytes=501 * 10**6 + needs.SPARE_BYTES))

    def test_what_is_there_already_takes_nothing(self):
        (self.directory / "million.txt").touch()
        (self.directory / "cold.txt").touch()
        (self.directory / "site").mkdir()
        (self.directory / "site" / "1024-bytes.bin").touch()
        needs.require_room(self.directory, self.wanted("million", "cold"), free(0, 0))

    def test_files_of_the_same_size_are_counted_once(self):
        self.assertEqual(1, len(self.wanted("small", "idle", "c1").parts))

    def test_the_mixed_site_takes_what_it_is_made_of(self):
        (size_bytes, inodes, _), = self.wanted("mixed").parts.values()
        self.assertEqual(site.MIXED_FILES + 100, inodes)
        self.assertGreater(size_bytes, sum(site.mixed_sizes()))

    def test_a_file_system_without_a_disk_is_told(self):
        with (mock.patch.object(site, "drop_from_page_cache", side_effect=OSError("it stays")),
              self.assertRaisesRegex(needs.Missing, "not on a disk, which cold reads from")):
            needs.require_disk(self.directory, "cold")
        self.assertEqual([], list(self.directory.iterdir()))

    def test_a_run_checks_all_its_workloads(self):
        with (mock.patch.object(run.sample, "run"),
              mock.patch.object(needs, "require_disk") as disk,
              mock.patch.object(needs, "require_descriptors") as descriptors,
              mock.patch.object(needs, "require_room") as room):
            run.require_machine(["small", "cold", "c4096"], "reno", self.directory)
        disk.assert_called_once_with(self.directory, "cold")
        self.assertEqual([mock.call("small", 64), mock.call("cold", 8), mock.call("c4096", 4096)],
                         descriptors.call_args_list)
        self.assertEqual({"small", "cold"},
                         {asker for *_, asker in room.call_args.args[1].parts.values()})

    def test_too_few_descriptors_are_told_with_the_number_needed(self):
        idle = workloads.ALL["idle"].load(needs.Wanted(self.directory / "site")).connections
        needs.require_descriptors("idle", idle, limit=9152)
        with self.assertRaisesRegex(needs.Missing, "idle needs 9,152 descriptors, the hard limit "
                                    "is 9,151 .*ulimit -Hn 9152"):
            needs.require_descriptors("idle", idle, limit=9151)


class PlacesTest(Directory):
    def test_a_directory_that_can_be_made_is_no_trouble(self):
        for directory in (self.directory, self.directory / "a" / "b"):
            self.assertIsNone(needs.directory_trouble(directory))

    def test_a_file_in_the_way_is_named(self):
        file = self.directory / "file"
        file.touch()
        for directory in (file, file / "below"):
            self.assertEqual(f"{file} is not a directory", needs.directory_trouble(directory))

    def test_a_directory_without_write_permission_is_named(self):
        with mock.patch.object(os, "access", return_value=False):
            self.assertIn("cannot be written to", needs.directory_trouble(self.directory / "a"))

    def test_the_command_that_resumes_keeps_the_surroundings(self):
        given = options.parse(["--output", str(self.directory / "a b"), "--quick"])
        self.assertEqual(f"run --resume '{self.directory}/a b'",
                         options.resume_command(given, "run"))
        given = options.parse(["--output", "/tmp/o", "--build", "/tmp/b", "--no-setup",
                               "--keep-files", "/tmp/k"])
        self.assertEqual("run --resume /tmp/o --keep-files /tmp/k --build /tmp/b --no-setup",
                         options.resume_command(given, "run"))

    def test_the_floor_has_help_of_its_own(self):
        done = subprocess.run([TOP / "bench" / "floor", "--quick", "--help"], capture_output=True,
                              text=True)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("usage: bench/floor", done.stdout)

    def test_the_floor_says_what_resumes(self):
        done = subprocess.run([TOP / "bench" / "floor", "--resume", "x"], capture_output=True,
                              text=True)
        self.assertEqual(2, done.returncode)
        self.assertIn("bench/versus/run --resume DIR", done.stderr)


class JournalTest(Directory):
    def setUp(self):
        super().setUp()
        self.path = self.directory / "samples.jsonl"

    def test_a_last_line_cut_off_anywhere_is_dropped(self):
        line = json.dumps({"failed": "µs – ✗"}, ensure_ascii=False).encode()
        for end in range(len(line)):
            self.path.unlink(missing_ok=True)
            Journal.begin(self.path, HEADER).add({"metrics": {"µ": 1}})
            whole = self.path.read_bytes()
            with open(self.path, "ab") as file:
                file.write(line[:end])
            loaded = Journal.load(self.path)
            self.assertEqual([{"metrics": {"µ": 1}}], loaded.records)
            self.assertEqual(whole, self.path.read_bytes())

    def test_what_is_no_journal_is_told_in_one_line(self):
        for written in (b"", b"{", b"\xff\n", b"{}\n", b'{"format": "another"}\n'):
            self.path.write_bytes(written)
            with self.subTest(written), self.assertRaisesRegex(CannotResume, "^.*begin a new run$"):
                Journal.load(self.path)

    def refusal(self, **changes):
        with self.assertRaises(CannotResume) as caught:
            Journal(self.path, HEADER, []).require_same(HEADER | changes)
        return str(caught.exception)

    def test_what_is_the_same_may_go_on(self):
        Journal(self.path, HEADER, []).require_same(HEADER | {"started_at": "later"})

    def test_what_differs_is_named_with_what_to_do(self):
        plan = HEADER["plan"] | {"subjects": ["ringserve"]}
        for changes, difference, advice in (
                ({"plan": plan}, "--subjects was ringserve,caddy, is now ringserve.",
                 "bench/setup"),
                ({"commit": "def"}, "commit was abc, is now def.", "check out that commit"),
                ({"digests": {"ringserve": "f" * 16}},
                 "ringserve is another build (01234567, now ffffffff)", "build that commit"),
                ({"versions": {"nginx": "1.24", "wrk": "4"}},
                 "the version of nginx was 1.22, is now 1.24; the version of wrk was nothing, is "
                 "now 4", "install those versions"),
                ({"kernel": "6.2"}, "kernel was 6.1, is now 6.2", "boot that kernel")):
            with self.subTest(changes):
                refusal = self.refusal(**changes)
                self.assertIn(difference, refusal)
                self.assertIn(advice, refusal)
                self.assertNotIn("\n", refusal)
                self.assertTrue(refusal.endswith("begin a new run"))

    def test_all_that_differs_is_named(self):
        refusal = self.refusal(commit="def", kernel="6.2")
        self.assertIn("commit was abc", refusal)
        self.assertIn("kernel was 6.1", refusal)


class PartialTest(Directory):
    """A result of a run that was interrupted, with the statistics made up."""

    def campaign(self, rounds, pairs=8):
        plan = options.Plan(subjects=("ringserve", "ringserve-again"), workloads=("small", "1m"),
                            generators=("ringload",), pairs=pairs, seconds=1.0, congestion="reno",
                            quick=False)
        records = [{"workload": "small", "generator": "ringload", "round": number,
                    "subject": subject, "metrics": {"cpu_us_per_request": 2.0 + number % 2},
                    "others_cpu_share": 0.0}
                   for number in range(rounds) for subject in plan.subjects]
        written = Journal(self.directory / "samples.jsonl", HEADER, records)
        setting = types.SimpleNamespace(build=self.directory)
        return Campaign(plan, setting, None, written)

    def test_fewer_rounds_than_an_interval_takes_are_not_worth_a_report(self):
        self.assertFalse(results.tells_something(self.campaign(0)))
        self.assertFalse(results.tells_something(self.campaign(5)))
        self.assertTrue(results.tells_something(self.campaign(6)))

    def test_only_what_has_samples_left_is_unfinished(self):
        self.assertEqual(["small", "1m"], self.campaign(7).unfinished())
        self.assertEqual(["1m"], self.campaign(8).unfinished())

    def test_the_result_says_how_much_is_missing(self):
        def answers(_build, comparisons, _confidence=0.95):
            return [{"pairs": len(one["pairs"]), "ratio": 1.0, "low": 0.9, "high": 1.1,
                     "verdict": "unclear"} for one in comparisons]

        with mock.patch.object(paired, "compare_all", answers):
            part = results.assemble(self.campaign(6), "now", partial=True)
            whole = results.assemble(self.campaign(6), "now")
        self.assertEqual("interrupted: 12 of 32 samples were measured", part["reasons"][0])
        self.assertEqual((True, False), (part["partial"], whole["partial"]))
        self.assertEqual(part["reasons"][1:], whole["reasons"])
        json.dumps(part)

    def interrupted(self, rounds, assemble):
        """What is said, and the results that are written."""
        given = options.parse(["--output", str(self.directory)])
        said, written = io.StringIO(), []
        with (mock.patch.object(results, "assemble", assemble), contextlib.redirect_stderr(said),
              mock.patch.object(run, "write", lambda result, _given: written.append(result))):
            self.assertEqual(130, run.interrupted(self.campaign(rounds), given))
        self.assertTrue(said.getvalue().endswith(f" --resume {self.directory}\n"))
        return said.getvalue(), written

    def test_an_interrupt_leaves_a_report_where_it_tells_something(self):
        def assemble(_campaign, _finished_at, partial):
            return partial

        self.assertEqual([], self.interrupted(5, assemble)[1])
        self.assertEqual([True], self.interrupted(6, assemble)[1])

    def test_what_resumes_is_said_even_if_there_can_be_no_report(self):
        refusal = mock.Mock(side_effect=paired.StatisticsFailed("no statistics today"))
        self.assertIn("no statistics today", self.interrupted(6, refusal)[0])


if __name__ == "__main__":
    unittest.main()

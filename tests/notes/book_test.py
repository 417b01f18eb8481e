#!/usr/bin/env python3
"""kernel-notes/: that notes, experiments and index agree, and that the book tells the truth about
what its programs report."""

import datetime
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
NOTES = TOP / "kernel-notes"
PROGRAMS = pathlib.Path(os.environ.get("RINGSERVE_BUILD", TOP / "build/release")) / "kernel-notes"
sys.dont_write_bytecode = True
sys.path.insert(0, str(NOTES / "book"))

import experiments  # noqa: E402
import notes  # noqa: E402
import results  # noqa: E402

TEST = re.compile(r"^TEST_F\((\w+), (\w+)\)", re.MULTILINE)
TABLE = """# A note
| claim | expected | measured on 5.10 | experiment |
|---|---|---|---|
| One | 1 | old | `Suite.one` |
| Two | 2 | | `Suite.two` |

| another | table | with four | columns |
|---|---|---|---|
| a | b | c | `Suite.one` |
"""


def result(name, outcome="holds", measured="seen", topic="04-listen-queue", line=1):
    return {"topic": topic, "experiment": name, "line": line, "outcome": outcome,
            "measured": measured, "seconds": 0.1}


def report(*tests):
    """GoogleTest's JSON for these tests: (name, extra fields)."""
    suite = [{"name": name, "line": 7, "result": "COMPLETED", "time": "0.5s"} | extra
             for name, extra in tests]
    return {"testsuites": [{"name": "Suite", "testsuite": suite}]}


class NotesAgree(unittest.TestCase):
    def test_every_topic_of_the_plan_is_there(self):
        numbers = [topic.number for topic in notes.all_topics()]
        self.assertEqual([f"{number:02}" for number in range(1, 21)], numbers)

    def test_each_row_has_its_experiment_and_each_experiment_its_row(self):
        for topic in notes.all_topics():
            with self.subTest(topic.slug):
                rows = notes.claims(topic.note.read_text())
                self.assertNotIn(None, [row for _, row in rows], "a row without four cells")
                written = [notes.experiment_of(row) for _, row in rows]
                tests = [".".join(match) for match in TEST.findall(topic.source.read_text())]
                self.assertEqual(sorted(tests), sorted(written))

    def test_each_row_has_been_measured(self):
        for topic in notes.all_topics():
            for _, row in notes.claims(topic.note.read_text()):
                with self.subTest(row[notes.EXPERIMENT]):
                    self.assertTrue(row[notes.MEASURED])

    def test_links_of_the_index_lead_somewhere(self):
        text = (NOTES / "README.md").read_text()
        targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
        self.assertGreater(len(targets), 20)
        for target in targets:
            with self.subTest(target):
                self.assertTrue((NOTES / target).exists())
        for topic in notes.all_topics():
            self.assertIn(topic.note.name, targets)


class Tables(unittest.TestCase):
    def test_measurements_are_written_into_their_rows(self):
        found = {"Suite.one": result("Suite.one", measured="a | b"),
                 "Suite.two": result("Suite.two", "differs", "3")}
        text, missing = notes.filled(TABLE, "6.18", found)
        self.assertEqual([], missing)
        self.assertIn("| claim | expected | measured on 6.18 | experiment |", text)
        self.assertIn("| One | 1 | a / b | `Suite.one` |", text)
        self.assertIn("| Two | 2 | **differs**: 3 | `Suite.two` |", text)
        self.assertIn("| a | b | c | `Suite.one` |", text)

    def test_a_second_time_changes_nothing(self):
        found = {"Suite.one": result("Suite.one"), "Suite.two": result("Suite.two", "skipped")}
        once, _ = notes.filled(TABLE, "6.18", found)
        self.assertEqual(once, notes.filled(once, "6.18", found)[0])

    def test_an_experiment_without_a_result_is_named_and_its_cell_left(self):
        text, missing = notes.filled(TABLE, "6.18", {"Suite.two": result("Suite.two")})
        self.assertEqual(["Suite.one"], missing)
        self.assertIn("| One | 1 | old | `Suite.one` |", text)

    def test_topics_are_found_by_number_name_and_file(self):
        for word in ("4", "04", "listen-queue", "04-listen-queue", "kernel-notes/04-listen-queue.md"):
            self.assertEqual(["04"], [topic.number for topic in notes.find([word])])
        with self.assertRaises(notes.UnknownTopic):
            notes.find(["4", "nonsense"])


class Reports(unittest.TestCase):
    topic = notes.Topic("04", "listen-queue")

    def read(self, *tests):
        return list(experiments.read(report(*tests), self.topic))

    def test_outcomes(self):
        held, failed, silent, skipped = self.read(
            ("held", {"measured": "5"}),
            ("failed", {"measured": "6", "failures": [{"failure": "Expected 5"}]}),
            ("silent", {"failures": [{"failure": "C++ exception\nwith connect: refused"}]}),
            ("skipped", {"result": "SKIPPED", "skipped": "Linux 9.9 is needed"}))
        self.assertEqual(("holds", "5"), (held["outcome"], held["measured"]))
        self.assertEqual(("differs", "6"), (failed["outcome"], failed["measured"]))
        self.assertEqual(("differs", "C++ exception with connect: refused"),
                         (silent["outcome"], silent["measured"]))
        self.assertEqual(("skipped", "Linux 9.9 is needed"),
                         (skipped["outcome"], skipped["measured"]))

    def test_a_result_that_was_not_renewed_is_kept(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "6.18.json"
            results.write(file, "6.18", now, [result("S.a", measured="1"), result("S.b", line=2)])
            results.write(file, "6.18", now, [result("S.a", measured="2")])
            found = results.read(file)["experiments"]
        self.assertEqual([("S.a", "2"), ("S.b", "seen")],
                         [(each["experiment"], each["measured"]) for each in found])


class Runs(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def book(self, programs, *arguments):
        file = self.directory / "results" / "found.json"
        command = [sys.executable, NOTES / "book" / "main.py", "--programs", programs,
                   "--results", file, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        return done, results.read(file)

    def fake(self, text):
        program = self.directory / "note_04_listen_queue"
        program.write_text("#!/bin/sh\n" + text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def fake_report(self, *tests):
        content = self.directory / "content.json"
        content.write_text(json.dumps(report(*tests)))
        self.fake(f'for word; do case $word in --gtest_output=json:*)\n'
                  f'cp {content} "${{word#*json:}}";; esac; done\n')

    def test_real_experiments_leave_results_and_packets(self):
        done, found = self.book(PROGRAMS, "--quick", "5")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        outcomes = {each["outcome"] for each in found["experiments"]}
        self.assertLessEqual(outcomes, {"holds", "skipped"})
        if "holds" in outcomes:
            self.assertTrue(list((self.directory / "results/found").glob("*.pcap")))

    def test_a_claim_that_does_not_hold_is_told_and_exits_with_1(self):
        self.fake_report(("is_wrong", {"measured": "7 of 5", "failures": [{"failure": "no"}]}))
        done, found = self.book(self.directory, "--quick", "4")
        self.assertEqual(1, done.returncode)
        self.assertIn("differs  is wrong", done.stdout)
        self.assertIn("7 of 5", done.stdout)
        self.assertEqual("differs", found["experiments"][0]["outcome"])

    def test_a_program_that_dies_is_an_error_and_not_a_claim(self):
        self.fake("echo its last words\nexit 3\n")
        done, found = self.book(self.directory, "--quick", "4")
        self.assertNotIn(done.returncode, (0, 2))
        self.assertIn("its last words", done.stderr)
        self.assertIsNone(found)

    def test_a_program_that_is_missing_is_named(self):
        done, _ = self.book(self.directory, "--quick", "4")
        self.assertIn("note_04_listen_queue is missing", done.stderr)
        self.assertNotEqual(0, done.returncode)

    def test_an_unknown_topic_is_a_mistake(self):
        done, _ = self.book(self.directory, "nonsense")
        self.assertEqual(2, done.returncode)
        self.assertIn("there is no topic 'nonsense'", done.stderr)


class Cells(unittest.TestCase):
    def test_only_rows_of_four_cells_are_rows(self):
        self.assertEqual(["a", "b", "", "d"], notes.cells("| a | b | | d |"))
        self.assertIsNone(notes.cells("| a | b | c |"))
        self.assertIsNone(notes.cells("a | b | c | d"))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""bench/paths: what it concludes from samples, with samples that are made up; and the command
itself, run with tiny settings. No figure of a real run is asserted."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("RINGSERVE_BUILD", TOP / "build" / "release"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "bench"))

from harness import path_choice, process  # noqa: E402
from harness.path_choice import Choice  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
DEADLINE_S = 120
DEFAULT = {"memory_body_bytes_max": 64 * KIB, "bands": [{"path": "splice"}]}
BANDED = {"memory_body_bytes_max": 64 * KIB,
          "bands": [{"up_to_bytes": 300 * KIB, "path": "sendfile"}, {"path": "splice"}]}
MEMORY, SENDFILE, SPLICE = path_choice.CANDIDATES


def compare_all(comparisons):
    """Stands in for bench_paired: told apart when all rounds agree, by more than nothing."""
    answers = []
    for comparison in comparisons:
        ratios = sorted(a / b for a, b in comparison["pairs"])
        verdict = "less" if ratios[-1] < 1 else "more" if ratios[0] > 1 else "unclear"
        answers.append({"ratio": ratios[len(ratios) // 2], "low": ratios[0], "high": ratios[-1],
                        "verdict": verdict})
    return answers


def values(**of):
    """{path: {round: value}}; a number is the same in each round."""
    names = {"memory": MEMORY, "sendfile": SENDFILE, "splice": SPLICE}
    return {names.get(name, name): dict(enumerate(given if isinstance(given, list) else
                                                  [given, given])) for name, given in of.items()}


class Standings(unittest.TestCase):
    def test_the_best_wins_when_all_others_cost_more(self):
        found = path_choice.standings(values(a=[10, 10], b=[12, 11], c=[20, 20]), compare_all)
        self.assertEqual([found[path]["verdict"] for path in "abc"], ["wins", "more", "more"])
        self.assertEqual(found["c"]["ratio"], 2)

    def test_the_best_does_not_win_over_one_that_cannot_be_told_from_it(self):
        found = path_choice.standings(values(a=[10, 10], b=[9, 12], c=[20, 20]), compare_all)
        self.assertEqual([found[path]["verdict"] for path in "abc"], ["as good", "as good", "more"])


class Choose(unittest.TestCase):
    def choose(self, size, default=DEFAULT, **of):
        return path_choice.choose(size, values(**of), default, compare_all)

    def test_what_cannot_be_told_apart_stays_as_it_is_and_is_noted(self):
        unclear = {"memory": [1, 2], "sendfile": [2, 1], "splice": [1.5, 1.5]}
        choice, notes = self.choose(4 * KIB, **unclear)
        self.assertEqual(choice, Choice(True, "splice"))
        self.assertEqual(len(notes), 2)
        self.assertIn("4 KiB", notes[0])
        self.assertEqual(self.choose(256 * KIB, **unclear)[0], Choice(False, "splice"))

    def test_what_costs_less_replaces_the_default(self):
        choice, notes = self.choose(4 * KIB, memory=3, sendfile=1, splice=2)
        self.assertEqual((choice, notes), (Choice(False, "sendfile"), []))
        choice, _ = self.choose(256 * KIB, memory=1, sendfile=3, splice=2)
        self.assertEqual(choice, Choice(True, "splice"))

    def test_memory_has_to_beat_the_file_path_that_would_be_used(self):
        choice, _ = self.choose(256 * KIB, memory=2, sendfile=1, splice=3)
        self.assertEqual(choice, Choice(False, "sendfile"))

    def test_a_size_beyond_memory_is_for_files(self):
        choice, _ = self.choose(MIB, sendfile=1, splice=2)
        self.assertEqual(choice, Choice(False, "sendfile"))


class Tuned(unittest.TestCase):
    def test_where_the_default_is_confirmed_it_stays_to_the_byte(self):
        for default in (DEFAULT, BANDED):
            for sizes in ((KIB,), (KIB, 4 * KIB), (256, 16 * KIB, MIB, 256 * MIB), (256 * MIB,)):
                choices = {size: path_choice.default_choice(default, size) for size in sizes}
                self.assertEqual(path_choice.tuned(choices, default), default)

    def test_a_band_ends_at_the_last_size_at_which_it_was_better(self):
        choices = {64 * KIB: Choice(True, "sendfile"), MIB: Choice(False, "sendfile"),
                   4 * MIB: Choice(False, "splice")}
        self.assertEqual(path_choice.tuned(choices, DEFAULT), {
            "memory_body_bytes_max": 64 * KIB,
            "bands": [{"up_to_bytes": MIB, "path": "sendfile"}, {"path": "splice"}]})

    def test_what_is_better_at_the_largest_size_is_used_beyond(self):
        choices = {KIB: Choice(True, "splice"), 64 * MIB: Choice(False, "sendfile")}
        self.assertEqual(path_choice.tuned(choices, DEFAULT)["bands"],
                         [{"up_to_bytes": KIB, "path": "splice"}, {"path": "sendfile"}])

    def test_the_limit_of_memory_moves_both_ways(self):
        def limit(*sizes_in_memory):
            choices = {size: Choice(size in sizes_in_memory, "splice")
                       for size in (KIB, 16 * KIB, 256 * KIB, MIB)}
            return path_choice.tuned(choices, DEFAULT)["memory_body_bytes_max"]
        self.assertEqual(limit(KIB, 16 * KIB, 256 * KIB), 256 * KIB)
        self.assertEqual(limit(KIB, 16 * KIB), 64 * KIB)
        self.assertEqual(limit(KIB), KIB)
        self.assertEqual(limit(), 0)
        self.assertEqual(limit(KIB, 256 * KIB), KIB)  # no hole

    def test_more_changes_than_a_tuning_can_say_are_an_error(self):
        choices = {KIB << number: Choice(False, path_choice.FILE_PATHS[number % 2])
                   for number in range(10)}
        with self.assertRaisesRegex(ValueError, "9 times"):
            path_choice.tuned(choices, DEFAULT)

    def test_crossings_are_those_of_the_tuning(self):
        choices = {64 * KIB: Choice(True, "sendfile"), MIB: Choice(False, "sendfile"),
                   4 * MIB: Choice(False, "splice")}
        self.assertEqual(path_choice.crossings(choices, DEFAULT), [
            {"what": "memory", "from": "memory", "to": "sendfile", "up_to_bytes": 64 * KIB},
            {"what": "file", "from": "sendfile", "to": "splice", "up_to_bytes": MIB}])


class Between(unittest.TestCase):
    def test_only_neighbours_that_differ_are_refined(self):
        choices = {KIB: Choice(True, "splice"), 4 * KIB: Choice(True, "splice"),
                   16 * KIB: Choice(False, "splice"), MIB: Choice(False, "splice"),
                   4 * MIB: Choice(False, "sendfile")}
        self.assertEqual(path_choice.between(choices), [8 * KIB, 2 * MIB])

    def test_memory_is_not_looked_for_where_there_is_none(self):
        choices = {512 * KIB: Choice(True, "splice"), MIB: Choice(False, "splice")}
        self.assertEqual(path_choice.between(choices), [])

    def test_it_ends_where_no_size_is_between(self):
        self.assertEqual(path_choice.between({1: Choice(True, "splice"),
                                              2: Choice(False, "splice")}), [])


def run_paths(*arguments):
    return subprocess.run([sys.executable, str(TOP / "bench" / "paths"), "--build", str(BUILD),
                           *map(str, arguments)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE_S)


def ringserve(*arguments):
    return subprocess.run([str(BUILD / "ringserve"), *map(str, arguments)], capture_output=True,
                          text=True, timeout=DEADLINE_S)


class Command(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="paths-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.files = self.directory / "files"
        self.files.mkdir()

    def expect_usage_error(self, *arguments, words):
        done = run_paths(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_mistakes_are_named_in_one_line(self):
        for arguments, words in (
                (("--sizes", "1K,huge"), ("--sizes", "'huge'", "64K")),
                (("--sizes", "0"), ("'0'",)), (("--sizes", "2G"), ("'2G'",)),
                (("--sizes", ""), ("--sizes",)),
                (("--paths", "teleport"), ("'teleport'", "splice")),
                (("--pairs", "0"), ("--pairs", "'0'")), (("--pairs", "many"), ("'many'",)),
                (("--seconds", "0"), ("--seconds",)), (("--seconds", "nan"), ("'nan'",)),
                (("--congestion", "nonsense"), ("--congestion", "here there are")),
                (("--tuning", self.directory), ("--tuning", "name a file")),
                (("--tuning", self.directory / "absent" / "t.json"), ("name a file",)),
                (("--tuning", self.directory / "t", "--paths", "splice"), ("auto-memory",)),
                (("--paths", "auto-memory", "--sizes", "1M"), ("512 KiB",)),
                (("--files", self.directory / "absent"), ("--files", "no such directory")),
                (("--build", self.directory / "absent"), ("--build",)), (("--qick",), ("--qick",))):
            with self.subTest(arguments=arguments):
                self.expect_usage_error(*arguments, words=words)

    def test_a_build_without_programs_is_named(self):
        done = run_paths("--build", self.directory)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ringserve is missing; build it", done.stderr)

    @unittest.skipIf(process.require_cpus(), "needs CPUs 0 and 1")
    def test_a_tiny_run_writes_a_tuning_that_ringserve_loads(self):
        tuning, output = self.directory / "tuning.json", self.directory / "output"
        done = run_paths("--sizes", "1K,64K", "--pairs", 2, "--seconds", 0.1, "--files",
                         self.files, "--tuning", tuning, "--output", output)
        self.assertIn(done.returncode, (0, 4), done.stderr)
        self.assertIn("64 KiB", done.stdout)
        self.assertEqual(list(self.files.iterdir()), [], "its files stayed")
        result = json.loads((output / "result.json").read_text())
        self.assertEqual(result["format"], "ringserve-paths 1")
        self.assertEqual(result["noisy"], done.returncode == 4)
        self.assertEqual(sum(sample["path"] == "read-write" for sample in result["samples"]), 4)
        self.assertIn("| 64 KiB |", (output / "paths.md").read_text())
        if shutil.which("gnuplot"):
            self.assertTrue((output / "paths.svg").read_text().startswith("<svg"))
            self.assertEqual((output / "paths.png").read_bytes()[:4], b"\x89PNG")
        self.expect_tuning(tuning, done)

    def expect_tuning(self, tuning, done):
        if done.returncode == 4:
            self.assertFalse(tuning.exists())
            self.assertIn("too noisy", done.stderr)
            return
        printed = ringserve("--print-tuning", "--tuning", tuning)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        self.assertEqual(json.loads(printed.stdout), json.loads(tuning.read_text()))
        self.assertEqual([file.name for file in self.directory.glob(".tuning*")], [])

    def noisy_build(self):
        """A build whose statistics find every two subjects different, the control too."""
        build = self.directory / "build"
        build.mkdir()
        for name in ("ringserve", "ringload"):
            (build / name).symlink_to(BUILD.resolve() / name)
        (build / "bench_paired").write_text(
            f"#!{sys.executable}\n"
            "import json, sys\n"
            "print(json.dumps({'comparisons': [{'id': one['id'], 'pairs': 2, 'ratio': 1.5,\n"
            "    'low': 1.4, 'high': 1.6, 'verdict': 'more'}\n"
            "    for one in json.load(sys.stdin)['comparisons']]}))\n")
        (build / "bench_paired").chmod(0o755)
        return build

    @unittest.skipIf(process.require_cpus(), "needs CPUs 0 and 1")
    def test_a_noisy_machine_gets_no_tuning_unless_it_is_forced(self):
        tuning = self.directory / "tuning.json"
        arguments = ["--build", self.noisy_build(), "--sizes", "1K", "--pairs", 2, "--seconds",
                     0.05, "--paths", "auto-memory,auto-sendfile,auto-splice", "--tuning", tuning]
        done = run_paths(*arguments)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("machine too noisy", done.stdout)
        self.assertFalse(tuning.exists())
        done = run_paths(*arguments, "--force")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("too noisy", json.loads(tuning.read_text())["measured"]["notes"][0])
        self.assertEqual(ringserve("--print-tuning", "--tuning", tuning).returncode, 0)

    @unittest.skipIf(process.require_cpus(), "needs CPUs 0 and 1")
    def test_an_interrupt_ends_it_and_leaves_nothing(self):
        tuning = self.directory / "tuning.json"
        child = subprocess.Popen(
            [sys.executable, str(TOP / "bench" / "paths"), "--build", str(BUILD), "--sizes",
             "1K,64K", "--files", str(self.files), "--tuning", str(tuning)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            while "µs of CPU per response" not in child.stderr.readline():
                self.assertIsNone(child.poll())
            child.send_signal(signal.SIGINT)
            errors = child.communicate(timeout=DEADLINE_S)[1]
        finally:
            child.kill()
        self.assertEqual(child.returncode, 130, errors)
        self.assertIn("interrupted", errors)
        self.assertNotIn("Traceback", errors)
        self.assertFalse(tuning.exists())
        self.assertEqual(list(self.files.iterdir()), [])

    def test_the_ceiling_of_memory_is_the_one_of_ringserve(self):
        tuning = json.loads(ringserve("--print-tuning").stdout)
        file = self.directory / "tuning.json"
        for more, status in ((0, 0), (1, 2)):
            tuning["memory_body_bytes_max"] = path_choice.MEMORY_BODY_BYTES_CEILING + more
            file.write_text(json.dumps(tuning))
            done = ringserve("--print-tuning", "--tuning", file)
            self.assertEqual(done.returncode, status, done.stderr)

    def test_what_is_chosen_without_any_difference_is_the_built_in_tuning(self):
        built_in = json.loads(ringserve("--print-tuning").stdout)
        sizes = (256, 64 * KIB, MIB, 256 * MIB)
        choices = {size: path_choice.default_choice(built_in, size) for size in sizes}
        tuned = path_choice.tuned(choices, built_in)
        self.assertEqual(tuned, {key: built_in[key] for key in ("memory_body_bytes_max", "bands")})


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""bench/guard: its judgement on answers that are made up, the command itself on programs whose
difference is known, and the program bench_paired. No figure of a real run is asserted."""

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

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("RINGSERVE_BUILD", TOP / "build" / "release"))
DEADLINE_S = 120
sys.dont_write_bytecode = True


def load_guard():
    loader = importlib.machinery.SourceFileLoader("guard", str(TOP / "bench" / "guard"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("guard", loader))
    loader.exec_module(module)
    return module


guard = load_guard()


def answer(ratio, low, high):
    verdict = "less" if high < 1 else "more" if low > 1 else "unclear"
    return {"pairs": 10, "ratio": ratio, "low": low, "high": high, "verdict": verdict}


SAME = answer(1.0, 0.99, 1.01)


class Judging(unittest.TestCase):
    def judge(self, head, control=SAME, allow=2.0):
        options = types.SimpleNamespace(pairs=10, allow=allow)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = guard.judge(options, [("small", head, control)], 0.0)
        return status, out.getvalue()

    def test_a_difference_that_cannot_be_told_is_no_regression(self):
        status, text = self.judge(answer(1.001, 0.992, 1.011))
        self.assertEqual(status, 0)
        self.assertIn("small: ~ no difference that could be told (95 % CI [-0.8, +1.1] %)", text)

    def test_more_than_allowed_is_a_regression_only_with_its_whole_interval(self):
        status, text = self.judge(answer(1.031, 1.021, 1.042))
        self.assertEqual(status, 1)
        self.assertIn("small: 3.1 % more CPU per request, 95 % CI [+2.1, +4.2] %", text)
        self.assertIn("REGRESSION", text)
        status, text = self.judge(answer(1.031, 1.019, 1.042))
        self.assertEqual(status, 0)
        self.assertIn("3.1 % more", text)
        self.assertNotIn("REGRESSION", text)

    def test_less_cpu_is_told_and_is_no_regression(self):
        status, text = self.judge(answer(0.9, 0.88, 0.92))
        self.assertEqual(status, 0)
        self.assertIn("10.0 % less CPU per request", text)

    def test_a_base_that_differs_from_itself_makes_the_run_worthless(self):
        status, text = self.judge(answer(1.5, 1.4, 1.6), control=answer(1.1, 1.05, 1.2))
        self.assertEqual(status, 4)
        self.assertIn("machine too noisy", text)

    def test_controls_are_held_at_the_confidence_of_their_family(self):
        asked = []

        def record(_build, comparisons, _confidence):
            asked.extend(comparisons)
            return [SAME] * len(comparisons)

        values = {name: {0: 1.0} for name in (guard.BASE, guard.HEAD, guard.AGAIN)}
        original, guard.paired.compare_all = guard.paired.compare_all, record
        try:
            found = guard.compare(BUILD, {"small": values, "1m": values})
        finally:
            guard.paired.compare_all = original
        self.assertEqual([name for name, _, _ in found], ["small", "1m"])
        self.assertEqual([comparison.get("confidence") for comparison in asked],
                         [None, 0.975, None, 0.975])


def run_guard(*words):
    return subprocess.run([TOP / "bench" / "guard", "--build", BUILD, *words],
                          capture_output=True, text=True, timeout=DEADLINE_S)


class Command(unittest.TestCase):
    """--allow is wide, so that noise alone never makes a regression."""

    def compare(self, head):
        return run_guard("--base-binary", BUILD / "ringserve", "--head-binary", head,
                         "--workloads", "1m", "--pairs", "6", "--seconds", "0.1", "--allow", "30")

    def test_a_program_is_no_regression_against_itself(self):
        done = self.compare(BUILD / "ringserve")
        self.assertIn(done.returncode, (0, guard.TOO_NOISY), done.stderr)
        self.assertNotIn("REGRESSION", done.stdout)
        self.assertRegex(done.stdout, r"1m: .* CI \[[-+]\d+\.\d, [-+]\d+\.\d\] %")

    def test_a_copying_send_path_is_a_regression_for_a_large_file(self):
        with tempfile.TemporaryDirectory() as directory:
            slower = pathlib.Path(directory) / "slower"
            slower.write_text(f'#!/bin/sh\nexec "{BUILD}/ringserve" --send-path read-write "$@"\n')
            slower.chmod(0o755)
            done = self.compare(slower)
        self.assertRegex(done.stdout, "1m: .* more CPU per request, .* REGRESSION", done.stderr)
        noisy = "machine too noisy" in done.stdout
        self.assertEqual(done.returncode, guard.TOO_NOISY if noisy else guard.REGRESSION)

    def test_a_server_that_does_not_start_is_said_with_its_log(self):
        done = run_guard("--base-binary", "/bin/false", "--head-binary", "/bin/false",
                         "--workloads", "small")
        self.assertEqual(done.returncode, 3)
        self.assertIn("base did not start (status 1)", done.stderr)

    def test_a_mistake_on_the_command_line_is_one_line(self):
        for words in ((), ("--base", "no-such-commit"), ("--base", "--head"),
                      ("--base-binary", "/no/such/program"), ("--base", "HEAD", "--pairs", "5"),
                      ("--base", "HEAD", "--workloads", "idle"), ("--base", "HEAD", "extra"),
                      ("--base", "HEAD", "--seconds", "nan"),
                      ("--base", "HEAD", "--congestion", "nonsense"),
                      ("--base", "HEAD", "--base-binary", "/bin/true")):
            done = run_guard(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"\Abench/guard: [^\n]+\n\Z")

    def test_a_build_without_the_tools_is_named(self):
        done = run_guard("--base", "HEAD", "--build", "/no/such/build")
        self.assertEqual(done.returncode, 3)
        self.assertIn("/no/such/build/ringload is missing", done.stderr)


def bench_paired(text):
    return subprocess.run([BUILD / "bench_paired"], input=text, capture_output=True, text=True,
                          timeout=DEADLINE_S)


class BenchPaired(unittest.TestCase):
    def test_every_comparison_is_answered_in_its_order(self):
        pairs = [[102 + chance, 100] for chance in range(10)]
        done = bench_paired(json.dumps({"comparisons": [
            {"id": "more", "pairs": pairs}, {"id": "few", "pairs": [[3, 2]]},
            {"id": "less", "pairs": [[b, a] for a, b in pairs], "confidence": 0.8}]}))
        self.assertEqual(done.returncode, 0, done.stderr)
        more, few, less = json.loads(done.stdout)["comparisons"]
        self.assertEqual([more["id"], few["id"], less["id"]], ["more", "few", "less"])
        self.assertEqual([more["verdict"], few["verdict"], less["verdict"]],
                         ["more", "unclear", "less"])
        self.assertEqual((few["pairs"], few["low"], few["high"]), (1, 0, None))
        self.assertAlmostEqual(few["ratio"], 1.5)
        self.assertLess(1.0, more["low"])
        self.assertLess(more["low"], more["ratio"])
        self.assertLess(more["ratio"], more["high"])

    def test_the_common_confidence_counts_where_a_comparison_has_none(self):
        pairs = [[100 + chance, 100] for chance in range(20)]
        widths = []
        for confidence in (0.6, 0.95):
            done = bench_paired(json.dumps({"confidence": confidence, "comparisons": [
                {"id": "x", "pairs": pairs}]}))
            found = json.loads(done.stdout)["comparisons"][0]
            widths.append(found["high"] - found["low"])
        self.assertLess(widths[0], widths[1])

    def test_bad_input_is_one_line_and_status_2(self):
        for text in ("", "{", "[]", '{"comparisons": 3}', '{"comparisons": [{"pairs": []}]}',
                     '{"comparisons": [{"id": "x", "pairs": []}]}',
                     '{"comparisons": [{"id": "x", "pairs": [[1, 2, 3]]}]}',
                     '{"comparisons": [{"id": "x", "pairs": [[1, NaN]]}]}',
                     '{"comparisons": [{"id": "x", "pairs": [["1", 2]]}]}',
                     '{"confidence": 95, "comparisons": [{"id": "x", "pairs": [[1, 2]]}]}',
                     '{"resamples": -1, "comparisons": [{"id": "x", "pairs": [[1, 2]]}]}'):
            done = bench_paired(text)
            self.assertEqual(done.returncode, 2, text)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"\Abench_paired: [^\n]+\n\Z")

    def test_a_value_without_a_ratio_is_named(self):
        done = bench_paired('{"comparisons": [{"id": "small", "pairs": [[1, 2], [3, 0]]}]}')
        self.assertEqual(done.returncode, 2)
        self.assertIn('comparison "small": compare pair 2 of 2: b is 0', done.stderr)


if __name__ == "__main__":
    unittest.main()

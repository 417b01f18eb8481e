"""bench/versus/run, as a user runs it."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("RINGSERVE_BUILD", TOP / "build" / "release"))
RUN = TOP / "bench" / "versus" / "run"
DONE, MISTAKE, TOO_NOISY, INTERRUPTED = 0, 2, 4, 130
TINY = ("--build", BUILD, "--workloads", "small,notmodified", "--subjects", "floor",
        "--generators", "ringload", "--seconds", "0.05", "--no-setup")


def run(*arguments):
    return subprocess.run([str(word) for word in (RUN, *arguments)], capture_output=True, text=True)


class VersusTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ringserve-bench-test-")
        self.addCleanup(directory.cleanup)
        self.output = pathlib.Path(directory.name) / "out"

    def samples(self):
        return (self.output / "samples.jsonl").read_text().splitlines()[1:]

    def require_ran(self, done):
        self.assertIn(done.returncode, (DONE, TOO_NOISY), done.stderr)

    def test_a_run_leaves_a_result_a_table_and_a_page(self):
        done = run(*TINY, "--pairs", 2, "--output", self.output, "--json", self.output / "too")
        self.require_ran(done)
        result = json.loads((self.output / "result.json").read_text())
        self.assertEqual(result, json.loads((self.output / "too").read_text()))
        self.assertEqual("ringserve-versus 1", result["format"])
        self.assertEqual(["ringserve", "ringserve-again", "floor"], result["subjects"])
        self.assertEqual(2 * 3 * 2, len(result["samples"]))
        self.assertEqual({"small", "notmodified"},
                         {control["workload"] for control in result["controls"]})
        self.assertEqual(result["noisy"], done.returncode == TOO_NOISY)
        for name in ("table.md", "report.html"):
            self.assertGreater((self.output / name).stat().st_size, 0)

    def test_rounds_alternate_in_their_order(self):
        self.require_ran(run(*TINY, "--pairs", 2, "--output", self.output))
        order = [json.loads(line)["subject"] for line in self.samples()[:6]]
        self.assertEqual(order[:3], order[:2:-1])

    def test_an_interrupted_run_goes_on_where_it_was(self):
        command = [str(word) for word in (RUN, *TINY, "--pairs", 3, "--output", self.output)]
        # A shell may have started us with SIGINT ignored, which would be inherited.
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        for line in process.stderr:
            if line.startswith("[4/"):
                process.send_signal(signal.SIGINT)
        process.stderr.close()
        self.assertEqual(INTERRUPTED, process.wait())
        before = self.samples()
        self.assertGreaterEqual(len(before), 4)
        self.require_ran(run("--build", BUILD, "--resume", self.output))
        after = self.samples()
        self.assertEqual(before, after[:len(before)])
        self.assertEqual(2 * 3 * 3, len(after))

    def test_another_commit_is_not_gone_on_with(self):
        self.require_ran(run(*TINY, "--pairs", 1, "--output", self.output))
        journal = self.output / "samples.jsonl"
        header, *samples = journal.read_text().splitlines()
        journal.write_text("\n".join([json.dumps(json.loads(header) | {"commit": "another"}),
                                      *samples, ""]))
        done = run("--build", BUILD, "--resume", self.output)
        self.assertEqual((MISTAKE, 1), (done.returncode, done.stderr.count("\n")), done.stderr)
        self.assertIn("commit was another", done.stderr)

    def test_a_finished_run_is_not_written_over(self):
        self.require_ran(run(*TINY, "--pairs", 1, "--output", self.output))
        done = run(*TINY, "--pairs", 1, "--output", self.output)
        self.assertEqual(MISTAKE, done.returncode)
        self.assertIn("--resume", done.stderr)

    def test_a_mistake_is_one_line_that_says_what_to_do(self):
        for arguments, words in ((("--workloads", "smal"), "there are small"),
                                 (("--subjects", "apache"), "there are ringserve"),
                                 (("--pairs", "0"), "choose 1 to"),
                                 (("--pairs", "many"), "invalid int value"),
                                 (("--seconds", "nan"), "choose 0.02 to"),
                                 (("--congestion", "nonsense"), "here there are"),
                                 (("--output", __file__), f"--output {__file__}: "),
                                 (("--keep-files", __file__), "--keep-files"),
                                 (("--json", TOP), "--json"),
                                 (("--resume", "/nonexistent", "--build", BUILD, "--no-setup"),
                                  "begin a new"),
                                 (("--resume", "/tmp", "--pairs", "3"), "leave out the options"),
                                 (("--nonsense",), "unrecognized")):
            with self.subTest(arguments):
                done = run(*arguments)
                self.assertEqual((MISTAKE, 1), (done.returncode, done.stderr.count("\n")),
                                 done.stderr)
                self.assertIn(words, done.stderr)

    def test_the_list_names_workloads_and_subjects(self):
        done = run("--list")
        self.assertEqual(DONE, done.returncode)
        for name in ("small", "openloop-mixed", "ringserve-again", "caddy"):
            self.assertIn(f" {name} ", done.stdout)


if __name__ == "__main__":
    unittest.main()

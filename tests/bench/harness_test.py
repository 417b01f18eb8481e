"""bench/harness: rounds, samples in namespaces, and loads against the real server."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("RINGSERVE_BUILD", TOP / "build" / "release"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(TOP / "bench"))

from harness import floor, loads, namespace, paired, process, rounds, sample  # noqa: E402
from harness import servers, site  # noqa: E402
from harness.progress import Progress, duration_text  # noqa: E402
from harness.site import KIB, Site, cached_share, drop_from_page_cache  # noqa: E402

DEADLINE_S = 30


def try_namespace():
    """Why this machine makes no network namespace, or None."""
    try:
        sample.run(lambda: {}, "reno")
    except sample.SampleFailed as error:
        return str(error)
    return None


NO_NAMESPACE = try_namespace() or process.require_cpus()


def wait_until(condition):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_S} s")
        time.sleep(0.01)


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class RoundsTest(unittest.TestCase):
    def test_every_other_round_goes_backward(self):
        self.assertEqual([(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")],
                         rounds.turns(["a", "b"], 3))

    def test_a_round_that_one_lacks_makes_no_pair(self):
        self.assertEqual([[1, 5], [3, 7]], rounds.pairs({0: 1, 1: 2, 2: 3}, {0: 5, 2: 7, 9: 1}))


class ProgressTest(unittest.TestCase):
    def test_the_remaining_time_follows_what_steps_really_take(self):
        progress = Progress(planned_s=10, steps=10, stream=open(os.devnull, "w"))
        self.assertEqual(10, progress.remaining_s())
        progress.resumed_at -= 4  # as if one second planned had taken four
        progress.step(1, "one")
        self.assertAlmostEqual(36, progress.remaining_s(), delta=1)
        progress.stream.close()

    def test_durations_read_well(self):
        self.assertEqual(["0 s", "59 s", "1 min 05 s", "1 h 01 min"],
                         [duration_text(seconds) for seconds in (-1, 59, 65, 3661)])


class PairedTest(unittest.TestCase):
    def test_a_clear_difference_is_told(self):
        found = paired.compare(BUILD, [[2 + i / 100, 1 + i / 300] for i in range(10)])
        self.assertEqual(("more", 10), (found["verdict"], found["pairs"]))
        self.assertTrue(1 < found["low"] <= found["ratio"] <= found["high"])

    def test_what_has_no_ratio_is_an_error(self):
        with self.assertRaises(paired.StatisticsFailed):
            paired.compare(BUILD, [[1, 0], [1, 1]])


@unittest.skipIf(NO_NAMESPACE, f"no samples here: {NO_NAMESPACE}")
class SampleTest(unittest.TestCase):
    def test_a_sample_has_a_network_of_its_own(self):
        ours = os.readlink("/proc/self/ns/net")
        found = sample.run(lambda: {"net": os.readlink("/proc/self/ns/net"),
                                    "congestion": namespace.congestion_control()}, "reno")
        self.assertNotEqual(ours, found["net"])
        self.assertEqual("reno", found["congestion"])
        self.assertEqual(ours, os.readlink("/proc/self/ns/net"))

    def test_a_failure_reaches_the_harness(self):
        def fail():
            raise sample.SampleFailed("the reason")
        with self.assertRaisesRegex(sample.SampleFailed, "^the reason$"):
            sample.run(fail, "reno")

    def test_a_mistake_in_a_sample_is_told_with_its_place(self):
        with self.assertRaisesRegex(sample.SampleFailed, "(?s)harness_test.*ZeroDivisionError"):
            sample.run(lambda: 1 / 0, "reno")

    def test_an_unknown_congestion_control_is_told(self):
        with self.assertRaisesRegex(sample.SampleFailed, "nonsense.*here there are"):
            sample.run(lambda: {}, "nonsense")

    def test_what_a_sample_leaves_running_ends_with_it(self):
        found = sample.run(lambda: {"pid": os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "100")},
                           "reno")
        self.assertFalse(is_running(found["pid"]))

    def test_a_sample_that_hangs_ends_at_the_deadline(self):
        with self.assertRaisesRegex(sample.SampleFailed, "deadline"):
            sample.run(signal.pause, "reno", deadline_s=0.2)

    def test_all_ends_when_the_harness_is_killed(self):
        program = ("import subprocess, sys; sys.path.insert(0, sys.argv[1])\n"
                   "from harness import sample\n"
                   "def hang():\n"
                   "    child = subprocess.Popen(['sleep', '100'])\n"
                   "    print(child.pid, flush=True)\n"
                   "    child.wait()\n"
                   "sample.run(hang, 'reno')\n")
        harness = subprocess.Popen([sys.executable, "-B", "-c", program, str(TOP / "bench")],
                                   stdout=subprocess.PIPE, text=True)
        pid = int(harness.stdout.readline())
        self.assertTrue(is_running(pid))
        harness.kill()
        harness.wait()
        harness.stdout.close()
        wait_until(lambda: not is_running(pid))


@unittest.skipIf(NO_NAMESPACE, f"no samples here: {NO_NAMESPACE}")
class LoadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="ringserve-bench-test-")
        work = pathlib.Path(cls.directory.name)
        os.chmod(work, 0o755)
        (work / "site").mkdir()
        cls.site = Site(work / "site")
        cls.setting = loads.Setting(BUILD, cls.site.root, work, "reno")
        cls.ringserve = servers.ringserve(BUILD / "ringserve")
        cls.small = loads.Load(cls.site.file(KIB), connections=4, seconds=0.1, body_bytes=KIB)

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def run_load(self, subject=None, **changes):
        load = dataclasses.replace(self.small, **changes)
        return loads.run(self.setting, subject or self.ringserve, load)["metrics"]

    def test_a_sample_has_the_figures_of_both_sides(self):
        metrics = self.run_load()
        for name in ("requests_per_s", "cpu_us_per_request", "client_cpu_us_per_request",
                     "bytes_per_cpu_s", "rss_bytes", "p50_us", "p99_us", "p999_us"):
            self.assertGreater(metrics[name], 0, name)
        self.assertAlmostEqual(KIB * metrics["cpu_s_per_gb"],
                               1000 * metrics["cpu_us_per_request"], delta=1e-6 * KIB * 1e9)

    def test_a_wrong_status_fails(self):
        with self.assertRaisesRegex(sample.SampleFailed, "status 404, not 200"):
            self.run_load(path="/absent")

    def test_a_wrong_length_fails(self):
        with self.assertRaisesRegex(sample.SampleFailed, f"{KIB} bytes, not 5"):
            self.run_load(body_bytes=5)

    def test_a_server_that_does_not_start_fails_with_its_words(self):
        broken = servers.ringserve(BUILD / "ringserve", "--send-path", "nonsense")
        with self.assertRaisesRegex(sample.SampleFailed, "(?s)did not start.*nonsense"):
            self.run_load(broken)

    def test_conditional_requests_use_the_servers_own_validator(self):
        self.assertGreater(self.run_load(conditional=True, status=304, body_bytes=0)
                           ["requests_per_s"], 0)

    def test_the_floor_answers_what_ringserve_answers(self):
        for changes in ({}, {"new_connection": True},
                        {"conditional": True, "status": 304, "body_bytes": 0},
                        {"headers": ("Range: bytes=3-9",), "status": 206, "body_bytes": 7},
                        {"path": self.site.file(20 * KIB), "body_bytes": 20 * KIB},
                        {"path": self.site.file(200 * KIB), "body_bytes": 200 * KIB},
                        {"path": self.site.file(200 * KIB), "body_bytes": 9 * KIB,
                         "headers": (f"Range: bytes=5-{9 * KIB + 4}",), "status": 206}):
            with self.subTest(changes):
                load = dataclasses.replace(self.small, **changes)
                metrics = self.run_load(floor.subject(self.setting, load), **changes)
                self.assertGreater(metrics["requests_per_s"], 0)

    def test_peers_that_are_installed_answer(self):
        for name in servers.PEER_COMMANDS:
            peer = servers.peer(name)
            if peer:
                with self.subTest(name):
                    self.assertGreater(self.run_load(peer)["cpu_us_per_request"], 0)


class SiteTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ringserve-bench-test-")
        self.addCleanup(directory.cleanup)
        (pathlib.Path(directory.name) / "site").mkdir()
        self.site = Site(pathlib.Path(directory.name) / "site")

    def test_a_file_is_made_once(self):
        path = self.site.root / self.site.file(5000)[1:]
        made = path.stat()
        self.assertEqual(5000, made.st_size)
        self.site.file(5000)
        self.assertEqual(made.st_mtime_ns, path.stat().st_mtime_ns)

    def test_many_files_are_where_their_paths_say(self):
        with mock.patch.multiple(site, MANY_DIRECTORIES=(2, 3), MANY_ASKED=20):
            asked = self.site.many().read_text().splitlines()
            paths = site.many_paths()
        files = [path for path in self.site.root.rglob("*") if path.is_file()]
        self.assertEqual({f"/{path.relative_to(self.site.root)}" for path in files}, set(paths))
        self.assertEqual((20, True), (len(set(asked)), set(asked) <= set(paths)))
        self.assertEqual({KIB}, {path.stat().st_size for path in files})

    def test_a_dropped_file_is_cold(self):
        path = self.site.root / self.site.file(100_000)[1:]
        os.sync()
        try:
            drop_from_page_cache(path)
        except OSError as error:
            self.skipTest(str(error))
        self.assertEqual(0, cached_share(path))
        path.read_bytes()
        self.assertEqual(1, cached_share(path))


if __name__ == "__main__":
    unittest.main()

"""A result.json of bench/versus/run made up by a seeded generator: for the report's tests, and for
looking at the report without measuring. Its numbers mean nothing.

    python3 tests/bench/synthetic_result.py DIRECTORY    # result.json, table.md, report.html
"""

import json
import math
import pathlib
import random
import statistics
import sys

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.dont_write_bytecode = True
sys.path[:0] = [str(BENCH), str(BENCH / "versus")]

import goals  # noqa: E402
import report  # noqa: E402

CPU, PER_CPU_S = "cpu_us_per_request", "bytes_per_cpu_s"
SUBJECTS = ["ringserve", "ringserve-again", "floor", "nginx", "h2o", "lighttpd", "caddy"]
# What a request costs each in this made-up world, against ringserve.
COST = {"ringserve": 1, "ringserve-again": 1, "floor": 0.94, "nginx": 1.7, "h2o": 1.31,
        "lighttpd": 1.9, "caddy": 6.5}
# name: (title, main metric, size in bytes, µs of CPU per request)
WORKLOADS = {
    "small": ("1 KiB hot, 64 connections", CPU, 1024, 4.1),
    "mixed": ("10,000 files, log-normal sizes, Zipf popularity", CPU, 24000, 9.3),
    "100k": ("100 KiB, 64 connections", CPU, 102400, 21),
    "1m": ("1 MiB, 16 connections", CPU, 1 << 20, 160),
    "100m": ("100 MiB, 4 connections", PER_CPU_S, 100 << 20, 16000),
    "pipelined": ("1 KiB, 16 requests at once", "requests_per_s", 1024, 0.9),
    "connection": ("1 KiB, a connection for each request", CPU, 1024, 22),
    "ranges": ("a 1 to 64 KiB range of a 1 MiB file", CPU, 32768, 8),
    "notmodified": ("304 to If-None-Match", CPU, 0, 3.6),
    "idle": ("8000 idle connections", "rss_bytes_per_connection", 0, 0),
    "cold": ("hot 1 KiB beside six cold 100 MiB files", "p99_us", 1024, 6),
    "million": ("1,000,000 files of 1 KiB", CPU, 1024, 9),
    "c1": ("1 KiB, 1 connection", CPU, 1024, 9),
    "c8": ("1 KiB, 8 connections", CPU, 1024, 5),
    "c512": ("1 KiB, 512 connections", CPU, 1024, 4.2),
    "c4096": ("1 KiB, 4096 connections", CPU, 1024, 4.6),
    "openloop": ("1 KiB at 70 % of the slowest peer's capacity", "p99_us", 1024, 4.3),
    "openloop-mixed": ("mixed site at 70 % of the slowest peer's capacity", "p99_us", 24000, 9.8),
}
WITHOUT_FLOOR = {"mixed", "cold", "million", "idle", "openloop", "openloop-mixed"}
BY_TWO = {"small", "100k", "connection", "pipelined"}


def median_and_extent(pairs, confidence=0.95):
    """Stands for bench_paired, where only the form of its answer matters: the extent of the ratios
    instead of an interval."""
    ratios = [a / b for a, b in pairs]
    low, high = min(ratios), max(ratios)
    verdict = "less" if high < 1 else "more" if low > 1 else "unclear"
    return {"pairs": len(pairs), "ratio": statistics.median(ratios), "low": low, "high": high,
            "verdict": verdict, "confidence": confidence}


def make(seed=1, pairs=10, subjects=SUBJECTS, workloads=tuple(WORKLOADS)):
    """A whole result; the same for the same arguments."""
    chance = random.Random(seed)
    result = {
        "format": "ringserve-versus 1", "started_at": "2030-01-02T03:04:05+00:00",
        "finished_at": "2030-01-02T04:05:06+00:00", "command": "bench/versus/run --pairs 10",
        "options": {"pairs": pairs, "workloads": list(workloads), "congestion": "reno"},
        "machine": {"cpu_model": "Made-up CPU <7> & co", "cpus": 2, "memory_bytes": 8 << 30,
                    "kernel": "6.18.0", "congestion_control": "reno",
                    "congestion_control_host": "bbr", "disk": "virtio"},
        "versions": {name: f"{name}/1.2|3" for name in subjects if name != "ringserve-again"},
        "commit": "0123abcd", "subjects": list(subjects), "workloads": [], "samples": [],
        "comparisons": [], "controls": [], "noisy": False, "reasons": []}
    for name in workloads:
        for generator in ("ringload", "wrk") if name in BY_TWO else ("ringload",):
            _add_workload(result, name, generator, pairs, chance)
    _add_comparisons(result)
    result["goals"] = goals.evaluate(result, median_and_extent)
    return result


def _add_workload(result, name, generator, pairs, chance):
    title, main_metric, size, cost_us = WORKLOADS[name]
    subjects = [subject for subject in result["subjects"]
                if not (subject == "floor" and name in WITHOUT_FLOOR)]
    for number in range(pairs):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            metrics = _metrics(name, size, cost_us, COST[subject], generator, chance)
            result["samples"].append({"workload": name, "generator": generator, "round": number,
                                      "subject": subject, "metrics": metrics,
                                      "others_cpu_share": chance.uniform(0, 0.03)})
    result["workloads"].append({"name": name, "title": title, "generator": generator,
                                "main_metric": main_metric, "lower_is_better":
                                main_metric not in (PER_CPU_S, "requests_per_s"),
                                "metrics": list(metrics), "pairs": pairs, "seconds": 2.0})


def _metrics(name, size, cost_us, cost, generator, chance):
    noise = chance.lognormvariate(0, 0.012)
    if name == "idle":
        return {"rss_bytes_per_connection": 213 * cost ** 3 * noise, "rss_bytes": 9e6 * cost}
    if name in ("100m", "ranges"):
        cost = math.sqrt(cost) if name == "ranges" else 1 + (cost - 1) * chance.gauss(-0.1, 0.01)
    cpu_us = cost_us * cost * noise
    rate = 0.93e6 / cpu_us
    p50_us = 64 * 0.5e6 / rate * 1e-3 * noise
    client_us = (1.9 if generator == "ringload" else 2.6) * noise
    metrics = {"requests_per_s": rate, "bytes_per_s": rate * size, "cpu_us_per_request": cpu_us,
               "client_cpu_us_per_request": client_us, "p50_us": p50_us,
               "p99_us": p50_us * chance.lognormvariate(1.1, 0.08),
               "p999_us": p50_us * chance.lognormvariate(2, 0.2), "rss_bytes": 6e6 * cost}
    if size:
        metrics |= {"cpu_s_per_gb": cpu_us * 1e3 / size, "bytes_per_cpu_s": size / cpu_us * 1e6}
    return metrics


def _add_comparisons(result):
    rounds = {}
    for sample in result["samples"]:
        key = sample["workload"], sample["generator"], sample["subject"]
        rounds.setdefault(key, {})[sample["round"]] = sample["metrics"]
    for workload in result["workloads"]:
        place = workload["name"], workload["generator"]
        ours = rounds.get((*place, "ringserve"), {})
        for subject in result["subjects"][1:]:
            theirs = rounds.get((*place, subject), {})
            for metric in workload["metrics"]:
                pairs = [(ours[number][metric], theirs[number][metric]) for number in ours
                         if number in theirs]
                if len(pairs) > 1 and all(a > 0 and b > 0 for a, b in pairs):
                    _add_comparison(result, place, metric, subject, median_and_extent(pairs),
                                    metric == workload["main_metric"])


def _add_comparison(result, place, metric, subject, compared, is_main):
    entry = {"workload": place[0], "generator": place[1], "metric": metric, **compared}
    if subject != "ringserve-again":
        result["comparisons"].append({**entry, "of": "ringserve", "to": subject})
    elif is_main:
        contains_one = compared["low"] <= 1 <= compared["high"]
        result["controls"].append({**entry, "contains_one": contains_one, "confidence": 0.9975})


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    result = make()
    (directory / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))
    report.write(result, directory)
    report.print_terminal(result)


if __name__ == "__main__":
    main()

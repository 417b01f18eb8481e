"""Ratios with their intervals: common/measure/paired.h, by way of the program bench_paired."""

import json
import math
import subprocess

RESAMPLES, SEED = 10000, 1


class StatisticsFailed(RuntimeError):
    pass


def rounds_needed(controls, family_error=0.05):
    """So many pairs that the intervals of that many controls are as wide as they claim: n pairs
    reach a confidence of at most 1 - 2^(1-n) (common/measure/paired.h)."""
    return 1 + math.ceil(math.log2(max(1, controls) / family_error))


def contains_one(answer):
    """Of a control: None when there were too few pairs for an interval."""
    return None if answer["high"] is None else answer["verdict"] == "unclear"


def compare_all(build, comparisons, confidence=0.95):
    """`comparisons`: dicts with "pairs" [[a, b], ...] and, if another than the common one is
    wanted, "confidence". Returns for each, in the same order, a dict with "pairs" (their number),
    "ratio", "low", "high" and "verdict". Throws StatisticsFailed."""
    if not comparisons:
        return []
    asked = {"confidence": confidence, "resamples": RESAMPLES, "seed": SEED,
             "comparisons": [{**comparison, "id": str(number)}
                             for number, comparison in enumerate(comparisons)]}
    done = subprocess.run([str(build / "bench_paired")], input=json.dumps(asked),
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise StatisticsFailed(done.stderr.strip() or f"bench_paired: status {done.returncode}")
    answers = {answer["id"]: answer for answer in json.loads(done.stdout)["comparisons"]}
    return [answers[str(number)] for number in range(len(comparisons))]


def compare(build, pairs, confidence=0.95):
    return compare_all(build, [{"pairs": pairs}], confidence)[0]

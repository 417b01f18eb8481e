"""Rounds of contenders that take turns, ratios, and figures that are held against a goal."""

import dataclasses
import statistics

from harness import rounds
from harness.noise import Watch
from harness.progress import say, short


@dataclasses.dataclass
class Figure:
    """A goal of the project: `values` (one a round; their median counts) against `goal`."""
    what: str
    at_most: bool
    goal: float
    values: list
    unit: str = "×"

    def reached(self):
        median = statistics.median(self.values)
        return median <= self.goal if self.at_most else median >= self.goal


class Noise:
    """The worst share of a CPU that others used while something was measured."""

    def __init__(self):
        self.worst_share = 0.0

    def watch(self, server, action):
        with Watch(server) as watch:
            result = action()
        self.worst_share = max(self.worst_share, watch.share)
        return result


def alternate(contenders, count, measure, noise):
    """{name: [sample, ...]}, in rounds whose order alternates."""
    samples = {contender.name: [] for contender in contenders}
    for number, contender in rounds.turns(contenders, count):
        sample = noise.watch(contender, lambda: measure(contender))
        samples[contender.name].append(sample)
        say_sample(number, count, contender.name, sample)
    return samples


def say_sample(number, count, name, sample):
    values = ", ".join(f"{short(value)} {unit}" for unit, value in sample.items())
    say(f"  round {number + 1}/{count}  {name:<18} {values}")


def ratios(samples, unit, ours, other):
    """Ours against the other, round by round."""
    return [mine[unit] / theirs[unit] for mine, theirs in zip(samples[ours], samples[other])]


def print_figures(figures):
    print(f"\n{'figure':<60}{'goal':>12}{'measured':>12}{'min – max':>20}  reached")
    for figure in figures:
        median = statistics.median(figure.values)
        goal = f"{'≤' if figure.at_most else '≥'} {figure.goal:g}"
        extent = f"{short(min(figure.values))} – {short(max(figure.values))}"
        print(f"{figure.what + ' (' + figure.unit.strip() + ')':<60}{goal:>12}"
              f"{short(median):>12}{extent:>20}  {'yes' if figure.reached() else 'NO'}")

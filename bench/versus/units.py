"""The words, units and directions of what is measured, and how numbers are written.

Three significant digits are what a measurement is worth.
"""

from typing import NamedTuple

NOTHING = "–"


class Metric(NamedTuple):
    words: str  # "server CPU per request": what a sentence calls it
    lower_is_better: bool
    suffix: str  # what follows the unit in a cell: "/req"
    scales: tuple  # (size, unit), ascending

    def scale(self, value):
        """The largest unit that the value fills; one that rounds up to a unit is written in it."""
        fitting = [scale for scale in self.scales if abs(value) >= 0.9995 * scale[0]]
        return fitting[-1] if fitting else self.scales[0]

    def text(self, value):
        size, unit = self.scale(value)
        return f"{digits(value / size)} {unit}{self.suffix}".rstrip()


_BYTES = ((1, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"))
_MEMORY = ((1, "B"), (1024, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB"))
_TIME_US = ((1, "µs"), (1e3, "ms"), (1e6, "s"))
_COUNT = ((1, ""), (1e3, "k"), (1e6, "M"))
WORDS = {"k": "thousands", "M": "millions"}  # where a unit stands alone

METRICS = {
    "requests_per_s": Metric("requests per second", False, " req/s", _COUNT),
    "bytes_per_s": Metric("bytes per second", False, "/s", _BYTES),
    "cpu_us_per_request": Metric("server CPU per request", True, "/req", _TIME_US),
    "cpu_s_per_gb": Metric("server CPU per GB", True, "/GB", ((1e-3, "ms"), (1, "s"))),
    "bytes_per_cpu_s": Metric("bytes per server CPU second", False, "/CPU-s", _BYTES),
    "client_cpu_us_per_request": Metric("client CPU per request", True, "/req", _TIME_US),
    "p50_us": Metric("p50 latency", True, " p50", _TIME_US),
    "p99_us": Metric("p99 latency", True, " p99", _TIME_US),
    "p999_us": Metric("p99.9 latency", True, " p99.9", _TIME_US),
    "rss_bytes": Metric("RSS", True, "", _MEMORY),
    "rss_bytes_per_connection": Metric("RSS per idle connection", True, "/conn", _MEMORY),
}

# What one run's figures repeat in other words: a win on both is one win.
SAME_AS = {"bytes_per_s": "requests_per_s", "cpu_s_per_gb": "cpu_us_per_request",
           "bytes_per_cpu_s": "cpu_us_per_request"}
OF_THE_CLIENT = ("client_cpu_us_per_request",)


def metric(name):
    """A name that nobody described is shown as it is, and less of it is held to be better."""
    return METRICS.get(name) or Metric(str(name), True, "", ((1, ""),))


def heading(name, unit):
    """What stands above numbers of that unit."""
    return f"{metric(name).words}, {WORDS.get(unit, unit)}".rstrip(", ")


def digits(value):
    size = abs(value)
    if size < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if size < 99.95 else f"{value:,.0f}"


def ratio(value):
    """Two decimals, more for what is small: 0.012 is not 0.01."""
    if 0 < value < 0.0995:
        return f"{value:.3f}"
    return digits(value)


def fine(value):
    """A digit more below 1, where a limit may lie between two that look alike."""
    return f"{value:.3f}" if 0 < value < 0.9995 else ratio(value)


def interval(low, high, text=ratio):
    """`high` is None when the rounds were too few for an end."""
    return f"[{text(low)}, {'∞' if high is None else text(high)}]"

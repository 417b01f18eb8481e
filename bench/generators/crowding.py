"""28,000 sockets in TIME_WAIT, for what tracking them costs, in the network namespace of a sample.

The namespace goes with its last process, and the sockets with it; the machine's own settings and
ports are never touched.
"""

from harness.namespace import TCP_SETTINGS
from harness.sample import SampleFailed

SOCKETS = 28000
SETTINGS = {
    "tcp_tw_reuse": "0",  # else a new connection takes one of them over after a second
    "tcp_max_tw_buckets": "262144",
}
FILLING_CONNECTIONS = 32
FILLING_SECONDS_MAX = 40  # the first ones leave TIME_WAIT 60 s after they entered it


def keep_time_wait():
    for name, value in SETTINGS.items():
        (TCP_SETTINGS / name).write_text(value)


def fill(ringload, url):
    """One connection per request, closed by us: each leaves a socket in TIME_WAIT here."""
    ringload.report(url, FILLING_CONNECTIONS, "--new-connection", "-n", SOCKETS,
                    "-d", f"{FILLING_SECONDS_MAX}s")


def require_crowd(sockets):
    """`sockets` of ringload's JSON. With fewer in TIME_WAIT the cost would be of something else."""
    fewest = min(sockets["time_wait_start"], sockets["time_wait_end"])
    if fewest < SOCKETS:
        raise SampleFailed(f"only {fewest} sockets in TIME_WAIT, of {SOCKETS}: either they could "
                           f"not be made within {FILLING_SECONDS_MAX} s, or they left too early")

"""What bench/paths found out, for people: tables for the terminal and in Markdown, and a picture.

Reads the result only, as it is written to result.json; measures and judges nothing.
"""

import pathlib
import statistics
import subprocess

from harness import plots
from harness.path_choice import CANDIDATES, size_text
from harness.path_sweep import by_path, connections

PICTURE = "paths"
WIDTH, HEIGHT = 1000, 1100
COLOURS = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.GREY, "#aaaaaa", plots.ORANGE,
           plots.GREEN, plots.SKY, plots.BROWN, plots.PURPLE)
FIGURES = {  # metric: (title, factor, digits)
    "cpu_us_per_request": ("Server CPU per response, µs", 1, 2),
    "bytes_per_cpu_s": ("GB of bodies per second of server CPU", 1e-9, 2),
    "requests_per_s": ("Responses per second", 1, 0),
}
LEGEND = [
    "wins: less CPU than every other; ~: cannot be told from the best; +n %: so much more CPU than "
    "the",
    "best, by a 95 % interval that lies above it. auto-*: auto with this mechanism only, its looks "
    "at the",
    "page cache included, which keep cold files from stalling it."]


def verdict_text(standing):
    if standing["verdict"] == "wins":
        return "wins"
    if standing["verdict"] == "as good":
        return "~"
    percent = 100 * (standing["ratio"] - 1)
    return f"+{percent:.1f} %" if percent < 9.95 else f"+{percent:.0f} %"


def verdict_rows(result):
    rows = []
    for size in result["sizes"]:
        standings = size["paths"]
        best = min(standings, key=lambda path: standings[path]["cpu_us"])
        cells = [verdict_text(standings[path]) if path in standings else ""
                 for path in result["paths"]]
        rows.append([size_text(size["size_bytes"]), str(connections(size["size_bytes"])),
                     f"{best} {standings[best]['cpu_us']:,.2f} µs", *cells])
    return [["size", "conns", "best", *result["paths"]], *rows]


def figure_rows(result, metric):
    _, factor, digits = FIGURES[metric]
    rows = []
    for size in result["sizes"]:
        values = by_path(result["samples"], size["size_bytes"], metric)
        cells = [f"{statistics.median(values[path].values()) * factor:,.{digits}f}"
                 if path in values else "" for path in result["paths"]]
        rows.append([size_text(size["size_bytes"]), *cells])
    return [["size", *result["paths"]], *rows]


def crossing_lines(result):
    if result["crossings"] is None:
        return ["Crossovers: not looked for; that takes the paths that begin with auto."]
    if not result["crossings"]:
        return ["Crossovers: none; one mechanism of auto is best at every size."]
    return ["Crossovers of auto:"] + [
        f"- {one['from']} up to {size_text(one['up_to_bytes'])}, then {one['to']}"
        for one in result["crossings"]]


def control_lines(result):
    if any(one["contains_one"] is None for one in result["controls"]):
        return ["Control: too few rounds to tell anything; fewer than 6 never do."]
    bad = [one for one in result["controls"] if not one["contains_one"]]
    if not bad:
        return [f"Control: the default path against itself is 1 within its interval at each of "
                f"{len(result['controls'])} sizes."]
    return ["machine too noisy: the default path differs from itself"] + [
        f"- {size_text(one['size_bytes'])}, {one['path']}: ratio {one['ratio']:.3f}, "
        f"{one['low']:.3f} to {one['high']:.3f}" for one in bad]


def head_lines(result):
    machine, options = result["machine"], result["options"]
    return [f"{machine['cpu_model']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, "
            f"{machine['congestion_control']}, {machine['disk']}",
            f"{result['versions']['ringserve']}, commit {result['commit'] or 'unknown'}, "
            f"{result['finished_at']}, {options['pairs']} rounds of {options['seconds']:g} s"]


def print_terminal(result):
    rows = verdict_rows(result)
    widths = [max(map(len, column)) for column in zip(*rows)]
    print("\nWhich send path costs the least server CPU per response")
    for line in head_lines(result):
        print(line)
    print()
    for row in rows:
        cells = [cell.ljust(width) if number == 2 else cell.rjust(width)
                 for number, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    print("\n" + "\n".join([*LEGEND, *crossing_lines(result), *control_lines(result)]))


def markdown_table(rows):
    rule = ["---"] * len(rows[0])
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])


def markdown(result, has_picture):
    facts = [f"- {line}" for line in [*head_lines(result), f"`{result['command']}`"]]
    crossings = crossing_lines(result)
    parts = ["# Send paths by size", "\n".join(facts), markdown_table(verdict_rows(result)),
             " ".join(LEGEND), crossings[0], "\n".join(crossings[1:]),
             "\n".join(control_lines(result))]
    if has_picture:
        parts.append(f"![CPU per byte, and against the best path, by size]({PICTURE}.svg)")
    for metric, (title, _, _) in FIGURES.items():
        parts += [f"## {title}", "Medians.", markdown_table(figure_rows(result, metric))]
    return "\n\n".join(part for part in parts if part) + "\n"


def picture(result):
    """The script of the picture, without its terminal."""
    script = plots.head(PICTURE, WIDTH, HEIGHT).split("\n", 1)[1]
    for path in result["paths"]:
        rows = [(size["size_bytes"], standing["cpu_us"] * 1e3 / size["size_bytes"],
                 standing["cpu_us"] / min(one["cpu_us"] for one in size["paths"].values()))
                for size in result["sizes"] if (standing := size["paths"].get(path))]
        script += plots.block(path, rows)
    sizes = [size["size_bytes"] for size in result["sizes"]]
    tics = ", ".join(f"{plots.quoted(size_text(4 ** power))} {4 ** power}" for power in range(4, 16)
                     if sizes[0] <= 4 ** power <= sizes[-1])
    script += ("set multiplot layout 2,1\nset logscale xy\n"
               f"set xrange [{sizes[0] / 1.5}:{sizes[-1] * 1.5}]\n"
               f"set xtics ({tics}) rotate by -30\nset key outside right top\n")
    return (script + "set ylabel 'server CPU, ns per byte'\n" + plot_of(result, 2) +
            "set ylabel 'CPU against the best path'\nset key off\nset yrange [0.97:*]\n"
            "set ytics (1, 1.1, 1.25, 1.5, 2, 3, 5, 10)\n" + plot_of(result, 3) +
            "unset multiplot\n")


def plot_of(result, column):
    lines = [f"${plots.identifier(path)} using 1:{column} with linespoints lc rgb '{colour}' pt "
             f"{'7 lw 2' if path in CANDIDATES else '6 dt 2'} ps 0.7 "
             f"title {plots.quoted(path)}" for path, colour in zip(result["paths"], COLOURS)]
    return "plot " + ", \\\n  ".join(lines) + "\n"


def draw(result, directory):
    """paths.svg and paths.png. Throws NoPicture."""
    script = picture(result)
    terminal = plots.head(PICTURE, WIDTH, HEIGHT).split("\n", 1)[0]
    (directory / f"{PICTURE}.svg").write_text(plots.svg(f"{terminal}\n{script}"))
    png = plots.quoted(directory / f"{PICTURE}.png")
    done = subprocess.run(
        ["gnuplot", "-d"], capture_output=True, encoding="utf-8", timeout=plots.DEADLINE_S,
        input=f"set terminal pngcairo size {WIDTH},{HEIGHT} noenhanced font 'sans-serif,14' "
              f"linewidth 1.6\nset output {png}\n{script}")
    if done.returncode != 0:
        raise plots.NoPicture(f"gnuplot drew no PNG: {' '.join(done.stderr.split())}")


def write(result, directory, say):
    """paths.md, and paths.svg and paths.png where there is gnuplot."""
    directory = pathlib.Path(directory)
    has_picture = True
    try:
        draw(result, directory)
    except plots.NoPicture as error:
        has_picture = False
        say(f"bench/paths: no picture: {error}")
    (directory / "paths.md").write_text(markdown(result, has_picture))

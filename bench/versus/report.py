"""The report of bench/versus/run: table.md, report.html, and the short table on the terminal.

Whatever is missing from the result leaves a gap that says why; only a file that cannot be written
is an error (OSError).
"""

import os
import pathlib
import shutil
import sys
import textwrap

import page
import summary
from readings import Readings

COLOURS = {summary.WIN: "32", summary.LOSS: "1;31", summary.UNCLEAR: "2", summary.EMPTY: "2"}
WIDTH_DEFAULT, NOTES_WIDTH_MAX = 100, 100


def write(result, directory):
    """Writes table.md and report.html; returns their paths."""
    directory = pathlib.Path(directory)
    texts = {"table.md": markdown(result), "report.html": page.render(result)}
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in texts]


# Markdown.


def markdown(result):
    readings = Readings(result)
    parts = ["# ringserve beside its peers"]
    parts += [f"**{_plain(line)}**" if at == 0 else _plain(line)
              for at, line in enumerate(summary.warnings(result))]
    short = summary.short_table(readings)
    rows = [[row[0]._replace(below=""), *row[1:]] for row in short.rows]
    parts.append(_markdown_table(short.header, rows))
    parts += ["\n".join(f"- {_plain(line)}" for line in summary.peer_wins(readings)),
              "\n\n".join(_plain(note) for note in short.notes)]
    parts += _markdown_section(summary.goals_table(result))
    parts += _markdown_section(summary.controls_table(readings))
    parts += ["## Everything that was measured",
              "Medians over the rounds, in brackets the first and the third quartile."]
    for table in summary.detail_tables(readings):
        parts += _markdown_section(table, "###")
    parts += _markdown_section(summary.facts_table(readings))
    if result.get("command"):
        parts += ["## To do it again", f"```sh\n{result['command']}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_section(table, level="##"):
    return [f"{level} {_plain(table.title)}", _markdown_table(table.header, table.rows),
            *(_plain(note) for note in table.notes)]


def _markdown_table(header, rows):
    if not rows:
        return ""
    lines = [[_plain(name) for name in header], ["---"] * len(header)]
    lines += [[_markdown_cell(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _markdown_cell(cell):
    text = f"**{_plain(cell.text)}**" if cell.kind == summary.LOSS else _plain(cell.text)
    return f"{text} {_plain(cell.below)}".strip()


def _plain(text):
    """What would be taken for markup is not: names and versions come from outside."""
    text = " ".join(str(text).split())
    for sign in "\\|*_<`":
        text = text.replace(sign, "\\" + sign)
    return text


# The terminal.


def print_terminal(result, stream=None):
    stream = stream or sys.stdout
    readings = Readings(result)
    is_terminal = stream.isatty()
    width = shutil.get_terminal_size((WIDTH_DEFAULT, 24)).columns
    colours = is_terminal and "NO_COLOR" not in os.environ
    lines = [_coloured(line, summary.LOSS, colours and at == 0)
             for at, line in enumerate(summary.warnings(result))]
    short = summary.short_table(readings)
    lines += ["", *_table_lines(short, width, colours), ""]
    wrapped = min(width, NOTES_WIDTH_MAX)
    for sentence in [*summary.peer_wins(readings), *short.notes]:
        lines += textwrap.wrap(sentence, wrapped, subsequent_indent="  ")
    lines += ["", *_goal_lines(result, colours)]
    encoding = stream.encoding or "utf-8"
    for line in lines:
        print(line.encode(encoding, "replace").decode(encoding), file=stream)


def _coloured(text, kind, colours):
    return f"\033[{COLOURS[kind]}m{text}\033[0m" if colours and kind in COLOURS else text


def _table_lines(table, width, colours):
    """One line a row where the terminal is wide enough, else the intervals one line below."""
    header = ["floor" if name == summary.FLOOR_COLUMN else name for name in table.header]
    rows = [[row[0]._replace(below=""), *row[1:]] for row in table.rows]
    wide = [[cell._replace(text=f"{cell.text} {cell.below}".strip(), below="") for cell in row]
            for row in rows]
    if sum(_widths(header, wide)) + 2 * (len(header) - 1) <= width:
        rows, gap = wide, 2
    else:
        rows, gap = [[_narrow(cell) for cell in row] for row in rows], 1
    widths = _widths(header, rows)
    lines = [_line(header, widths, gap)]
    for row in rows:
        lines.append(_line([cell.text for cell in row], widths, gap,
                           [cell.kind for cell in row] if colours else None))
        if any(cell.below for cell in row):
            lines.append(_line([cell.below for cell in row], widths, gap))
    return lines


def _narrow(cell):
    """[0.55, 0.57] as 0.55–0.57, for a line of its own."""
    return cell._replace(below=cell.below.strip("[]").replace(", ", "–"))


def _widths(header, rows):
    return [max([len(name), *(max(len(row[at].text), len(row[at].below)) for row in rows)])
            for at, name in enumerate(header)]


def _line(texts, widths, gap, kinds=None):
    """The first column to the left, the others to the right."""
    cells = [text.ljust(size) if at == 0 else text.rjust(size)
             for at, (text, size) in enumerate(zip(texts, widths))]
    if kinds:
        cells = [_coloured(cell, kind, True) for cell, kind in zip(cells, kinds)]
    return (" " * gap).join(cells).rstrip()


def _goal_lines(result, colours):
    table = summary.goals_table(result)
    widths = [max((len(row[at].text) for row in table.rows), default=0) for at in range(5)]
    lines = []
    for goal, limit, measured, interval, reached, remark in table.rows:
        mark = _coloured(reached.text.ljust(widths[4]), reached.kind, colours)
        asked = f"{goal.text.ljust(widths[0])}  {limit.text.ljust(widths[1])}"
        figure = f"{measured.text} {interval.text} {remark.text}"
        if measured.kind == summary.EMPTY:
            figure = remark.text
        lines.append(f"{mark}  {asked}  {figure}".rstrip())
    return ["Goals, and whether they are reached:", *lines] if lines else []

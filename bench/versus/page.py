"""The report as one HTML page: style and pictures inside, no script, nothing fetched.

It shows the tables of summary.py and the pictures of pictures.py, and computes nothing itself.
"""

import html

import goals
import pictures
import summary
from harness import plots
from readings import Readings

# The pictures stay on a light card in the dark: their lines are drawn for one. On a phone a row of
# the short table becomes a card of its own, with the names of the columns beside the values.
STYLE = """
:root{--bg:#f5f6f8;--card:#fff;--text:#1c2128;--soft:#5b6570;--line:#e2e5ea;--warn:#a33c00;
--good:#00664b;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1e232a;--text:#e7eaee;--soft:#a2abb6;
--line:#343b45;--warn:#ff9f5e;--good:#5fd0a8}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:1240px;margin:0 auto;padding:20px 16px}
h1{font-size:1.5rem;margin:0 0 2px}
h2{font-size:1.15rem;margin:0 0 8px}
h3{font-size:1rem;margin:0 0 8px}
p{margin:6px 0;overflow-wrap:anywhere}
code{overflow-wrap:anywhere;font-size:.9em}
.soft{color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;
margin:16px 0}
.figure,section,figure{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:14px 16px}
.figure b{display:block;font-size:1.4rem;line-height:1.3;white-space:nowrap;font-weight:650}
.figure.bad b,.warn h2{color:var(--warn)}
section{margin:0 0 14px}
.group{margin:22px 0 8px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,370px),1fr));gap:14px;
margin-bottom:14px;align-items:start}
.plots.one{grid-template-columns:minmax(0,576px)}
figure{margin:0;min-width:0;break-inside:avoid}
figure svg{display:block;max-width:100%;height:auto;margin:0 auto;background:#fff;border-radius:6px}
figcaption{color:var(--soft);font-size:.9em;margin-bottom:8px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{padding:4px 14px 4px 0;vertical-align:top;text-align:left;font-weight:400;
border-top:1px solid var(--line)}
thead th{border-top:0;color:var(--soft);font-size:.9em;vertical-align:bottom}
tbody th b{font-weight:600}
small{color:var(--soft);font-size:.85em}
.narrow small,.short small{display:block}
.short td,.short tbody th b,.narrow td,.narrow tbody th b{white-space:nowrap}
.short small{max-width:22em}
.narrow td small,.short td small{white-space:nowrap}
.notes{columns:2 420px;column-gap:28px;font-size:.9rem;color:var(--soft);margin-top:10px}
.notes.one{columns:1}
.notes p{margin:0 0 6px;break-inside:avoid}
.goals td:nth-child(-n+5),.goals thead th{white-space:nowrap}
.win{color:var(--good)}
.loss{color:var(--warn);font-weight:650}
.unclear,.empty{color:var(--soft)}
.said{margin:12px 0 0}
@media(max-width:700px){main{padding:14px 10px}
.figure,section,figure{padding:10px 12px}.figures{grid-template-columns:1fr 1fr}
.cards thead{display:none}
.cards tr{display:block;border-top:1px solid var(--line);padding:8px 0}
.cards tbody tr:first-child{border-top:0}
.cards td,.cards th,.goals td:nth-child(n){display:block;border:0;padding:1px 0;white-space:normal}
.cards td,.goals td:nth-child(n){padding-left:10.5em;text-indent:-10.5em}
.cards td::before{content:attr(data-of);display:inline-block;width:10.5em;color:var(--soft);
font-weight:400;text-indent:0;vertical-align:top}
.cards td small{display:inline}
.cards td.soft:empty{display:none}}
@media print{:root{--bg:#fff;--card:#fff;--text:#000;--soft:#444;--line:#bbb;--warn:#a33c00;
--good:#00664b}body{font-size:11px}main{max-width:none;padding:0}tr{break-inside:avoid}
thead{display:table-header-group}.group,h2,h3{break-after:avoid}.scroll{overflow:visible}
.figure,section,figure{border-radius:0}}
"""


def render(result):
    """The whole page as text."""
    readings = Readings(result)
    parts = [_head(result), _warnings(result), _figures(readings),
             _section(summary.short_table(readings), "cards short",
                      said=summary.peer_wins(readings)),
             _section(summary.goals_table(result), "cards goals"), _pictures(readings),
             _section(summary.controls_table(readings), "cards"),
             '<h2 class="group">Everything that was measured</h2>\n',
             '<p class="soft">Medians over the rounds, in brackets the first and the third '
             'quartile.</p>\n',
             *(_section(table, "narrow", level=3) for table in summary.detail_tables(readings)),
             _section(summary.facts_table(readings), "facts"), _command(result)]
    return "".join(parts) + "</main>\n</body>\n</html>\n"


def _escaped(text):
    return html.escape(str(text))


def _head(result):
    machine = result.get("machine") or {}
    facts = [machine.get("cpu_model"), f"{machine['cpus']} CPUs" if "cpus" in machine else None,
             machine.get("kernel"), result.get("commit"), result.get("started_at")]
    line = " · ".join(_escaped(fact) for fact in facts if fact)
    return ('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>ringserve beside its peers</title>\n<style>{STYLE}</style>\n</head>\n"
            f'<body>\n<main>\n<h1>ringserve beside its peers</h1>\n<p class="soft">{line}</p>\n')


def _warnings(result):
    """They come before every figure: they must not be overlooked."""
    lines = summary.warnings(result)
    if not lines:
        return ""
    rest = "".join(f"<p>{_escaped(line)}</p>\n" for line in lines[1:])
    return f'<section class="warn"><h2>{_escaped(lines[0])}</h2>\n{rest}</section>\n'


def _figures(readings):
    score = summary.score(readings)
    evaluated = [goal for goal in readings.result.get("goals") or []
             if goal["reached"] != goals.NOT_MEASURED]
    reached = sum(goal["reached"] == goals.YES for goal in evaluated)
    controls = readings.result.get("controls") or []
    fine = sum(bool(control["contains_one"]) for control in controls)
    figures = [(f"✓ {score[summary.WIN]}", "comparisons ringserve wins", False),
               (f"✗ {score[summary.LOSS]}", "a peer wins", score[summary.LOSS] > 0),
               (f"~ {score[summary.UNCLEAR]}", "cannot be told", False),
               (f"{reached} of {len(evaluated)}", "goals reached", False),
               (f"{fine} of {len(controls)}", "controls contain 1", fine < len(controls))]
    cards = (f'<div class="figure{" bad" if bad else ""}"><b>{value}</b>'
             f'<span class="soft">{label}</span></div>\n' for value, label, bad in figures)
    return f'<div class="figures">\n{"".join(cards)}</div>\n'


def _section(table, kind, level=2, said=()):
    text = f"<section>\n<h{level}>{_escaped(table.title)}</h{level}>\n"
    if table.rows:
        text += f'<div class="scroll"><table class="{kind}">\n{_thead(table.header)}<tbody>\n'
        text += "".join(_row(table.header, row) for row in table.rows)
        text += "</tbody>\n</table></div>\n"
    text += "".join(f'<p class="said">{_escaped(line)}</p>\n' for line in said)
    if table.notes:
        notes = "".join(f"<p>{_escaped(note)}</p>\n" for note in table.notes)
        kind = "notes" if len(table.notes) > 1 else "notes one"
        text += f'<div class="{kind}">\n{notes}</div>\n'
    return text + "</section>\n"


def _thead(header):
    if not any(header):
        return ""
    cells = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in header)
    return f"<thead><tr>{cells}</tr></thead>\n"


def _row(header, row):
    first, *rest = row
    text = f'<tr><th scope="row"><b>{_escaped(first.text)}</b>{_below(first)}</th>'
    for name, cell in zip(header[1:], rest):
        kind = f' class="{cell.kind}"' if cell.kind else ""
        text += f'<td data-of="{_escaped(name)}"{kind}>{_escaped(cell.text)}{_below(cell)}</td>'
    return text + "</tr>\n"


def _below(cell):
    return f" <small>{_escaped(cell.below)}</small>" if cell.below else ""


def _pictures(readings):
    if not plots.available():
        return ('<section><h2>Pictures</h2>\n<p>There are none: gnuplot is not installed '
                f"(apt-get install {plots.PACKAGE}). The tables hold all the figures.</p>"
                "</section>\n")
    return "".join(_group(group) for group in pictures.groups_of(readings))


def _group(group):
    text = (f'<h2 class="group">{_escaped(group.title)}</h2>\n'
            f'<p class="soft">{_escaped(group.caption)}</p>\n'
            f'<div class="plots{" one" if len(group.pictures) == 1 else ""}">\n')
    return text + "".join(_figure(picture) for picture in group.pictures) + "</div>\n"


def _figure(picture):
    caption = (f"<figcaption>{_escaped(picture.caption)}</figcaption>\n" if picture.caption
               else "")
    try:
        drawn = plots.svg(picture.script)
    except plots.NoPicture as error:
        drawn = f"<p>{_escaped(error)}</p>\n"
    return f"<figure><h3>{_escaped(picture.title)}</h3>{caption}{drawn}</figure>\n"


def _command(result):
    command = result.get("command")
    if not command:
        return ""
    return ("<section><h2>To do it again</h2>\n"
            f"<p><code>{_escaped(command)}</code></p></section>\n")

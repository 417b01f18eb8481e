"""Pictures by gnuplot, as SVG to be put into a page.

Every picture of the benchmarks begins with head(), so that they look alike and like those of
ringload's report. Nothing here knows what is drawn; nothing is written to a file.
"""

import re
import shutil
import subprocess

DEADLINE_S = 60
PACKAGE = "gnuplot-nox"
LETTERS_PX = 13

# Okabe and Ito's colours, for all kinds of eyes.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#007d5c", "#aa4a87"
BROWN, SKY, GREY = "#8a6d00", "#3a93c9", "#777777"


class NoPicture(RuntimeError):
    """gnuplot is missing or refused the script; the message says what to do."""


def available():
    return shutil.which("gnuplot") is not None


def head(name, width=360, height=240):
    """`name` tells the parts of one picture from those of the others on the same page. The usual
    width is that of a phone, so that letters are as large there as anywhere else."""
    return (f"set terminal svg size {width},{height} noenhanced font 'sans-serif,{LETTERS_PX}' "
            f"name '{identifier(name)}' linewidth 1.2\n"
            "set encoding utf8\nset border 3 lc rgb '#555555'\nset tics nomirror out\n"
            "set grid lc rgb '#dddddd' lt 1\nset style fill noborder\n")


def identifier(text):
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def quoted(text):
    """A string of a gnuplot script: in single quotes nothing but the quote is special."""
    return "'" + str(text).replace("'", "''").replace("\n", " ") + "'"


def block(name, rows):
    """A named block of data; a row is a sequence of numbers or of strings without blanks."""
    lines = (" ".join(str(value) for value in row) for row in rows)
    return f"${identifier(name)} << EOD\n" + "\n".join(lines) + "\nEOD\n"


def svg(script):
    """The picture as an <svg> element."""
    try:
        # -d: without the user's own settings.
        done = subprocess.run(["gnuplot", "-d"], input=script, capture_output=True,
                              encoding="utf-8", timeout=DEADLINE_S)
    except FileNotFoundError:
        raise NoPicture(f"gnuplot is not installed (apt-get install {PACKAGE})") from None
    except subprocess.TimeoutExpired:
        raise NoPicture(f"gnuplot did not end within {DEADLINE_S} s") from None
    begin = done.stdout.find("<svg")
    if done.returncode != 0 or begin < 0:
        complaint = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise NoPicture(f"gnuplot drew no picture: {complaint}")
    return _with_own_names(done.stdout[begin:])


def _with_own_names(picture):
    """The name of an element must be the only one of its page, and gnuplot's are the same in every
    picture but for the prefix of some."""
    prefix = re.search(r'id="(\w+)_plot_1"', picture)
    prefix = prefix.group(1) if prefix else "picture"
    picture = re.sub(r"\bid=(['\"])", rf"id=\g<1>{prefix}-", picture)
    return re.sub(r"(href=['\"]#|url\(#)", rf"\g<1>{prefix}-", picture)

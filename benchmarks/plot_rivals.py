"""Draws README's plot of all loaders: images per second on one core, from a table of the log.

    python benchmarks/plot_rivals.py benchmarks/log.md docs/rivals.svg

The table is the first one in the file with the columns that `bench_rivals.py` prints; rivals that
could not be measured have no bar. A bar is the median of the rounds, the line on it their range.
"""

import argparse
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

_COLUMNS = "| loader | images/s | of a bare decode |"
_HEADING = re.compile(r"## (\d{4}-\d\d-\d\d): ")
_FIGURES = re.compile(r"([\d,]+) \(([\d,]+) to ([\d,]+)\)")

WIDTH, BAR, GAP = 860, 18, 8  # of the picture, of a bar and between bars, in pixels
LEFT, RIGHT, TOP, BOTTOM = 330, 100, 60, 34
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .note { fill: #6e7781; font-size: 12px }
  .theirs { fill: #8c959f } .ours { fill: #4053b5 } .bare { fill: #c9d1d9 }
  .range { stroke: #24292f; stroke-width: 1.5 }
"""


class Row(NamedTuple):
    """One loader."""

    label: str
    median: int
    least: int
    most: int

    @property
    def kind(self) -> str:
        """The class of its bar."""
        if self.label.startswith("bare decode"):
            return "bare"
        return "ours" if self.label.startswith("imnet-data") else "theirs"


def read(log: str) -> tuple[str, list[Row]]:
    """Return the date and the rows of the first table."""
    before, found, after = log.partition(_COLUMNS)
    if not found:
        raise SystemExit(f"there is no table that begins with {_COLUMNS}")
    rows = []
    for line in after.splitlines()[2:]:
        if not line.startswith("|"):
            break
        label, figures = (cell.strip() for cell in line.split("|")[1:3])
        if "twice the cores" in label:
            continue
        if matched := _FIGURES.fullmatch(figures):
            numbers = (int(number.replace(",", "")) for number in matched.groups())
            rows.append(Row(label.replace("*", ""), *numbers))
    return _HEADING.findall(before)[-1], rows


def draw(date: str, rows: list[Row]) -> str:
    """Return the picture, as SVG."""
    height = TOP + len(rows) * (BAR + GAP) + BOTTOM
    scale = (WIDTH - LEFT - RIGHT) / max(row.most for row in rows)
    title = "Training images per second on one core"
    words = "; ".join(f"{row.label}: {row.median:,}" for row in rows)
    shapes = [
        f'<text class="title" x="16" y="26">{title}</text>',
        '<text class="note" x="16" y="46">'
        "224 pixels, RandomResizedCrop and flip, the same photographs; more is better</text>",
    ]
    for number, row in enumerate(rows):
        y = TOP + number * (BAR + GAP)
        text, middle = y + BAR * 0.75, y + BAR / 2
        low, high = LEFT + row.least * scale, LEFT + row.most * scale
        shapes += [
            f'<text x="{LEFT - 10}" y="{text:.1f}" text-anchor="end">{escape(_short(row))}</text>',
            f'<rect class="{row.kind}" x="{LEFT}" y="{y}" width="{row.median * scale:.1f}" '
            f'height="{BAR}"/>',
            f'<path class="range" d="M{low:.1f} {middle:.1f}H{high:.1f}"/>',
            f'<text x="{high + 8:.1f}" y="{text:.1f}">{row.median:,}</text>',
        ]
    shapes.append(
        f'<text class="note" x="16" y="{height - 12}">{date}, one core of a 2-core AMD EPYC, '
        "medians and ranges of the rounds (benchmarks/log.md)</text>"
    )
    body = "\n".join(f"  {shape}" for shape in shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<title>{title}</title>\n<desc>{escape(words)}</desc>\n<style>{STYLE}</style>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _short(row: Row) -> str:
    """Return a label without what is in brackets and without versions."""
    label = re.sub(r" \([^)]*\)", "", row.label)
    return re.sub(r" \d+(\.\d+)+", "", label).replace("ImageFolder + DataLoader, ", "")


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description="Draw the plot of README.")
    parser.add_argument("log", type=Path, help="file with the table")
    parser.add_argument("picture", type=Path, help="file to write, an SVG")
    args = parser.parse_args()
    args.picture.write_text(draw(*read(args.log.read_text())))


if __name__ == "__main__":
    main()

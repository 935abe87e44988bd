"""Charts as small SVG texts: drawn by matplotlib, text kept as text, colours left to the page's style sheet."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from selfplay.progress import quantity

# matplotlib draws in these colours; each becomes the style sheet's variable of that name, so that light, dark and print
# each have their own.
INK, LINE, SURFACE = "#b10000", "#b10001", "#b10002"
SERIES = [f"#a1000{i}" for i in range(8)]
_VARIABLES = {INK: "--muted", LINE: "--line", SURFACE: "--surface"} | {
    color: f"--series-{i}" for i, color in enumerate(SERIES)
}

STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names come from data, where a dollar is a dollar
    "font.size": 11,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "ytick.left": False,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "text.color": INK,
    "figure.constrained_layout.use": True,
}

HOVER = 12.0  # least width and height of what the pointer finds, in SVG units
Mark = tuple[
    tuple[float, float, float, float], str
]  # left, bottom, right, top in the axes' own units, and the text shown there

MOST_TICKS = 6  # of a log axis
NAME_LENGTH = 16  # characters of a group's name below its bars


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart, with a band where it has an interval."""

    label: str
    color: int  # of the page's series colours
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dashed: bool = False
    strength: float = 1.0  # of the colour; later rounds are stronger
    is_forecast: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of one colour: one a group, next to those of other colours or on top of them."""

    label: str
    color: int
    heights: Sequence[float]
    strength: float = 1.0


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend."""

    label: str
    color: int
    strength: float
    mark: str  # "line", "dashed" or "box"


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart with what the page shows around it."""

    title: str
    svg: str
    legend: list[Key]
    columns: list[str] = field(default_factory=list)  # of the table of its numbers
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    share: bool = True,
    whole_x: bool = False,
    x_names: Sequence[str] = (),
    note: str = "",
) -> Chart:
    """Lines over x; `share` fixes the y axis to 0 to 1, `x_names` names x = 0, 1, ..."""
    with rc_context(STYLE):
        canvas = Canvas(figsize=(4.6, 3.0))
        draw_lines(
            canvas.subplots(), lines, x_label, y_label, log_x=log_x, share=share, whole_x=whole_x, x_names=x_names
        )
        rows, places = [], []
        for line in lines:
            label = line.label + (", forecast" if line.is_forecast else "")
            for i, (x, y) in enumerate(zip(line.x, line.y, strict=True)):
                ends = [number(line.low[i]), number(line.high[i])] if line.low else []
                rows.append([label, x_names[int(x)] if x_names else number(x), number(y), *ends])
                places.append((x, y, x, y))
        svg = to_svg(
            canvas,
            title,
            marks=[(place, _in_words(x_label, y_label, row)) for place, row in zip(places, rows, strict=True)],
        )
    legend = [
        Key(line.label, line.color, line.strength, "dashed" if line.dashed else "line")
        for line in lines
        if not line.is_forecast
    ]
    interval = ["from", "to"] if any(line.low for line in lines) else []
    return Chart(title, svg, legend, ["", x_label, y_label, *interval], rows, note)


def draw_lines(
    axes: Axes,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    log_x: bool = False,
    share: bool = True,
    whole_x: bool = False,
    x_names: Sequence[str] = (),
) -> None:
    axes.grid(axis="x", visible=False)
    if log_x:
        axes.set_xscale("log")
        low, high = min(min(line.x) for line in lines), max(max(line.x) for line in lines)
        axes.xaxis.set_major_locator(FixedLocator(log_ticks(low, high)))
        axes.xaxis.set_minor_locator(NullLocator())  # matplotlib would label these, too, if there is less than a decade
    for line in lines:
        color = SERIES[line.color % len(SERIES)]
        if line.low:
            axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.16 * line.strength, linewidth=0)
        axes.plot(
            line.x,
            line.y,
            color=color,
            linestyle=":" if line.is_forecast else "--" if line.dashed else "-",
            linewidth=2,
            alpha=line.strength,
            marker="" if line.is_forecast or len(line.x) > 12 else "o",
            markersize=4.5,
            label="" if line.is_forecast else line.label,
        )
    if share:
        axes.set_ylim(-0.02, 1.02)
    else:
        axes.set_ylim(0, 1.08 * max((y for line in lines for y in line.y), default=1.0) or 1.0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    if x_names:
        axes.set_xticks(range(len(x_names)), x_names)
    elif whole_x and not log_x:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not x_names:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    if not share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))


def log_ticks(low: float, high: float) -> list[float]:
    """At most MOST_TICKS round numbers from `low` to `high` for a log axis: powers of 10, or of 2 or 1, 2, 5 if these are few.

    The two ends themselves if no round number lies between them.
    """
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**e for e in exponents if low <= 10.0**e <= high]
    finer = [part * 10.0**e for e in exponents for part in (1, 2, 5) if low <= part * 10.0**e <= high]
    twos = [2.0**e for e in range(17) if low <= 2**e <= high] if low >= 1 else []
    for ticks in (twos, finer, tens):
        if 2 <= len(ticks) <= MOST_TICKS:
            return ticks
    return tens[:: -(-len(tens) // MOST_TICKS)] if len(tens) > MOST_TICKS else sorted({low, high})


def bar_chart(
    title: str,
    groups: Sequence[str],
    bars: Sequence[Bars],
    x_label: str,
    y_label: str,
    *,
    stacked: bool = False,
    share: bool = False,
    note: str = "",
) -> Chart:
    """Bars in groups, side by side or stacked."""
    with rc_context(STYLE):
        canvas = Canvas(figsize=(4.6, 3.0))
        axes = canvas.subplots()
        axes.grid(axis="x", visible=False)
        bottom, marks = [0.0] * len(groups), []
        width = 0.8 if stacked else 0.8 / max(len(bars), 1)
        for number_of_bars, series in enumerate(bars):
            at = [i if stacked else i - 0.4 + width * (number_of_bars + 0.5) for i in range(len(groups))]
            axes.bar(
                at, series.heights, width * 0.92, bottom if stacked else 0, color=SURFACE
            )  # hides the grid behind a faint bar
            axes.bar(
                at,
                series.heights,
                width * 0.92,
                bottom if stacked else 0,
                color=SERIES[series.color % len(SERIES)],
                edgecolor=SURFACE,
                linewidth=1,
                alpha=series.strength,
            )
            for i, height in enumerate(series.heights):
                below = bottom[i] if stacked else 0.0
                place = (at[i] - width / 2, below, at[i] + width / 2, below + height)
                marks.append((place, f"{groups[i]}, {series.label}: {number(height)} {y_label}"))
            if stacked:
                bottom = [below + height for below, height in zip(bottom, series.heights, strict=True)]
        names = [group if len(group) <= NAME_LENGTH else group[: NAME_LENGTH - 1] + "…" for group in groups]
        axes.set_xticks(range(len(groups)), names)
        room = max(0.0, 4 - len(groups)) / 2  # so that few bars do not become walls
        axes.set_xlim(-0.6 - room, len(groups) - 0.4 + room)
        if len(groups) > 6 or max(map(len, names), default=0) > 9:
            axes.tick_params(axis="x", rotation=35)
        if share:
            axes.set_ylim(0, 1.02)
        else:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        svg = to_svg(canvas, title, marks)
    rows = [[group, *(number(series.heights[i]) for series in bars)] for i, group in enumerate(groups)]
    legend = [Key(series.label, series.color, series.strength, "box") for series in bars]
    return Chart(title, svg, legend, [x_label, *(series.label for series in bars)], rows, note)


def to_svg(canvas: Canvas, title: str, marks: Sequence[Mark] = ()) -> str:
    """The SVG element of a figure, without a size of its own, in the colours of the style sheet.

    marks: the texts that the pointer shows on the figure's first axes.
    """
    out = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": title}):
        for patch in (canvas.patch, *(axes.patch for axes in canvas.axes)):
            patch.set_visible(False)
        FigureCanvasSVG(canvas).print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    (view,) = re.findall(r'viewBox="[^"]*"', svg)[:1]
    body = svg[svg.index("</defs>") + len("</defs>") :]  # the first definitions hold a style for the whole page
    referred = set(re.findall(r"#([\w.-]+)", body))
    body = re.sub(r' id="([^"]*)"', lambda match: match.group() if match.group(1) in referred else "", body)
    body = re.sub(r"font-family: [^;\"]*", "font-family: inherit", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = re.sub(r"(\d\.\d\d)\d+", r"\1", body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    body = body.replace("</svg>", _hover(canvas, marks) + "</svg>")
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} {view} role="img"><title>{escape(title)}</title>{body}'


def _in_words(x_label: str, y_label: str, row: list[str]) -> str:
    """A point of a line, from its row in the table of numbers."""
    label, x, y, *ends = row
    return f"{label}, {x_label} {x}: {y_label} {y}".replace(",  ", ", ") + (f" [{', '.join(ends)}]" if ends else "")


def _hover(canvas: Canvas, marks: Sequence[Mark]) -> str:
    """An unseen shape over each point and bar, which shows its numbers where the pointer rests. Drawn after the figure,
    whose layout is then known; an SVG has 72 units an inch and its origin at the top."""
    shapes = []
    height = canvas.get_figheight() * 72
    for (left, bottom, right, top), text in marks:
        (x0, y0), (x1, y1) = canvas.axes[0].transData.transform([(left, bottom), (right, top)]) * 72 / canvas.dpi
        size = max(x1 - x0, HOVER), max(y1 - y0, HOVER)
        x, y = (x0 + x1 - size[0]) / 2, height - (y0 + y1 + size[1]) / 2
        shapes.append(
            f'<rect class="hover" x="{x:.1f}" y="{y:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}" rx="2"><title>{escape(text)}</title></rect>'
        )
    return "".join(shapes)


def _tick(value: float) -> str:
    return quantity(value) if value >= 1e4 else f"{value:g}"


def number(value: float) -> str:
    """A number for a table: whole ones with thousands, others with three places."""
    if float(value).is_integer() and abs(value) > 1:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"

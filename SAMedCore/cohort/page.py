"""The report as one HTML page that needs no other file: pictures inside, light or dark as the reader's system is."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from statistics import median
from urllib.parse import quote

from SAMedCore import __version__
from SAMedCore.cohort.outliers import FEWEST_SCANS, LIMIT, Finding, findings, outliers_first
from SAMedCore.cohort.page_style import SCRIPT, STYLE
from SAMedCore.cohort.scans import Request, ScanRow
from SAMedCore.cohort.strips import strip
from SAMedCore.files.atomic import replacing
from SAMedCore.image.labels import Label, LabelTable

MOST_SCANS = 1000
"""So many scans have a line and a picture of 8 KB each; with more no browser would show the page. The table has all."""

MOST_FAILED = 200


def write_page(rows: Sequence[ScanRow], labels: LabelTable, request: Request, path: Path) -> None:
    """Write the page.

    Args:
        rows: one a scan.
        labels: the structures, whose colours are shown.
        request: for the checkpoint's name and the thumbnails.

    Raises:
        InputError: it cannot be written.
    """
    found = findings(rows)
    ordered = outliers_first(rows, found)
    done = [row for row in ordered if row.error is None]
    failed = [row for row in ordered if row.error is not None]
    labels = LabelTable(tuple(label for label in labels if any(label.name in row.volumes_ml for row in done)))
    unusual = [row for row in done if found[row.scan.name]]
    parts = [
        _head(request),
        _counts(done, failed, unusual),
        _failures(failed),
        _structures(done, labels, found) if done else "",
        _scans(done, unusual, labels, found, request) if done else "",
        _explanation(),
        f"</main><script>{SCRIPT}</script></body></html>",
    ]
    with replacing(path) as unfinished:
        unfinished.write_text("\n".join(parts), encoding="utf-8")


def _head(request: Request) -> str:
    checkpoint = escape(Path(request.model.checkpoint).name)
    when = f"{datetime.now():%Y-%m-%d %H:%M}"
    return f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Cohort report</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>{STYLE}</style></head><body><main>
<header><h1>Cohort report</h1><p>Segmented with <b>{checkpoint}</b> &middot; {when} &middot; SAMed {__version__} &middot;
for research use only</p></header>"""


def _counts(done: list[ScanRow], failed: list[ScanRow], unusual: list[ScanRow]) -> str:
    seconds = [sum(row.seconds.values()) for row in done]
    counts = [
        ("scans", f"{len(done) + len(failed):,}", ""),
        ("segmented", f"{len(done):,}", ""),
        ("not segmented", f"{len(failed):,}", "bad" if failed else ""),
        ("unusual", f"{len(unusual):,}" if len(done) >= FEWEST_SCANS else "&ndash;", "warn" if unusual else ""),
        ("a scan (median)", duration(median(seconds)) if seconds else "&ndash;", ""),
    ]
    tiles = "".join(f'<div class="tile {kind}"><b>{number}</b><span>{what}</span></div>' for what, number, kind in counts)
    return f'<div class="tiles">{tiles}</div>'


def _failures(failed: list[ScanRow]) -> str:
    if not failed:
        return ""
    lines = "".join(
        f'<tr><td title="{escape(row.scan.image)}">{escape(row.scan.name)}</td><td>{escape(str(row.error))}</td>'
        f'<td class="number">{row.tries}</td></tr>'
        for row in failed[:MOST_FAILED]
    )
    more = f"<p>And {len(failed) - MOST_FAILED:,} more: report.csv has all.</p>" if len(failed) > MOST_FAILED else ""
    return (
        '<h2>Not segmented</h2><div class="wide"><table><thead><tr><th>Scan</th><th>Why</th><th class="number">Tries</th></tr>'
        f"</thead><tbody>{lines}</tbody></table></div>{more}"
    )


def _structures(done: list[ScanRow], labels: LabelTable, found: dict[str, list[Finding]]) -> str:
    lines = []
    for label in labels:
        volumes = {row.scan.name: row.volumes_ml[label.name] for row in done if row.volumes_ml.get(label.name)}
        odd = {scan for scan in volumes if any(each.kind == "volume" and each.structure == label.name for each in found[scan])}
        middle = millilitres(median(volumes.values())) if volumes else "&ndash;"
        reach = f"{millilitres(min(volumes.values()))} to {millilitres(max(volumes.values()))}" if volumes else ""
        doubts = [row.doubt[label.name] for row in done if row.volumes_ml.get(label.name) and label.name in row.doubt]
        doubt = f"{median(doubts):.2f}" if doubts else ""
        lines.append(
            f"<tr><td>{_swatch(label)}{escape(label.name)}</td><td class='number'>{len(volumes):,} of {len(done):,}</td>"
            f"<td class='number'>{middle}</td><td class='number'>{reach}</td><td class='strip'>{strip(volumes, odd, label.rgb)}"
            f"</td><td class='number'>{doubt}</td></tr>"
        )
    return (
        '<h2>Structures</h2><div class="wide"><table><thead><tr><th>Structure</th><th class="number">Found in</th>'
        '<th class="number">Median ml</th><th class="number">Least to most</th><th>A mark a scan, 0 ml on the left</th>'
        f'<th class="number">Median doubt</th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _scans(
    done: list[ScanRow], unusual: list[ScanRow], labels: LabelTable, found: dict[str, list[Finding]], request: Request
) -> str:
    shown = done[:MOST_SCANS]
    titles = "".join(f'<th class="number" data-sort="number">{_swatch(label)}{escape(label.name)}</th>' for label in labels)
    head = (
        f'<th></th><th data-sort="text">Scan</th>{titles}<th class="number" data-sort="number">Doubt</th>'
        '<th class="number" data-sort="number">Time</th>'
    )
    columns = len(labels) + 4
    lines = []
    for index, row in enumerate(shown):
        if unusual and index in (0, len(unusual)):
            text = "Unusual: look at these first" if index == 0 else "The others, the most doubtful first"
            lines.append(f'<tr class="group"><td colspan="{columns}">{text}</td></tr>')
        lines.append(_scan(row, labels, found[row.scan.name], request))
    order = "" if unusual else " <small>the most doubtful first</small>"
    less = f" The first {len(shown):,} of {len(done):,} are here; report.csv has all." if len(shown) < len(done) else ""
    return (
        f'<h2>Scans{order}</h2><p class="hint">Volumes in ml. Click a column to sort by it.{less} '
        '<input type="search" placeholder="Find a scan" aria-label="Find a scan"></p>'
        f'<div class="wide"><table class="scans"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _scan(row: ScanRow, labels: LabelTable, unusual: list[Finding], request: Request) -> str:
    odd = {each.structure: each.kind for each in unusual if each.kind != "doubt"}
    cells = []
    for label in labels:
        volume = row.volumes_ml.get(label.name, 0.0)
        kind = "number odd" if label.name in odd else "number" if volume else "number none"
        cells.append(f'<td class="{kind}" data-value="{volume:.4f}">{millilitres(volume) if volume else "&ndash;"}</td>')
    chips = "".join(f'<span class="chip">{escape(text)}</span>' for text in _chips(unusual))
    notes = "".join(f'<span class="note">{escape(note)}</span>' for note in row.notes)
    size = " &times; ".join(str(length) for length in row.shape)
    spacing = " &times; ".join(f"{mm:.3g}" for mm in row.spacing_mm)
    doubt, seconds = row.mean_doubt, sum(row.seconds.values())
    doubtful = "number odd" if any(each.kind == "doubt" for each in unusual) else "number"
    detail = ", ".join(f"{what} {value:.1f} s" for what, value in row.seconds.items())
    file = Path(row.scan.output).name
    return (
        f'<tr><td class="picture">{_picture(request.thumbnail(row.scan.name), row.scan.name)}</td>'
        f'<td class="name"><a href="{escape(quote(file))}" title="{escape(row.scan.image)}">{escape(row.scan.name)}</a>'
        f"<small>{size}, {spacing} mm</small>{chips}{notes}</td>{''.join(cells)}"
        f'<td class="{doubtful}" data-value="{doubt or 0:.4f}">{"" if doubt is None else f"{doubt:.2f}"}</td>'
        f'<td class="number" data-value="{seconds:.3f}" title="{escape(detail)}">{duration(seconds)}</td></tr>'
    )


def _chips(unusual: list[Finding]) -> list[str]:
    """What is unusual in a few words each; missing structures in one."""
    missing = [each.structure for each in unusual if each.kind == "missing"]
    chips = [str(each) for each in unusual if each.kind != "missing" or len(missing) == 1]
    return chips if len(missing) < 2 else [f"not found: {', '.join(missing)}", *chips]


def _picture(path: Path, name: str) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return ""
    return f'<img alt="{escape(name)}: an axial and a coronal slice" src="data:image/jpeg;base64,{data}">'


def _swatch(label: Label) -> str:
    return f'<i style="background:rgb{label.rgb}"></i>'


def _explanation() -> str:
    return f"""<footer><p><b>Unusual</b> is a volume, or a doubt on the high side, with a robust z-score above {LIMIT} among the
scans of this cohort (volumes by their logarithm), and a structure that is missing where three in four of the scans have it.
With fewer than {FEWEST_SCANS} scans nothing is called unusual. A volume may also be unusual because the scan ends within the
organ, or the patient is.</p>
<p><b>Doubt</b> is how unsure the model is where a structure may be, from 0 (not at all) to 1 (as good as guessed); of a scan,
the mean over its structures. It is the model's own opinion: one that is wrong and sure of it is not found out.</p></footer>"""


def millilitres(volume: float) -> str:
    """Two digits of a small volume, whole ml of a large one."""
    return f"{volume:,.0f}" if volume >= 10 else f"{volume:.1f}"


def duration(seconds: float) -> str:
    """ "0.4 s", "12 s", "3:05 min" or "1:02 h"."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"

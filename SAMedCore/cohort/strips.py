"""How a structure's volumes lie, as a strip with a mark for each scan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from html import escape
from statistics import median

WIDTH, HEIGHT, EDGE = 380, 22, 5

MOST_MARKS = 2000
"""Of more scans every second, third and so on is drawn: the strip has fewer pixels."""


def strip(volumes_ml: Mapping[str, float], unusual: Collection[str], rgb: tuple[int, int, int]) -> str:
    """An SVG drawing.

    Args:
        volumes_ml: by the scan's name.
        unusual: names of the scans that are marked out.
        rgb: the structure's colour.
    """
    most = max(volumes_ml.values(), default=0.0)
    if not most:
        return ""

    def x(volume: float) -> float:
        return EDGE + volume / most * (WIDTH - 2 * EDGE)

    middle = x(median(volumes_ml.values()))
    usual = sorted(volume for scan, volume in volumes_ml.items() if scan not in unusual)
    drawn = usual[:: -(-len(usual) // MOST_MARKS) or 1]
    # Of a thousand marks each is faint, of three none.
    opacity = max(0.12, min(0.9, 30 / len(volumes_ml)))
    common = "".join(f'<path d="M{x(volume):.1f} 4v14"/>' for volume in drawn)
    odd = "".join(
        f'<circle class="odd" cx="{x(volumes_ml[scan]):.1f}" cy="11" r="4">'
        f"<title>{escape(scan)}: {volumes_ml[scan]:,.0f} ml</title></circle>"
        for scan in sorted(unusual)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><path class="axis" d="M{EDGE} 11H{WIDTH - EDGE}"/>'
        f'<g stroke="rgb{rgb}" stroke-opacity="{opacity:.2f}">{common}</g>'
        f'<path class="median" d="M{middle:.1f} 1v20"/>{odd}</svg>'
    )

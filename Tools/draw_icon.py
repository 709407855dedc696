"""Draws the icon: an axial slice, seen from the feet, with its organs in colours near Slicer's."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon
from scipy.interpolate import splev, splprep

ROOT = Path(__file__).parents[1]
PIXELS = 128
BACKGROUND = "#17212b"

# Corners of smooth outlines in a square of 100 x 100, y upwards; the patient's right is on the left.
SHAPES = (
    ("#8d9aa6", [(7, 48), (14, 68), (32, 79), (50, 78), (68, 79), (86, 68), (93, 48), (84, 29), (64, 20), (36, 20), (16, 29)]),
    ("#46535f", [(11, 48), (18, 65), (34, 75), (50, 74), (66, 75), (82, 65), (89, 48), (80, 32), (63, 24), (37, 24), (20, 32)]),
    ("#dd8265", [(14, 50), (18, 64), (32, 72), (47, 71), (56, 66), (47, 60), (42, 54), (34, 47), (32, 36), (22, 34), (15, 41)]),
    ("#f0c4a8", [(57, 70), (70, 70), (79, 61), (76, 53), (66, 55), (56, 60), (53, 66)]),
    ("#8b9662", [(37, 63), (42, 65), (45, 60), (41, 56), (36, 58)]),
    ("#f9b46f", [(45, 54), (54, 56), (66, 50), (73, 47), (72, 43), (62, 45), (53, 50), (46, 49)]),
    ("#b07ab8", [(80, 52), (86, 49), (86, 40), (79, 33), (74, 36), (78, 44)]),
    ("#c0563f", [(33, 40), (38, 43), (42, 38), (41, 31), (35, 28), (31, 33)]),
    ("#c0563f", [(67, 40), (62, 43), (58, 38), (59, 31), (65, 28), (69, 33)]),
    ("#e8e6dc", [(44, 38), (50, 41), (56, 38), (57, 32), (53, 29), (50, 20), (47, 29), (43, 32)]),
)
AORTA = ("#f04f36", (53, 44), 4.5)
STRETCH = 1.3
"""A body that fills the square; about the middle of the outlines."""


def smooth(corners: list[tuple[float, float]]) -> np.ndarray:
    """A closed curve through the corners, (points, 2)."""
    closed = np.array([*corners, corners[0]], dtype=float)
    spline, _ = splprep(closed.T, s=0, per=True)
    return stretched(np.stack(splev(np.linspace(0, 1, 200), spline), axis=1))


def stretched(points: np.ndarray) -> np.ndarray:
    return (points - 49.5) * (1, STRETCH) + 49.5


def draw(path: Path) -> None:
    figure = Figure(figsize=(1, 1), dpi=PIXELS)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 100), ylim=(0, 100))
    axes.set_axis_off()
    box = FancyBboxPatch((12, 12), 76, 76, boxstyle="round,pad=11,rounding_size=18", facecolor=BACKGROUND, edgecolor="none")
    axes.add_patch(box)
    for colour, corners in SHAPES:
        axes.add_patch(Polygon(smooth(corners), facecolor=colour, edgecolor=BACKGROUND, linewidth=0.5))
    colour, centre, radius = AORTA
    axes.add_patch(Circle(stretched(np.array(centre)), radius, facecolor=colour, edgecolor=BACKGROUND, linewidth=0.5))
    figure.savefig(path, transparent=True)


if __name__ == "__main__":
    for target in (ROOT / "SlicerSAMed.png", ROOT / "SlicerSAMed" / "Resources" / "Icons" / "SAMed.png"):
        target.parent.mkdir(parents=True, exist_ok=True)
        draw(target)

"""Fixtures: a Slicer that has only what it ships."""

import slicerhost

slicerhost.boot()

from fresh_slicer import a_fresh_slicer, a_slicer_home, wheels  # noqa: E402, F401 - needs the stand-in; these are fixtures

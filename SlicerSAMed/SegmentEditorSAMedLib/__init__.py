"""The Segment Editor effect, as Slicer finds it: `setPythonSource` takes the folder for the module, the file for the class."""

from .SegmentEditorEffect import SegmentEditorEffect

__all__ = ["SegmentEditorEffect"]

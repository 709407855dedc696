"""A stand-in for the Slicer application: real MRML from slicer-core, PySide6 dressed as PythonQt."""

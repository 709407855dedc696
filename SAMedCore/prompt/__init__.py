"""Boxes and clicks to masks, and on through the slices."""

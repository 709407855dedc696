"""Pictures for people: an overview of a segmentation, box plots of scores, the curve of a training.

All draw with matplotlib's object interface, so that they work without a display and beside a program's own figures.
"""

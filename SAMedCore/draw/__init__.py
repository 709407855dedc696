"""Pictures for people: an overview of a segmentation, box plots of scores, the curve of a training and whether it helped.

All draw with matplotlib's object interface, so that they work without a display and beside a program's own figures.
"""

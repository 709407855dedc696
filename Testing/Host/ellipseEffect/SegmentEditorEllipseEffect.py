"""A tiny scripted effect, for tests of the stand-in: a dragged box draws the ellipse in it on the shown slice.

Written as a person would write one for Slicer; `calls` has what the editor told it.
"""

import numpy as np
import qt
import slicer
import vtk
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from vtk.util.numpy_support import vtk_to_numpy

calls = []


class SegmentEditorEllipseEffect(AbstractScriptedSegmentEditorEffect):
    def __init__(self, scriptedEffect):
        scriptedEffect.name = "Ellipse"
        scriptedEffect.title = "An ellipse"
        scriptedEffect.perSegment = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.outline, self.startXY = None, None

    def clone(self):
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        clonedEffect = effects.qSlicerSegmentEditorScriptedEffect(None)
        clonedEffect.setPythonSource(__file__.replace("\\", "/"))
        return clonedEffect

    def helpText(self):
        return "Drag a box."

    def setupOptionsFrame(self):
        calls.append("setupOptionsFrame")
        self.sizeBox = qt.QSpinBox()
        self.scriptedEffect.addLabeledOptionsWidget("Size:", self.sizeBox)
        self.sizeBox.connect("valueChanged(int)", self.updateMRMLFromGUI)

    def setMRMLDefaults(self):
        self.scriptedEffect.setParameterDefault("Size", 3)

    def updateGUIFromMRML(self):
        calls.append("updateGUIFromMRML")
        self.sizeBox.value = self.scriptedEffect.integerParameter("Size")

    def updateMRMLFromGUI(self, *_value):
        self.scriptedEffect.setParameter("Size", self.sizeBox.value)

    def activate(self):
        calls.append("activate")

    def deactivate(self):
        calls.append("deactivate")
        self.forgetBox()

    def sourceVolumeNodeChanged(self):
        calls.append("sourceVolumeNodeChanged")

    def layoutChanged(self):
        calls.append("layoutChanged")

    def processViewNodeEvents(self, callerViewNode, eventId, viewWidget):
        calls.append("processViewNodeEvents")

    def processInteractionEvents(self, callerInteractor, eventId, viewWidget):
        calls.append(vtk.vtkCommand.GetStringFromEventId(eventId))
        if viewWidget.className() != "qMRMLSliceWidget":
            return False
        xy = callerInteractor.GetEventPosition()
        if eventId == vtk.vtkCommand.LeftButtonPressEvent and not callerInteractor.GetShiftKey():
            self.startXY, self.viewWidget, self.outline = xy, viewWidget, outlineActor()
            self.scriptedEffect.addActor2D(viewWidget, self.outline)
            return True
        if self.startXY is None:
            if eventId == vtk.vtkCommand.KeyPressEvent:
                calls.append(callerInteractor.GetKeySym())
            return False
        if eventId == vtk.vtkCommand.MouseMoveEvent:
            setOutline(self.outline, self.startXY, xy)
            self.scriptedEffect.scheduleRender(viewWidget)
            return True
        if eventId == vtk.vtkCommand.LeftButtonReleaseEvent:
            start = self.startXY
            self.forgetBox()
            self.draw(start, xy, viewWidget)
            return True
        return False

    def forgetBox(self):
        if self.outline is not None:
            self.scriptedEffect.removeActor2D(self.viewWidget, self.outline)
        self.outline, self.startXY = None, None

    def draw(self, start, end, viewWidget):
        labelmap = self.scriptedEffect.defaultModifierLabelmap()
        transform = self.scriptedEffect.parameterSetNode().GetSegmentationNode().GetParentTransformNode()
        first, last = (np.array(self.xyToIjk(xy, viewWidget, labelmap, transform)) for xy in (start, end))
        extent = np.array(labelmap.GetExtent()).reshape(3, 2)
        voxels = vtk_to_numpy(labelmap.GetPointData().GetScalars())
        i, j, k = np.meshgrid(*(np.arange(low, high + 1) for low, high in extent), indexing="ij", sparse=True)
        centre, radius = (first + last) / 2, np.maximum(np.abs(last - first) / 2, 0.5)
        inside = ((i - centre[0]) / radius[0]) ** 2 + ((j - centre[1]) / radius[1]) ** 2 <= 1
        voxels[:] = (inside & (k == first[2])).transpose(2, 1, 0).ravel()
        labelmap.Modified()
        self.scriptedEffect.saveStateForUndo()
        mode = slicer.qSlicerSegmentEditorAbstractEffect.ModificationModeAdd
        self.scriptedEffect.modifySelectedSegmentByLabelmap(labelmap, mode)


def outlineActor():
    mapper = vtk.vtkPolyDataMapper2D()
    mapper.SetInputData(vtk.vtkPolyData())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(1, 1, 0)
    actor.GetProperty().SetLineWidth(3)
    return actor


def setOutline(actor, start, end):
    points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
    corners = [(start[0], start[1]), (end[0], start[1]), (end[0], end[1]), (start[0], end[1])]
    lines.InsertNextCell(5)
    for x, y in corners:
        lines.InsertCellPoint(points.InsertNextPoint(x, y, 0))
    lines.InsertCellPoint(0)
    box = vtk.vtkPolyData()
    box.SetPoints(points)
    box.SetLines(lines)
    actor.GetMapper().SetInputData(box)

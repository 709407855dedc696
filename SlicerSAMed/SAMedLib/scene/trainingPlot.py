"""The live loss and validation Dice of a training, as a Slicer plot chart."""

import slicer
import vtk
from slicer.i18n import tr as _

STEP, LOSS, DICE = "Step", "Loss", "Validation Dice"


class TrainingPlot:
    """A table node that grows while training runs, and a chart of it in the plot view.

    Args:
        name: of the nodes, for example the checkpoint's.
    """

    def __init__(self, name: str) -> None:
        scene = slicer.mrmlScene
        self.table = scene.AddNewNodeByClass("vtkMRMLTableNode", _("{name} training").format(name=name))
        for column in (STEP, LOSS, DICE):
            values = vtk.vtkFloatArray()
            values.SetName(column)
            self.table.AddColumn(values)
        self.chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", _("{name} training chart").format(name=name))
        self.chart.SetTitle(_("Training of {name}").format(name=name))
        self.chart.SetXAxisTitle(_("Step"))
        self.chart.SetYAxisTitle(_("Loss, validation Dice"))
        self._addSeries(LOSS, (0.85, 0.45, 0.15))
        self._addSeries(DICE, (0.15, 0.45, 0.75))
        self._dice = 0.0

    def show(self) -> None:
        """Bring the chart up in a layout that has a plot view."""
        slicer.modules.plots.logic().ShowChartInLayout(self.chart)

    def add(self, metrics) -> None:
        """Draw a `SAMedCore.service.events.Metrics`; before the first validation the Dice is 0."""
        if self.table.GetScene() is None:
            return
        if metrics.validation_dice is not None:
            self._dice = metrics.validation_dice
        table = self.table.GetTable()
        row = table.InsertNextBlankRow()
        for column, value in enumerate((metrics.step, metrics.loss, self._dice)):
            table.SetValue(row, column, vtk.vtkVariant(float(value)))
        table.Modified()
        self.table.Modified()

    def _addSeries(self, column: str, colour: tuple[float, float, float]) -> None:
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
        series.SetAndObserveTableNodeID(self.table.GetID())
        series.SetXColumnName(STEP)
        series.SetYColumnName(column)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        series.SetColor(*colour)
        self.chart.AddAndObservePlotSeriesNodeID(series.GetID())

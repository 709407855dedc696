"""The stand-in for the Segment Editor has no name for Python that Slicer's headers do not declare, and an effect has them all.

The names are those that PythonQt makes known: properties, slots, signals, invokable methods and enumerations, of Slicer 5.12.
"""

import pytest

from slicerhost import viewwidgets
from slicerhost.mainwindow import qSlicerLayoutManager
from slicerhost.scriptededitoreffect import qSlicerSegmentEditorScriptedEffect
from slicerhost.segmenteditor import qMRMLSegmentEditorWidget

EFFECT = """
    ConfirmedWithDialog ConfirmedWithoutDialog ModificationModeAdd ModificationModeRemove ModificationModeRemoveAll
    ModificationModeSet NotConfirmed activate active addActor2D addActor3D addLabeledOptionsWidget addOptionsWidget
    applyImageMask cleanup commonParameterDefined confirmCurrentSegmentVisible createCursor cursorOff cursorOn deactivate
    defaultModifierLabelmap doubleParameter forceRender helpText integerParameter maskLabelmap masterVolumeImageData
    modifierLabelmap modifySegmentByLabelmap modifySelectedSegmentByLabelmap name nodeReference optionsFrame optionsLayout
    parameter parameterDefined parameterSetNode perSegment pythonSource rasToXy referenceGeometryImage removeActor2D
    removeActor3D renderWindow renderer requireSegments saveStateForUndo scene scheduleRender segmentationDisplayableInView
    selectEffect selectedSegmentLabelmap self setCommonNodeReference setCommonParameter setCommonParameterDefault
    setNodeReference setParameter setParameterDefault setParameterSetNode setPythonSource showEffectCursorInSliceView
    showEffectCursorInThreeDView sliceSpacing sourceVolumeImageData title updateGUIFromMRML updateMRMLFromGUI viewNode
    xyToIjk xyToRas xyzToIjk xyzToRas
"""
EDITOR = """
    activeEffect addRemoveSegmentButtonsVisible autoShowSourceVolumeNode availableEffectNames currentSegmentID
    currentSegmentIDChanged defaultTerminologyEntry defaultTerminologyEntrySettingsKey effectButtonStyle effectByIndex
    effectByName effectColumnCount effectCount effectNameOrder hideLabelLayer installKeyboardShortcuts interactionNode
    jumpSlices jumpToSelectedSegmentEnabled maskingSectionVisible masterVolumeNode masterVolumeNodeChanged
    maximumNumberOfUndoStates mrmlScene mrmlSegmentEditorNode readOnly redo removeViewObservations
    rotateSliceViewsToSegmentation saveStateForUndo segmentationNode segmentationNodeChanged segmentationNodeID
    segmentationNodeSelectorAddAttribute segmentationNodeSelectorRemoveAttribute segmentationNodeSelectorVisible
    selectNextSegment selectPreviousSegment selectSegmentAtOffset setActiveEffect setActiveEffectByName
    setAddRemoveSegmentButtonsVisible setAutoShowSourceVolumeNode setCurrentSegmentID setEffectButtonStyle
    setEffectColumnCount setEffectCursor setEffectNameOrder setInteractionNode setJumpToSelectedSegmentEnabled setMRMLScene
    setMRMLSegmentEditorNode setMaskingSectionVisible setMasterVolumeNode setMaximumNumberOfUndoStates setReadOnly
    setSegmentationNode setSegmentationNodeID setSegmentationNodeSelectorVisible setShow3DButtonVisible setSourceVolumeNode
    setSourceVolumeNodeID setSourceVolumeNodeSelectorVisible setSpecifyGeometryButtonVisible
    setSwitchToSegmentationsButtonVisible setUndoEnabled setupViewObservations show3DButtonVisible
    showSourceVolumeInSliceViewers sourceVolumeNode sourceVolumeNodeChanged sourceVolumeNodeID
    sourceVolumeNodeSelectorAddAttribute sourceVolumeNodeSelectorRemoveAttribute sourceVolumeNodeSelectorVisible
    specifyGeometryButtonVisible switchToSegmentationsButtonVisible toggleSourceVolumeIntensityMaskEnabled turnOffLightboxes
    undo undoEnabled uninstallKeyboardShortcuts unorderedEffectsVisible updateEffectList updateVolume updateWidgetFromMRML
"""
VIEW_WIDGET = """
    addDisplayableManager controllerWidget fitSliceToBackground getDisplayableManagers imageDataConnection interactorStyle
    logic mrmlAbstractViewNode mrmlSliceCompositeNode mrmlSliceNode mrmlViewNode nodeAboutToBeEdited overlayCornerAnnotation
    setImageDataConnection setMRMLAbstractViewNode setMRMLScene setMRMLSliceNode setMRMLViewNode
    setQuadBufferStereoSupportEnabled setSliceLogics setSliceOffsetSliderOrientation setSliceOrientation sliceController
    sliceLogic sliceOffsetSliderOrientation sliceOrientation sliceVerticalController sliceView sliceViewColor sliceViewLabel
    sliceViewName threeDController threeDView viewLogic viewWidget
"""
VIEW = """
    addDisplayableManager convertDeviceToXYZ convertRASToXYZ convertXYZToRAS displayableManagerByClassName forceRender
    getDisplayableManagers interactor interactorObserver interactorStyle mrmlSliceNode mrmlViewNode renderWindow
    scheduleRender setDefaultViewCursor setMRMLScene setMRMLSliceNode setViewCursor sliceViewInteractorStyle unsetViewCursor
"""
LAYOUT_MANAGER = """
    activeMRMLPlotViewNode activeMRMLPlotViewNodeChanged activeMRMLTableViewNode activeMRMLTableViewNodeChanged
    activeMRMLThreeDViewNode activeMRMLThreeDViewNodeChanged activePlotRenderer activePlotRendererChanged
    activeTableRenderer activeTableRendererChanged activeThreeDRenderer activeThreeDRendererChanged addMaximizedViewNode
    enabled layout layoutChanged layoutLogic mrmlColorLogic mrmlScene mrmlSliceLogics mrmlViewFactories mrmlViewFactory
    mrmlViewLogics nodeAboutToBeEdited pauseRender plotViewCount plotWidget registerViewFactory removeAllMaximizedViewNodes
    removeMaximizedViewNode resetSliceViews resetThreeDViews resumeRender setEnabled setLayout
    setLayoutNumberOfCompareViewColumns setLayoutNumberOfCompareViewRows setMRMLColorLogic setMRMLScene setRenderPaused
    sliceViewNames sliceWidget tableViewCount tableWidget threeDViewCount threeDWidget viewWidget viewWidgets
"""
QT_EVENTS = {"keyPressEvent", "keyReleaseEvent", "paintEvent", "resizeEvent"}
OF_PYSIDE = {"cxxProperties", "cxxSignals", "standsForCxx", "staticMetaObject"}


def publicNames(cls: type) -> set[str]:
    """What this class of the stand-in has beyond Qt's own."""
    ours = [base for base in cls.__mro__ if base.__module__.startswith("slicerhost")]
    return {name for base in ours for name in vars(base) if not name.startswith("_")} - OF_PYSIDE - QT_EVENTS


@pytest.mark.parametrize(
    ("cls", "declared"),
    [
        (qSlicerSegmentEditorScriptedEffect, EFFECT),
        (qMRMLSegmentEditorWidget, EDITOR),
        (viewwidgets.qMRMLSliceWidget, VIEW_WIDGET),
        (viewwidgets.qMRMLThreeDWidget, VIEW_WIDGET),
        (viewwidgets.qMRMLSliceView, VIEW),
        (viewwidgets.qMRMLThreeDView, VIEW),
        (qSlicerLayoutManager, LAYOUT_MANAGER),
    ],
)
def test_nothing_that_slicer_does_not_have(cls, declared):
    assert publicNames(cls) - set(declared.split()) == set()


def test_an_effect_has_everything():
    assert set(EFFECT.split()) - publicNames(qSlicerSegmentEditorScriptedEffect) == set()

"""An effect's parameters in the stand-in: attributes of the editor's node, saved with the scene."""

import pytest
import slicer

import slicerhost
from editing import ELLIPSE, opened, register, segmentEditor


@pytest.fixture
def effect(ct):
    register(ELLIPSE)
    with opened(ct, "Liver") as editor:
        editor.setActiveEffectByName("Ellipse")
        __import__("ellipseEffect").calls.clear()
        yield editor.activeEffect()
        effect = editor.effectByName("Ellipse")
        effect.setParameter("Size", 3)


def test_own_parameters_carry_the_effect_s_name(effect):
    node = effect.parameterSetNode()
    effect.setParameter("Size", 7)
    effect.setCommonParameter("Shared", "yes")
    assert (node.GetAttribute("Ellipse.Size"), node.GetAttribute("Shared")) == ("7", "yes")
    assert (effect.parameter("Shared"), effect.integerParameter("Size")) == ("yes", 7)
    node.SetAttribute("Shared", None)


def test_a_change_updates_the_options_of_the_active_effect_once(effect):
    calls = __import__("ellipseEffect").calls
    effect.setParameter("Size", 9)
    effect.setParameter("Size", 9)
    assert calls == ["updateGUIFromMRML"]
    assert effect.self().sizeBox.value == 9
    effect.self().sizeBox.value = 11
    assert effect.integerParameter("Size") == 11
    segmentEditor().setActiveEffect(None)
    calls.clear()
    effect.setParameter("Size", 12)
    assert calls == []


def test_a_default_does_not_overwrite(effect):
    effect.setParameter("Size", 5)
    effect.setParameterDefault("Size", 3)
    effect.setParameterDefault("Rate", 0.123456789)
    assert (effect.integerParameter("Size"), effect.parameter("Rate")) == (5, "0.123457")
    assert effect.doubleParameter("Rate") == 0.123457


def test_what_is_not_there_is_logged_and_empty(effect, caplog):
    assert (effect.parameter("Nothing"), effect.integerParameter("Nothing"), effect.doubleParameter("Nothing")) == ("", 0, 0.0)
    assert not effect.parameterDefined("Nothing")
    assert "Nothing cannot be found for effect Ellipse" in caplog.text
    effect.setParameter("Word", "seven")
    assert effect.integerParameter("Word") == 0


@pytest.mark.parametrize("value", [None, (1, 2), [3]])
def test_other_kinds_of_values_are_refused(effect, value):
    with pytest.raises(ValueError, match="no text, int or float"):
        effect.setParameter("Size", value)


def test_a_node_is_kept_as_a_reference(effect, ct):
    effect.setNodeReference("Other", ct)
    assert effect.parameterSetNode().GetNodeReference("Ellipse.Other") is ct is effect.nodeReference("Other")
    slicer.mrmlScene.RemoveNode(ct)
    assert effect.nodeReference("Other") is None


def test_parameters_are_saved_with_the_scene(effect, tmp_path):
    effect.setParameter("Size", 17)
    path = str(tmp_path / "scene.mrml")
    segmentationNode = effect.parameterSetNode().GetSegmentationNode()
    segmentationNode.AddDefaultStorageNode()
    slicer.mrmlScene.SetURL(path)
    slicer.mrmlScene.Commit()
    effect.setParameter("Size", 3)
    slicerhost.closeScene()
    slicer.mrmlScene.SetURL(path)
    slicer.mrmlScene.Connect()
    assert effect.integerParameter("Size") == 17

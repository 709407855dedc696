"""Stand-in for `slicer.parameterNodeWrapper`: typed access to a parameter node, bound to widgets.

Values are stored in the vtkMRMLScriptedModuleNode the way Slicer stores them, so a scene saved here opens there. Types: int,
float, bool, str, pathlib's paths, enumerations, MRML nodes, `list`, `tuple` and `dict` of these, and unions with None or with
each other. Parameter packs, ranges and colours are left out.
"""

from slicerhost.parameternode.annotations import (
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    SingleStep,
    Validator,
    WithinRange,
)
from slicerhost.parameternode.connectors import GuiConnector, createGuiConnector
from slicerhost.parameternode.wrapper import SlicerParameterNamePropertyName, isParameterNodeWrapper, parameterNodeWrapper

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "GuiConnector",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "createGuiConnector",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]

"""Stand-in for the module SampleData: keeps what modules register, offers it as tiles, and fetches by address; `file://` too.

As in Slicer only a tile asks a source's `customDownloader`; whatever fetches by name or by source goes by the addresses alone,
tries three times where one fails, and leaves out what never came.
"""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
import slicer.util
from PySide6 import QtWidgets

ATTEMPTS = 3


@dataclass
class SampleDataSource:
    """One sample: where its files come from and what becomes of them; lists of the same length."""

    sampleName: str
    uris: list[str]
    fileNames: list[str]
    nodeNames: list[str]
    checksums: list[str | None]
    loadFileTypes: list[str]
    customDownloader: Callable[[SampleDataSource], Any]
    thumbnailFileName: str

    def __post_init__(self) -> None:
        lists = (self.uris, self.fileNames, self.nodeNames, self.checksums, self.loadFileTypes)
        if len({len(values) for values in lists}) > 1:
            raise ValueError(f"All fields of sample data source must have the same length: {lists}")


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(category: str, **source: Any) -> None:
        """Once for each source that is not equal to one that is there."""
        made, sources = SampleDataSource(**source), slicer.modules.sampleDataSources.setdefault(category, [])
        if made not in sources:
            sources.append(made)

    @staticmethod
    def registerUrlRewriteRule(name: str, rewriteFunction: Callable[[str], str]) -> None:
        slicer.modules.sampleDataUrlRewriteRules[name] = rewriteFunction

    @staticmethod
    def sampleDataSourcesByCategory(category: str) -> list[SampleDataSource]:
        return slicer.modules.sampleDataSources.get(category, [])

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        every = [source for sources in slicer.modules.sampleDataSources.values() for source in sources]
        return next((source for source in every if source.sampleName == sampleName), None)

    def downloadFromSource(self, source: SampleDataSource) -> list[slicer.vtkMRMLNode]:
        """The loaded nodes."""
        columns = (source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFileTypes)
        results = []
        for uri, fileName, name, checksum, kind in zip(*columns, strict=True):
            for _attempt in range(ATTEMPTS):
                try:
                    path = self._downloadFileIntoCache(uri, fileName, checksum)
                except ValueError as error:
                    logging.error("Download failed: %s", error)
                    continue
                node = READERS[kind](path, name)
                if node is not None:
                    slicer.mrmlScene.RemoveNode(node.GetStorageNode())
                    results.append(node)
                    break
                logging.error("%s: load failed", path)
                Path(path).unlink(missing_ok=True)
        return results

    def _downloadFileIntoCache(self, uri: str, name: str, checksum: str | None) -> str:
        """The path in the cache, where a file with the right checksum, or any where there is none, is taken as it is.

        A fetched file with another checksum is removed, and its path given back all the same.

        Raises:
            ValueError: the address cannot be fetched.
        """
        for rule in slicer.modules.sampleDataUrlRewriteRules.values():
            uri = rule(uri)
        path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / name
        algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)

        def isRight() -> bool:
            return algorithm is None or slicer.util.computeChecksum(algorithm, str(path)) == digest

        if path.is_file() and path.stat().st_size and isRight():
            return str(path)
        try:
            urllib.request.urlretrieve(uri, path)
        except OSError as error:
            raise ValueError(f"Failed to download {uri} to {path}") from error
        if not isRight():
            logging.error("%s: the checksum is not %s", path, checksum)
            path.unlink()
        return str(path)


def _readVolume(path: str, name: str) -> slicer.vtkMRMLVolumeNode | None:
    return slicer.modules.volumes.logic().AddArchetypeVolume(path, name)


def _readSegmentation(path: str, name: str) -> slicer.vtkMRMLSegmentationNode | None:
    scene = slicer.mrmlScene
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    storageNode = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storageNode.SetFileName(path)
    if not storageNode.ReadData(node):
        scene.RemoveNode(node)
        scene.RemoveNode(storageNode)
        return None
    node.SetAndObserveStorageNodeID(storageNode.GetID())
    node.CreateDefaultDisplayNodes()
    return node


READERS = {"VolumeFile": _readVolume, "SegmentationFile": _readSegmentation}
"""Slicer's own, by kind of file."""


def downloadSamples(sampleName: str) -> list[slicer.vtkMRMLNode]:
    logic = SampleDataLogic()
    return logic.downloadFromSource(logic.sourceForSampleName(sampleName))


def downloadSample(sampleName: str) -> slicer.vtkMRMLNode:
    return downloadSamples(sampleName)[0]


def tile(sampleName: str) -> QtWidgets.QToolButton:
    """The sample's button in the module's panel; for tests, in Slicer one looks for it there."""
    source, button = SampleDataLogic().sourceForSampleName(sampleName), QtWidgets.QToolButton()
    button.connect("clicked()", lambda: source.customDownloader(source))
    return button


def addSampleData() -> None:
    """As `slicer.modules.sampledata`."""
    slicer.modules.sampledata = SimpleNamespace(name="SampleData")
    slicer.modules.sampleDataSources, slicer.modules.sampleDataUrlRewriteRules = {}, {}

"""Stand-in for the module SampleData: keeps what modules register, offers it as tiles, and fetches by address; `file://` too.

Left out: scenes and archives. As in Slicer only a tile asks a source's `customDownloader`; whatever fetches by name or by
source goes by the addresses alone, tries three times where one fails, and leaves out what never came.
"""

from __future__ import annotations

import logging
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer
import slicer.util
import vtk
from PySide6 import QtWidgets

ATTEMPTS = 3


class SampleDataSource:
    """One sample: where its files come from and what becomes of them; lists of the same length."""

    def __init__(
        self,
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: dict | None = None,
    ) -> None:
        isOne = isinstance(uris, str)
        self.sampleName, self.thumbnailFileName, self.customDownloader = sampleName, thumbnailFileName, customDownloader
        self.loadFileProperties = loadFileProperties or {}
        self.uris = [uris] if isOne else list(uris)

        def each(value: Any, isOptional: bool = True) -> list:
            if isOne:
                return [value]
            return [None] * len(self.uris) if value is None and isOptional else list(value)

        self.fileNames, self.nodeNames, self.checksums = each(fileNames, isOptional=False), each(nodeNames), each(checksums)
        self.loadFiles = each(loadFiles)
        self.loadFileTypes = each([loadFileTypes] * len(self.uris) if isinstance(loadFileTypes, str) else loadFileTypes)
        lists = (self.uris, self.fileNames, self.nodeNames, self.checksums, self.loadFiles, self.loadFileTypes)
        if len({len(values) for values in lists}) > 1:
            raise ValueError(f"All fields of sample data source must have the same length: {lists}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SampleDataSource) and vars(self) == vars(other)

    __hash__ = None


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        categories = slicer.modules.__dict__.setdefault("sampleDataSourceCategories", {})
        categories.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **source: Any) -> None:
        made = SampleDataSource(**source)
        sources = SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, [])
        if made not in sources:
            sources.append(made)

    @staticmethod
    def registerUrlRewriteRule(name: str, rewriteFunction: Callable[[str], str]) -> None:
        slicer.modules.__dict__.setdefault("sampleDataUrlRewriteRules", {})[name] = rewriteFunction

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        """The sources of one category; without one, the dictionary of them all."""
        sources = slicer.modules.__dict__.setdefault("sampleDataSources", {})
        return sources if category is None else sources.get(category, [])

    @staticmethod
    def rewriteUrl(url: str) -> str:
        for rule in slicer.modules.__dict__.get("sampleDataUrlRewriteRules", {}).values():
            url = rule(url)
        return url

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        every = [source for sources in self.sampleDataSourcesByCategory().values() for source in sources]
        return next((source for source in every if source.sampleName == sampleName), None)

    def downloadSample(self, sampleName: str) -> Any:
        return self.downloadSamples(sampleName)[0]

    def downloadSamples(self, sampleName: str) -> list:
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source else []

    def downloadFromSource(self, source: SampleDataSource) -> list:
        """The loaded nodes; the path where a file is not to be loaded."""
        columns = (source.uris, source.fileNames, source.nodeNames, source.checksums, source.loadFiles, source.loadFileTypes)
        areNamed = any(name is not None for name in source.nodeNames)
        results = []
        for uri, fileName, nodeName, checksum, load, kind in zip(*columns, strict=True):
            fileName = fileName or f"{uuid.uuid4().hex}{Path(uri).suffix}"
            name = nodeName if areNamed or load is False else Path(fileName).name.partition(".")[0]
            for _attempt in range(ATTEMPTS):
                try:
                    path = self.downloadFileIntoCache(uri, fileName, checksum)
                except ValueError as error:
                    self.logMessage(f"Download failed: {error}", logging.ERROR)
                    continue
                result = path if load is False or not name else self.loadNode(path, name, kind, dict(source.loadFileProperties))
                if result is not None:
                    results.append(result)
                    break
                Path(path).unlink(missing_ok=True)
        return results

    def downloadFileIntoCache(self, uri: str, name: str, checksum: str | None = None) -> str:
        return self.downloadFile(uri, slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), name, checksum)

    def downloadFile(self, uri: str, destFolderPath: str, name: str, checksum: str | None = None) -> str:
        """The path in the cache, where a file with the right checksum, or any where there is none, is taken as it is.

        A fetched file with another checksum is removed, and its path given back all the same.

        Raises:
            ValueError: the address cannot be fetched.
        """
        uri, path = self.rewriteUrl(uri), Path(destFolderPath) / name
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
            self.logMessage(f"{path}: the checksum is not {checksum}", logging.ERROR)
            path.unlink()
        return str(path)

    def loadNode(self, uri: str, name: str, fileType: str | None = None, fileProperties: dict | None = None) -> Any:
        """The first node in a file, without a storage node; None where it cannot be loaded."""
        properties = {**(fileProperties or {}), "fileName": uri, "name": name}
        manager, loaded = slicer.app.coreIOManager(), vtk.vtkCollection()
        if not manager.loadNodes(fileType or manager.fileType(uri), properties, loaded):
            self.logMessage(f"{uri}: load failed", logging.ERROR)
            return None
        node = loaded.GetItemAsObject(0)
        slicer.mrmlScene.RemoveNode(node.GetStorageNode())
        return node

    def logMessage(self, message: str, logLevel: int = logging.DEBUG) -> None:
        logging.log(logLevel, message)


def downloadSample(sampleName: str) -> Any:
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName: str) -> list:
    return SampleDataLogic().downloadSamples(sampleName)


def tile(sampleName: str) -> QtWidgets.QToolButton:
    """The sample's button in the module's panel; for tests, in Slicer one looks for it there."""
    logic, button = SampleDataLogic(), QtWidgets.QToolButton()
    source = logic.sourceForSampleName(sampleName)
    button.connect("clicked()", lambda: (source.customDownloader or logic.downloadFromSource)(source))
    return button


def addSampleData() -> None:
    """As `slicer.modules.sampledata`."""
    slicer.modules.sampledata = SimpleNamespace(name="SampleData", logic=lambda: None)
    slicer.modules.sampleDataSources = {}

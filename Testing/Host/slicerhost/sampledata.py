"""Stand-in for the module SampleData: keeps what modules register, and fetches by address; `file://` too."""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer
import slicer.util


@dataclass
class SampleDataSource:
    """One sample: where its files come from and what becomes of them; lists of the same length."""

    sampleName: str
    uris: list[str]
    fileNames: list[str]
    nodeNames: list[str | None]
    checksums: list[str | None]
    loadFiles: list[bool | None]
    loadFileTypes: list[str | None]
    thumbnailFileName: str | None = None
    customDownloader: Callable | None = None
    loadFileProperties: dict = field(default_factory=dict)


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        categories = slicer.modules.__dict__.setdefault("sampleDataSourceCategories", {})
        categories.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict | None = None,
        checksums: Any = None,
        loadFileType: Any = None,
    ) -> None:
        count = 1 if isinstance(uris, str) else len(uris)

        def each(value: Any) -> list:
            return list(value) if isinstance(value, list | tuple) else [value] * count

        lists = [each(value) for value in (uris, fileNames, nodeNames, checksums, loadFiles, loadFileTypes or loadFileType)]
        if any(len(item) != count for item in lists):
            raise ValueError(f"All fields of sample data source must have the same length: {lists}")
        source = SampleDataSource(sampleName, *lists, thumbnailFileName, customDownloader, loadFileProperties or {})
        sources = slicer.modules.__dict__.setdefault("sampleDataSources", {}).setdefault(category, [])
        if source not in sources:
            sources.append(source)

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        every = [source for sources in slicer.modules.sampleDataSources.values() for source in sources]
        return next((source for source in every if source.sampleName == sampleName), None)

    def downloadSample(self, sampleName: str) -> Any:
        return self.downloadFromSource(self.sourceForSampleName(sampleName))[0]

    downloadSamples = downloadSample

    def downloadFromSource(self, source: SampleDataSource, **_options: Any) -> list:
        """The loaded nodes; where nothing is loaded, the paths.

        Raises:
            ValueError: a file is not what its checksum says.
        """
        if source.customDownloader is not None:
            return source.customDownloader(source)
        results = []
        for uri, fileName, nodeName, checksum, load, kind in zip(
            source.uris,
            source.fileNames,
            source.nodeNames,
            source.checksums,
            source.loadFiles,
            source.loadFileTypes,
            strict=True,
        ):
            path = self.downloadFileIntoCache(uri, fileName, checksum)
            results.append(path if load is False or nodeName is None else _load(path, nodeName, kind))
        return results

    def downloadFileIntoCache(self, uri: str, name: str, checksum: str | None = None) -> str:
        path = Path(slicer.app.temporaryPath) / "RemoteIO" / name
        path.parent.mkdir(exist_ok=True)
        with urllib.request.urlopen(uri) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
        if checksum is not None:
            algorithm, _, digest = checksum.partition(":")
            if hashlib.new(algorithm, path.read_bytes()).hexdigest() != digest:
                raise ValueError(f"{path}: the checksum is not {checksum}")
        return str(path)


def downloadSample(sampleName: str) -> Any:
    return SampleDataLogic().downloadSample(sampleName)


def _load(path: str, nodeName: str, kind: str | None) -> slicer.vtkMRMLNode:
    load = slicer.util.loadSegmentation if kind == "SegmentationFile" or ".seg." in path else slicer.util.loadVolume
    node = load(path)
    node.SetName(nodeName)
    return node

"""A local stand-in for the Hugging Face Hub: what huggingface_hub asks of it over HTTP to list, download and upload models.

Large files are served from another host than the Hub's own, as there, and have a SHA-256; small ones have none. It notes every
request, so that a test can say that there was none.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".bin", ".pth", ".pt")
TOKEN = "hf_of_the_owner"
PATIENCE_S = 60


@dataclass
class Repository:
    """Files by commit, and commits by branch."""

    is_private: bool = False
    is_gated: bool = False
    licence: str = "apache-2.0"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Put these files over the branch's; returns the commit."""
        content = {**self.commits.get(self.branches.get(branch, ""), {}), **files}
        name = hashlib.sha1(f"{branch} {len(self.commits)} {sorted(content)}".encode()).hexdigest()
        self.commits[name] = content
        self.branches[branch] = name
        return name

    def find(self, revision: str) -> str | None:
        revision = self.branches.get(revision, revision)
        return revision if revision in self.commits else None


@dataclass(frozen=True)
class Asked:
    """One request: method, host, path, and what came with it."""

    method: str
    host: str
    path: str
    token: str
    agent: str


class Hub:
    """The state of the stand-in.

    Attributes:
        address: for HF_ENDPOINT.
        repositories: by owner/name.
        asked: every request so far.
        fault: of large downloads: "" for none, "other" sends other bytes than announced, "cut" the first half and then nothing
            more at all, "once" likewise once, "stalls" the first half and holds the line.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.repositories: dict[str, Repository] = {}
        self.uploaded: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.fault = ""
        self.closing = threading.Event()

    def repository(self, name: str, files: dict[str, bytes], **facts) -> str:
        """A new repository with these files; returns its commit."""
        self.repositories[name] = Repository(**facts)
        return self.repositories[name].commit(files)

    def files(self, name: str, branch: str = "main") -> dict[str, bytes]:
        repository = self.repositories[name]
        return repository.commits[repository.branches[branch]]


@contextmanager
def running_hub() -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = Hub(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.hub
    finally:
        server.hub.closing.set()
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer("GET", [
            (r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", self._info),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self._file),
            (r"/large/([0-9a-f]{64})", self._large),
        ])  # fmt: skip

    do_HEAD = do_GET

    def do_POST(self):
        self._answer("POST", [
            (r"/api/repos/create", self._create),
            (r"/api/validate-yaml", self._validate),
            (r"/api/models/([^/]+/[^/]+)/branch/(.+)", self._branch),
            (r"/api/models/([^/]+/[^/]+)/preupload/(.+)", self._preupload),
            (r"/api/models/([^/]+/[^/]+)/commit/(.+)", self._commit),
            (r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self._batch),
        ])  # fmt: skip

    def do_PUT(self):
        self._answer("PUT", [(r"/large/([0-9a-f]{64})", self._keep)])

    @property
    def hub(self) -> Hub:
        return self.server.hub

    def _answer(self, method, routes):
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        host = (self.headers.get("Host") or "").partition(":")[0]
        self.hub.asked.append(Asked(self.command, host, path, self.token, self.headers.get("User-Agent") or ""))
        for pattern, answer in routes:
            if found := re.fullmatch(pattern, path):
                arguments = [unquote(part) if part is not None else "main" for part in found.groups()]
                answer(*arguments, *([body] if method != "GET" else []))
                return
        self._refuse(404, "", "no such page")

    def _info(self, name, revision):
        repository, commit = self._find(name, revision)
        if commit is None:
            return
        siblings = []
        for file, content in repository.commits[commit].items():
            row = {"rfilename": file, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
            if file.endswith(LARGE):
                row["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(row)
        card = {"license": repository.licence} if repository.licence else {}
        facts = {"id": name, "modelId": name, "private": repository.is_private, "tags": [], "downloads": 0, "likes": 0}
        self._send(json.dumps({**facts, "sha": commit, "cardData": card, "siblings": siblings}).encode())

    def _file(self, name, revision, file):
        repository, commit = self._find(name, revision)
        if commit is None:
            return
        if repository.is_gated and self.token != TOKEN:
            self._refuse(403 if self.token else 401, "GatedRepo", "Access to the model is restricted.")
            return
        content = repository.commits[commit].get(file)
        if content is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if not file.endswith(LARGE):
            self._send(content, headers=headers)
            return
        self.hub.uploaded[sha256(content)] = content
        linked = {"X-Linked-Etag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
        place = {"Location": f"http://localhost:{self.hub.port}/large/{sha256(content)}"}
        self._send(b"", 302, {**headers, **linked, **place})

    def _large(self, oid):
        content, start = self.hub.uploaded[oid], 0
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(asked[1])
        if self.hub.fault == "other":
            content = bytes(len(content))
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        if self.hub.fault not in ("cut", "once", "stalls"):
            self._send(content[start:], 206 if start else 200, headers)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not start:
            self.wfile.write(content[: len(content) // 2])
        if self.hub.fault == "stalls":
            self.hub.closing.wait(PATIENCE_S)
        if self.hub.fault == "once":
            self.hub.fault = ""
        self.close_connection = True

    def _create(self, body):
        row = json.loads(body)
        name = f"{row['organization']}/{row['name']}" if row.get("organization") else row["name"]
        is_private = bool(row.get("private")) or row.get("visibility") == "private"
        if self._may_write():
            if name in self.hub.repositories:
                self._send(json.dumps({"error": "You already created it", "url": f"{self.hub.address}/{name}"}).encode(), 409)
                return
            self.hub.repository(name, {".gitattributes": b""}, is_private=is_private, licence="")
            self._send(json.dumps({"url": f"{self.hub.address}/{name}"}).encode())

    def _validate(self, body):
        self._send(json.dumps({"errors": [], "warnings": []}).encode())

    def _branch(self, name, branch, body):
        repository = self.hub.repositories[name]
        if self._may_write():
            if branch in repository.branches:
                self._refuse(409, "", "Reference already exists")
                return
            repository.branches[branch] = repository.branches["main"]
            self._send(b"{}")

    def _preupload(self, name, revision, body):
        modes = [
            {"path": row["path"], "uploadMode": "lfs" if row["path"].endswith(LARGE) else "regular", "shouldIgnore": False}
            for row in json.loads(body)["files"]
        ]
        if self._may_write():
            self._send(json.dumps({"files": modes}).encode())

    def _batch(self, name, body):
        def row(wanted):
            upload = {"href": f"{self.hub.address}/large/{wanted['oid']}", "header": {}}
            return {**wanted, "actions": {"upload": upload}}

        if self._may_write():
            objects = [row(wanted) for wanted in json.loads(body)["objects"]]
            self._send(json.dumps({"transfer": "basic", "objects": objects}).encode())

    def _keep(self, oid, body):
        assert sha256(body) == oid
        self.hub.uploaded[oid] = body
        self._send(b"")

    def _commit(self, name, branch, body):
        files = {}
        for line in body.decode().splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploaded[value["oid"]]
        if self._may_write():
            commit = self.hub.repositories[name].commit(files, branch)
            self._send(json.dumps({"commitUrl": f"{self.hub.address}/{name}/commit/{commit}", "commitOid": commit}).encode())

    def _find(self, name, revision):
        """The repository and the commit; (None, None) when it has been refused."""
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.is_private and self.token != TOKEN):
            self._refuse(404 if self.token else 401, "RepoNotFound", "Repository not found")
            return None, None
        commit = repository.find(revision)
        if commit is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None, None
        return repository, commit

    def _may_write(self) -> bool:
        if self.token != TOKEN:
            self._refuse(403, "", "You don't have the rights to create a model under this namespace")
        return self.token == TOKEN

    def _refuse(self, status, code, message):
        self._send(json.dumps({"error": message}).encode(), status, {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, content, status=200, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

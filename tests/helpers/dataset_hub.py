"""A look-alike of the Hugging Face Hub on this machine: repositories of datasets, and uploads by Git LFS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchveo.sandbox.asgi_server import running

TOKEN = "hf_lookalike"
SMALL = 1000
"""Larger files are uploaded by Git LFS, as are all videos there."""

Files = dict[str, bytes]


@dataclass
class Repository:
    """The files of each branch, and the number of commits."""

    private: bool
    branches: dict[str, Files] = field(default_factory=lambda: {"main": {}})
    commits: int = 0


@dataclass
class DatasetHub:
    """What the hub holds, and what it was asked; ``refused`` are statuses of requests by a part of their path."""

    url: str = ""
    role: str = "write"
    uses_lfs: bool = True
    repositories: dict[str, Repository] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def list_uploads(self) -> list[str]:
        """The paths of all contents that were sent by Git LFS."""
        return [path for method, path in self.requests if method == "PUT"]

    def list_changes(self) -> list[str]:
        """The paths of requests that change a repository."""
        parts = ("/repos/create", "/branch/", "/commit/", "/lfs/")
        return [path for method, path in self.requests if method in ("POST", "PUT") and any(p in path for p in parts)]

    def files(self, name: str, branch: str = "main") -> Files:
        """The files of a branch."""
        return self.repositories[name].branches[branch]

    async def answer(self, request: Request) -> Response:
        """Any request: note it, check the token, and answer or refuse."""
        path = request.url.path
        self.requests.append((request.method, path))
        if not path.startswith("/lfs/") and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "Invalid username or password."}, 401)
        for part, status in self.refused.items():
            if part in path:
                return JSONResponse({"error": "refused"}, status, headers={"X-Error-Message": "refused"})
        return self._answer(request.method, path, await request.body())

    def _answer(self, method: str, path: str, body: bytes) -> Response:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "api", "whoami-v2"]:
                return JSONResponse({"name": "ann", "auth": {"accessToken": {"role": self.role}}})
            case ["POST", "api", "validate-yaml"]:
                return JSONResponse({"errors": [], "warnings": []})
            case ["POST", "api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["PUT", "lfs", oid]:
                assert hashlib.sha256(body).hexdigest() == oid
                self.blobs[oid] = body
                return Response()
            case ["POST", "datasets", _, _, "info", "lfs", "objects", "batch"]:
                return self._list_uploads_needed(json.loads(body))
            case [_, "api", "datasets", owner, name, *rest]:
                return self._answer_for(f"{owner}/{name}", [method, *rest], body)
            case [_, "datasets", owner, name, "resolve", branch, *file]:
                return self._send_file(f"{owner}/{name}", branch, "/".join(file))
        return JSONResponse({"error": f"unknown: {path}"}, 500)

    def _answer_for(self, name: str, asked: list[str], body: bytes) -> Response:
        if name not in self.repositories:
            return _refuse("RepoNotFound")
        repository = self.repositories[name]
        info = {"id": name, "private": repository.private, "sha": f"{repository.commits:040}"}
        match asked:
            case ["GET"]:
                return JSONResponse(info)
            case ["POST", "branch", branch]:
                repository.branches[branch] = dict(repository.branches["main"])
                return Response()
            case [_, _, branch] if branch not in repository.branches:
                return _refuse("RevisionNotFound")
            case ["GET", "revision", _]:
                return JSONResponse(info)
            case ["GET", "tree", branch]:
                files = repository.branches[branch].items()
                return JSONResponse([self._describe(path, content) for path, content in files])
            case ["POST", "preupload", branch]:
                return self._choose_ways(repository.branches[branch], json.loads(body))
            case ["POST", "commit", branch]:
                return self._commit(name, branch, body)
        return JSONResponse({"error": f"unknown: {asked}"}, 500)

    def _create(self, asked: dict[str, Any]) -> Response:
        assert asked["type"] == "dataset"
        name = f"{asked['organization']}/{asked['name']}"
        url = f"{self.url}/datasets/{name}"
        if name in self.repositories:
            return JSONResponse({"error": "You already created this dataset repo", "url": url}, 409)
        self.repositories[name] = Repository(private=asked.get("visibility") == "private")
        return JSONResponse({"url": url})

    def _describe(self, path: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        lfs = {"lfs": {"oid": digest, "size": len(content), "pointerSize": 130}} if self._is_large(len(content)) else {}
        return {"type": "file", "path": path, "size": len(content), "oid": hash_blob(content), **lfs}

    def _is_large(self, size: int) -> bool:
        return self.uses_lfs and size > SMALL

    def _choose_ways(self, files: Files, asked: dict[str, Any]) -> Response:
        rows = []
        for file in asked["files"]:
            path, large = file["path"], self._is_large(file["size"])
            theirs = files.get(path)
            row = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if theirs is not None:
                row["oid"] = hashlib.sha256(theirs).hexdigest() if self._is_large(len(theirs)) else hash_blob(theirs)
            rows.append(row)
        return JSONResponse({"files": rows})

    def _list_uploads_needed(self, asked: dict[str, Any]) -> Response:
        objects = [
            {**each, **({} if each["oid"] in self.blobs else {"actions": {"upload": {"href": self._lfs(each["oid"])}}})}
            for each in asked["objects"]
        ]
        return JSONResponse({"transfer": "basic", "objects": objects})

    def _lfs(self, oid: str) -> str:
        return f"{self.url}/lfs/{oid}"

    def _commit(self, name: str, branch: str, body: bytes) -> Response:
        repository = self.repositories[name]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "file":
                    repository.branches[branch][value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    repository.branches[branch][value["path"]] = self.blobs[value["oid"]]
                case key:
                    assert key == "header", "an upload deletes nothing"
        repository.commits += 1
        oid = f"{repository.commits:040}"
        return JSONResponse({"commitUrl": f"{self.url}/datasets/{name}/commit/{oid}", "commitOid": oid})

    def _send_file(self, name: str, branch: str, file: str) -> Response:
        files = self.repositories[name].branches[branch]
        if file not in files:
            return _refuse("EntryNotFound")
        content = files[file]
        commit = f"{self.repositories[name].commits:040}"
        return Response(content, headers={"ETag": f'"{hash_blob(content)}"', "X-Repo-Commit": commit})


def hash_blob(content: bytes) -> str:
    """The hash by which git knows a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _refuse(code: str) -> Response:
    return JSONResponse({"error": code}, 404, headers={"X-Error-Code": code})


@contextmanager
def running_hub() -> Iterator[DatasetHub]:
    """A hub on this machine until the block ends."""
    hub = DatasetHub()
    routes = [Route("/{path:path}", hub.answer, methods=["GET", "HEAD", "POST", "PUT"])]
    with running(Starlette(routes=routes)) as url:
        hub.url = url
        yield hub


@contextmanager
def connected_hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[DatasetHub]:
    """A hub of which this process's huggingface_hub knows address and token; its large files go by Git LFS."""
    from huggingface_hub import close_session, constants

    with running_hub() as hub:
        # the library reads its variables when it is imported
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        address = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
        close_session()

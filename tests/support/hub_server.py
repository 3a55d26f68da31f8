"""A server that speaks the part of the hub's API by which data sets are looked at and downloaded."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import unquote, urlsplit

from support.faulty_server import Answer, Request, part

MAIN = "a" * 40
OLD = "b" * 40


class HubRepository:
    """One data set with a few commits; `main` may move."""

    def __init__(self, name: str, files: dict[str, bytes], card: dict[str, Any] | None = None) -> None:
        self.name = name
        self.commits: dict[str, dict[str, bytes]] = {MAIN: files}
        self.branches = {"main": MAIN}
        self.card = card or {}
        self.gated = False
        self.token: str | None = None
        """Without which nothing is told."""

    def __call__(self, request: Request) -> Answer:
        path = unquote(urlsplit(request.path).path)
        api, resolve = f"/api/datasets/{self.name}", f"/datasets/{self.name}/resolve/"
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return _refusal(401, "RepoNotFound")
        if path == api or path.startswith(f"{api}/revision/"):
            return self._info(path.removeprefix(api).removeprefix("/revision/") or "main")
        if path.startswith(resolve):
            revision, _, file = path.removeprefix(resolve).partition("/")
            return self._file(revision, file, request)
        return _refusal(404, "RepoNotFound")

    def _info(self, revision: str) -> Answer:
        commit = self.branches.get(revision, revision)
        if commit not in self.commits:
            return _refusal(404, "RevisionNotFound")
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": "0"} for name, data in self.commits[commit].items()
        ]
        info = {"id": self.name, "sha": commit, "siblings": siblings, "cardData": self.card, "private": False}
        return Answer(200, {"content-type": "application/json"}, json.dumps(info).encode())

    def _file(self, revision: str, file: str, request: Request) -> Answer:
        if self.gated:
            return _refusal(403, "GatedRepo")
        commit = self.branches.get(revision, revision)
        data = self.commits.get(commit, {}).get(file)
        if data is None:
            return _refusal(404, "EntryNotFound")
        answer = part(data, request, f'"{hashlib.sha1(data).hexdigest()}"')
        answer.headers["x-repo-commit"] = commit
        return answer


def _refusal(status: int, code: str) -> Answer:
    return Answer(status, {"x-error-code": code}, b"")

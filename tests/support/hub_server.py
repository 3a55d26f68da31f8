"""A server that speaks the hub's API, as far as data sets are downloaded and models are committed."""

from __future__ import annotations

import base64
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


LFS_ENDINGS = (".safetensors",)


class HubModels:
    """Model repositories that are made, written in commits, and read; large files go by git LFS."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.url = ""
        """Where this server is, for the addresses that it hands out."""
        self.private: dict[str, bool] = {}
        self.commits: dict[str, dict[str, list[dict[str, bytes]]]] = {}
        """Of each repository and branch: the files of each commit."""
        self.large: dict[str, bytes] = {}
        """Contents by sha256, as they were uploaded, whether a commit names them or not."""

    def files(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        return self.commits[repo][branch][-1]

    def __call__(self, request: Request) -> Answer:
        path = unquote(urlsplit(request.path).path)
        if path.startswith("/lfs/"):
            return self._receive(path.removeprefix("/lfs/"), request.body)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _refusal(401, "RepoNotFound")
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(request.body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(request.body))
        parts = path.strip("/").split("/")
        repo = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if repo not in self.commits:
            return _refusal(404, "RepoNotFound")
        if parts[0] != "api":
            return self._file(repo, parts[3], "/".join(parts[4:]), request)
        if len(parts) == 4 or parts[4] == "revision":
            branch = parts[5] if len(parts) > 5 else "main"
            return _json({"id": repo, "sha": self._commit_of(repo, branch), "private": self.private[repo]})
        return {"branch": self._branch, "tree": self._tree, "preupload": self._preupload, "commit": self._commit}[
            parts[4]
        ](repo, parts[5], request)

    def _create(self, asked: dict[str, Any]) -> Answer:
        repo = f"{asked['organization']}/{asked['name']}"
        status = 409 if repo in self.commits else 200
        if status == 200:
            self.commits[repo] = {"main": [{".gitattributes": b"*.safetensors filter=lfs\n"}]}
            self.private[repo] = asked.get("private", asked.get("visibility") == "private")
        return _json({"url": f"{self.url}/{repo}"}, status)

    def _branch(self, repo: str, branch: str, request: Request) -> Answer:
        if branch in self.commits[repo]:
            return _json({}, 409)
        self.commits[repo][branch] = [self.files(repo)]
        return _json({})

    def _tree(self, repo: str, branch: str, request: Request) -> Answer:
        files = self.files(repo, branch)
        return _json(
            [{"type": "file", "path": path, "size": len(files[path]), "oid": _oid(files[path])} for path in files]
        )

    def _preupload(self, repo: str, branch: str, request: Request) -> Answer:
        there = self.files(repo, branch)
        answer = []
        for file in json.loads(request.body)["files"]:
            path = file["path"]
            large = path.endswith(LFS_ENDINGS)
            known = (
                {"oid": (hashlib.sha256(there[path]).hexdigest() if large else _oid(there[path]))}
                if path in there
                else {}
            )
            answer.append({"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, **known})
        return _json({"files": answer})

    def _batch(self, asked: dict[str, Any]) -> Answer:
        objects = []
        for each in asked["objects"]:
            action = {"href": f"{self.url}/lfs/{each['oid']}", "header": {}}
            known = {} if each["oid"] in self.large else {"actions": {"upload": action}}
            objects.append({"oid": each["oid"], "size": each["size"], **known})
        return _json({"transfer": "basic", "objects": objects})

    def _receive(self, oid: str, body: bytes) -> Answer:
        if hashlib.sha256(body).hexdigest() != oid:
            return Answer(400, {}, b"")
        self.large[oid] = body
        return Answer(200, {}, b"")

    def _commit(self, repo: str, branch: str, request: Request) -> Answer:
        files = dict(self.files(repo, branch))
        for line in request.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                if value["oid"] not in self.large:
                    return _json({"error": f"{value['path']} was not uploaded"}, 400)
                files[value["path"]] = self.large[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        self.commits[repo][branch].append(files)
        commit = self._commit_of(repo, branch)
        return _json({"success": True, "commitOid": commit, "commitUrl": f"{self.url}/{repo}/commit/{commit}"})

    def _commit_of(self, repo: str, branch: str) -> str:
        return hashlib.sha1(f"{repo}/{branch}/{len(self.commits[repo][branch])}".encode()).hexdigest()

    def _file(self, repo: str, branch: str, path: str, request: Request) -> Answer:
        data = self.files(repo, branch).get(path)
        if data is None:
            return _refusal(404, "EntryNotFound")
        answer = part(data, request, f'"{_oid(data)}"')
        answer.headers["x-repo-commit"] = self._commit_of(repo, branch)
        return answer


def _oid(data: bytes) -> str:
    """git's name of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())


def _refusal(status: int, code: str) -> Answer:
    return Answer(status, {"x-error-code": code}, b"")

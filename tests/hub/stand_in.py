"""A stand-in of Hugging Face's hub on loopback: the endpoints that huggingface_hub uses."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_standintokenstandin"


def sha1(text: bytes) -> str:
    return hashlib.sha1(text).hexdigest()


@dataclass
class Repo:
    """Branches are lists of commits; a commit is a mapping of names to oids."""

    private: bool = False
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, branch: str, tree: dict[str, str]) -> str:
        oid = sha1(f"{len(self.commits)}{sorted(tree.items())}".encode())
        self.commits[oid] = tree
        self.branches[branch] = oid
        return oid

    def commit_of(self, revision: str) -> str | None:
        return self.branches.get(revision) or (revision if revision in self.commits else None)


class Hub:
    """What the stand-in holds and was asked for; `before` may answer a request by a status."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}  # by git's hash, or "lfs:" and SHA-256
        self.large: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.received = 0
        self.sent: dict[str, int] = {}
        self.ranges: list[tuple[str, str]] = []
        self.before: Callable[[str, str], int | None] = lambda method, path: None
        self.lock = threading.RLock()
        self.private_only_with_token = True

    def tree(self, kind: str, name: str, branch: str = "main") -> dict[str, bytes]:
        repo = self.repos[kind, name]
        return {
            path: self.content(oid) for path, oid in repo.commits[repo.branches[branch]].items()
        }

    def content(self, oid: str) -> bytes:
        return self.large[oid[4:]] if oid.startswith("lfs:") else self.blobs[oid]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.answer_request("GET")

    def do_HEAD(self) -> None:
        self.answer_request("HEAD")

    def do_POST(self) -> None:
        self.answer_request("POST")

    def do_PUT(self) -> None:
        self.answer_request("PUT")

    def answer_request(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        url = urlsplit(self.path)
        path = url.path
        with self.hub.lock:
            self.hub.asked.append((method, unquote(path)))
            self.hub.received += len(body)
            status = self.hub.before(method, unquote(path))
        if status is not None:
            self.reply(status, {"error": "told to"})
            return
        with self.hub.lock:
            self.route(method, path, parse_qs(url.query), body)

    def route(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> None:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if path == "/api/repos/create":
            self.create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.reply(200, {"errors": [], "warnings": []})
        elif parts[0] == "lfs":
            self.store_large(parts[1], body)
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.batch(json.loads(body))
        elif parts[0] == "api":
            repo = self.find(parts[1].removesuffix("s"), "/".join(parts[2:4]))
            if repo is not None:
                self.api(repo, "/".join(parts[2:4]), parts[4:], query, body)
        elif "resolve" in parts:
            at = parts.index("resolve")
            kind = "dataset" if parts[0] == "datasets" else "model"
            repo = self.find(kind, "/".join(parts[at - 2 : at]))
            if repo is not None:
                self.resolve(method, repo, parts[at + 1], "/".join(parts[at + 2 :]))
        else:
            self.reply(404, {"error": path})

    def find(self, kind: str, name: str) -> Repo | None:
        repo = self.hub.repos.get((kind, name))
        may = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not may):
            self.reply(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return None
        return repo

    def create(self, asked: dict[str, Any]) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.reply(401, {"error": "Invalid credentials"})
            return
        name = f"{asked.get('organization', 'me')}/{asked['name']}"
        kind = asked.get("type") or "model"
        if (kind, name) in self.hub.repos:
            self.reply(409, {"error": "You already created this repo"})
            return
        repo = self.hub.repos[kind, name] = Repo(
            private=asked.get("private") is True or asked.get("visibility") == "private"
        )
        content = b"*.bin filter=lfs diff=lfs merge=lfs -text\n"
        self.hub.blobs[blob := sha1(b"blob %d\0" % len(content) + content)] = content
        repo.add("main", {".gitattributes": blob})
        prefix = {"dataset": "datasets/", "model": ""}[kind]
        self.reply(200, {"url": f"{self.server_url()}/{prefix}{name}", "name": name})

    def server_url(self) -> str:
        return f"http://{self.headers['Host']}"

    def store_large(self, oid: str, body: bytes) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self.reply(400, {"error": "wrong hash"})
            return
        self.hub.large[oid] = body
        self.hub.sent[oid] = self.hub.sent.get(oid, 0) + 1
        self.reply(200, {})

    def batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for each in asked["objects"]:
            one = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.large:
                href = f"{self.server_url()}/lfs/{each['oid']}"
                one["actions"] = {"upload": {"href": href}}
            objects.append(one)
        self.reply(200, {"transfer": "basic", "objects": objects})

    def api(
        self, repo: Repo, name: str, parts: list[str], query: dict[str, list[str]], body: bytes
    ) -> None:
        what = parts[0] if parts else "revision"
        revision = parts[1] if len(parts) > 1 else "main"
        if what == "branch":
            repo.branches[revision] = repo.branches["main"]
            self.reply(200, {})
            return
        commit = repo.commit_of(revision)
        if commit is None:
            self.reply(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        elif what == "revision":
            siblings = [{"rfilename": path} for path in sorted(repo.commits[commit])]
            about = {"id": name, "sha": commit, "private": repo.private, "siblings": siblings}
            self.reply(200, about | {"tags": [], "downloads": 0, "likes": 0})
        elif what == "preupload":
            files = json.loads(body)["files"]
            modes = [
                {
                    "path": each["path"], "shouldIgnore": False,
                    "uploadMode": "regular" if _is_text(each) else "lfs",
                }
                for each in files
            ]  # fmt: skip
            self.reply(200, {"files": modes})
        elif what == "tree":
            below = "/".join(parts[2:])
            self.reply_tree(repo.commits[commit], below, query.get("recursive", [""])[0])
        elif what == "commit":
            self.commit(repo, revision, body)
        else:
            self.reply(404, {"error": what})

    def entry(self, path: str, oid: str) -> dict[str, Any]:
        size = len(self.hub.content(oid))
        about = {"type": "file", "path": path, "size": size, "oid": oid}
        if oid.startswith("lfs:"):
            lfs = {"oid": oid[4:], "size": size, "pointerSize": 130}
            about |= {"oid": sha1(oid.encode()), "lfs": lfs}
        return about

    def reply_tree(self, tree: dict[str, str], below: str, recursive: str) -> None:
        prefix = f"{below}/" if below else ""
        out: dict[str, dict[str, Any]] = {}
        for path in sorted(tree):
            if not path.startswith(prefix):
                continue
            rest = path.removeprefix(prefix).split("/")
            for n in range(1, len(rest)):
                folder = prefix + "/".join(rest[:n])
                if n == 1 or recursive.lower() == "true":
                    out[folder] = {
                        "type": "directory", "path": folder, "size": 0, "oid": sha1(folder.encode())
                    }  # fmt: skip
            if len(rest) == 1 or recursive.lower() == "true":
                out[path] = self.entry(path, tree[path])
        if below and not out:
            self.reply(404, {"error": "no such folder"}, {"X-Error-Code": "EntryNotFound"})
            return
        self.reply(200, list(out.values()))

    def commit(self, repo: Repo, branch: str, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repo.branches[branch]):
            self.reply(412, {"error": "A commit has happened since. Please refresh and try again."})
            return
        tree = dict(repo.commits[repo.branches[branch]])
        for line in lines[1:]:
            value, key = line["value"], line["key"]
            if key == "file":
                content = base64.b64decode(value["content"])
                blob = sha1(b"blob %d\0" % len(content) + content)
                self.hub.blobs[blob] = content
                tree[value["path"]] = blob
            elif key == "lfsFile":
                assert value["oid"] in self.hub.large, "a commit names content that is not there"
                tree[value["path"]] = f"lfs:{value['oid']}"
            else:
                del tree[value["path"]]
        oid = repo.add(branch, tree)
        url = f"{self.server_url()}/datasets/me/x/commit/{oid}"
        self.reply(200, {"success": True, "commitOid": oid, "commitUrl": url})

    def resolve(self, method: str, repo: Repo, revision: str, path: str) -> None:
        commit = repo.commit_of(revision)
        oid = None if commit is None else repo.commits[commit].get(path)
        if oid is None:
            self.reply(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return
        content, status, headers = self.hub.content(oid), 200, {}
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            end = min(int(last) + 1 if last else len(content), len(content))
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
            content, status = content[int(first) : end], 206
        self.hub.ranges.append((path, asked or ""))
        etag = oid.removeprefix("lfs:")
        headers |= {"ETag": f'"{etag}"', "X-Repo-Commit": str(commit)}
        self.reply_bytes(status, content, headers, head=method == "HEAD")

    def reply(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.reply_bytes(
            status, content, {"Content-Type": "application/json", **(headers or {})},
            head=self.command == "HEAD",
        )  # fmt: skip

    def reply_bytes(
        self, status: int, content: bytes, headers: dict[str, str], *, head: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not head:
            self.wfile.write(content)


def _is_text(file: dict[str, Any]) -> bool:
    """As the hub does: what is small and looks like text stays in git."""
    sample = base64.b64decode(file["sample"])
    is_binary = b"\0" in sample or sample.startswith(b"PAR1")
    return bool(file["size"] < 10_000_000 and not is_binary)


def start() -> tuple[Hub, ThreadingHTTPServer, str]:
    hub = Hub()
    kind = type("OwnHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return hub, server, f"http://127.0.0.1:{server.server_port}"

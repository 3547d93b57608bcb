"""List what is below a URL: index pages of the web, objects of a store; bounded, names judged."""

from __future__ import annotations

import base64
import logging
import re
import unicodedata
from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from physioprep import web
from physioprep.file_systems import file_system
from physioprep.limits import MAX_FOLDER_DEPTH, MAX_INDEX_PAGES, MAX_LISTED, check
from physioprep.retry import retrying
from physioprep.web import is_web

log = logging.getLogger(__name__)

#: Lines about names that are skipped.
SHOWN: Final = 20
#: Bytes of one part of a name, and of a path below a temporary folder.
_LONGEST: Final = 255
_LONGEST_PATH: Final = 2048


def listing(url: str) -> dict[str, int | None]:
    """Return the objects below a URL and their sizes.

    Parameters
    ----------
    url : str
        Of a folder.

    Returns
    -------
    dict of str to (int or None)
        Names relative to `url`, sorted, and bytes. On the web these are the files that index
        pages link to, and the bytes are None: `sizes` asks for them.

    Raises
    ------
    FileNotFoundError
        There is no such folder (web only; an object store has an empty listing).
    UnreadableFileError
        The server refuses, or all attempts failed.
    """
    if is_web(url):
        return dict.fromkeys(sorted(_linked(url.rstrip("/") + "/")))
    return {name: size for name, (size, _) in listing_with_md5(url).items()}


def listing_with_md5(url: str) -> dict[str, tuple[int, str]]:
    """Return the objects below a URL, their sizes and MD5, as the server of an object store says.

    Parameters
    ----------
    url : str
        Of a folder, ``s3://`` or ``gs://``.

    Returns
    -------
    dict of str to (int, str)
        Names relative to `url`, sorted; bytes, and the MD5 in hex, or "" where the server does
        not state it (objects of several parts, some kinds of encryption).

    Raises
    ------
    UnreadableFileError
        The server refuses, all attempts failed, or there are more than `MAX_LISTED`.
    """
    root = file_system(url)[1].rstrip("/") + "/"
    pages = _s3_pages(url) if urlsplit(url).scheme in ("s3", "s3a") else [_found(url)]
    out: dict[str, tuple[int, str]] = {}
    for page in pages:
        for name, size, md5 in page:
            if name.startswith(root) and not name.endswith("/"):
                out[name.removeprefix(root)] = (size, md5)
        check(url, len(out), MAX_LISTED, "objects")
    return dict(sorted(out.items()))


def _s3_pages(url: str) -> Iterator[list[tuple[str, int, str]]]:
    """Yield path, size and MD5 of the objects below a URL, page by page."""
    path = file_system(url)[1]
    bucket, _, prefix = path.rstrip("/").partition("/")
    query = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else ""}
    while True:
        page = retrying(url, partial(_s3_page, url, query))
        yield [
            (f"{bucket}/{each['Key']}", int(each["Size"]), _md5_of(each.get("ETag")))
            for each in page.get("Contents", ())
        ]
        if not page.get("IsTruncated"):
            return
        query["ContinuationToken"] = page["NextContinuationToken"]


def _s3_page(url: str, query: dict[str, str]) -> dict[str, Any]:
    files, _ = file_system(url)
    try:
        page: dict[str, Any] = files.call_s3("list_objects_v2", **query)
    except FileNotFoundError:  # no such bucket
        return {}
    return page


def _found(url: str) -> list[tuple[str, int, str]]:
    """Return path, size and MD5 of the objects below a URL."""

    def find() -> list[tuple[str, int, str]]:
        files, path = file_system(url)
        found = files.find(path, detail=True).items()
        return [(name, int(each["size"]), _md5_of(each.get("md5Hash"))) for name, each in found]

    return retrying(url, find)


def _md5_of(said: object) -> str:
    """Return the MD5 that a server states: S3 as its ETag in hex, Google in base64."""
    text = str(said or "").strip('"')
    if re.fullmatch("[0-9a-f]{32}", text):
        return text
    return base64.b64decode(text).hex() if re.fullmatch(r"[\w+/]{22}==", text) else ""


def _linked(root: str) -> Iterator[str]:
    """Yield the files that index pages below a web address link to."""
    ahead, seen, n_files, n_skipped = [""], {""}, 0, 0
    while ahead:
        folder = ahead.pop()
        for name in retrying(root + folder, partial(web.links, root + folder)):
            if not name.strip("/") or re.search(r"[?#]|/.", name):
                continue  # sort links, the folder itself, what is deeper
            path = folder + name
            cause = bad_name(unquote(path))
            if cause:
                n_skipped += 1
                if n_skipped <= SHOWN:
                    log.error("skipped %s%s: %s", root, path, cause)
            elif not name.endswith("/"):
                n_files += 1
                yield unquote(path)
            elif path not in seen:
                seen.add(path)
                ahead.append(path)
        check(root, len(seen), MAX_INDEX_PAGES, "index pages")
        check(root, n_files, MAX_LISTED, "files")
    if n_skipped > SHOWN:
        log.error("%s: skipped %d names more", root, n_skipped - SHOWN)


def bad_name(name: str) -> str:
    """Return why a name from a listing must not become a file of this machine.

    Parameters
    ----------
    name : str
        Relative, with ``/``.

    Returns
    -------
    str
        The cause; "" where it may.

    Examples
    --------
    >>> bad_name("a/100.hea"), bad_name("a/../../100.hea"), bad_name("C:/x")
    ('', 'leads out of its folder', 'not a relative path')
    """
    parts = name.removesuffix("/").split("/")
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        return "not a relative path"
    if any(part in ("..", ".") for part in re.split(r"[/\\]", name)):
        return "leads out of its folder"
    if "" in parts or "\\" in name:
        return "not the name of a file"
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name):
        return "control characters in its name"
    if len(parts) > MAX_FOLDER_DEPTH:
        return f"over {MAX_FOLDER_DEPTH} folders deep"
    longest = max(len(part.encode()) for part in parts)
    return (
        "its name is too long" if longest > _LONGEST or len(name.encode()) > _LONGEST_PATH else ""
    )

"""What MkDocs calls while it builds the site: it adds the pages made from code."""

from __future__ import annotations

import re
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from site_pages.reference import pages  # MkDocs looks beside this file

#: Words behind the language of a block, which are for the tests: ```python no-run.
_FLAGS: Final = re.compile(r"^(```\w+) [^\n{]+$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from code.

    Parameters
    ----------
    files : Files
        Those of docs/.
    config : MkDocsConfig
        Of mkdocs.yml.

    Returns
    -------
    Files
        The same, with the generated ones.
    """
    for path, text in pages().items():
        if (there := files.get_file_from_path(path)) is not None:
            files.remove(there)  # docs/corpora.md is read on GitHub, too
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Take away what blocks say to the tests alone.

    Parameters
    ----------
    markdown : str
        Of a page.
    page, config, files
        Not used.

    Returns
    -------
    str
    """
    return _FLAGS.sub(r"\1", markdown)

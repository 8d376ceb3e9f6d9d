"""Hooks of mkdocs for the documentation site.

The Markdown files at the top of the repository are pages of the site too, and the examples are files of it.
They stay where readers of a repository look for them; their links, and links to them, are adapted. A page
that loads something from another host is an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[1]

#: Files at the top of the repository, and the pages that they become.
_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}

_LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, page in _PAGES.items():
        files.append(File.generated(config, page, content=(_ROOT / source).read_text("utf-8")))
    for example in sorted((_ROOT / "examples").glob("*.py")):
        path = example.relative_to(_ROOT).as_posix()
        files.append(File.generated(config, path, content=example.read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Adapt the links of a page: `docs/x.md`, `../README.md` and `../examples/x.py` are neighbours here."""
    if page.file.generated_by:
        markdown = markdown.replace("](docs/", "](")
    markdown = markdown.replace("](../examples/", "](examples/")
    names = "|".join(map(re.escape, _PAGES))
    return re.sub(rf"\]\((\.\./)?({names})", lambda found: f"]({_PAGES[found[2]]}", markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that loads a script, style, image or frame from another host."""
    found = _LOADED.search(output)
    if found is not None:
        raise PluginError(f"{page.file.src_path} loads something from another host: {found[0]}")
    return output

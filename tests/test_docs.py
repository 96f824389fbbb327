"""The documents are true: generated pages are current, links lead somewhere, nothing is undocumented."""

import re
from pathlib import Path

import pytest

from docs.generate import FOLDER, PAGES
from stream.errors import StreamError

ROOT = FOLDER.parent
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *FOLDER.glob("*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    """Every setting, metric and command is on its page as the code has it (`make docs` writes them anew)."""
    expected = PAGES[name]()

    assert expected == (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file or folder that exists."""
    links = LINK.findall(document.read_text(encoding="utf-8"))

    assert [] == [link for link in links if not (document.parent / link).exists()]


def test_every_paragraph_of_the_architecture_links_into_the_code() -> None:
    """A paragraph that names no file can not be held true by a reader."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paragraphs = [part for part in re.split(r"\n\s*\n", text) if part[:1].isalpha() or part.startswith(("- ", "**"))]

    assert paragraphs
    assert [] == [part for part in paragraphs if not LINK.search(part)]


def test_every_error_stands_in_the_tree() -> None:
    """The tree at the top of stream/errors.py names every error of the package."""
    tree = (ROOT / "stream" / "errors.py").read_text(encoding="utf-8").split('"""')[1]

    assert [] == [error.__name__ for error in StreamError.__subclasses__() if error.__name__ not in tree]


def test_every_target_of_the_makefile_greets_the_newcomer() -> None:
    """`make help` lists every target that is not a file: each has its words."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
    described = set(re.findall(r"^([a-z]+):.*## \S", text, re.MULTILINE))

    assert targets == described


def test_readme_shows_the_test_command_that_ci_runs() -> None:
    """`.ci/run` runs what the README tells a newcomer to run, and nothing else."""
    command = re.findall(r"^exec (.+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)

    assert ["make test"] == command
    assert re.search(r"^make test\s", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

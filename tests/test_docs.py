"""What the documents point to is there."""

import re

import pytest

from support import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(document):
    text = document.read_text()
    assert "{{" not in text
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text)
    missing = [
        target for target in targets
        if "://" not in target and not (document.parent / target).exists()
    ]  # fmt: skip
    assert missing == []

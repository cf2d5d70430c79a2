from docs import recipes
from support import ROOT


def test_the_page_says_what_the_experiments_say():
    """Made anew by `python -m docs.recipes > docs/recipes.md` when an experiment changes."""
    assert (ROOT / "docs" / "recipes.md").read_text() == recipes.page() + "\n"

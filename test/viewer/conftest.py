"""Parts of the page that need Rerun."""

import pytest
from bags import bag_builder, make_bag, pair  # noqa: F401 - fixtures


@pytest.fixture
def rerun():
    return pytest.importorskip("rerun", reason="the page needs: pip install rerun-sdk")

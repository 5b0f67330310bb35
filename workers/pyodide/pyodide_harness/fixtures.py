"""The fixture `pyodide` for the tests of every Worker; a plugin of pytest that the repository's conftest.py names."""

import os
from pathlib import Path

import pytest

from pyodide_harness import installation
from pyodide_harness.pyodide import Pyodide, lay_out


@pytest.fixture(scope="session")
def pyodide(tmp_path_factory: pytest.TempPathFactory) -> Pyodide:
    """Offer real Pyodide; skip where it is not installed, unless somebody said where it is: then it has to be there."""
    try:
        found = installation.find()
    except installation.NotInstalledError as error:
        if os.environ.get(installation.FOLDER):
            pytest.fail(str(error))
        pytest.skip(str(error))
    return lay_out(found, Path(tmp_path_factory.mktemp("pyodide")))

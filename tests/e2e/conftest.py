"""One data directory with the sample folder indexed, shared by the tests of this folder."""
import pytest

from program import SAMPLE, Malmoi


@pytest.fixture(scope="session")
def malmoi(malmoi_binary, malmoi_assets, tmp_path_factory):
    program = Malmoi(malmoi_binary, malmoi_assets, tmp_path_factory.mktemp("data"))
    report = program.json("index", SAMPLE)
    assert report["failed"] == 0, report
    assert report["vectors_complete"], report
    return program


@pytest.fixture
def fresh(malmoi_binary, malmoi_assets, tmp_path):
    """The program with an empty data directory."""
    return Malmoi(malmoi_binary, malmoi_assets, tmp_path / "data")

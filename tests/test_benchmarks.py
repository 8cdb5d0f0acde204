"""The benchmarks run, and what they write can be read: what they say is for people to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.__main__ import main
from tests.cluster.server import PROGRAM
from tests.conftest import require

ROOT = Path(__file__).parents[1]


def benchmarks(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs them as a person would."""
    command = [sys.executable, "-m", "tests.benchmarks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_row_is_printed_written_and_drawn(tmp_path: Path) -> None:
    """A line with ours, the floor and the goal; the same as JSON; and a chart."""
    numbers, chart = tmp_path / "numbers.json", tmp_path / "chart.png"
    done = benchmarks("decoding", "--quick", "--json", numbers, "--plot", chart)
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split()[:3] == ["what", "ours", "floor"]
    written: dict[str, Any] = json.loads(numbers.read_text())
    assert written["about"]["quick"] is True
    assert written["rows"]
    for row in written["rows"]:
        assert any(line.startswith(row["name"]) for line in lines)
        assert row["ours"] > 0
        assert row["is_met"] == (row["ratio"] <= row["goal"]["limit"]) or row["goal"]["at_least"]
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_what_there_is_not_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row or a folder that is not there is an error in the user's words."""
    monkeypatch.setattr(sys, "argv", ["benchmarks", "nonsense"])
    with pytest.raises(SystemExit, match="there is no row with nonsense in its name"):
        main()
    nowhere = str(tmp_path / "no" / "numbers.json")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "decoding", "--json", nowhere])
    with pytest.raises(SystemExit, match="2"):
        main()
    out, err = capsys.readouterr()
    assert out == ""
    assert "there is no folder" in err


@pytest.mark.slow
def test_the_rows_about_clusters_run_their_own_redis(tmp_path: Path) -> None:
    """Where they are asked for: what a call costs, and votes through one process and two."""
    require(PROGRAM, "redis-server")
    numbers = tmp_path / "numbers.json"
    done = benchmarks("cluster, a call", "cluster, votes", "--quick", "--json", numbers)
    assert (done.returncode, done.stderr) == (0, "")
    rows = {row["name"]: row for row in json.loads(numbers.read_text())["rows"]}
    assert rows.keys() == {
        "cluster, votes added, 1 at work",
        "cluster, votes handled, 1 at work",
        "cluster, votes added, 2 at work",
        "cluster, votes handled, 2 at work",
        "cluster, a call, one after another",
        "cluster, a call, 50 in flight",
    }
    assert all(row["ours"] > 0 for row in rows.values())

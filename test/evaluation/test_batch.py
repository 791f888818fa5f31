"""Many bags: one report, a second run that goes on, a broken bag that stops nothing, workers
elsewhere.
"""

import json
import shutil

import pytest
from click.testing import CliRunner

from depth_ros.cli import main as cli
from depth_ros.core.errors import InputError
from depth_ros.evaluation import batch
from depth_ros.evaluation.report.batch_report import merge, words_of

OPTIONS = ["--backend", "sgbm", "--max-disparity-px", "32"]


@pytest.fixture
def bags(make_bag, tmp_path):
    """Two good bags and a broken one, in a folder."""
    folder = tmp_path / "bags"
    (folder / "broken").mkdir(parents=True)
    for i, name in enumerate(("a", "b")):
        shutil.move(make_bag(n=2 + i, name=name), folder / name)
    (folder / "broken" / "metadata.yaml").write_text("")
    return folder


def test_bags_below_a_folder_are_found(bags, tmp_path):
    assert [path.name for path in batch.find_bags([bags])] == ["a", "b", "broken"]
    assert batch.find_bags([bags / "a", bags]) == batch.find_bags([bags])
    (bags / "linked").symlink_to(bags / "a")  # the same bag, found once
    (bags / "c").mkdir()
    (bags / "c" / "circle").symlink_to(bags)
    (bags / "c" / "cut_off_0.mcap").write_bytes(
        b""
    )  # no metadata.yaml: named as failing, not passed over
    assert [path.name for path in batch.find_bags([bags])] == ["a", "b", "broken", "c"]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").symlink_to(bags / "b")
    assert batch.find_bags([tmp_path / "elsewhere"]) == [(bags / "b").resolve()]
    (bags / "empty").mkdir()
    with pytest.raises(InputError, match="expected a bag, or a folder with bags"):
        batch.find_bags([bags / "empty"])


def test_names_stay_apart_and_keys_follow_what_they_are_made_of(bags):
    (bags / "x").mkdir()
    shutil.copytree(bags / "a", bags / "x" / "a")
    found = [bags / "a", bags / "x" / "a"]
    tasks = batch.make_tasks(found, OPTIONS, "1")
    assert [task.name for task in tasks] == ["bags_a", "x_a"]
    keys = {
        batch.make_tasks(found[:1], *rest)[0].key
        for rest in ((OPTIONS, "1"), (OPTIONS, "2"), ([], "1"))
    }
    (bags / "a" / "more.txt").write_text("x")
    assert len(keys | {batch.make_tasks(found[:1], OPTIONS, "1")[0].key}) == 4


def invoke(*arguments):
    return CliRunner().invoke(cli.main, ["evaluate", *map(str, arguments), *OPTIONS])


def test_one_report_of_all_and_a_second_run_goes_on(bags, tmp_path, monkeypatch):
    out = tmp_path / "out"
    result = invoke(bags, "--jobs", 2, "--out", out)
    assert result.exit_code == 1, result.output
    assert (
        "2 of 3 bags evaluated, 5 of 5 frames answered" in result.output
        and "FAILED broken" in result.output
    )
    report = json.loads((out / "report.json").read_text())
    each = [json.loads((out / name / "report.json").read_text()) for name in ("a", "b")]
    assert [one["frames"]["out"] for one in each] == [2, 3]
    mean = sum(one["stereo"]["bad2_pct"] for one in each) / 2
    assert report["figures"]["stereo.bad2_pct"] == {
        "mean": pytest.approx(mean),
        "ci": None,
        "bags": 2,
    }
    assert "readable rosbag2" in report["bags"]["failed"]["broken"] and list(report["per_bag"]) == [
        "a",
        "b",
    ]
    page = (out / "report.html").read_text()
    assert 'href="a/report.html"' in page and "failed: " in page
    done = []
    monkeypatch.setattr(batch, "evaluate_bag", lambda task: done.append(task.name) or ({}, "again"))
    assert invoke(bags, "--out", out).exit_code == 1
    assert done == ["broken"]  # the finished ones are not done again


def test_a_bag_of_one_camera_is_not_compared_with_what_needs_two(mono_bag, make_bag, tmp_path):
    folder = tmp_path / "bags"
    folder.mkdir()
    shutil.move(make_bag(n=2, name="pairs"), folder / "pairs")
    shutil.move(mono_bag(), folder / "one")
    options = [
        "--max-disparity-px",
        32,
        "--against",
        "sgbm",
        "--egomotion",
        "off",
        "--out",
        tmp_path / "out",
    ]
    result = CliRunner().invoke(cli.main, ["evaluate", str(folder), *map(str, options)])
    assert result.exit_code == 0, result.output
    assert "Not compared with sgbm, which needs two cameras: one." in result.output
    report, one = (
        json.loads((tmp_path / "out" / name).read_text())
        for name in ("report.json", "one/report.json")
    )
    assert (
        report["bags"]["out"] == 2
        and report["against"]["OpenCV SGBM-3WAY"]["stereo.bad2_pct"]["bags"] == 1
    )
    assert "against.sgbm" in one["not_measured"] and "against" not in one
    assert "Not compared with sgbm" in (tmp_path / "out" / "one" / "report.html").read_text()


def test_replay_needs_a_machine_to_itself(bags):
    result = invoke(bags, "--jobs", 2, "--replay")
    assert result.exit_code == 2 and "expected one bag for --replay" in result.stderr


def test_workers_of_a_cluster(bags, tmp_path):
    distributed = pytest.importorskip(
        "distributed", reason="many machines need: pip install dask[distributed]"
    )
    tasks = batch.make_tasks(batch.find_bags([bags]), OPTIONS, "1")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp"
    ) as cluster:
        errors = batch.run_all(tasks, tmp_path / "out", scheduler=cluster.scheduler_address)
    assert [name for name, words in errors.items() if words] == ["broken"]
    assert words_of(merge(tasks, errors, tmp_path / "out"))[0].startswith("2 of 3 bags")


def test_no_scheduler_there(bags, tmp_path):
    pytest.importorskip("distributed", reason="many machines need: pip install dask[distributed]")
    with pytest.raises(InputError, match="expected a Dask scheduler"):
        batch.run_all(batch.make_tasks([bags / "a"], [], "1"), tmp_path, scheduler="nonsense://x")

"""Protocols as data: complete, hashed, and refused when anything in them is wrong."""

import dataclasses
import typing
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmark.errors import ProtocolError
from benchmark.io.ground_truth import DEPTH_KINDS
from benchmark.masks import CROPS
from benchmark.measure import INVERSIONS
from benchmark.metrics.depth import DEPTH_METRICS, UNIT_FACTORS
from benchmark.protocol import (
    FOLDER,
    DepthProtocol,
    GroundTruthSource,
    Resize,
    differences,
    flatten,
    load_protocol,
    protocol_names,
)
from benchmark.sampling import RESIZE_RULES
from benchmark.splits import find_entry

KITTI = (
    "kitti_devkit", "kitti_eigen", "kitti_eigen_50m", "kitti_eigen_benchmark", "kitti_eigen_benchmark_cap100",
    "kitti_eigen_depth", "kitti_eigen_scsfm", "packnet_kitti_camera_z", "packnet_kitti_improved", "packnet_kitti_velodyne",
)  # fmt: skip
TEXT = (FOLDER / "kitti_eigen.yaml").read_text("utf-8")


def variant(tmp_path: Path, *changes: tuple[str, str], name: str = "mine") -> Path:
    """kitti_eigen under another name, with pieces of its text replaced."""
    text = TEXT.replace("name: kitti_eigen", f"name: {name}")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "my protocols" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ProtocolError) as caught:
        load_protocol(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def test_the_protocols_of_the_repository() -> None:
    assert set(KITTI) <= set(protocol_names())


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_is_complete(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.version >= 1
    assert protocol.title
    assert protocol.source
    assert find_entry(protocol.split) is not None or protocol.split.startswith("kitti_depth_selection/")
    for metric, unit in protocol.metrics.items():
        assert (DEPTH_METRICS[metric].unit, unit) in UNIT_FACTORS


def test_hashes_differ_between_protocols() -> None:
    hashes = [load_protocol(name).sha256 for name in protocol_names()]
    assert len(set(hashes)) == len(hashes)


def test_prose_does_not_change_the_hash_and_numbers_do(tmp_path: Path) -> None:
    published = load_protocol("kitti_eigen")
    reworded = load_protocol(
        str(variant(tmp_path, ('title: "', 'title: "Reworded: '), ("verified: evaluator", "verified: restatement")))
    )
    assert dataclasses.replace(reworded, name="kitti_eigen").sha256 == published.sha256
    assert reworded.sha256 != published.sha256
    for key in ("version", "crop", "median", "dtype", "split"):
        changed = dataclasses.replace(published, **{key: 2 if key == "version" else "another"})
        assert changed.sha256 != published.sha256
    # The scaling that was chosen stands beside the hash in every record.
    assert dataclasses.replace(published, scaling="none").sha256 == published.sha256


def test_a_file_is_a_protocol_too(tmp_path: Path) -> None:
    protocol = load_protocol(str(variant(tmp_path, ("crop: garg", "crop: none"))))
    assert (protocol.name, protocol.crop) == ("mine", "none")
    assert differences(protocol, load_protocol("kitti_eigen")) == [
        ("name", "mine", "kitti_eigen"),
        ("crop", "none", "garg"),
    ]


def test_differences_are_dotted(tmp_path: Path) -> None:
    near = load_protocol(
        str(variant(tmp_path, ("depth_range: {min_m: 0.001, max_m: 80.0", "depth_range: {min_m: 0.001, max_m: 50.0")))
    )
    assert ("depth_range.max_m", 50.0, 80.0) in differences(near, load_protocol("kitti_eigen"))
    assert flatten(near)["metrics.abs_rel"] == "1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("crop: garg", "crop: gargg"), "crop is 'gargg'; known: none, garg, eigen"),
        (("crop: garg", "krop: garg"), "unknown key krop (did you mean crop?); missing key crop"),
        (("crop: garg", "crop: no"), "crop is False; known: none, garg, eigen"),
        (("min_open: true, max_open", "min_open: 1, max_open"), "depth_range.min_open is 1 (int); expected bool"),
        (
            ("depth_range: {min_m: 0.001", "depth_range: {min_m: 1e-3"),
            "depth_range.min_m is '1e-3' (str); expected float (YAML reads 1e-3 as text",
        ),
        (
            ("depth_range: {min_m: 0.001", "depth_range: {min_m: .nan"),
            "depth_range.min_m is nan (float); expected float that is finite",
        ),
        (("depth_range: {min_m: 0.001", "depth_range: {min_m: 80.0"), "depth_range from 80.0 to 80.0 m is empty"),
        (("clamp: {min_m: 0.001", "clamp: {min_m: 90.0"), "clamp from 90.0 to 80.0 m is empty"),
        (("after_scaling", "never"), "clamp from 0.001 to 80.0 m never; expected never exactly where there is no bound"),
        (("clamp: {min_m: 0.001, max_m: 80.0", "clamp: {min_m: null, max_m: null"), "clamp from None to None m after_scaling"),
        (("scaling: median", "scaling: mean"), "unknown scaling 'mean'; known: median, stereo, none"),
        (("scaling: median", "scaling: factor=0"), "unknown scaling 'factor=0'"),
        (("version: 1", "version: 0"), "version 0; expected 1 or more"),
        (("version: 1", "version: 1.5"), "version is 1.5 (float); expected int"),
        (('abs_rel: "1"', 'abs_err: "1"'), "unknown metric 'abs_err'; known: abs_rel"),
        (('abs_rel: "1"', "abs_rel: m"), "metric abs_rel in 'm'; known units: 1"),
        (('abs_rel: "1"', "abs_rel: 1"), "metrics.abs_rel is 1 (int); expected str"),
        (("aggregate: mean_over_images", "aggregate: mean"), "aggregate is 'mean'; known: mean_over_images"),
    ],
)
def test_bad_protocols_are_refused_by_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert said in refusal(variant(tmp_path, change))


def test_a_protocol_without_metrics(tmp_path: Path) -> None:
    line = next(line for line in TEXT.splitlines() if line.startswith("metrics:"))
    assert "no metrics" in refusal(variant(tmp_path, (line, "metrics: {}")))


def test_name_and_file_agree(tmp_path: Path) -> None:
    path = variant(tmp_path)
    other = path.rename(path.with_name("other.yaml"))
    assert "the file is called other, the protocol in it mine; they must agree" in refusal(other)


def test_unknown_names_are_guessed() -> None:
    with pytest.raises(ProtocolError) as caught:
        load_protocol("kitti_eigenn")
    assert str(caught.value).startswith("unknown protocol 'kitti_eigenn' (did you mean kitti_eigen?); known: ")
    with pytest.raises(ProtocolError, match=r"none\.yaml: cannot be read as YAML"):
        load_protocol("none.yaml")


def test_the_fields_other_names_of_the_accuracies_are_taken(tmp_path: Path) -> None:
    renamed = load_protocol(str(variant(tmp_path, ('a1: "1", a2: "1"', 'delta1: "1", d2: "1"'))))
    assert renamed.metrics == load_protocol("kitti_eigen").metrics
    assert "under two of its names" in refusal(variant(tmp_path, ('a1: "1",', 'a1: "1", d1: "1",')))


@pytest.mark.parametrize(
    ("cls", "key", "known"),
    [
        (GroundTruthSource, "depth_kind", DEPTH_KINDS),
        (DepthProtocol, "crop", CROPS),
        (Resize, "rule", RESIZE_RULES),
        (DepthProtocol, "inversion", INVERSIONS),
    ],
)
def test_a_protocol_may_ask_for_exactly_what_there_is(cls: type, key: str, known: Iterable[str]) -> None:
    assert typing.get_args(typing.get_type_hints(cls)[key]) == tuple(known)


# Version and first digits of the hash, as published. A change that could move a number raises the version and gets a
# line under **Numbers** in CHANGELOG.md; then, and only then, this table changes.
PUBLISHED = {
    "ddad_challenge_self": (1, "d2f21a671ef1c3e2"),
    "ddad_challenge_semi": (1, "351dff7c81fca7bd"),
    "kitti_devkit": (1, "4a037e940414c46d"),
    "kitti_eigen": (1, "8b0bbf4e4fdc7832"),
    "kitti_eigen_50m": (1, "5627b837f0d1180e"),
    "kitti_eigen_benchmark": (1, "65fddaa5dc783735"),
    "kitti_eigen_benchmark_cap100": (1, "ce618a2f67e7472b"),
    "kitti_eigen_depth": (1, "8b071f590e6eeadf"),
    "kitti_eigen_scsfm": (1, "2427c439ce8a1410"),
    "packnet_ddad": (1, "6242f40cc0d6b899"),
    "packnet_ddad_surround": (1, "2ffe596ab300ec81"),
    "packnet_kitti_camera_z": (1, "041a47e022722e0d"),
    "packnet_kitti_improved": (1, "2b268a61f29d3428"),
    "packnet_kitti_velodyne": (1, "d74fbb54e762e15d"),
    "world_ddad": (1, "1c3ec0bc02eb161c"),
    "world_exact": (1, "de8bd07317cf0102"),
    "world_lidar": (1, "828e051db1a54143"),
}


def test_no_protocol_changes_under_its_version() -> None:
    found = {name: (p.version, p.sha256[:16]) for name in protocol_names() for p in [load_protocol(name)]}
    assert found == PUBLISHED


def test_a_published_name_is_kept_for_the_published_protocol(tmp_path: Path) -> None:
    changed = variant(tmp_path, ("crop: garg", "crop: none"), name="kitti_eigen")
    assert "is the name of a published protocol, and this one differs from it" in refusal(changed)
    same = variant(tmp_path, ('title: "', 'title: "Reworded: '), name="kitti_eigen")
    assert load_protocol(str(same)).sha256 == load_protocol("kitti_eigen").sha256


def test_parts_are_tabled_without_changing_the_hash(tmp_path: Path) -> None:
    listed = "aggregate: mean_over_images\nby: [camera, range]"
    tabled = load_protocol(str(variant(tmp_path, ("aggregate: mean_over_images", listed))))
    assert tabled.by == ("camera", "range")
    assert dataclasses.replace(tabled, name="kitti_eigen").sha256 == load_protocol("kitti_eigen").sha256
    assert flatten(tabled)["by"] == "camera, range"
    assert "by" not in flatten(load_protocol("kitti_eigen"))
    assert "by[0] is 'cameras'; known: camera, range" in refusal(
        variant(tmp_path, ("aggregate: mean_over_images", listed.replace("camera,", "cameras,")))
    )


def test_classes_are_hashed_with_what_counts_as_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = load_protocol("ddad_challenge_self")
    assert published.classes is not None
    assert (
        dataclasses.replace(published, classes=dataclasses.replace(published.classes, scaling="image")).sha256
        != published.sha256
    )
    table, before = published.class_table, published.sha256
    assert table is not None
    for change in ({"counts_as": "Bus"}, {"verified": True, "name": "Camper"}):
        ids = {**table.ids, 5: dataclasses.replace(table.ids[5], **change)}
        monkeypatch.setattr("benchmark.protocol.load_classes", lambda _, ids=ids: dataclasses.replace(table, ids=ids))
        assert (published.sha256 != before) == ("counts_as" in change)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("{table: ddad, scaling: image}", "unknown table of classes 'ddad'; known: ddad_challenge"),
        ("{table: ddad_challenge, scaling: class}", "classes.scaling is 'class'; known: image, per_class"),
        ("{table: ddad_challenge}", "missing key classes.scaling"),
        ("[ddad_challenge]", "classes is ['ddad_challenge'] (list); expected"),
    ],
)
def test_bad_classes_are_refused(tmp_path: Path, classes: str, said: str) -> None:
    changed = variant(tmp_path, ("aggregate: mean_over_images", f"aggregate: mean_over_images\nclasses: {classes}"))
    assert said in refusal(changed)


def test_classes_are_scored_by_abs_rel(tmp_path: Path) -> None:
    rules = "aggregate: mean_over_images\nclasses: {table: ddad_challenge, scaling: image}"
    changes = (("aggregate: mean_over_images", rules), ('abs_rel: "1", ', ""))
    assert "classes are scored by abs_rel, which is not among the metrics" in refusal(variant(tmp_path, *changes))

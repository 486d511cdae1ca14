"""Markdown to the letter, the order, the best of each group, and what may not stand in one table."""

from typing import Any

import pytest
from records import record

from benchmark.errors import ResultError
from leaderboard.tables import escape, make_table, markdown, notes, tables_by_protocol, terminal

GOLDEN = """\
| method | scaling | AbsRel ↓ | RMSE [m] ↓ | δ<1.25 ↑ | images | pixels |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
| better\\_one | median | **0.100** | 5.000 | **0.900** | 60 | 1,234,567 |
| worse | median | 0.200 | **4.000** | 0.700 | 58 (2 missing) | 1,234,567 |
| worse | none | **0.300** | **6.000** | **0.600** | 60 | 1,234,567 |

Protocol `world_exact` v1, sha256 `aaaaaaaaaaaaaaaa`; split sha256 `1111111111111111`. Best of each scaling in bold; ↓ lower is better, ↑ higher is better.

- worse (scaling median): made up
"""  # noqa: E501


def three() -> list[dict[str, Any]]:
    return [
        record("worse", abs_rel=0.2, rmse=4.0, a1=0.7, n_images=58, n_missing=2, warnings=["made up"]),
        record("better_one", abs_rel=0.1, rmse=5.0, a1=0.9),
        record("worse", scaling="none", abs_rel=0.3, rmse=6.0, a1=0.6),
    ]


def test_markdown_to_the_letter() -> None:
    assert markdown(make_table(three())) == GOLDEN


def test_equal_after_rounding_is_equally_good() -> None:
    table = make_table([record("a", abs_rel=0.12341), record("b", abs_rel=0.12339), record("c", abs_rel=0.1245)])
    assert [row.method for row in table.groups[0].rows] == ["b", "a", "c"]
    assert [row.best[0] for row in table.groups[0].rows] == [True, True, False]


def test_who_does_not_compete_stands_below_and_is_never_the_best() -> None:
    table = make_table([record("oracle", abs_rel=0.01, rmse=1.0), *three()], unranked=("oracle",))
    assert [row.method for row in table.groups[0].rows] == ["better_one", "worse", "oracle"]
    assert [row.best for row in table.groups[0].rows] == [(True, False, True), (False, True, False), (False, False, False)]
    alone = make_table([record("oracle")], unranked=("oracle",))
    assert alone.groups[0].rows[0].best == (False, False, False)


def test_a_higher_first_metric_is_sorted_downwards() -> None:
    rows = [record("a", a1=0.5), record("b", a1=0.9)]
    for row in rows:
        row["metrics"] = {"a1": row["metrics"]["a1"]}
    assert [row.method for row in make_table(rows).groups[0].rows] == ["b", "a"]


def test_each_scaling_competes_with_itself_alone() -> None:
    table = make_table(three())
    assert [(group.scaling, [row.method for row in group.rows]) for group in table.groups] == [
        ("median", ["better_one", "worse"]),
        ("none", ["worse"]),
    ]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"protocol": "world_lidar"}, "protocol"),
        ({"version": 2}, "protocol"),
        ({"sha256": "b" * 64}, "protocol sha256"),
        ({"split": "2" * 64}, "split sha256"),
        ({"unit": "%"}, "metrics"),
    ],
)
def test_numbers_of_two_settings_are_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ResultError, match=rf"^other: its {word}.*make a table for each"):
        make_table([record("one"), record("other", **change)])


def test_protocols_get_a_table_each_in_their_first_order() -> None:
    records = [record("a"), record("a", protocol="world_lidar"), record("b"), record("b", protocol="world_lidar")]
    tables = tables_by_protocol(records)
    assert [table.protocol for table in tables] == ["world_exact", "world_lidar"]
    assert [[row.method for row in table.groups[0].rows] for table in tables] == [["a", "b"], ["a", "b"]]


def test_no_records_are_refused() -> None:
    with pytest.raises(ResultError, match="no records"):
        make_table([])


def test_a_warning_of_several_rows_is_one_note() -> None:
    records = [
        record("a", warnings=["w"]),
        record("b", abs_rel=0.2, warnings=["w", "v"]),
        record("a", scaling="none", warnings=["w"]),
        record("b", scaling="none"),
    ]
    assert notes(make_table(records)) == ["a, b (scaling median): w", "b (scaling median): v"]


def test_markdown_shows_a_name_as_it_is() -> None:
    assert escape("a_b|<script>*`[x](y)\n# z") == r"a\_b\|\<script\>\*\`\[x\](y) \# z"


def test_the_terminal_table_to_the_letter() -> None:
    assert terminal(make_table(three())).split("\n") == [
        "world_exact v1",
        "method      scaling  AbsRel   RMSE  δ<1.25     pixels",
        "                               [m]",
        "----------  -------  ------  -----  ------  ---------",
        "better_one  median    0.100  5.000   0.900  1,234,567",
        "worse       median    0.200  4.000   0.700  1,234,567",
        "",
        "worse       none      0.300  6.000   0.600  1,234,567",
    ]

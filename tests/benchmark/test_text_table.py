"""What stands left and what stands right in a terminal table."""

from benchmark.text_table import text_table


def test_numbers_stand_right_and_names_left() -> None:
    rows = [("2011_09_26_drive_0001", "1,234", "5.0 %", "697 frames"), ("b", "5", "12.3 %", "1 frame")]
    assert text_table(rows, ("archive", "n", "share", "found")).split("\n")[2:] == [
        "2011_09_26_drive_0001  1,234   5.0 %  697 frames",
        "b                          5  12.3 %  1 frame",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert text_table([], ("a", "b")).split("\n")[0].split() == ["a", "b"]

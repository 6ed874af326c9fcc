"""CSV is read as it is written: nothing is guessed but the delimiter, and no line is lost without a word."""

import csv
import gzip
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kundenwert.customers.sources import read
from kundenwert.customers.summary import summarize
from kundenwert.errors import DataError

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}
HEAD = "customer_id,date,spend\n"


def _ids(path) -> list[str]:
    return summarize(path, **COLUMNS).table["customer_id"].tolist()


def _broken(path) -> list[tuple[str, int, list[object]]]:
    with pytest.raises(DataError) as caught:
        read(path, **COLUMNS)
    return [(v.rule, v.count, list(v.ids)) for v in caught.value.violations]


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes, name: str = "orders.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_ids_that_start_with_a_hash_or_stand_in_apostrophes_stay(write):
    rows = "".join(f"#{i},1997-01-0{i},5\n'n{i}',1997-01-0{i},5\n" for i in range(1, 5))
    assert _ids(write(HEAD + rows)) == ["#1", "#2", "#3", "#4", "'n1'", "'n2'", "'n3'", "'n4'"]


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(list("#',;|\t\"\n\\")), min_size=1)
known = texts.filter(lambda text: text.strip() != "")


@settings(max_examples=25, deadline=None)
@given(ids=st.lists(known, min_size=1, max_size=20, unique=True), delimiter=st.sampled_from(",;\t|"))
def test_ids_come_back_as_they_were_written(tmp_path_factory, ids, delimiter):
    path = tmp_path_factory.mktemp("csv") / "orders.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerows([["spend", "customer_id", "date"], *([5, i, "1997-01-01"] for i in ids)])
    assert _ids(path) == sorted(ids)


def test_lines_with_another_number_of_fields_are_reported_with_the_other_rules(write):
    path = write(HEAD + "1,1997-01-01,5\n2,1997-01-02\n3,1997-01-03,1,234.50\n4,1997-01-04,$7\nTotal\n")
    assert _broken(path) == [
        ("the number of fields is not that of the header", 3, [3, 4, 6]),
        ("the amount is not a number", 1, ["4"]),
    ]
    with pytest.raises(
        DataError, match=r"3 lines: the number of fields .* \(first: 3, 4, 6\)\. Quote values that hold"
    ):
        read(path, **COLUMNS)


def test_a_file_of_such_lines_alone_is_not_called_empty(write):
    assert _broken(write(HEAD + "1,1997-01-01\n")) == [("the number of fields is not that of the header", 1, [2])]


def test_quotes_that_do_not_close_are_reported(write):
    rows = "1,1997-01-01,5\n" * 10
    assert _broken(write(HEAD + rows + '"2,1997-01-01,5\n')) == [
        ("a quote does not close, or text follows it", 1, [12])
    ]


def test_files_of_a_glob_each_have_their_delimiter_and_are_named(write, tmp_path):
    write(HEAD + "1,1997-01-01,3\n", "a.csv")
    write("spend;customer_id;date\n3;#7;1997-01-02\n", "b.csv")
    assert _ids(tmp_path / "*.csv") == ["#7", "1"]
    write(HEAD + "1;1997-01-01;3\n", "c.csv")
    assert _broken(tmp_path / "*.csv") == [("the number of fields is not that of the header", 1, ["c.csv line 2"])]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEAD + "Müller,1997-01-01,5\n", "latin1"),
        ("Käufer," + HEAD + "x,1,1997-01-01,5\n", "latin1"),
        (HEAD + "1,1997-01-01,5\n", "utf-16"),
        (HEAD + "1,1997-01-01,5\n", "utf-16-le"),
    ],
)
def test_other_encodings_say_how_to_save_the_file(write, text, encoding):
    with pytest.raises(DataError, match=r"the text is not UTF-8.*\. Save the file as UTF-8"):
        read(write(text.encode(encoding)), **COLUMNS)


def test_line_ends_of_two_kinds_say_how_to_save_the_file(write):
    with pytest.raises(DataError, match=r"cannot be read: .* one kind of line end throughout"):
        read(write(HEAD + "1,1997-01-01,5\r\n2,1997-01-01,5\n"), **COLUMNS)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_the_mark_of_utf8_are_no_content(write, end, mark):
    path = write(mark + (HEAD + "1,1997-01-01,5\n2,1997-01-01,6").replace("\n", end).encode())
    assert _ids(path) == ["1", "2"]


def test_compressed_files_are_read_and_damaged_ones_reported(write):
    assert _ids(write(gzip.compress((HEAD + "#1,1997-01-01,5\n").encode()), "orders.csv.gz")) == ["#1"]
    with pytest.raises(DataError, match="the file cannot be read"):
        read(write("no gzip", "damaged.csv.gz"), **COLUMNS)


@pytest.mark.parametrize("text", ["", "\n" + HEAD])
def test_a_first_line_without_names_is_refused(write, text):
    assert _broken(write(text)) == [("the first line is empty", 0, [])]


def test_missing_and_repeated_columns(write):
    with pytest.raises(DataError, match=r"column 'customer_id' is missing\. It has: a, b, c\."):
        read(write("a;b;c\n1;2;3\n"), **COLUMNS)
    assert _broken(write("customer_id,date,spend,spend\n1,1997-01-01,5,6\n")) == [
        ("column 'spend' occurs more than once", 0, [])
    ]
    # Names that nobody asked for may repeat, and differ in their case alone from those that are asked for.
    assert _ids(write("Customer_ID,customer_id,date,spend,x,x,\ny,1,1997-01-01,5,6,7,\n")) == ["1"]


def test_a_million_lines_are_read_in_seconds_and_one_bad_line_is_found(tmp_path):
    lines = [f"{i % 100_000},2020-01-{i % 28 + 1:02d},{i % 977}.5\n" for i in range(1_000_000)]
    lines[777_777] = "#x,2020-01-01,1,234.50\n"
    path = tmp_path / "orders.csv"
    path.write_text(HEAD + "".join(lines))
    start = time.perf_counter()
    assert _broken(path) == [("the number of fields is not that of the header", 1, [777_779])]
    assert time.perf_counter() - start < 30

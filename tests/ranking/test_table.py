from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evonas.errors import ConfigError, DataError, DataMissingError
from evonas.ranking.table import (
    BASELINES,
    answers,
    cell_code,
    distinct,
    load_table,
    numbers,
    only,
    recognised,
    with_scores,
)
from genomes import library
from genomes.architecture import InputSpec
from genomes.cells import from_code
from genomes.serial import build_space
from genomes.space import Space

SPEC = InputSpec((3, 16, 16), 10)
BENCH: Space[Any] = build_space("spikenas_bench", input_spec=SPEC, options={"channels": [4], "hidden": [8]})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return write(
        tmp_path / "t.csv",
        "id,cell,test_acc,epochs,val_acc_10,note,live_cell\n"
        "1,020030,80.5,100,70,good,020030\n"
        "2,000001,81.5,200,,,000001\n"
        "3,000000,10.0,100,9,bad,\n",
    )


# reading ------------------------------------------------------------------------------------------------------------


def test_cells_keep_their_leading_zeros_and_columns_of_numbers_are_numbers(csv: Path) -> None:
    table = load_table(csv)
    assert table["cell"].tolist() == ["020030", "000001", "000000"]
    assert table["live_cell"].tolist() == ["020030", "000001", ""]
    assert table["test_acc"].tolist() == [80.5, 81.5, 10.0]
    assert table["epochs"].tolist() == [100, 200, 100]
    assert table["note"].tolist() == ["good", "", "bad"]
    assert table["val_acc_10"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell,acc\n000001,1\n", "no column 'test_acc'; it has cell, acc"),
        ("network,test_acc\n000001,1\n", "no column 'cell' or 'genome'; it has network, test_acc"),
        ("cell,test_acc\n000001,80\n000003,high\n", "column 'test_acc' holds 'high', expected numbers"),
        ("cell,test_acc\n000001,80\n000003,\n", "test_acc of row 2 is '', expected a finite number"),
        ("cell,test_acc\n000001,nan\n", "column 'test_acc' holds 'nan', expected numbers"),
        ("cell,test_acc\n000001,inf\n", "test_acc of row 1 is 'inf'"),
        ("", "is not a CSV"),
        ("cell,test_acc\n000001,1\n1,2,3,4\n", "is not a CSV"),
        ("cell,test_acc\n\0\0,1\n\x1b", "test_acc of row 2 is '', expected a finite number"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "t.csv", text)
    with pytest.raises((DataError, ConfigError), match=message) as error:
        load_table(path)
    assert "\n" not in str(error.value)


def test_a_table_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"none.csv does not exist"):
        load_table(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"cell,test_acc\n\xff\xfe\x80,1\n")
    with pytest.raises(DataError, match="is not a CSV"):
        load_table(tmp_path / "b.csv")


def process(number: int, *, n_epochs: int = 12, accuracy: float = 86.5) -> str:
    """What SpikeNAS-Bench writes about one network; validation accuracies are 50, 51, ..."""
    log = "".join(f"{i}.000, 40.000, 1.500, {50 + i}.000, 1.400\n" for i in range(n_epochs))
    return (
        f"architecture id: {number}\nmodel parameters: 17917668\nepoch, train_acc, train_loss, val_acc, val_loss\n"
        f"{log}test accuracy: {accuracy:.3f}\nfiring rate of layers: -1.000, 0.125\n"
        "Elapsed time: 1.0hour7.0minute38.5second\n"
    )


def write_process(folder: Path, number: int, text: str | None = None) -> None:
    home = folder / str(number)
    home.mkdir(parents=True)
    (home / "train_process.txt").write_text(process(number) if text is None else text)


@pytest.mark.parametrize("levels", ["", "data/CIFAR10"])
def test_a_folder_of_the_benchmark_is_a_table_like_any_other(tmp_path: Path, levels: str) -> None:
    for number in (1000, 10, 7):
        write_process(tmp_path / levels, number)
    table = load_table(tmp_path)
    assert table["id"].tolist() == [7, 10, 1000]
    assert table["cell"].tolist() == ["210000", "020000", "000310"]
    row = table.iloc[0].to_dict()
    assert (row["test_acc"], row["params"], row["epochs"]) == (86.5, 17917668, 12)
    assert [row[f"val_acc_{n}"] for n in (1, 5, 10, "last", "best")] == [50.0, 54.0, 59.0, 61.0, 61.0]
    assert "val_acc_20" not in table
    assert row["firing_rates"] == "-1.000;0.125"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no line 'architecture id'"),
        (process(8), "it is of architecture 8"),
        (process(7).replace("test accuracy", "accuracy"), "no line 'test accuracy'"),
        (process(7, n_epochs=0), "no epoch with 'val_acc'"),
        (process(7).replace("val_acc", "validation"), "no epoch with 'val_acc'"),
        (process(7).replace("86.500", "high"), "could not convert string to float"),
    ],
)
def test_a_log_that_is_incomplete_is_named(tmp_path: Path, text: str, reason: str) -> None:
    write_process(tmp_path, 10)
    write_process(tmp_path, 7, text)
    with pytest.raises(DataError, match="is not the log of a trained network") as error:
        load_table(tmp_path)
    assert "7/train_process.txt" in str(error.value)
    assert re.search(reason, str(error.value))


def test_folders_without_networks_or_of_several_data_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a folder without any <number>/train_process.txt"):
        load_table(tmp_path)
    for name in ("CIFAR10", "CIFAR100"):
        write_process(tmp_path / name, 10)
    with pytest.raises(
        DataError, match=r"networks of several data sets; give the folder of one: .*CIFAR10, "
    ):
        load_table(tmp_path)


def test_a_number_is_a_cell_in_base_five_lowest_digit_first() -> None:
    assert [cell_code(n) for n in (0, 1, 10, 1000, 5**6 - 1)] == [
        "000000",
        "100000",
        "020000",
        "000310",
        "444444",
    ]
    with pytest.raises(ValueError, match="architecture 15625"):
        cell_code(5**6)


def test_codes_and_numbers_of_the_published_table_agree(spikenas_bench: Path) -> None:
    table = load_table(spikenas_bench)
    assert len(table) > 3900
    assert [cell_code(int(number)) for number in table["id"]] == table["cell"].tolist()
    assert set(table["live_cell"].str.len()) == {0, 6}


# choosing rows and columns ------------------------------------------------------------------------------------------


def test_rows_are_chosen_by_number_or_text(csv: Path) -> None:
    table = load_table(csv)
    assert only(table, "epochs=100")["id"].tolist() == [1, 3]
    assert only(table, "epochs=100.0")["id"].tolist() == [1, 3]
    assert only(table, "note=good")["id"].tolist() == [1]
    assert only(table, "cell=020030")["id"].tolist() == [1]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("epochs", "--only must be COLUMN=VALUE"),
        ("epoch=100", "unknown column 'epoch'; did you mean 'epochs'"),
        ("epochs=50", "no row of the table has that"),
        ("epochs=many", "no row of the table has that"),
        ("cell=20030", "no row of the table has that"),
    ],
)
def test_a_condition_that_cannot_be_met_is_refused(csv: Path, condition: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        only(load_table(csv), condition)


def test_a_column_that_is_ranked_must_be_there_and_hold_numbers(csv: Path) -> None:
    table = load_table(csv)
    assert numbers(table, "val_acc_10").fillna(-1).tolist() == [70.0, -1.0, 9.0]
    with pytest.raises(ConfigError, match="unknown column 'val_acc_1'; did you mean 'val_acc_10'"):
        numbers(table, "val_acc_1")
    with pytest.raises(ConfigError, match="column 'note' holds 'good', expected numbers"):
        numbers(table, "note")


# recognising networks -----------------------------------------------------------------------------------------------


def table_of(*cells: str, **columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"cell": list(cells), "test_acc": [80.0 + i for i in range(len(cells))], **columns})


def test_rows_keep_their_order_and_those_without_a_path_have_no_architecture() -> None:
    networks = recognised(table_of("020003", "000000", "003000", "333400"), BENCH)
    ids = networks.rows["architecture_id"].tolist()
    assert ids[1] == ""
    assert networks.n_disconnected == 1
    assert ids[2] == ids[3]  # edges that lead nowhere are cut
    assert len(networks.genomes) == 2
    for text, architecture_id in zip(("020003", "003000"), (ids[0], ids[2]), strict=True):
        architecture = BENCH.decode(BENCH.from_text(text))
        assert architecture.id == architecture_id
        assert networks.architectures[architecture_id] == architecture
        assert BENCH.architecture_id(networks.genomes[architecture_id]) == architecture_id
    row = networks.rows.iloc[2]
    architecture = networks.architectures[ids[2]]
    assert row["parameters"] == architecture.n_parameters
    assert row["macs"] == architecture.macs_per_step
    assert row["chain_length"] == architecture.chain_length
    assert row["live_convolutions"] == architecture.n_convolutions
    assert networks.rows.iloc[1][[*BASELINES]].isna().all()


def test_a_genome_is_read_from_its_json() -> None:
    genome, space = library.load("feedback_loop")
    text = json.dumps(space.to_dict(genome))
    networks = recognised(pd.DataFrame({"genome": [text, text], "test_acc": [50.0, 60.0]}), space)
    assert networks.rows["architecture_id"].tolist() == [space.architecture_id(genome)] * 2
    assert list(networks.genomes.values()) == [genome]


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("cell", "900000", "expected six digits 0 to 4"),
        ("cell", "20030", "expected six digits 0 to 4"),
        ("genome", "020003", "its genome is not JSON"),
        ("genome", "{}", "missing key 'cell'"),
        (
            "genome",
            json.dumps(
                {
                    "cell": {"edges": [{"source": 0, "target": 3, "operation": "conv4"}]},
                    "channels": 4,
                    "hidden": 8,
                }
            ),
            "conv4",
        ),
    ],
)
def test_a_row_that_is_not_of_the_space_is_named(column: str, text: str, reason: str) -> None:
    good = {"cell": "003000", "genome": json.dumps(BENCH.to_dict(BENCH.from_text("003000")))}[column]
    with pytest.raises(DataError, match="row 2 of the table is not of space 'spikenas_bench'") as error:
        recognised(pd.DataFrame({column: [good, text], "test_acc": [1.0, 2.0]}), BENCH)
    assert re.search(reason, str(error.value))
    assert "\n" not in str(error.value)


def test_a_genome_without_a_path_counts_as_a_cell_without_one() -> None:
    connected = BENCH.to_dict(BENCH.from_text("003000"))
    nothing = {**connected, "cell": {**connected["cell"], "edges": []}}
    texts = [json.dumps(connected), json.dumps(nothing)]
    found = recognised(pd.DataFrame({"genome": texts, "test_acc": [1.0, 2.0]}), BENCH)
    assert found.n_disconnected == 1
    assert found.rows["architecture_id"].tolist()[1] == ""


def test_options_that_narrow_a_search_refuse_no_genome_of_a_table() -> None:
    wider = build_space("spikenas_bench", input_spec=BENCH.input, options={"channels": [8], "hidden": [8]})
    genome = wider.from_text("003000")
    rows = pd.DataFrame({"genome": [json.dumps(wider.to_dict(genome))], "test_acc": [50.0]})
    assert recognised(rows, BENCH).rows["architecture_id"].tolist() == [wider.architecture_id(genome)]


def test_a_space_without_a_notation_says_what_to_give_instead() -> None:
    with pytest.raises(DataError, match=r"space 'evonas' has no notation .*; give their genomes as JSON"):
        recognised(table_of("003000"), build_space("evonas", input_spec=SPEC, options={}))


def test_a_table_without_any_connected_network_is_refused() -> None:
    with pytest.raises(DataError, match="no network of the table has a path"):
        recognised(table_of("000000", "000030"), BENCH)


def test_the_longest_chain_orders_cells_as_their_convolutions_in_a_row_do(spikenas_bench: Path) -> None:
    """The published quantity is the longest chain of convolution edges in a cell, 0 to 3."""
    rows = recognised(load_table(spikenas_bench), BENCH).rows
    rows = rows[rows["architecture_id"] != ""]

    def in_a_row(text: str) -> int:
        longest = {0: 0}
        for edge in sorted(from_code(text).edges, key=lambda edge: edge.target):
            if edge.source in longest:
                length = longest[edge.source] + (edge.operation != "identity")
                longest[edge.target] = max(longest.get(edge.target, 0), length)
        return longest[3]

    found = set(zip(map(in_a_row, rows["cell"]), rows["chain_length"], strict=True))
    assert found == {(0, 1.0), (1, 3.0), (2, 5.0), (3, 7.0)}


# one row for each network -------------------------------------------------------------------------------------------


def scored_rows() -> pd.DataFrame:
    table = table_of(
        "003000", "020003", "333400", "000000", val=[1.0, 2.0, 3.0, 4.0], kind=["a", "b", "b", "b"]
    )
    rows = recognised(table, BENCH).rows
    third = 0.1 + 0.2
    return with_scores(rows, {"rdm": {rows["architecture_id"][0]: third}})


def test_equal_architectures_are_averaged_and_their_scores_are_taken_as_they_are() -> None:
    rows = scored_rows()
    found = distinct(rows, scores=["rdm"], columns=["val"])
    assert found["architecture_id"].tolist() == rows["architecture_id"].tolist()[:2]
    assert found["test_acc"].tolist() == [81.0, 81.0]
    assert found["val"].tolist() == [2.0, 2.0]
    assert found["n_trained"].tolist() == [2, 1]
    assert found["rdm"].iloc[0] == 0.1 + 0.2
    assert found["rdm"].isna().tolist() == [False, True]
    assert found["chain_length"].tolist() == [3.0, 5.0]


def test_networks_can_be_told_apart_by_another_column() -> None:
    found = distinct(scored_rows(), by="kind")
    assert found.index.tolist() == ["a", "b"]
    assert found["test_acc"].tolist() == [80.0, 81.5]
    with pytest.raises(ConfigError, match="--distinct: unknown column 'kin'; did you mean 'kind'"):
        distinct(scored_rows(), by="kin")


def test_the_answer_has_a_row_for_every_row_and_nothing_that_was_not_asked_for() -> None:
    found = answers(scored_rows(), ["rdm", "parameters"])
    assert list(found.columns) == ["cell", "architecture_id", "test_acc", "rdm", "parameters"]
    assert found["cell"].tolist() == ["003000", "020003", "333400", "000000"]
    assert found["rdm"].isna().tolist() == [False, True, False, True]

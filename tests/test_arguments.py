"""A wrong argument is refused where it is passed in, by name and with what is allowed."""

import pickle
import re
from pathlib import Path

import pytest

from imnet_data import arguments


def test_a_path_is_a_str_or_anything_like_a_path_and_several_are_a_list() -> None:
    class Like:
        def __fspath__(self) -> str:
            return "a"

    assert arguments.path("root", Like()) == arguments.path("root", "a") == Path("a")
    assert arguments.paths("paths", "abc") == arguments.paths("paths", Path("abc")) == [Path("abc")]
    assert arguments.paths("paths", ["a", Like()]) == [Path("a"), Path("a")]


@pytest.mark.parametrize("value", [None, 3, b"data"])
def test_what_is_no_path_is_refused_by_name(value: object) -> None:
    for check, name in ((arguments.path, "root"), (arguments.paths, "paths")):
        with pytest.raises(ValueError, match=f"{name} is {re.escape(repr(value))}; allowed are"):
            check(name, value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="paths is"):
        arguments.paths("paths", [value])  # type: ignore[list-item]


@pytest.mark.parametrize("value", [2.5, 2.0, "2", True, None, 0, 11])
def test_an_integer_is_an_int_within_its_range(value: object) -> None:
    assert arguments.integer("count", 10, least=1, most=10) == 10
    message = f"count is {value!r}; allowed are integers from 1 to 10"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        arguments.integer("count", value, least=1, most=10)


@pytest.mark.parametrize("value", ["1", True, None, float("nan"), float("inf"), -0.5, 1.5])
def test_a_number_is_finite_and_within_its_range(value: object) -> None:
    assert arguments.number("share", 1, least=0, most=1) == 1
    message = f"share is {value!r}; allowed are numbers from 0 to 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        arguments.number("share", value, least=0, most=1)


def test_a_number_above_a_limit_is_not_the_limit() -> None:
    arguments.numbers("std", (1, 0.1, 2), 3, above=0)
    for value, named in (((1, 0, 1), "std[1] is 0"), ((1, 1), "std is (1, 1)"), (1, "std is 1")):
        with pytest.raises(ValueError, match=re.escape(named)):
            arguments.numbers("std", value, 3, above=0)


@pytest.mark.parametrize("value", ["descending", 1, None, ["fix"]])
def test_one_of_a_few_is_of_their_type(value: object) -> None:
    arguments.one_of("boxes", True, (True, False))
    with pytest.raises(ValueError, match=f"^boxes is {re.escape(repr(value))}; allowed are True"):
        arguments.one_of("boxes", value, (True, False))


def test_a_refusal_crosses_processes_as_it_is() -> None:
    with pytest.raises(arguments.ArgumentError) as refused:
        arguments.integer("count", 0, least=1)
    copied = pickle.loads(pickle.dumps(refused.value))
    assert (copied.name, str(copied)) == ("count", "count is 0; allowed are integers from 1")

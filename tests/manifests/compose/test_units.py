from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmlet.manifests.compose import units


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2b", 2),
        ("1024kb", 1024**2),
        ("2048k", 2048 * 1024),
        ("300m", 300 * 1024**2),
        ("1gb", 1024**3),
        ("1.5G", 3 * 1024**3 // 2),
        ("2 GiB", 2 * 1024**3),
        ("1t", 1024**4),
        ("512", 512),
        ("0", 0),
        ("-1", -1),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["", "m", "1x", "1 2", "lots", "1mm", "0x10"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        units.size(text)


@pytest.mark.parametrize("text", ["9" * 400 + ".5g", "9" * 400, "8192p", f"{1 << 63}"])
def test_sizes_that_nothing_has(text: str) -> None:
    with pytest.raises(ValueError, match="is over 8 EiB"):
        units.size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10ms", 0.01),
        ("40s", 40),
        ("1m30s", 90),
        ("1h5m30s20ms", 3930.02),
        ("1.5h", 5400),
        ("100us", 0.0001),
        ("2d", 172800),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1m 30s", "-5s", "1e3s", "99999999h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration|days"):
        units.duration(text)


@settings(deadline=None)
@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=units.DURATION_DAYS_MAX)))
def test_a_duration_is_written_as_it_is_read(value: timedelta) -> None:
    assert units.duration(units.duration_text(value)) == value


@pytest.mark.parametrize(
    ("text", "mode"), [("0440", 0o440), ("0o440", 0o440), ("440", 0o440), ("1777", 0o1777), ("0", 0), ("288", 288)]
)
def test_file_modes_are_octal(text: str, mode: int) -> None:
    assert units.mode(text) == mode


@pytest.mark.parametrize("text", ["", "rwx", "8888", "0999", "-1", "77777"])
def test_what_is_no_file_mode(text: str) -> None:
    with pytest.raises(ValueError, match="is no file mode"):
        units.mode(text)


@pytest.mark.parametrize(("text", "number"), [("95000", 95_000), ("400ms", 400_000), ("1400us", 1400), ("-1", -1)])
def test_microseconds(text: str, number: int) -> None:
    assert units.microseconds(text) == number

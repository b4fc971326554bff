"""The file of several keys, and that no key ever shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.operations.preflight import check_keys
from batchveo.provider import ApiKey, NamedKey
from batchveo.provider.keys_file import LARGEST_BYTES, read_keys
from batchveo.provider.service import Service, service
from batchveo.store import Store
from tests.helpers.factories import make_spec

SECRET = "sk-5f3c-secret"


def written(folder: Path, text: str) -> Path:
    path = folder / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    """What is said of a file, which is never the secret."""
    with pytest.raises(UsageError) as caught:
        read_keys(written(folder, text), {"SET": SECRET, "EMPTY": " "})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_key_from_each_place(tmp_path: Path) -> None:
    """A file beside it, a variable, the file itself; with limits where they are given."""
    (tmp_path / "a.key").write_text("from-file\n")
    path = written(
        tmp_path,
        """
keys:
  - {name: team-a, file: a.key, concurrency: 20, rate: 60}
  - {name: team.b, env: TEAM_B}
  - {name: C_3, key: "in-place", rate: 0.5}
""",
    )
    keys = read_keys(path, {"TEAM_B": "from-environment"})
    assert [(key.name, key.key.header, key.concurrency, key.rate) for key in keys] == [
        ("team-a", "Bearer from-file", 20, 60),
        ("team.b", "Bearer from-environment", None, None),
        ("C_3", "Bearer in-place", None, 0.5),
    ]


def test_everything_wrong_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    """And what would be right."""
    text = """keys:
  - name: a b
    key: k1
  - {name: c, file: missing.key}
  - {name: d, env: UNSET}
  - {name: e, env: EMPTY}
  - {name: f}
  - {name: g, env: SET, key: k2}
  - {name: h, key: k3, concurrency: 0}
  - {name: i, key: k4, concurrency: 1.5}
  - {name: j, key: k5, rate: 0}
  - {name: k, key: k6, rate: true}
  - {name: l, key: k7, concurency: 3}
extra: 1
"""
    said = refusal(tmp_path, text).splitlines()
    assert [line.split("keys.yaml:")[1].split(":")[0] for line in said] == [
        "14", *("2", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13")
    ]  # fmt: skip
    assert "(did you mean concurrency?)" in said[-1]
    assert "exactly one of file, env, key" in said[5]
    assert "a whole number from 1" in said[7]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("{name: a, key: k1}, {name: a, key: k2}", "'a' is the label of another key too, in line 1"),
        ("{name: a, key: k1}, {name: b, key: k1}", "is the same key as that of 'a'"),
        (f"{{name: {SECRET}, key: {SECRET}}}", "this one is the key itself"),
    ],
)
def test_keys_that_cannot_be_told_apart(tmp_path: Path, entries: str, words: str) -> None:
    """Two labels, two equal keys, a key for a label."""
    assert words in refusal(tmp_path, f"keys: [{entries}]")


@pytest.mark.parametrize(
    "text",
    [
        f"keys:\n  - {SECRET}\n",
        f"keys: {SECRET}\n",
        f"{SECRET}\n",
        f"{SECRET}: keys\n",
        f"keys:\n  - {{name: a, {SECRET}: key}}\n",
        f"keys:\n  - {{name: a, key: [{SECRET}]}}\n",
        f"keys:\n  - {{name: a, key: {SECRET} again}}\n",
        f"keys:\n  - {{name: [{SECRET}], key: k}}\n",
        f"keys:\n  - {{name: '{SECRET} ', key: k}}\n",
        f"keys:\n  - {{name: a, file: {SECRET}}}\n",
        f"keys:\n  - {{name: a, env: {SECRET}}}\n",
        f"keys:\n  - {{name: a, key: k, rate: {SECRET}}}\n",
        f"keys:\n  - {{name: a, key: !{SECRET} k}}\n",
        f"keys:\n  - {{name: a, key: *{SECRET}}}\n",
        f"keys:\n  - {{name: a, key: '{SECRET}}}\n",
        f"keys:\n  - name: a\n    key: {SECRET}: {SECRET}\n",
        f"keys:\n  - name: a\n\tkey: {SECRET}\n",
        f"keys:\n  - {{name: a, key: k}}\n---\n{SECRET}\n",
        f"keys:\n  - {{name: a, key: k}}\n{SECRET}: {SECRET}\n{SECRET}: {SECRET}\n",
        f"keys: [{{name: a, key: \"{SECRET}\\e[31m\"}}]",
        f"keys: [{{name: a, key: {'9' * 30}}}]",
        "keys: []\n",
        "",
        "\x00",
        "[" * 5000,
    ],
)  # fmt: skip
def test_a_badly_written_line_does_not_show_its_key(tmp_path: Path, text: str) -> None:
    """Whatever has slipped into whatever place."""
    assert "keys.yaml" in refusal(tmp_path, text)


def test_files_that_are_none(tmp_path: Path) -> None:
    """Missing, a folder, not text, too large: a clear error."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "large").write_bytes(b"#" * (LARGEST_BYTES + 1))
    for name, words in (("missing", "No such file"), (".", "irectory"), ("binary", "UTF-8"), ("large", "1 MiB")):
        with pytest.raises(UsageError, match=words):
            read_keys(tmp_path / name)


def test_play_needs_no_real_key(tmp_path: Path) -> None:
    """The sandbox is never handed one; labels, limits and mistakes count."""
    path = written(tmp_path, f"keys: [{{name: a, env: UNSET, concurrency: 2}}, {{name: b, key: {SECRET}}}]")
    using = service(keys=path, sandbox=True)
    assert [(key.name, key.concurrency) for key in using.keys] == [("a", 2), ("b", None)]
    assert all("sandbox" in key.key.header for key in using.keys)
    with pytest.raises(UsageError, match="label"):
        service(keys=written(tmp_path, "keys: [{name: '', key: k}]"), sandbox=True)


def test_one_key_is_the_only_one() -> None:
    """It has no label; several have theirs, and the first is the key of what asks once."""
    one = Service(key=ApiKey("k"))
    assert [(key.name, key.key.header) for key in one.keys] == [("", "Bearer k")]
    two = service(keys=[NamedKey(name="a", key=ApiKey("k1")), NamedKey(name="b", key=ApiKey("k2"))])
    assert two.key is two.keys[0].key
    assert Service().keys == ()


@pytest.mark.parametrize("names", [("a", "a"), ("", "a")])
def test_several_need_labels(names: tuple[str, str]) -> None:
    """From Python too."""
    with pytest.raises(UsageError, match="label each"):
        Service(keys=tuple(NamedKey(name=name, key=ApiKey(f"k{n}")) for n, name in enumerate(names)))


def test_one_key_or_several() -> None:
    """Not both, and not none."""
    keys = [NamedKey(name="a", key=ApiKey("k1"))]
    for wrong in ({"key": "k"}, {"key_file": Path("k")}):
        with pytest.raises(UsageError, match=r"--keys and --api-key-file"):
            service(keys=keys, **wrong)
    with pytest.raises(UsageError, match="no keys"):
        service(keys=[])
    with pytest.raises(UsageError, match="same key"):
        service(keys=[*keys, NamedKey(name="b", key=ApiKey("k1"))])


@pytest.mark.parametrize(
    "wrong", [{"name": "a b"}, {"name": "x" * 41}, {"concurrency": 0}, {"rate": 0.0}, {"rate": float("nan")}]
)
def test_what_is_no_named_key(wrong: dict[str, object]) -> None:
    """A label is shown everywhere, a limit of none would stand still."""
    with pytest.raises(UsageError):
        NamedKey(**{"name": "a", "key": ApiKey("k"), **wrong})  # type: ignore[arg-type]


def test_no_key_shows_in_a_repr(tmp_path: Path) -> None:
    """Not of a key, nor of a service."""
    using = service(keys=written(tmp_path, f"keys: [{{name: a, key: {SECRET}}}]"))
    assert SECRET not in repr(using) + repr(using.keys) + str(using)


def test_a_run_without_the_key_that_bought_is_refused(tmp_path: Path) -> None:
    """Nobody could ask for those generations; what the only key bought is served by the first."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"{n}") for n in range(4)], run=run, now=1.0)
        for key in (None, "a", "b", "b"):
            store.transitions.claim_job(run=run, now=2.0, key=key)
        assert store.keys.count_by_label() == {"": 1, "a": 1, "b": 2}
        a, b = (NamedKey(name=name, key=ApiKey(f"k-{name}")) for name in "ab")
        check_keys(store, Service(keys=(b, a)))
        with pytest.raises(UsageError, match=r"2 with key 'b', not among the keys given \(a\).* resolve JOB --fail"):
            check_keys(store, Service(keys=(a,)))
        with pytest.raises(UsageError, match=r"1 with key 'a' and 2 with key 'b', not given: --keys"):
            check_keys(store, Service(key=ApiKey("k")))

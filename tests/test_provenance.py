"""How runs were made, told apart."""

import copy
import json

import pytest

from gan_jax import provenance, reproduce

THEN = {
    "git": "abc", "python": "3.11.7", "packages": {"jax": "0.10.2", "numpy": "2.0.0"},
    "devices": ["cpu"] * 4, "xla_flags": "", "seed": 0, "started": "2026-01-01", "step": 40,
}  # fmt: skip


def now(**changes):
    return {**THEN, "started": "2027-01-01", "seed": 1, **changes}


def compare(manifest, current, start=0, last=40):
    return provenance.compare(manifest, current, start, last)


def test_a_manifest_is_json_and_says_what_the_numbers_hang_on():
    made = reproduce.manifest(0)
    assert json.loads(json.dumps(made)) == made
    assert made["prng"] == "threefry2x32"
    assert made["platform_version"]


def test_what_made_no_difference_is_not_said():
    assert compare(THEN, now()) == []
    assert compare(THEN, reproduce.manifest(0) | now()) == []  # what an older one does not know


def test_each_difference_is_a_line():
    packages = {"jax": "0.11.0", "numpy": "2.0.0"}
    assert compare(THEN, now(packages=packages, devices=["cpu"], xla_flags="--a  --b")) == [
        "jax: 0.10.2 then, 0.11.0 now",
        "devices: 4 x cpu then, 1 x cpu now",
        "xla_flags: none then, --a --b now",
    ]


def test_a_commit_with_changes_is_said_to_be_none():
    assert compare(THEN, now(git="abc-dirty")) == [
        "git: abc then, abc-dirty now", "git: files differed from those of the commit now",
    ]  # fmt: skip
    assert compare(THEN | {"git": "a-dirty"}, now(git="a-dirty")) == [
        "git: files differed from those of the commit then and now"
    ]


def test_a_run_that_changed_machines_midway_is_said():
    first = {**THEN, "step": 20}
    manifest = {**THEN, "python": "3.12.0", "earlier": [first]}
    assert compare(manifest, now(python="3.13.0")) == [
        "the run changed midway, at step 20: python: 3.11.7 before, 3.12.0 after",
        "from step 0 on: python: 3.11.7 then, 3.13.0 now",
        "from step 20 on: python: 3.12.0 then, 3.13.0 now",
    ]


def test_sessions_that_made_none_of_the_steps_do_not_count():
    first = {**THEN, "step": 20, "python": "3.10.0"}
    again = {**THEN, "python": "3.14.0", "earlier": [first, THEN]}  # of a run that was done
    assert compare(again, now(), start=20) == []
    assert compare(again, now())[0].startswith("the run changed midway, at step 20: python: 3.10.0")


# What is read of a manifest

WHOLE = {
    **reproduce.manifest(0), "status": "done", "start": 2, "step": 6, "wall_seconds": 1.5,
    "seconds_to_first_step": 2, "config_sha256": "ab", "warnings": [{"step": 4, "text": "so"}],
    "data": {"examples": 8, "sha256": "cd", "more": None}, "new": [{"of": "a later version"}],
    "sample": {"shape": [8, 8, 1], "num_classes": 2, "classes": ["cat", "dog"]},
    "earlier": [{"step": 2, "devices": ["cpu"]}],
}  # fmt: skip


def read(folder, manifest):
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return provenance.read(folder)


def test_a_whole_manifest_is_read_as_it_is(tmp_path, caplog):
    assert provenance.read(tmp_path) == {}
    assert read(tmp_path, WHOLE) == WHOLE
    old = {**WHOLE, "sample": {"shape": [2], "num_classes": 0}}
    assert read(tmp_path, old) == old
    assert caplog.records == []


def paths(tree, path=()):
    """The path of every value in a tree."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


@pytest.mark.parametrize("value", [None, "x", -1, True, 1.5, [], [None], {}, {"a": 1}, 2**40])
def test_a_value_of_another_type_is_left_out_and_told(tmp_path, caplog, value):
    """What is left serves all who read it."""
    for path in paths(WHOLE):
        damaged = copy.deepcopy(WHOLE)
        *groups, last = path
        node = damaged
        for key in groups:
            node = node[key]
        node[last] = value
        caplog.clear()
        found = read(tmp_path, damaged)
        assert (found != damaged) == bool(caplog.records), path
        provenance.compare(found, reproduce.manifest(0), 0, 6)
        if path[0] == "seed" or "new" in path or path[-1] == "more":
            assert found == damaged


@pytest.mark.parametrize("text", ["", "[]", "null", "{", 5000 * "[", '{"step": 1, "step": 1}'])
def test_a_manifest_that_is_none_is_told(tmp_path, caplog, text):
    (tmp_path / "manifest.json").write_text(text)
    assert provenance.read(tmp_path) == {}
    assert "damaged: how the run was made is not known" in caplog.text

"""How runs were made, told apart."""

import json

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

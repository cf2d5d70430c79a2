import fuzz_data


def test_odd_and_hostile_data_are_read_rightly_or_refused_in_one_line():
    outcomes = fuzz_data.run(count=2 * len(fuzz_data.MAKERS), seed=1)
    assert not [name for name, found in outcomes.items() if found["WRONG"]]

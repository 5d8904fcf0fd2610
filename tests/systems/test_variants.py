import pytest

from irmas_utils.project import records, settings
from irmas_utils.project.errors import DataError, SettingsError
from irmas_utils.systems.networks import variants


def _write(cfg, run, scores=(0.4, 0.6)):
    leaf = {"values": list(scores)}
    result = {
        "seeds": [0, 1],
        "over_seeds": dict.fromkeys(("micro F1", "macro F1", "LRAP"), leaf),
        "n_parameters": 7,
        "seconds_per_epoch": 1.5,
    }
    records.Record(variants.NOTEBOOK, cfg, run=run).save_metrics(result, run)


def _profile():
    return settings.load("smoke", networks={"variants": ["mn04-alone", "han-wide"]})


def test_a_row_a_run_and_seed():
    cfg = _profile()
    for run in ("han", "han-wide", "mn04", "mn04-alone", "mn04-per_label"):
        _write(cfg, run)
    table = variants.table(cfg)
    runs = ["han", "han-wide", "mn04", "mn04-per_label", "mn04-alone"]
    assert table["run"].tolist() == [run for run in runs for _ in range(2)]
    assert table["base"].tolist() == [run in ("han", "mn04") for run in table["run"]]
    assert table["network"].tolist() == ["han"] * 4 + ["mn04"] * 6
    assert table["micro F1"].tolist() == [0.4, 0.6] * 5
    assert table["variant"].tolist()[::2] == [
        "as it is",
        "half as wide again",
        "as it is",
        "a threshold for each instrument",
        "excerpts alone, not mixed",
    ]


def test_without_weights_their_rows_are_missing_and_no_others():
    cfg = _profile()
    for run in ("han", "han-wide"):
        _write(cfg, run)
    assert variants.table(cfg)["run"].unique().tolist() == ["han", "han-wide"]


def test_a_run_without_weights_has_to_be_there():
    cfg = _profile()
    _write(cfg, "han")
    with pytest.raises(DataError, match="han-wide"):
        variants.table(cfg)


def test_an_unknown_variant_is_named():
    with pytest.raises(SettingsError, match=r"han-huge.*han-wide"):
        variants.variant("han-huge")


@pytest.mark.parametrize("profile", ["smoke", "sample", "full"])
def test_profiles_name_variants_that_there_are(profile):
    for name in settings.load(profile).networks.variants:
        assert name.startswith(variants.variant(name).network)


@pytest.mark.parametrize("name", sorted(variants.NETWORKS.keys() - {"han"}))
def test_needs_weights(name):
    assert variants.needs_weights(name)
    assert not variants.needs_weights("han-wide")

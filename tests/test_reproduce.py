from irmas_utils.data import published
from tools import reproduce


def test_the_list_of_commands_is_that_of_the_ledger():
    assert reproduce.FILE.read_text() == reproduce.text(), "stale; run `make reproduce`"


def test_a_changed_ledger_makes_it_stale(monkeypatch):
    ledger = published.load("paper_claims")
    ledger["claims"][1]["stated"] = 0.5
    read = published._read
    monkeypatch.setattr(published, "_read", lambda n: ledger if n == "paper_claims" else read(n))
    text = reproduce.text()
    assert text != reproduce.FILE.read_text()
    assert "| 0.5 " in text
    assert "`irmas verify bosch-best`" in text

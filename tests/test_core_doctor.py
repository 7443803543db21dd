"""What the doctor finds, also of packages that raise, or take their process with them."""

from __future__ import annotations

from thas.core.doctor import ask, examine


def test_one_that_breaks_costs_the_others_nothing(tmp_path):
    probes = {
        "good": "text = 1 + 1",
        "printing": "print('a banner'); text = 'fine'",
        "raising": "import nowhere_to_be_found; text = ''",
        "deadly": "import os; os.abort()",
        "leaving": "import sys; sys.exit(7)",
        "last": "text = 'still asked'",
    }
    answers = ask(probes)
    assert answers["good"] == (True, "2")
    assert answers["printing"] == (True, "fine")
    assert answers["raising"] == (False, "ModuleNotFoundError: No module named 'nowhere_to_be_found'")
    assert answers["deadly"] == (False, "the process ended with -6")
    assert answers["leaving"] == (False, "SystemExit: 7")
    assert answers["last"] == (True, "still asked")


def test_a_package_that_does_not_import_is_bad_and_told_what_to_do(monkeypatch):
    from thas.core import doctor

    probes = dict.fromkeys(doctor._PROBES, "text = '1.0'")
    probes |= {"torchvision": "raise RuntimeError('operator torchvision::nms does not exist')", "cuda": "text = 'none'"}
    monkeypatch.setattr(doctor, "_PROBES", probes)
    found = {finding.name: finding for finding in examine()}
    assert found["torchvision"].state == "bad"
    assert "are not of one build" in found["torchvision"].remedy
    assert found["cuda"].state == "note"
    assert {name for name, one in found.items() if one.state == "bad"} == {"torchvision"}

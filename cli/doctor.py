"""`thas doctor`: what this machine has, and what stands in the way."""

from __future__ import annotations

from .console import out, print_json, say
from .options import Printed


def doctor(*, printed: Printed = Printed()) -> int:
    """Say what this machine has and what stands in the way, each with its remedy.

    For example:

        thas doctor
    """
    from ..core.doctor import examine

    findings = examine()
    if printed.json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            mark = {"ok": "[green]ok[/]  ", "note": "[yellow]note[/]", "bad": "[red]bad[/] "}[finding.state]
            out.print(f"{mark} {finding.name}: ", end="")
            say(finding.text)
            if finding.remedy:
                say(f"     do: {finding.remedy}")
    return 1 if any(finding.state == "bad" for finding in findings) else 0

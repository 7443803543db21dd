"""`thas doctor`: what this machine has, and what stands in the way."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from .console import out, print_json


def doctor(*, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Say what this machine has and what stands in the way, each with its remedy.

    For example:

        thas doctor

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from ..core.doctor import examine

    findings = examine()
    if json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            mark = {"ok": "[green]ok[/]  ", "note": "[yellow]note[/]", "bad": "[red]bad[/] "}[finding.state]
            out.print(f"{mark} {finding.name}: ", end="")
            out.print(finding.text, markup=False)
            if finding.remedy:
                out.print(f"     do: {finding.remedy}", markup=False)
    return 1 if any(finding.state == "bad" for finding in findings) else 0

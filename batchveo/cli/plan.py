"""``batchveo plan``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import click

from batchveo.api import BASE_URL, Api, find_key
from batchveo.cli.options import (
    json_option,
    manifests_argument,
    service_options,
    state_option,
    strict_option,
    unknown_model_option,
)
from batchveo.planning import ModelPlan, Plan, plan
from batchveo.report.lines import shorten
from batchveo.services import running, service


@click.command("plan")
@manifests_argument
@state_option
@service_options
@unknown_model_option
@strict_option
@json_option
def command(manifests: tuple[str, ...], *, as_json: bool, **options: Any) -> int:
    """Check the manifests, count and price their jobs; write nothing, buy nothing."""
    return show_plan(manifests, as_json=as_json, **options)


def show_plan(manifests: Sequence[str], *, as_json: bool, **options: Any) -> int:
    """Make the plan and print it."""
    made = _plan(manifests, options)
    click.echo(json.dumps(_row(made), ensure_ascii=False, indent=2) if as_json else _text(made))
    return 0


def _plan(manifests: Sequence[str], options: dict[str, Any]) -> Plan:
    if options["sandbox"]:
        using = service(sandbox=True)
        with running(using) as started:
            return _ask(manifests, options, Api(started.key, base_url=started.base_url), has_key=True)
    key = find_key(options["api_key_file"], required=False)
    api = Api(key, base_url=options["base_url"] or BASE_URL)
    return _ask(manifests, options, api, has_key=key is not None)


def _ask(manifests: Sequence[str], options: dict[str, Any], api: Api, *, has_key: bool) -> Plan:
    async def call() -> Plan:
        async with api:
            return await plan(
                manifests,
                state=Path(options["state"]),
                api=api,
                has_key=has_key,
                allow_unknown_model=options["allow_unknown_model"],
                strict_provenance=options["strict_provenance"],
                stdin=sys.stdin.buffer,
            )

    return anyio.run(call)


def _row(made: Plan) -> dict[str, object]:
    return {
        "jobs": made.jobs,
        "new": made.new,
        "estimated_usd": round(made.usd, 6),
        "unpriced": made.unpriced,
        "balance_usd": made.balance_usd,
        "models": [
            {"model": m.model, "jobs": m.jobs, "new": m.new, "usd": round(m.usd, 6), "unpriced": m.unpriced}
            for m in made.models
        ],
        "repeated": made.repeated,
        "sample": [{"name": s.name, "model": s.model, "prompt": s.request.get("prompt")} for s in made.sample],
        "notes": list(made.notes),
    }


def _text(made: Plan) -> str:
    width = max(len(m.model) for m in made.models)
    lines = [f"{'model':{width}}  {'jobs':>8} {'to make':>8} {'price':>12}"]
    total = ModelPlan(model="total", jobs=made.jobs, new=made.new, usd=made.usd, unpriced=made.unpriced)
    rows = (*made.models, total)
    lines += [f"{m.model:{width}}  {m.jobs:>8} {m.new:>8} {_price(m):>12}" for m in rows]
    if made.balance_usd is not None:
        enough = "enough" if made.balance_usd >= made.usd else "NOT enough"
        lines.append(f"balance ${made.balance_usd:.2f}" + ("" if made.unpriced else f": {enough}"))
    if made.repeated:
        lines.append(f"{made.repeated} jobs repeat an earlier one word for word; each is made")
    lines += [f"note: {note}" for note in made.notes]
    lines.append("first jobs:")
    lines += [f"  {shorten(s.name, 40)}: {shorten(str(s.request.get('prompt', '')), 70)}" for s in made.sample]
    return "\n".join(lines)


def _price(model: ModelPlan) -> str:
    if model.new and model.unpriced == model.new:
        return "not known"
    return f"${model.usd:.2f}" + ("+" if model.unpriced else "")

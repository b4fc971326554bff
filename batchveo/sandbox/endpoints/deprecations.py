"""``GET /v1/models/deprecations``: the models that are deprecated, superseded or withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from batchveo.provider.catalog import Model
from batchveo.sandbox.calls import Call, format_moment
from batchveo.sandbox.http_messages import Response
from batchveo.sandbox.service_state import ServiceState
from batchveo.sandbox.settings import Retirement, RetirementStatus

_WITHDRAWN = Retirement(status=RetirementStatus.WITHDRAWN)
"""What the fault ``404-withdrawn`` makes of a model."""
_NOTICE = timedelta(days=91)
"""The time between the two dates of a row."""
_ANNOUNCED = "2026-05-15"
"""``deprecated_at`` of a row without another date."""
_SHUT_DOWN = "2026-06-30"
"""``shutdown_at`` of a withdrawn model without another date."""
_REASONS = {
    RetirementStatus.DEPRECATED: "Its maker has announced the end of it",
    RetirementStatus.SUPERSEDED: "Folded into its successor",
    RetirementStatus.WITHDRAWN: "Withdrawn by its maker",
}


def list_deprecations(state: ServiceState, call: Call) -> Response:
    """The rows that are asked for, newest first. A filter that cannot be read filters nothing, as on the service."""
    statuses = {value for each in call.request.values("status") for value in each.split(",")} & set(RetirementStatus)
    since = max((value for value in call.request.values("since") if _is_date(value)), default="")
    rows = [_describe_row(state, model, retired) for model, retired in _list_retirements(state)]
    rows = [row for row in rows if (not statuses or row["status"] in statuses) and (_date_row(row) >= since)]
    rows.sort(key=_date_row, reverse=True)
    content = {"object": "list", "generated_at": format_moment(call.now), "data": rows}
    return call.reply_cached(content, tagged=rows)


def find_retirement(state: ServiceState, model: Model) -> Retirement | None:
    """What becomes of a model, by the settings or by the fault; ``None`` for one that stays."""
    retired = (state.settings.retired.get(name) for name in model.names)
    found = next(filter(None, retired), None)
    # drawn for the model and not for the call: a model is withdrawn always, or never
    return found or (_WITHDRAWN if state.faults.has_fault("404-withdrawn", model.id) else None)


def is_withdrawn(state: ServiceState, model: Model) -> bool:
    """Whether requests for a model get 404."""
    retired = find_retirement(state, model)
    return retired is not None and retired.status is RetirementStatus.WITHDRAWN


def is_listed(state: ServiceState, model: Model) -> bool:
    """Whether the list of models has it: not if it is withdrawn, or deprecated with a day."""
    retired = find_retirement(state, model)
    if retired is None or retired.status is RetirementStatus.SUPERSEDED:
        return True
    return retired.status is RetirementStatus.DEPRECATED and retired.shutdown_at is None


def _list_retirements(state: ServiceState) -> Iterator[tuple[Model, Retirement]]:
    if not state.settings.retired and not state.faults.is_possible("404-withdrawn"):
        return  # the usual case, without building every model
    for model in state.catalog.values():
        if retired := find_retirement(state, model):
            yield model, retired


def _describe_row(state: ServiceState, model: Model, retired: Retirement) -> dict[str, object]:
    end = retired.shutdown_at or (_SHUT_DOWN if retired.status is RetirementStatus.WITHDRAWN else None)
    return {
        "id": model.id,
        "aliases": list(model.aliases),
        "status": retired.status,
        "deprecated_at": _ANNOUNCED if end is None else str(date.fromisoformat(end) - _NOTICE),
        "shutdown_at": end,
        "replaced_by": retired.replaced_by or _choose_replacement(state, model),
        "reason": _REASONS[retired.status],
    }


def _choose_replacement(state: ServiceState, model: Model) -> str | None:
    """Another model that stays: by the same maker and of the same kind, if there is one."""
    staying = [each for each in state.catalog.values() if each.id != model.id and find_retirement(state, each) is None]
    maker = model.id.partition("/")[0]
    return max(staying, key=lambda each: (each.kind is model.kind, each.id.startswith(maker))).id if staying else None


def _date_row(row: dict[str, object]) -> str:
    return str(row["shutdown_at"] or row["deprecated_at"])


def _is_date(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False

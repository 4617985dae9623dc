"""A copy of the finished candidates in any Optuna storage, for optuna-dashboard and the like."""

import warnings

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from autodistill.optimise.controller import Controller
from autodistill.optimise.distributions import distribution
from autodistill.optimise.trials import Trial

KEY = "autodistill.key"


def mirror(storage: str | BaseStorage, name: str, controller: Controller) -> str:
    """Copy what is not there yet into the study ``name``; "" or why it could not be done.

    It is a copy and rebuilt from the journal at any time, so a storage that is away never ends a search.
    """
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, directions=["minimize"] * len(controller.asked), load_if_exists=True
        )
        with warnings.catch_warnings():
            # Names of metrics are experimental in Optuna 5; the dashboard shows them.
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(controller.asked))
        there = {trial.user_attrs.get(KEY) for trial in study.get_trials(deepcopy=False)}
        for trial in controller.trials:
            if trial.of is None and trial.closed and trial.candidate.key not in there:
                study.add_trial(_frozen(controller, trial))
    except Exception as fault:  # whatever a database, a driver or a network raises
        return f"{type(fault).__name__}: {' '.join(str(fault).split())}"
    return ""


def _frozen(controller: Controller, trial: Trial) -> FrozenTrial:
    values = [value for value in trial.objectives if value is not None]
    whole = trial.state == "finished" and len(values) == len(controller.asked)
    cut = trial.state in ("refused", "skipped", "stopped")
    state = TrialState.COMPLETE if whole else TrialState.PRUNED if cut else TrialState.FAIL
    candidate = trial.candidate
    return create_trial(
        state=state,
        values=values if whole else None,
        params=dict(candidate.parameters),
        distributions={one.name: distribution(one) for one in controller.space.active(candidate.parameters)},
        user_attrs={KEY: candidate.key, "number": candidate.number, "family": candidate.family, "state": trial.state},
        constraints=dict(zip(controller.constraint_names, trial.constraints, strict=False)),
    )

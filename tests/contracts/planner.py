"""What every planner must do, whatever it proposes. Inherit, and say which study to plan.

Worlds are simulated (``orchestrator.planners.simulated``); nothing is trained.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.planners.factory import build_planner
from orchestrator.planners.protocol import Finding, Planner, Proposal
from orchestrator.planners.simulated import Simulation, Surface, simulate
from orchestrator.planners.space import contains
from search_spaces.point import Point
from search_spaces.study import Study

WORLD = Surface(
    base=0.9,
    slopes={"objective.temperature": 0.8},
    offsets={("objective.kind", "supcon"): -0.7},
    lapse=0.03,
)
ANY_FINDING = Finding(score=9.0, is_collapsed=False, is_diverged=False, utility=0.4, steps=10)


class PlannerContract(ABC):
    """Conformance suite; subclasses are named ``Test...``."""

    @abstractmethod
    def make_study(self, trials: int) -> Study:
        """Return the study to plan, with a budget."""

    def run(self, trials: int = 150) -> Simulation:
        return simulate(build_planner(self.make_study(trials)), WORLD)

    def test_asks_lie_in_the_space_and_never_repeat(self) -> None:
        study = self.make_study(150)
        asked = [proposal for round_ in self.run().rounds for proposal in round_]

        assert all(contains(study, proposal.point) for proposal in asked)
        assert {proposal.replicate for proposal in asked} <= set(range(study.replicates))
        assert len({proposal.key for proposal in asked}) == len(asked)

    def test_every_ask_makes_valid_settings(self) -> None:
        study = self.make_study(40)
        for proposal in simulate(build_planner(study), WORLD).rounds[0]:
            assert study.settings_at(proposal.point).lr == proposal.point["lr"]

    @pytest.mark.parametrize("budget", [1, 2, 7, 16, 50, 97])
    def test_the_budget_is_spent_but_never_exceeded(self, budget: int) -> None:
        assert self.run(budget).trials == budget

    def test_telling_twice_changes_nothing(self) -> None:
        simulation = self.run()
        once, twice = self._told(simulation, 2), self._told(simulation, 2, times=2)
        assert twice.ask() == once.ask()

    @pytest.mark.parametrize("shuffle_seed", range(3))
    def test_the_order_of_tells_is_irrelevant(self, shuffle_seed: int) -> None:
        simulation = self.run()
        in_order = self._told(simulation, 2)
        shuffled = self._told(simulation, 2, order=random.Random(shuffle_seed))
        assert shuffled.ask() == in_order.ask()

    def test_a_resumed_planner_asks_what_the_original_asked(self) -> None:
        simulation = self.run()
        for done, asked in enumerate(simulation.rounds):
            assert tuple(self._told(simulation, done).ask()) == asked

    def test_asking_again_before_any_tell_repeats_the_round(self) -> None:
        planner = self._told(self.run(), 1)
        assert planner.ask() == planner.ask()

    def test_an_empty_ask_means_finished(self) -> None:
        simulation = self.run()
        planner = self._told(simulation, len(simulation.rounds))
        assert not planner.ask()
        assert not planner.ask()

    def test_missing_trials_are_not_asked_again_and_the_study_ends(self) -> None:
        planner = build_planner(self.make_study(60))
        lottery = random.Random(0)
        seen: set[str] = set()
        while asked := planner.ask():
            assert not seen & {proposal.key for proposal in asked}
            seen |= {proposal.key for proposal in asked}
            for proposal in asked:
                if lottery.random() < 0.3:
                    planner.tell_missing(proposal)
                else:
                    planner.tell(proposal, WORLD.find(proposal))
        assert 0 < len(seen) <= 60

    def test_a_study_whose_every_trial_goes_missing_ends(self) -> None:
        planner = build_planner(self.make_study(60))
        missing = 0
        while asked := planner.ask():
            for proposal in asked:
                planner.tell_missing(proposal)
            missing += len(asked)
        assert 0 < missing <= 60

    def test_a_finding_wins_over_missing_in_either_order(self) -> None:
        first = self.run().rounds[0]
        before, after = (build_planner(self.make_study(150)) for _ in range(2))
        for proposal in first:
            before.tell_missing(proposal)
            before.tell(proposal, WORLD.find(proposal))
            after.tell(proposal, WORLD.find(proposal))
            after.tell_missing(proposal)
        assert before.ask() == after.ask() == self._told(self.run(), 1).ask()

    def test_foreign_findings_are_welcome(self) -> None:
        study = self.make_study(60)
        planner = build_planner(study)
        for foreign in self._foreign_to(study):
            planner.tell(foreign, ANY_FINDING)
        simulation = simulate(planner, WORLD)

        assert simulation.trials == 60 - len(self._foreign_to(study))
        assert all(contains(study, p.point) for asked in simulation.rounds for p in asked)

    def test_a_raised_budget_continues_the_study(self) -> None:
        small = self.run(50)
        planner = build_planner(self.make_study(80))
        for round_ in small.rounds:
            for proposal in round_:
                planner.tell(proposal, small.findings[proposal.key])
        more = simulate(planner, WORLD)

        assert more.trials == 30
        assert not more.findings.keys() & small.findings.keys()

    def _told(
        self,
        simulation: Simulation,
        rounds: int,
        times: int = 1,
        order: random.Random | None = None,
    ) -> Planner:
        """Return a fresh planner that was told the first rounds."""
        planner = build_planner(self.make_study(150))
        tells = [p for round_ in simulation.rounds[:rounds] for p in round_] * times
        if order is not None:
            order.shuffle(tells)
        for proposal in tells:
            planner.tell(proposal, simulation.findings[proposal.key])
        return planner

    def _foreign_to(self, study: Study) -> Sequence[Proposal]:
        inside = build_planner(study).ask()[0]
        return [
            Proposal(Point.of({"lr": 1.0, "train.steps": 7}), 0),
            Proposal(inside.point.replace("lr", 1e9), 0),
            replace(inside, replicate=study.replicates + 5),
        ]

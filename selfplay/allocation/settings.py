"""The section [allocation] of a recipe. Each rule says which of its keys it reads."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]


class Allocation(BaseModel):
    """[allocation]: how many samples each task gets."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rule: Literal["fixed", "until", "budget", "probe"] = "fixed"  # how the number is decided
    samples_per_task: Count = 4  # fixed: samples of each task; probe: of those with a wrong one among the first
    probe: Count = 2  # probe: first samples of each task; if all are correct, it gets no more
    accepted_per_task: Count = 4  # until, budget: correct traces wanted of each task; selection may still drop some
    cap: Count = 32  # until, budget: most samples of a task
    give_up_failures: Natural = 0  # until: failures without a success after which a task gives up; 0: never
    give_up_cost: Annotated[float, Field(ge=0)] = 0.0  # until: most samples that an accepted trace may cost; 0: any
    # budget, probe: completion tokens of the round; samples in flight at its end come on top. probe: 0 for any number
    token_budget: Natural = 0
    gains: list[float] = []  # budget: worth of a task's first, second, ... correct trace; empty: 1 each
    total_accepted: Natural = (
        0  # any rule: correct traces of the round after which no further task begins; 0: no such goal
    )

"""Multiple-choice tasks of the evaluations, before and after fine-tuning."""

from __future__ import annotations

from typing import NamedTuple

DECIMALS = 10  # the service's export rounds to ten decimals
# Values lie between those of a weak and a strong model, by a skill in [0, 1]; this part of the
# range is random per value.
NOISE_SHARE = 0.25


class Task(NamedTuple):
    """One multiple-choice task."""

    name: str
    instances: int
    chance: float
    best: float
    primary: str  # metric that is the task's primary one
    correct_choice: float  # mean index of the right answer: a property of the data set
    choices: int
    answer_logit: float  # summed log-likelihood of the answer, strong model
    dataset_path: str
    dataset_name: str | None
    source: str
    split: str
    id_field: str | None

    @property
    def has_uncond(self) -> bool:
        """Whether the unconditional metrics exist."""
        return self.choices > 2 or self.name == "piqa"


# fmt: off
TASKS: tuple[Task, ...] = (
    Task("arc_challenge", 1172, 0.22, 0.36, "acc_uncond", 1.523890785, 4, -24.0,
         "ai2_arc", "ARC-Challenge", "ARC-Challenge", "test", "id"),
    Task("arc_easy", 2376, 0.28, 0.62, "acc_per_char", 1.4890572391, 4, -18.0,
         "ai2_arc", "ARC-Easy", "ARC-Easy", "test", "id"),
    Task("boolq", 3270, 0.47, 0.66, "acc_raw", 0.3782874618, 2, -1.4,
         "super_glue", "boolq", "BoolQ", "validation", "idx"),
    Task("csqa", 1221, 0.19, 0.58, "acc_uncond", 1.9901719902, 5, -11.0,
         "commonsense_qa", None, "commonsense_qa", "validation", "id"),
    Task("hellaswag", 10042, 0.25, 0.6, "acc_per_char", 1.4964150568, 4, -83.0,
         "hellaswag", None, "hellaswag", "validation", "ind"),
    Task("openbookqa", 500, 0.2, 0.4, "acc_uncond", 1.404, 4, -20.0,
         "openbookqa", "main", "openbookqa", "test", "id"),
    Task("piqa", 1838, 0.53, 0.74, "acc_per_char", 0.5048966268, 2, -72.0,
         "piqa", None, "piqa", "validation", "index"),
    Task("socialiqa", 1954, 0.34, 0.5, "acc_per_char", 1.0071647902, 3, -18.0,
         "social_i_qa", None, "social_i_qa", "validation", "index"),
    Task("winogrande", 1267, 0.49, 0.6, "acc_raw", 0.5043409629, 2, -18.5,
         "winogrande", "winogrande_xl", "winogrande", "validation", None),
)
# fmt: on
MMLU = Task("mmlu", 14042, 0.23, 0.36, "acc_raw", 1.5634225849, 4, -30.0, "", None, "", "", None)

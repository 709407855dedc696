"""How well label maps agree with a reference: per organ, in millimetres or by the paper's protocol."""

from SAMedCore.evaluation.compare import evaluate_case, evaluate_folder
from SAMedCore.evaluation.scores import OrganScore, Scores, Summary

__all__ = ["OrganScore", "Scores", "Summary", "evaluate_case", "evaluate_folder"]

"""The loss is the paper's, and pixels that nobody annotated have no part in it."""

import pytest
import torch

from SAMedCore.train.loss import IGNORE, segmentation_loss


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(3, 5, 8, 8, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(0, 5, (3, 8, 8), generator=torch.Generator().manual_seed(1))


def plain_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """0.2 cross-entropy + 0.8 Dice as the paper's code has them, class by class."""
    dice = 0.0
    for number in range(logits.shape[1]):
        score, target = logits.softmax(1)[:, number], (labels == number).float()
        dice += 1 - (2 * (score * target).sum() + 1e-5) / ((score**2).sum() + (target**2).sum() + 1e-5)
    return 0.2 * torch.nn.CrossEntropyLoss()(logits, labels) + 0.8 * dice / logits.shape[1]


def test_the_loss_is_the_papers(logits, labels):
    torch.testing.assert_close(segmentation_loss(logits, labels), plain_loss(logits, labels))


def test_classes_that_a_batch_lacks_may_be_left_out_of_the_dice(logits, labels):
    labels[labels == 3] = 0
    cross_entropy = torch.nn.functional.cross_entropy(logits, labels)
    every_class = segmentation_loss(logits, labels, only_present=True) - 0.2 * cross_entropy
    dice = (plain_loss(logits, labels) - 0.2 * cross_entropy) / 0.8 * 5
    score = logits.softmax(1)[:, 3]
    lacking = 1 - 1e-5 / ((score**2).sum() + 1e-5)
    torch.testing.assert_close(every_class, 0.8 * (dice - lacking) / 4)


def test_slices_not_annotated_change_nothing(logits, labels):
    partly = labels.clone()
    partly[1] = IGNORE
    expected = plain_loss(logits[[0, 2]], labels[[0, 2]])
    torch.testing.assert_close(segmentation_loss(logits, partly), expected)


def test_pixels_not_annotated_get_no_gradient(logits, labels):
    logits.requires_grad_()
    labels[0, :4] = IGNORE
    segmentation_loss(logits, labels).backward()
    assert torch.count_nonzero(logits.grad[0, :, :4]) == 0
    assert torch.count_nonzero(logits.grad[0, :, 4:]) > 0


def test_a_batch_without_any_annotation_costs_nothing(logits, labels):
    logits.requires_grad_()
    loss = segmentation_loss(logits, torch.full_like(labels, IGNORE))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all()

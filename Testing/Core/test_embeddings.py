"""Slices that are encoded ahead, for a stage that trains the decoder alone."""

from dataclasses import replace

import pytest
import torch
from tiny_training import (
    DECODER,
    RECIPE,
    TinySam,
    bright_squares,
    telling,
    train_tiny,
)

from SAMedCore.train.embeddings import encode_slices
from SAMedCore.work import Event, Progress


@pytest.mark.parametrize(("room", "versions"), [(1000, 2), (15, 1), (3, 1)])
def test_many_slices_are_encoded_in_fewer_versions(tmp_path, monkeypatch, room, versions):
    monkeypatch.setattr("SAMedCore.train.loop.MOST_EMBEDDINGS", room)
    seen: list[Event] = []
    train_tiny(tmp_path / "out", replace(RECIPE, stages=(DECODER,)), telling(seen))
    assert [event.total for event in seen if isinstance(event, Progress)][-1] == 8 * versions
    assert seen[-1].steps == 3 * 8 * versions // 4


def test_embeddings_are_those_of_the_augmented_slices():
    model, dataset = TinySam().eval(), bright_squares(3, "few-shot")
    items = encode_slices(model.encode, dataset, versions=2, device=torch.device("cpu"))
    with torch.no_grad():
        expected = model.encode(dataset[1, 2][0][None])[0]
    torch.testing.assert_close(items[3, 2][0], expected, atol=2e-3, rtol=0)
    assert torch.equal(items[3, 2][1], dataset[1, 2][1])

"""SAMed_h, the largest: the authors' file on vit_h, on one slice of the sample CT, against the plain network."""

import gc

import pytest
import torch
import torch.nn.functional as F
from plain_samed import PlainSamed, random_base, random_original

from SAMedCore.checkpoint.load import find_base_model, load_merged
from SAMedCore.checkpoint.original import import_original
from SAMedCore.image.orientation import reorient
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.resizing import resize

VIT_H = {"depth": 32, "dim": 1280}
PLAIN = {**VIT_H, "heads": 16, "global_blocks": (7, 15, 23, 31)}
PUBLISHED = Preprocessing(sizes=(224, 512), orientation="RPS")
SLICE = 80


@pytest.fixture(scope="module")
def shown(sample_ct):
    """One axial slice through the abdomen, in HU (1, H, W)."""
    return reorient(sample_ct, PUBLISHED.orientation).voxels[SLICE : SLICE + 1]


@pytest.fixture(scope="module")
def image(shown):
    """That slice as the network takes it, (1, 512, 512)."""
    return resize(torch.from_numpy(PUBLISHED.images_of(shown)), PUBLISHED)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, image):
    """The plain network's logits, and the files that it was made of; it is gone before ours is built, 2.5 GB each."""
    folder = tmp_path_factory.mktemp("vit_h")
    base = random_base(**PLAIN)
    original = random_original(base, **VIT_H)
    torch.save(base, folder / "base.pth")
    torch.save(original, folder / "samed_h.pth")
    with torch.no_grad():
        logits = PlainSamed(base, original, **PLAIN).eval()(image)
    del base, original
    gc.collect()
    yield logits, folder
    (folder / "base.pth").unlink()


@pytest.mark.slow
@torch.no_grad()
def test_samed_h_equals_the_plain_network_on_a_slice(expected, image, shown):
    logits, folder = expected
    base, weights = find_base_model(folder / "base.pth")
    assert base.architecture == "vit_h"
    import_original(folder / "samed_h.pth", base, weights, folder / "samed_h")
    gc.collect()
    merged, info = load_merged(folder / "samed_h", weights)
    assert info.preprocessing == PUBLISHED
    ours = merged(image)
    assert logits.std() > 0.1
    difference = (ours - logits).abs().max().item()
    differing = (labels_of(ours, shown) != labels_of(logits, shown)).sum()
    print(f"\nlargest difference of a logit {difference:.2g} (spread {logits.std():.2g}), differing voxels {differing}")
    assert difference <= 1e-4
    assert differing == 0
    assert len(torch.unique(torch.from_numpy(labels_of(ours, shown)))) > 1


def labels_of(logits, shown):
    """As the published procedure makes labels of logits: up to the input size, argmax, back to the slice."""
    full = F.interpolate(logits, (PUBLISHED.input_size,) * 2, mode="bilinear", align_corners=False)
    return PUBLISHED.restore_labels(full.argmax(1).numpy(), shown.shape[1:])

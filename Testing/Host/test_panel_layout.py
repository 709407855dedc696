"""The panel's size, which Slicer's narrow column and a laptop's screen bound."""

import pytest

import slicerhost

TABS = ("pathTab", "completeTab", "finetuneTab", "segmentTab", "settingsTab")
USUAL_WIDTH = 480


def heightOf(panel, tab: str) -> int:
    panel.ui.tabWidget.setCurrentWidget(getattr(panel.ui, tab))
    slicerhost.processEvents()
    layout = panel.parent.layout()
    return layout.totalHeightForWidth(USUAL_WIDTH) if layout.hasHeightForWidth() else layout.totalSizeHint().height()


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_fits_into_slicers_column(panel, tab):
    panel.ui.tabWidget.setCurrentWidget(getattr(panel.ui, tab))
    slicerhost.processEvents()
    assert panel.parent.layout().totalMinimumSize().width() <= USUAL_WIDTH


def test_a_tab_is_as_high_as_its_own_contents_so_that_progress_stays_in_sight(panel):
    first = {tab: heightOf(panel, tab) for tab in TABS}
    assert first["completeTab"] < first["settingsTab"] < first["finetuneTab"]
    assert {tab: heightOf(panel, tab) for tab in reversed(TABS)} == first

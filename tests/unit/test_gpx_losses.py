"""What stands beside the features of a GPX is counted and named."""

from pathlib import Path

import pytest

from libs.models.version import Warn
from libs.spatial_utils.gpx_losses import left_out

TRACK = (
    '<trk><name>t</name><trkseg><trkpt lat="1" lon="2"><extensions><x:hr>1</x:hr></extensions>'
    "</trkpt>{}</trkseg></trk>"
)


def warnings_of(folder: Path, content: str) -> list[Warn]:
    path = folder / "d.gpx"
    path.write_text(
        '<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:x="urn:x">'
        f"{content}</gpx>"
    )
    return left_out(str(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "<metadata><name>n</name><author><name>a</name></author></metadata>",
            "name of metadata (1); author of metadata (1)",
        ),
        ("<extensions><x:a/><x:b/></extensions>", "extensions of gpx (1)"),
        (TRACK.format("<extensions><x:a/></extensions>"), "extensions of trkseg (1)"),
        ("<author>a</author><url>u</url>", "author of gpx (1); url of gpx (1)"),
    ],
)
def test_a_loss_is_named_with_its_count(tmp_path: Path, content: str, said: str) -> None:
    (warning,) = warnings_of(tmp_path, content)

    assert warning.code == "source.elements_left_out"
    assert warning.message == f"What GDAL does not read of GPX was left out: {said}."


def test_nothing_is_said_of_features(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, f'<wpt lat="1" lon="2"/>{TRACK.format("")}') == []

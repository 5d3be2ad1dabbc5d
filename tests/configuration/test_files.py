"""Files of data: where the shipped ones are. A wheel's are tested with a wheel, in test_release."""

from pathlib import Path

from exporter.configuration.files import data_folder


def test_a_checkout_has_its_data_beside_the_package() -> None:
    """In a checkout a folder of data is found at the top level."""
    folder = data_folder("codes")
    assert folder == Path(__file__).parents[2] / "codes"
    assert (folder / "apns.toml").is_file()

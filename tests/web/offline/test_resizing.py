"""Pixels become the network's input in the browser to the byte as on the server."""

import base64

import numpy as np
import pytest

from cutis.data import fit_image, network_input

RUN = """(module, {name, image, height, width, to}) => {
    const data = Uint8Array.from(atob(image), (each) => each.charCodeAt(0));
    const { data: out } = module[name]({ data, height, width }, ...to);
    return btoa(Array.from(out, (each) => String.fromCharCode(each)).join(""));
}"""


def pixels(height, width):
    """Noise: every rounding shows."""
    return np.random.default_rng(height * 10_007 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def in_browser(script, name, image, *to):
    height, width = image.shape[:2]
    given = {
        "name": name,
        "image": base64.b64encode(image.tobytes()).decode(),
        "height": height,
        "width": width,
        "to": to,
    }
    return np.frombuffer(base64.b64decode(script("resizing.js", RUN, given)), np.uint8).reshape(to[0], to[1], 3)


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(
    ("height", "width"),
    [
        (450, 600), (300, 400), (449, 601), (150, 200), (151, 200), (149, 201), (100, 100), (37, 41),  # landscape
        (600, 450), (200, 150), (331, 257),  # portrait: turned by a quarter
        (120, 900), (900, 120), (2, 90), (1, 1),  # one side shrinks, the other grows
    ],
)  # fmt: skip
def test_a_photograph_is_fitted_as_on_the_server(script, height, width, aspect):
    image = pixels(height, width)
    np.testing.assert_array_equal(
        in_browser(script, "fitImage", image, 150, 200, aspect), fit_image(image, 150, 200, aspect)
    )


@pytest.mark.parametrize(("height", "width", "aspect"), [(301, 224, "stretch"), (224, 301, "crop"), (90, 200, "pad")])
def test_a_square_target_turns_nothing(script, height, width, aspect):
    image = pixels(height, width)
    np.testing.assert_array_equal(
        in_browser(script, "fitImage", image, 224, 224, aspect), fit_image(image, 224, 224, aspect)
    )


@pytest.mark.parametrize("size", [(192, 256), (144, 192), (75, 100), (150, 200)])
def test_the_networks_size_is_reached_as_on_the_server(script, size):
    image = pixels(150, 200)
    np.testing.assert_array_equal(in_browser(script, "networkInput", image, *size), network_input(image, *size))

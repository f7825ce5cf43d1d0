"""The browser's pixels are the server's, and what is no whole photograph is refused with the server."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cutis.data import draw_phantom, phantom_lesion, phantom_view, read_photograph
from cutis.errors import ImageError

READ = """async (module, given) => {
    const bytes = Uint8Array.from(atob(given), (each) => each.charCodeAt(0));
    try {
        const { pixels: { data, height, width } } = await module.readPhotograph(new Blob([bytes]), 1e6);
        return { height, width, data: btoa(Array.from(data, (each) => String.fromCharCode(each)).join("")) };
    } catch (error) {
        if (error.code) return { code: error.code, ...error.values };
        throw error;
    }
}"""


def in_browser(script, content):
    found = script("photographs.js", READ, base64.b64encode(content).decode())
    if "code" in found:
        return found
    return np.frombuffer(base64.b64decode(found["data"]), np.uint8).reshape(found["height"], found["width"], 3)


@pytest.fixture(scope="module")
def phantom():
    return Image.fromarray(draw_phantom(phantom_lesion("mel", 2), phantom_view(30.0, 2), (181, 243)).image)


def saved(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_exif_is_set_upright(script, phantom, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(phantom, "JPEG", quality=92, exif=exif)
    server = read_photograph(content, "photograph", most_pixels=10**6).astype(int)
    assert server.shape[:2] == ((181, 243) if orientation < 5 else (243, 181))
    assert np.abs(in_browser(script, content) - server).max() <= 2


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 80}),
        ("JPEG", {"quality": 75}),
        ("JPEG", {"quality": 90, "progressive": True, "subsampling": 0}),
    ],
    ids=str,
)
def test_pixels_are_the_servers(script, phantom, kind, options):
    content = saved(phantom, kind, **options)
    server = read_photograph(content, "photograph", most_pixels=10**6).astype(int)
    assert np.abs(in_browser(script, content) - server).max() <= (0 if kind == "PNG" or "lossless" in options else 2)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_other_kinds_of_png_are_shown_as_the_server_does(script, phantom, mode):
    image = phantom.convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    content = saved(image, "PNG")
    server = read_photograph(content, "photograph", most_pixels=10**6).astype(int)
    assert np.abs(in_browser(script, content) - server).max() <= (3 if "A" in mode else 0)


def test_a_colour_profile_is_left_alone_as_on_the_server(script, phantom):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    swapped[:] = swapped.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    assert profile != bytes(swapped)
    content = saved(phantom, "PNG", icc_profile=bytes(swapped))
    server = read_photograph(content, "photograph", most_pixels=10**6)
    np.testing.assert_array_equal(in_browser(script, content), server)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_refused(script, phantom, kind, share):
    content = saved(phantom, kind)
    cut = content[: int(len(content) * share)]
    with pytest.raises(ImageError):
        read_photograph(cut, "photograph", most_pixels=10**6)
    assert in_browser(script, cut)["code"] == "truncated"


def test_what_is_no_photograph_is_refused(script, phantom):
    assert in_browser(script, b"")["code"] == "empty"
    assert in_browser(script, b"%PDF-1.7 no photograph")["code"] == "no-photograph"
    assert in_browser(script, saved(phantom, "GIF"))["code"] == "no-photograph"
    assert in_browser(script, b"<svg xmlns='http://www.w3.org/2000/svg'/>")["code"] == "no-photograph"
    spoilt = bytearray(saved(phantom, "PNG"))
    spoilt[60:200] = bytes(140)
    assert in_browser(script, bytes(spoilt))["code"] == "damaged"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photograph_of_too_many_pixels_is_refused_before_it_is_decoded(script, kind):
    large = saved(Image.new("RGB", (1200, 900)), kind)
    assert in_browser(script, large) == {"code": "too-large", "width": 1200, "height": 900, "most": 1e6}


def test_what_follows_a_photograph_in_its_file_does_not_matter(script, phantom):
    content = saved(phantom, "JPEG")
    np.testing.assert_array_equal(in_browser(script, content + b"trailer"), in_browser(script, content))

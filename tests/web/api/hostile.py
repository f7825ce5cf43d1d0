"""Uploads that mean ill, or went wrong on the way: files, and whole bodies."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, PngImagePlugin


class Upload(NamedTuple):
    """What is sent: a file's ``name`` and ``content``."""

    what: str
    name: str
    content: bytes


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG's chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that says it is so large, with the chunks given."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def resized_jpeg(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    at = next(at for marker in (b"\xff\xc0", b"\xff\xc2") if (at := jpeg.find(marker)) > 0)
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment after its first two bytes."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def bombs(photograph: Callable[..., bytes]) -> Iterator[Upload]:
    """Small files that would become large."""
    jpeg = photograph()
    zeros = zlib.compress(bytes(50_000_000), 9)
    yield Upload("png 40,000 × 40,000 in the header", "a.png", png_of(40_000, 40_000, chunk(b"IDAT", zeros)))
    yield Upload("png 2³¹", "a.png", png_of(2**31 - 1, 2**31 - 1, chunk(b"IDAT", zeros)))
    yield Upload("png one row", "a.png", png_of(2_000_000, 3, chunk(b"IDAT", zeros)))
    yield Upload("png no pixels", "a.png", png_of(0, 0, chunk(b"IDAT", zeros)))
    yield Upload("png just small enough", "a.png", png_of(1999, 2000, chunk(b"IDAT", zeros)))
    yield Upload("png text bomb", "a.png", png_of(8, 8, chunk(b"zTXt", b"a\0\0" + zeros), chunk(b"IDAT", zeros)))
    yield Upload("png profile bomb", "a.png", png_of(8, 8, chunk(b"iCCP", b"a\0\0" + zeros), chunk(b"IDAT", zeros)))
    itxt = chunk(b"iTXt", b"a\0\1\0\0\0" + zeros)
    yield Upload("png many text bombs", "a.png", png_of(8, 8, *[itxt] * 20, chunk(b"IDAT", zeros)))
    yield Upload("png many empty chunks", "a.png", png_of(8, 8, *[chunk(b"tEXt", b"a\0")] * 50_000))
    yield Upload("jpeg 65,500 × 65,500 in the header", "a.jpg", resized_jpeg(jpeg, 65_500, 65_500))
    yield Upload("jpeg 40,000 × 40,000 in the header", "a.jpg", resized_jpeg(jpeg, 40_000, 40_000))
    yield Upload("jpeg larger than it holds", "a.jpg", resized_jpeg(jpeg, 2000, 1900))
    yield Upload("jpeg no pixels", "a.jpg", resized_jpeg(jpeg, 0, 0))
    webp = photograph("WEBP", exif=Image.Exif().tobytes() or b"Exif\0\0")
    yield Upload("webp canvas 16,384 × 16,384", "a.webp", webp[:24] + b"\xff\x3f\0\xff\x3f\0" + webp[30:])
    yield Upload("gif 65,535 × 65,535", "a.gif", b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(800))
    tiff = b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 256, 4, 1, 60_000) + struct.pack("<HHII", 257, 4, 1, 60_000)
    yield Upload("tiff 60,000 × 60,000", "a.tif", tiff + bytes(100))
    bmp = b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 50_000, 50_000, 1, 24, *[0] * 6)
    yield Upload("bmp 50,000 × 50,000", "a.bmp", bmp)


def polyglots(photograph: Callable[..., bytes]) -> Iterator[Upload]:
    """Files that are two things at once."""
    jpeg, png = photograph(), photograph("PNG")
    page = b"<html><script>alert(1)</script></html>"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../evil.sh", "#!/bin/sh\n")
    yield Upload("jpeg, then html", "a.jpg", jpeg + page)
    yield Upload("jpeg with html in a comment", "a.jpg", with_segment(jpeg, 0xFE, page))
    yield Upload("jpeg, then zip", "a.jpg", jpeg + packed.getvalue())
    yield Upload("png, then zip", "a.png", png + packed.getvalue())
    yield Upload("html, then jpeg", "a.jpg", page + jpeg)
    yield Upload("gif that is a script", "a.gif", b"GIF89a/*" + jpeg + b"*/=1;alert(1)")
    yield Upload("pdf and jpeg", "a.jpg", b"%PDF-1.4\n" + jpeg)
    yield Upload("jpeg called html", "a.html", jpeg)
    yield Upload("php in the profile", "a.jpg", with_segment(jpeg, 0xE2, b"ICC_PROFILE\0\1\1<?php system('id'); ?>"))


def other_types(photograph: Callable[..., bytes]) -> Iterator[Upload]:
    """What is no JPEG, PNG or WebP, whatever it is called."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    xml = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    for what, content in {
        "svg": svg,
        "xml entities": xml,
        "nothing": b"",
        "one byte": b"\xff",
        "two bytes of a jpeg": b"\xff\xd8",
        "png signature": b"\x89PNG\r\n\x1a\n",
        "webp signature": b"RIFF\x10\0\0\0WEBP",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\n(/etc/passwd) run\n",
        "pdf": b"%PDF-1.7\n",
        "text": b"hello " * 1000,
        "json": b'{"a": 1}',
        "nul": bytes(10_000),
        "dicom": bytes(128) + b"DICM" + bytes(100),
        "heic": b"\0\0\0\x18ftypheic" + bytes(100),
        "avif": b"\0\0\0\x18ftypavif" + bytes(100),
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        "photoshop": b"8BPS\0\1" + bytes(100),
        "icon": b"\0\0\1\0\1\0" + bytes(100),
        "elf": b"\x7fELF" + bytes(100),
        "gzip": zlib.compress(b"a" * 1000),
        "gif": photograph("GIF"),
        "tiff": photograph("TIFF"),
        "bmp": photograph("BMP"),
        "ppm": photograph("PPM"),
    }.items():
        yield Upload(what, "a.jpg", content)


def odd_photographs(photograph: Callable[..., bytes], phantom: Image.Image) -> Iterator[Upload]:
    """Photographs of rare kinds, which are answered or refused."""

    def saved(image: Image.Image, kind: str, **options: object) -> bytes:
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    grey = phantom.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    frames = [phantom.rotate(angle) for angle in (0, 90, 180)]
    text = PngImagePlugin.PngInfo()
    text.add_text("patient", "Jane Doe " * 1000)
    jpeg = photograph()
    yield Upload("cmyk", "a.jpg", saved(phantom.convert("CMYK"), "JPEG"))
    yield Upload("grey", "a.jpg", saved(grey, "JPEG"))
    yield Upload("16 bits", "a.png", saved(deep, "PNG"))
    yield Upload("1 bit", "a.png", saved(phantom.convert("1"), "PNG"))
    yield Upload("palette", "a.png", saved(phantom.convert("P"), "PNG"))
    yield Upload("palette with transparency", "a.png", saved(phantom.convert("P"), "PNG", transparency=3))
    yield Upload("grey with alpha", "a.png", saved(grey.convert("LA"), "PNG"))
    yield Upload("alpha", "a.webp", saved(phantom.convert("RGBA"), "WEBP"))
    yield Upload("animated png", "a.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    yield Upload("animated webp", "a.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    yield Upload("mpo", "a.jpg", saved(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    yield Upload("mpo, cut", "a.jpg", saved(frames[0], "MPO", save_all=True, append_images=frames[1:])[:-3000])
    yield Upload("progressive", "a.jpg", saved(phantom, "JPEG", progressive=True))
    yield Upload("one pixel", "a.png", saved(phantom.resize((1, 1)), "PNG"))
    yield Upload("one row", "a.png", saved(phantom.resize((3000, 1)), "PNG"))
    yield Upload("text", "a.png", saved(phantom, "PNG", pnginfo=text))
    yield Upload("wrong sum", "a.png", photograph("PNG")[:-5] + b"\0" + photograph("PNG")[-4:])
    for orientation in (0, 6, 9, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield Upload(f"orientation {orientation}", "a.jpg", photograph(exif=exif))
    place = Image.Exif()
    place.get_ifd(0x8825)[2] = (47.0, 22.0, 1.5)
    yield Upload("gps", "a.jpg", photograph(exif=place))
    many = jpeg
    for _ in range(40):
        many = with_segment(many, 0xE1, b"Exif\0\0" + b"\xff" * 65_000)
    yield Upload("2.6 MB of exif", "a.jpg", many)
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    yield Upload("exif that points to itself", "a.jpg", with_segment(jpeg, 0xE1, loop))
    far = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 0x0112, 5, 2**31, 2**32 - 1) * 100
    yield Upload("exif that points away", "a.jpg", with_segment(jpeg, 0xE1, far))
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + b'<x tiff:Orientation="' + b"9" * 60_000
    yield Upload("xmp", "a.jpg", with_segment(jpeg, 0xE1, xmp))


def broken(photograph: Callable[..., bytes], pieces: int = 14, flips: int = 14) -> Iterator[Upload]:
    """Photographs cut at many places, and with bytes changed."""
    rng = random.Random(8)
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = photograph(kind)
        for n in range(pieces):
            at = rng.randrange(1, len(whole) - 2) if n else len(whole) // 2
            yield Upload(f"{kind} cut at {at}", "cut.bin", whole[:at])
        for _ in range(flips):
            changed = bytearray(whole)
            for _ in range(rng.choice([1, 5, 50])):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            yield Upload(f"{kind} with bytes changed", "changed.bin", bytes(changed))


NAMES = (
    "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/cron.d/x", "C:\\a.jpg", "a\0.jpg", "%00%2e%2e%2f", "",
    "   ", ".", "..", "a" * 5000, "con.jpg", "<img src=x onerror=alert(1)>.jpg", "'; DROP TABLE x; --", "$(id).jpg",
    "\u202egpj.exe", "naïve ﷽ 皮肤 피부.jpg", "\u0000\u0007\u009b31m", 'a";filename="b', "{{7*7}}", "${jndi:ldap://x}",
)  # fmt: skip


def bodies(jpeg: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Whole bodies: what, the header Content-Type, and the bytes."""
    kind = "multipart/form-data; boundary=x"

    def part(headers: bytes, content: bytes) -> bytes:
        return b"--x\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"

    named = b'Content-Disposition: form-data; name="images"; filename="a.jpg"'
    whole = part(named, jpeg) + b"--x--\r\n"
    yield "no boundary", "multipart/form-data", whole
    yield "empty boundary", "multipart/form-data; boundary=", whole
    yield "another boundary", "multipart/form-data; boundary=y", whole
    yield "a long boundary", "multipart/form-data; boundary=" + "y" * 4000, whole
    yield "nothing", kind, b""
    yield "no end", kind, part(named, jpeg)
    yield "cut in a header", kind, b"--x\r\nContent-Disp"
    yield "cut in the file", kind, whole[:500]
    yield "no headers", kind, b"--x\r\n\r\n" + jpeg + b"\r\n--x--\r\n"
    yield "no disposition", kind, part(b"Content-Type: image/jpeg", jpeg) + b"--x--\r\n"
    yield "no name", kind, part(b'Content-Disposition: form-data; filename="a"', jpeg) + b"--x--\r\n"
    yield "bare line feeds", kind, whole.replace(b"\r\n", b"\n")
    yield "nul in a header", kind, part(named + b"\0", jpeg) + b"--x--\r\n"
    yield "a header of a megabyte", kind, part(named + b"; x=" + b"a" * 1_000_000, jpeg) + b"--x--\r\n"
    yield "many headers", kind, part(named + b"\r\nA: b" * 20_000, jpeg) + b"--x--\r\n"
    yield "many fields", kind, part(b'Content-Disposition: form-data; name="a"', b"1") * 5000 + b"--x--\r\n"
    large = part(b'Content-Disposition: form-data; name="patients"', b"[" * 2_000_000)
    yield "a field of two megabytes", kind, part(named, jpeg) + large + b"--x--\r\n"
    yield "deep json", kind, part(named, jpeg) + large[:900_000] + b"\r\n--x--\r\n"
    yield "many files", kind, part(named, b"a") * 2000 + b"--x--\r\n"
    yield "a form in a form", kind, part(b"Content-Type: multipart/mixed; boundary=x\r\n" + named, whole) + b"--x--\r\n"
    yield "a name that is no utf-8", kind, part(named[:-6] + b'\xff\xfe\x80"', jpeg) + b"--x--\r\n"
    yield "a charset that is none", kind + "; charset=\u20ac".encode().decode("latin-1"), whole
    yield "utf-7", kind + "; charset=utf-7", whole
    yield "much after the end", kind, whole + b"\r\n" * 200_000
    yield "base64", kind, part(named + b"\r\nContent-Transfer-Encoding: base64", b"AAAA") + b"--x--\r\n"
    yield "a form of another kind", "application/x-www-form-urlencoded", b"images=" + b"a" * 10_000
    yield "json", "application/json", b'{"images": []}'
    yield "no type", "", whole
    yield (
        "half a surrogate",
        kind,
        part(named, jpeg)
        + part(b'Content-Disposition: form-data; name="patients"', b'{"site": "\\ud800"}')
        + b"--x--\r\n",
    )

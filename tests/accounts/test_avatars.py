import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image, PngImagePlugin

from chat.accounts.avatars import MOST_PIXELS, SIDE, refuse_size, square
from chat.core.errors import Invalid, TooLarge


def encoded(image, kind, **options):
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(data):
    image = Image.open(BytesIO(data))
    image.load()
    return image


def halves(size=(400, 200)):
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    return image


def is_red(pixel):
    return pixel[0] > 200 and pixel[2] < 60


def is_blue(pixel):
    return pixel[2] > 200 and pixel[0] < 60


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(400, 200), (200, 400), (1, 1), (3, 5000), (256, 256), (5000, 3000)])
def test_every_picture_becomes_a_square_of_one_size(kind, size):
    image = opened(square(encoded(halves(size), kind)))

    assert (image.format, image.size) == ("WEBP", (SIDE, SIDE))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_can_be_read(mode):
    assert opened(square(encoded(Image.new(mode, (300, 100)), "PNG"))).size == (SIDE, SIDE)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_kind_of_photograph_can_be_read(mode):
    assert opened(square(encoded(Image.new(mode, (300, 100)), "JPEG"))).size == (SIDE, SIDE)


def test_the_middle_is_kept():
    image = Image.new("RGB", (900, 300), "red")
    image.paste("blue", (300, 0, 600, 300))

    drawn = opened(square(encoded(image, "PNG"))).convert("RGB")
    assert all(is_blue(drawn.getpixel(at)) for at in [(3, 3), (252, 3), (3, 252), (252, 252)])


def test_a_large_picture_keeps_its_middle_too():
    image = Image.new("RGB", (9000, 3000), "red")
    image.paste("blue", (3000, 0, 6000, 3000))

    drawn = opened(square(encoded(image, "PNG"))).convert("RGB")
    assert all(is_blue(drawn.getpixel(at)) for at in [(3, 3), (252, 3), (3, 252), (252, 252)])


@pytest.mark.parametrize(
    ("orientation", "red_at"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom"), (2, "right")]
)
@pytest.mark.parametrize("size", [(400, 400), (400, 300), (6000, 4000)])
def test_pictures_stand_upright_as_the_camera_noted(orientation, red_at, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    drawn = opened(square(encoded(halves(size), "JPEG", exif=exif, quality=95))).convert("RGB")

    at = {"left": (20, 128), "right": (235, 128), "top": (128, 20), "bottom": (128, 235)}[red_at]
    opposite = (255 - at[0], 255 - at[1])
    assert is_red(drawn.getpixel(at))
    assert is_blue(drawn.getpixel(opposite))


def test_transparency_stays():
    assert (
        opened(square(encoded(Image.new("RGBA", (300, 300), (0, 0, 0, 0)), "PNG"))).convert("RGBA").getpixel((9, 9))[3]
        == 0
    )


def test_nothing_but_pixels_is_kept():
    exif = Image.Exif()
    exif[0x010E] = "SECRET place"
    photograph = encoded(halves(), "JPEG", exif=exif, comment=b"SECRET comment", icc_profile=b"SECRET profile" * 20)
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRET text")
    drawing = encoded(halves(), "PNG", pnginfo=text, exif=exif) + b"SECRET <script>alert(1)</script>"
    web = encoded(halves(), "WEBP", exif=exif, xmp=b"SECRET xmp")

    for picture in (photograph, drawing, web):
        assert b"SECRET" in picture
        assert b"SECRET" not in square(picture)
        assert not opened(square(picture)).info.keys() & {"exif", "icc_profile", "xmp"}


def png_that_claims(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8000, 5001), (100_000, 100_000), (2**31 - 1, 2**31 - 1), (1, 40_000_001)])
def test_a_picture_of_too_many_pixels_is_not_even_unpacked(size):
    with pytest.raises(Invalid) as refused:
        square(png_that_claims(*size))

    assert refused.value.field == "picture"


def test_the_refusal_says_how_many_fit():
    with pytest.raises(Invalid, match=r"^That picture has 48 megapixels; 40 fit\.$"):
        square(png_that_claims(8000, 6000))


def test_forty_megapixels_fit():
    assert MOST_PIXELS == 40_000_000
    assert opened(square(encoded(Image.new("L", (8000, 5000)), "PNG", compress_level=1))).size == (SIDE, SIDE)


BROKEN = [
    b"", b"x", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\x00\x00\x00\x00WEBP", b"BM" + b"\0" * 60,
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", b"<html><script>alert(1)</script>",
    b"%PDF-1.7 /JS (app.alert(1))", b"II*\0" + b"\0" * 200, b"8BPS\0\1" + b"\0" * 60, b"%!PS-Adobe-3.0 EPSF-3.0\n",
    b"icns" + b"\0" * 60, png_that_claims(10, 10), png_that_claims(0, 10), bytes(range(256)) * 40,
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_not_a_picture_is_refused_with_what_to_choose(data):
    with pytest.raises(Invalid, match="Choose a PNG, JPEG, GIF or WebP") as refused:
        square(data)

    assert refused.value.field == "picture"


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM", "TGA", "PCX"])
def test_other_formats_are_refused_although_they_could_be_read(kind):
    with pytest.raises(Invalid):
        square(encoded(halves((32, 32)), kind))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_half_a_picture_is_refused_and_never_a_crash(kind):
    whole = encoded(halves(), kind)
    for end in range(0, len(whole) * 9 // 10, max(1, len(whole) // 25)):
        try:
            square(whole[:end])
        except Invalid as refused:
            assert refused.field == "picture"


def test_an_upload_has_a_size():
    refuse_size(5, 5)
    with pytest.raises(Invalid):
        refuse_size(0, 5)
    with pytest.raises(TooLarge, match="larger than 5 MB"):
        refuse_size(5_000_001, 5_000_000)

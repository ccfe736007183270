"""Pictures of people: whatever was uploaded becomes a new 256 pixel WebP, made of its pixels and nothing else."""

from io import BytesIO

from PIL import Image, ImageOps

from chat.core.blocking import Bounded, Full
from chat.core.errors import Invalid, RateLimited, TooLarge

KIND, SUFFIX, CONTENT_TYPE = "avatars", ".webp", "image/webp"
SIDE = 256
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")  # an old decoder that nobody looks at is how pictures attack
MOST_PIXELS = 40_000_000  # some 160 MB in memory, as much as one picture may take

_drawing = Bounded(running=1, waiting=8)


def square(picture):
    """The middle of a picture as `SIDE` by `SIDE` WebP, upright, without anything else the file carried.

    In a native thread. Raises Invalid with what to choose instead; RateLimited when too many wait already.
    """
    try:
        data, refusal = _drawing.run(_square, picture)
    except Full:
        raise RateLimited("Many pictures are being drawn at once. Try again in a moment.", retry_after=5) from None
    if refusal:
        raise Invalid(refusal, field="picture")
    return data


def _square(picture):
    """Return (bytes, None) or (None, the sentence of the refusal)."""
    try:
        with Image.open(BytesIO(picture), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                return None, f"That picture has {width * height / 1e6:.0f} megapixels; {MOST_PIXELS / 1e6:.0f} fit."
            image.draft("RGB", (SIDE * 2, SIDE * 2))  # a JPEG decoder can leave out what nobody will see
            drawn = _upright_middle(image)
            out = BytesIO()
            drawn.save(out, "WEBP", quality=82, method=4)
            return out.getvalue(), None
    except Exception:  # a hostile file may raise anything: every one of them means the same to the person
        return None, "That file cannot be read as a picture. Choose a PNG, JPEG, GIF or WebP."


def _upright_middle(image):
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    if side > SIDE * 8:  # thinned out first, so that what follows never copies a huge picture
        middle = image.resize((SIDE * 8, SIDE * 8), Image.Resampling.NEAREST, box=box)
    else:
        middle = image.crop(box)
    upright = ImageOps.exif_transpose(middle.convert("RGBA").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    clean = Image.new("RGBA", (SIDE, SIDE))  # a new image: no EXIF, no profile, no comments
    clean.paste(upright)
    return clean


def refuse_size(size, most):
    """Raise Invalid for no picture at all; TooLarge for more than `most` bytes."""
    if not size:
        raise Invalid("Choose a picture first.", field="picture")
    if size > most:
        raise TooLarge(f"That file is larger than {most / 1_000_000:g} MB. Choose a smaller one.", field="picture")

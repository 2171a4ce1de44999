import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.errors import ProxyError
from handler.translate import media

PNG, JPEG, GIF = b"\x89PNG\r\n\x1a\n" + b"\0" * 9, b"\xff\xd8\xff\xe0" + b"\0" * 6, b"GIF89a\1\0\1\0\0\0\0;"
WEBP, PDF = b"RIFF\x24\0\0\0WEBPVP8 ", b"%PDF-1.7\n%%EOF\n"
IMAGES = [
    ("image/png", PNG),
    ("image/jpeg", JPEG),
    ("image/gif", GIF),
    ("image/gif", b"GIF87a..."),
    ("image/webp", WEBP),
]
# Half a surrogate pair is what a JSON escape may hold.
TEXTS = st.text(st.sampled_from("\ud83d,;%=/+ A") | st.characters(exclude_categories=()), max_size=60)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image(kind: str, data: bytes) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": b64(data)}}


def pdf(data: bytes = PDF, **more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": b64(data)}
    return {"type": "document", "source": source, **more}


def plain(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **more}


def refused(call: Any, *arguments: Any) -> ProxyError:
    with pytest.raises(ProxyError) as error:
        call(*arguments, "field")
    assert (error.value.status, error.value.field) == (400, "field")
    return error.value


@pytest.mark.parametrize(
    "declared", ["image/png", "image/jpeg", "image/jpg", "image/bmp", "application/octet-stream", ""]
)
@pytest.mark.parametrize(("kind", "data"), IMAGES)
def test_an_image_is_what_its_bytes_say(kind: str, data: bytes, declared: str) -> None:
    assert media.from_url(f"data:{declared};base64,{b64(data)}", "field") == image(kind, data)


@pytest.mark.parametrize(
    ("declared", "kind"), [("image/png", "image/png"), ("image/jpg", "image/jpeg"), ("IMAGE/WEBP", "image/webp")]
)
def test_what_cannot_be_told_from_the_bytes_is_what_it_says(declared: str, kind: str) -> None:
    assert media.from_url(f"data:{declared};base64,{b64(b'what')}", "field") == image(kind, b"what")


@pytest.mark.parametrize(
    "declared", ["image/bmp", "image/tiff", "image/svg+xml", "image/heic", "text/plain", "video/mp4", ""]
)
def test_another_kind_of_image_is_refused(declared: str) -> None:
    error = refused(media.from_url, f"data:{declared};base64,{b64(b'what')}")
    assert error.code == "unsupported_image_media_type"


@pytest.mark.parametrize("url", ["https://a.example/x.png", "http://a.example/x.png", "HTTPS://a.example/x"])
def test_an_address_is_handed_on_and_never_opened(url: str) -> None:
    assert media.from_url(url, "field") == {"type": "image", "source": {"type": "url", "url": url}}


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a.example/x", "/x.png", "", "x", "gopher://a", "data:", "data:image/png,\ud83d"],
)
def test_any_other_address_is_refused(url: str) -> None:
    refused(media.from_url, url)


@pytest.mark.parametrize("content", ["!!!", "", "====", "a", "é", "iVBORw0KGgo=iVBO", "\ud83d"])
def test_what_is_no_base64_is_refused(content: str) -> None:
    assert refused(media.from_url, f"data:image/png;base64,{content}").code == "invalid_base64_image"


def test_a_pdf_among_the_images_is_a_document() -> None:
    assert media.from_url(f"data:application/pdf;base64,{b64(PDF)}", "field") == pdf()


@given(st.binary(min_size=1, max_size=60), st.data())
def test_base64_of_any_kind_is_put_right(tail: bytes, data: st.DataObject) -> None:
    written = b64(PNG + tail)
    sent = written.rstrip("=") if data.draw(st.booleans()) else written
    sent = sent.replace("+", "-").replace("/", "_") if data.draw(st.booleans()) else sent
    cut = data.draw(st.integers(0, len(sent)))
    sent = sent[:cut] + data.draw(st.sampled_from(["", " ", "\r\n", "\t"])) + sent[cut:]

    assert media.from_url(f"data:image/png;base64,{sent}", "field") == image("image/png", PNG + tail)


@pytest.mark.parametrize("name", [None, "a.pdf", "a.bin"])
@pytest.mark.parametrize(
    "start", ["", "data:application/pdf;base64,", "data:;base64,", "data:application/octet-stream;base64,"]
)
def test_a_pdf_is_known_by_its_bytes(start: str, name: str | None) -> None:
    assert media.from_file(start + b64(PDF), name, "field") == pdf(**({"title": name} if name else {}))


def test_a_pdf_is_known_by_its_declared_type_or_its_name() -> None:
    assert media.from_file(f"data:application/pdf;base64,{b64(b'what')}", None, "field") == pdf(b"what")
    assert media.from_file(b64(b"what"), "A.PDF", "field") == pdf(b"what", title="A.PDF")


@pytest.mark.parametrize("kind", ["text/plain", "text/csv", "text/markdown", "text/html", "TEXT/X-PYTHON"])
def test_text_of_any_kind_is_sent_as_plain_text(kind: str) -> None:
    assert media.from_file(f"data:{kind};base64,{b64('Grüße'.encode())}", "a", "field") == plain("Grüße", title="a")
    assert media.from_file(f"data:{kind},Gr%C3%BC%C3%9Fe", None, "field") == plain("Grüße")


@pytest.mark.parametrize("name", ["a.txt", "b.md", "c.csv", "d.json", "e.py", "README.TXT"])
def test_text_is_known_by_the_files_name(name: str) -> None:
    assert media.from_file(b64(b"one"), name, "field") == plain("one", title=name)


@pytest.mark.parametrize(("kind", "data"), IMAGES)
def test_an_image_may_come_as_a_file(kind: str, data: bytes) -> None:
    assert media.from_file(f"data:{kind};base64,{b64(data)}", "a", "field") == image(kind, data)


@pytest.mark.parametrize("name", [None, "a", "a.zip", "a.docx"])
@pytest.mark.parametrize("start", ["", "data:application/zip;base64,", "data:application/msword;base64,"])
def test_any_other_file_is_refused(start: str, name: str | None) -> None:
    refused(media.from_file, start + b64(b"PK\3\4what"), name)


@pytest.mark.parametrize(
    "content",
    [
        "data:text/plain;base64,/w==",
        "data:text/plain,%FF",
        "data:application/pdf;base64,!",
        "!!",
        "data:text/plain,\ud83d",
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content: str) -> None:
    refused(media.from_file, content, "a.txt")


@given(
    st.sampled_from(["data:", "data:image/png,", "data:text/plain;base64,", "data:text/plain,", "https:", ""]), TEXTS
)
def test_no_content_whatever_is_more_than_refused(start: str, rest: str) -> None:
    for call, arguments in ((media.from_url, ()), (media.from_file, (None,)), (media.from_file, ("a.txt",))):
        try:
            block = call(start + rest, *arguments, "field")
        except ProxyError as error:
            assert error.status == 400
        else:
            assert block["type"] in ("image", "document")

"""A request of 5 MB with images: every byte of it reaches the upstream, in the order it was sent."""

import base64
import random

from tests.clients.chain import MODES, asking, assert_relayed, async_python_sdk, python_sdk, simulate

MEGABYTE = 1_000_000


def image(kind, megabytes):
    """An image by its first bytes; the rest is noise, the same at every run."""
    magic = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}[kind]
    noise = random.Random(kind).randbytes(int(megabytes * MEGABYTE))
    source = {"type": "base64", "media_type": kind, "data": base64.b64encode(magic + noise).decode()}
    return {"type": "image", "source": source}


def question():
    """A call with two images, text with escapes around them, and a system prompt behind them."""
    content = [
        {"type": "text", "text": "Compare “these” \\ two \U0001f5bc:"},
        image("image/png", 2),
        image("image/jpeg", 1.8),
        {"type": "text", "text": simulate(text="They differ.")},
    ]
    return asking("", messages=[{"role": "user", "content": content}], system="Look closely.")


def test_five_megabytes_of_images_reach_the_upstream_byte_for_byte(chain, subtests):
    request = question()
    for mode in MODES:
        chain.forget()
        with subtests.test(mode=mode), python_sdk(chain.url + mode) as (client, sent):
            assert client.messages.create(**request).content[0].text == "They differ."
            assert len(sent[0].content) > 5 * MEGABYTE
            assert_relayed(mode, sent, chain.seen)


async def test_a_streamed_answer_to_five_megabytes_is_whole(chain):
    async with async_python_sdk(chain.url) as (client, sent), client.messages.stream(**question()) as stream:
        text = await stream.get_final_text()
    assert text == "They differ."
    assert_relayed("", sent, chain.seen)

"""A station made of the PyPI library `ocpp`, which holds every message of both sides to the official schemas.

Connects, charges once by itself and once by order of an operator, and tells its steps on standard output, a word a line. What is not as
it must be ends it with an exception and another exit code than 0.
"""

import argparse
import asyncio
import base64
import ssl

from websockets.asyncio.client import connect

import first_family
import second_family

FAMILIES = {
    "ocpp1.6": first_family.Station,
    "ocpp2.0.1": second_family.Station201,
    "ocpp2.1": second_family.Station21,
}


def tell(*words):
    print(*words, flush=True)


async def main():
    parser = argparse.ArgumentParser()
    for name in ["url", "ca", "identity", "password", "protocol"]:
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    credentials = base64.b64encode(f"{arguments.identity}:{arguments.password}".encode()).decode()
    async with connect(
        f"{arguments.url}/{arguments.identity}",
        subprotocols=[arguments.protocol],
        additional_headers={"Authorization": f"Basic {credentials}"},
        ssl=ssl.create_default_context(cafile=arguments.ca),
    ) as socket:
        assert socket.subprotocol == arguments.protocol, socket.subprotocol
        station = FAMILIES[arguments.protocol](arguments.identity, socket)
        serving = asyncio.create_task(station.start())
        story = asyncio.create_task(station.story(tell))
        # Whichever ends first: a socket that is closed, or a message that cannot be read, ends the story too.
        await asyncio.wait([serving, story], return_when=asyncio.FIRST_COMPLETED)
        if not story.done():
            story.cancel()
            serving.result()
        story.result()
        serving.cancel()
    tell("done")


asyncio.run(main())

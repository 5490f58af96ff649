"""A participant on aiortc, which shares no code with browsers or with the server: sends a voice and
a picture, receives those of the others, and says what it got, a line of JSON each second.

    peer.py http://127.0.0.1:PORT
"""

import asyncio
import json
import sys
import urllib.request

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

ORIGIN = sys.argv[1]


async def ask(path, body=None):
    def call():
        data = None if body is None else body.encode()
        with urllib.request.urlopen(ORIGIN + path, data=data, timeout=10) as answer:
            return answer.read()

    text = await asyncio.to_thread(call)
    return json.loads(text) if text else None


class Participant:
    def __init__(self):
        # Its default policy leaves sections out that are offered with the first two.
        one_transport = RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.connection = RTCPeerConnection(one_transport)
        self.mine = {"microphone": AudioStreamTrack(), "camera": VideoStreamTrack()}
        self.got = {"audio": 0, "video": 0}
        self.connection.on("track", lambda track: asyncio.ensure_future(self.receive(track)))

    async def receive(self, track):
        while True:
            await track.recv()
            self.got[track.kind] += 1

    async def answer(self, offer):
        await self.connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        by_mid = {t.mid: t for t in self.connection.getTransceivers()}
        for section in offer["sections"]:
            if "yours" in section:
                transceiver = by_mid[section["mid"]]
                track = self.mine.get(section["yours"])
                if track is not None:
                    transceiver.sender.replaceTrack(track)
                transceiver.direction = "sendonly" if track else "inactive"
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        text = self.connection.localDescription.sdp
        await ask(f"/answer/{self.id}/{offer['id']}", text)

    async def follow(self, after):
        while True:
            told = await ask(f"/events/{self.id}?after={after}")
            after = told["next"]
            for event in told["events"]:
                if event and event["type"] == "offer":
                    await self.answer(event)
            await asyncio.sleep(0.05)

    async def run(self):
        joined = await ask("/join?", "")
        self.id = joined["id"]
        following = asyncio.ensure_future(self.follow(joined["next"]))
        while not following.done():
            state = self.connection.connectionState
            print(json.dumps({"id": self.id, "state": state, **self.got}), flush=True)
            await asyncio.sleep(1)
        following.result()


asyncio.run(Participant().run())

"""A guest: connects, sends one message, waits for one, and tells what it heard, a line of JSON each.

The environment says where and who: ORIGIN, TOKEN, OTHER (whom to write to), TEXT, TRANSPORT
(`websocket`, `polling`, or anything else for both).
"""

import json
import os
import queue
import sys

import socketio

PATIENCE_S = 15

heard = queue.Queue()
reasons = []
client = socketio.Client(reconnection=False)
client.on("connect_error", reasons.append)
for event in ("message_sent", "new_message"):
    client.on(event, lambda data, event=event: heard.put((event, data)))


def say(event, data):
    print(json.dumps({"event": event, "data": data}), flush=True)


def main():
    transport = os.environ.get("TRANSPORT")
    try:
        client.connect(
            os.environ["ORIGIN"],
            auth={"token": os.environ["TOKEN"]},
            transports=[transport] if transport in ("websocket", "polling") else None,
            wait_timeout=PATIENCE_S,
            retry=False,
        )
    except socketio.exceptions.ConnectionError as refused:
        say("refused", reasons or str(refused))
        return 2
    say("connect", client.transport())
    send = {"receiverId": os.environ["OTHER"], "content": os.environ["TEXT"], "messageType": "text"}
    say("ack", client.call("send_message", send, timeout=PATIENCE_S))
    missing = {"message_sent", "new_message"}
    while missing:
        try:
            event, data = heard.get(timeout=PATIENCE_S)
        except queue.Empty:
            say("silence", None)
            return 1
        say(event, data)
        missing.discard(event)
    client.disconnect()
    return 0


sys.exit(main())

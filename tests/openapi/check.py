"""Tries the server against what its OpenAPI document says of it, with schemathesis.

    check.py [--examples N] [--seed N]

starts the server that BEDSIDE_BIN names on an empty store, and asks everything of it as a doctor;
the same as an admin, as one of the clinic's systems and as nobody; then once more as the doctor with
ids of things that are there. All of schemathesis' checks are on: no 5xx, no undocumented status, header or
shape, nothing taken that the document forbids, nothing refused that it allows. What it prints is TAP.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

# 413 is what HTTP says of what is too large; schemathesis does not expect it by itself. Bounds are
# in bytes, which JSON Schema cannot count, so that also what keeps to the document may be too large.
REJECTED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "413", "429", "5xx"]

# Rules over several members at once, which the document tells in words: these may answer 400 to
# what fits the schema.
RULES = {
    "GET /api/v1/contacts": "a cursor is one that the server gave",
    "GET /api/v1/conversations": "a cursor is one that the server gave",
    "GET /api/v1/notifications": "a cursor is one that the server gave",
    "GET /api/v1/conversations/{conversation_id}/messages": "after_seq or before_seq, not both",
    "GET /consultations/{id}/messages": "before is a message of this consultation",
    "GET /messages/consultation/{id}": "before is a message of this consultation",
    "POST /api/v1/conversations": "a direct one has one other person and no title",
    "POST /api/v1/chats": "a Direct one has one other person",
    "POST /api/v1/chats/{id}/participants": "one of userId and userIds",
    "POST /api/v1/conversations/{conversation_id}/messages": "text or files, by the type",
    "POST /api/v1/chats/{id}/messages": "text or files, by the type",
    "POST /users/send-message": "text or a file, by the type",
    "POST /doctors/patients/{user_id}/messages": "text or a file, by the type",
    "POST /consultations/{id}/messages": "text or a file, by the type",
    "POST /messages": "consultationId, and text or a file, by the type",
    "POST /consultations": "the doctor is named, or the caller, and not the patient",
    "POST /notifications/send": "one of userId and userIds",
    "POST /api/v1/admin/revocations": "user_id, or token_id alone",
    "PUT /api/v1/admin/users/{id}/block": "nobody blocks themselves",
    "GET /api/v1/admin/audit": "a cursor is one that the server gave",
    "PUT /api/v1/relations": "user_id with kind, or clinician_id, and not the patient",
    "DELETE /api/v1/relations": "both ids in the query, or both in the body",
    "PUT /api/v1/users/{id}": "the id of the path, and name and role for a new person",
}

# Deleting takes a chat out of one's own list, and the text out of a message: both can still be read.
KEPT = "^/api/v1/(chats|messages)/"


def mint(secret, **claims):
    """A token as the clinic's own sign-in would give it."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    now = int(time.time())
    claims = {"iat": now, "exp": now + 6 * 3600, **claims}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


class Server:
    """The server, on a port and a store of its own."""

    def __init__(self, home):
        self.secret = secrets.token_urlsafe(48)
        self.log = Path(home, "server.log")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BEDSIDE_")}
        settings = {"JWT_SECRET": self.secret, "PORT": "0", "BEDSIDE_DATA_DIR": str(Path(home, "data")), "BEDSIDE_LOG": "warn"}
        # Without a project at Agora its routes answer 503.
        settings |= {"AGORA_APP_ID": "0" * 32, "AGORA_APP_CERTIFICATE": "1" * 32}
        self.process = subprocess.Popen(
            [os.environ["BEDSIDE_BIN"]], env={**clean, **settings}, stdout=self.log.open("w"), stderr=subprocess.STDOUT
        )
        self.origin = self.wait()

    def wait(self):
        for _ in range(600):
            if said := re.search(r"listening on http://[^/]*:(\d+)/", self.log.read_text()):
                return f"http://127.0.0.1:{said[1]}"
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit(f"the server did not start:\n{self.log.read_text()}")

    def ask(self, token, method, path, body=None):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.origin + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def settle(server, tokens):
    """People, and something of everything that has an id. The paths where each is known."""
    service, doctor = tokens["service"], tokens["doctor"]
    for person, role in [("d1", "doctor"), ("d2", "doctor"), ("a1", "admin"), ("p1", "patient")]:
        server.ask(service, "PUT", f"/api/v1/users/{person}", {"name": f"Name of {person}", "role": role})
    server.ask(service, "PUT", "/api/v1/relations", {"patient_id": "p1", "clinician_id": "d1"})
    made = {"kind": "internal_staff", "title": "Ward", "member_ids": ["d2"]}
    chat = server.ask(doctor, "POST", "/api/v1/conversations", made)["conversation"]["conversation_id"]
    message = server.ask(doctor, "POST", f"/api/v1/conversations/{chat}/messages", {"text": "hello"})
    appointment = {"appointmentId": 1, "type": "CHAT", "patientId": "p1", "doctorId": "d1"}
    consultation = server.ask(doctor, "POST", "/consultations", appointment)["data"]["id"]
    notified = {"type": "system_alert", "user_ids": ["d1"], "title": "Hello"}
    notification = server.ask(service, "POST", "/api/v1/notifications", notified)["data"][0]["notification_id"]
    return {
        "^/api/v1/conversations/": {"conversation_id": chat, "seq": message["seq"], "user_id": "d2"},
        "^/api/v1/chats/": {"id": chat, "user_id": "d2"},
        "^(/api/v1)?/messages/": {"id": message["message_id"], "message_id": message["message_id"]},
        "^/messages/consultation/|^/consultations/": {"id": str(consultation)},
        "^/api/v1/users/": {"id": "d2"},
        "^/(chat|users|doctors)/": {"user_id": "p1"},
        "^(/api/v1)?/notifications/": {"notification_id": notification},
    }


def configure(file, known):
    """The settings of one run, with ids that are known in the place of random ones."""
    lines = []
    for check, statuses in [("negative_data_rejection", REJECTED), ("positive_data_acceptance", ACCEPTED)]:
        lines += [f"[checks.{check}]", f"expected-statuses = {json.dumps(statuses)}"]
    for operation, why in RULES.items():
        lines += ["[[operations]]", f"# {why}", f"include-name = {json.dumps(operation)}"]
        lines += [f"checks.positive_data_acceptance.expected-statuses = {json.dumps([*ACCEPTED, '400'])}"]
    lines += ["[[operations]]", f"include-path-regex = {json.dumps(KEPT)}", "checks.use_after_free.enabled = false"]
    for paths, parameters in known.items():
        values = ", ".join(f"{json.dumps('path.' + name)} = {json.dumps(value)}" for name, value in parameters.items())
        lines += ["[[operations]]", f"include-path-regex = {json.dumps(paths)}", f"parameters = {{ {values} }}"]
    file.write_text("\n".join(lines) + "\n")
    return file


def run(server, token, settings, options):
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", settings, "run"]
    command += [f"{server.origin}/api/openapi.json", "--no-color", "--continue-on-failure"]
    command += ["--warnings", "off", "--max-examples", str(options.examples), "--request-timeout", "30"]
    if options.seed is not None:
        command += ["--seed", str(options.seed)]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def try_out(home, who, with_known_ids, options):
    """Whether all is well, in a few words, and else why not."""
    os.chdir(home)
    server = Server(home)
    try:
        scope = "directory:write"
        tokens = {
            "doctor": mint(server.secret, sub="d1", role="doctor", name="Name of d1"),
            "admin": mint(server.secret, sub="a1", role="admin", name="Name of a1", scope=scope),
            "service": mint(server.secret, sub="clinic", role="service", scope=scope),
        }
        known = settle(server, tokens)
        settings = configure(Path(home, "schemathesis.toml"), known if with_known_ids else {})
        done = run(server, tokens.get(who), settings, options)
        why = (done.stdout + done.stderr).splitlines() if done.returncode != 0 else []
        why += [line for line in server.log.read_text().splitlines() if "panicked" in line]
        if server.process.poll() is not None:
            why.append("the server is gone")
    finally:
        server.process.terminate()
        server.process.wait(60)
        os.chdir("/")
    said = re.search(r"Test cases:\n *(.*)", done.stdout)
    return not why, said[1] if said else "no result", why


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=10, help="of each operation, beside the bounds")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    bad = 0
    runs = [("a doctor", "doctor"), ("an admin", "admin"), ("a service", "service"), ("nobody", None)]
    runs += [("a doctor with what is there", "doctor")]
    for number, (name, who) in enumerate(runs, 1):
        # A server each: all of their bad tokens together would be more than one address may show.
        with tempfile.TemporaryDirectory() as home:
            is_good, said, why = try_out(home, who, number == len(runs), options)
        print(f"{'ok' if is_good else 'not ok'} {number} - {name}: {said}", flush=True)
        if not is_good:
            bad += 1
            print("\n".join(f"# {line}" for line in why))
    print(f"# pass {len(runs) - bad}\n# fail {bad}")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())

//! Another token for a session under way, in any namespace: `refresh-token`, and the word that it
//! is time for one.

use bedside_protocol::{
    Command, CommandError, Reply, Timestamp, command::SessionRefresh, reply::TokenRefreshed,
};
use serde::Serialize;
use serde_json::json;

use super::{
    asked::{About, Asked, What},
    client::Client,
    input::Input,
    out::Out,
};

/// `refresh-token {token}`.
pub(super) const EVENT: &str = "refresh-token";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed {
    ok: bool,
    expires_at: Timestamp,
}

/// Has the session take the token. What the client emits meanwhile is done with the old one.
pub(super) fn ask(client: &mut Client, input: &Input) -> Result<(), CommandError> {
    let token = input
        .text("token")?
        .ok_or_else(|| CommandError::invalid("token: missing"))?
        .to_owned();
    let asked = Asked {
        event: EVENT,
        ack: input.ack,
        about: About::Nothing,
        what: What::Refreshed,
    };
    client.command(Command::SessionRefresh(SessionRefresh { token }), asked);
    Ok(())
}

/// It was taken: from now on its roles count.
pub(super) fn answer(client: &mut Client, asked: &Asked, reply: &Reply, out: &mut Out<'_, '_>) {
    client.caller.roles = client.outbox.roles();
    if let Reply::TokenRefreshed(TokenRefreshed { token_expires_at }) = reply {
        let refreshed = Refreshed {
            ok: true,
            expires_at: *token_expires_at,
        };
        out.answer(asked.ack, &refreshed);
    }
}

/// The token runs out within a minute.
pub(super) fn remind(out: &mut Out<'_, '_>) {
    out.emit("error", &json!({"message": "token expiring"}));
}

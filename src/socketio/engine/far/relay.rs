//! A WebSocket for a session of another node. Nothing of it is understood here: the request for it
//! and then its bytes are brought to that node, and what that one writes is brought back.

use actix_http::RequestHead;
use bytes::{Buf as _, Bytes, BytesMut};
use std::{net::IpAddr, time::Duration};
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split,
    },
    time::sleep,
};

use super::{
    Failed, There,
    guests::CHUNK_BYTES_MAX,
    requests::{failed, millis},
};
use crate::{
    peer_calls::wire::{Answer, Call, Open, Pull, Push, StreamId},
    socketio::engine::Engine,
    ws::{Refusal, Upgrade, no_room, refuse},
};

/// How long bytes of a client may wait to be taken before they are offered again.
const PUSH_HOLD: Duration = Duration::from_secs(5);
/// For how long it is tried to open and to close it: until it is open the client goes on polling.
const OPENING: Duration = Duration::from_secs(2);
/// How long the other node may take to say farewell to a client that has hung up.
const FAREWELL: Duration = Duration::from_secs(5);
/// Headers that count.
const HEADERS: [&str; 8] = [
    "host",
    "origin",
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// Carries a WebSocket for as long as it lives.
pub(in super::super) async fn relay<S>(
    engine: &Engine,
    there: There,
    sid: String,
    upgrade: Upgrade<S>,
) where
    S: AsyncRead + AsyncWrite,
{
    let seat = engine.admission.enter().map_err(no_room);
    let opened = match &seat {
        Ok(_) => open(&there, sid, upgrade.request.head(), upgrade.address).await,
        Err(refusal) => Err(refusal.clone()),
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(refusal) => {
            engine.socket_metrics.refused(refusal.status);
            return refuse(upgrade, refusal).await;
        }
    };
    let (reader, writer) = split(upgrade.stream);
    drop(upgrade.request);
    let read = async {
        up(&there, stream, reader, upgrade.read_ahead).await;
        sleep(FAREWELL).await;
    };
    tokio::select! {
        () = read => {}
        () = down(&there, stream, writer, upgrade.unsent) => {}
        // The client comes back to another node.
        () = engine.admission.drained() => {}
    }
    drop(seat);
    let _ = there
        .ask(&Call::Close(stream), Duration::ZERO, OPENING)
        .await;
}

async fn open(
    there: &There,
    sid: String,
    head: &RequestHead,
    address: IpAddr,
) -> Result<StreamId, Refusal> {
    let mut stream = [0; 16];
    let busy = || {
        Refusal::new(503, "the node that has this session cannot be reached").with("Retry-After: 1")
    };
    getrandom::fill(&mut stream).map_err(|_| busy())?;
    let stream = StreamId::from_ne_bytes(stream);
    let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let headers = head.headers.iter().filter_map(|(name, value)| {
        let counts = HEADERS.contains(&name.as_str());
        counts.then_some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let call = Call::Open(Open {
        stream,
        sid,
        target: target.to_owned(),
        headers: headers.collect(),
        address,
    });
    match there.ask(&call, Duration::ZERO, OPENING).await {
        Ok(Answer::Done) => Ok(stream),
        Ok(answer) => match failed(&answer) {
            Failed::Fault(fault) => Err(fault.into()),
            Failed::Unreachable => Err(busy()),
        },
        Err(Failed::Fault(fault)) => Err(fault.into()),
        Err(Failed::Unreachable) => Err(busy()),
    }
}

/// Brings what the client sends, until it hangs up.
async fn up<S: AsyncRead + AsyncWrite>(
    there: &There,
    stream: StreamId,
    mut reader: ReadHalf<S>,
    read_ahead: Bytes,
) {
    let (mut offset, mut read, mut is_end) = (0, BytesMut::from(&read_ahead[..]), false);
    while !is_end {
        if read.is_empty() {
            read.reserve(CHUNK_BYTES_MAX);
            is_end = matches!(reader.read_buf(&mut read).await, Ok(0) | Err(_));
        }
        let mut bytes = read.split_to(read.len().min(CHUNK_BYTES_MAX)).freeze();
        while !bytes.is_empty() || is_end {
            let push = Push {
                stream,
                offset,
                is_end,
                hold_ms: millis(PUSH_HOLD),
            };
            let call = Call::Push(push, bytes.clone());
            let Ok(Answer::Taken(taken)) = there.ask(&call, PUSH_HOLD, patience(there)).await
            else {
                return;
            };
            let Some(more) = in_bounds(taken, offset, bytes.len()) else {
                return;
            };
            (offset, bytes) = (taken, bytes.slice(more..));
            if bytes.is_empty() {
                break;
            }
        }
    }
}

/// The client need not know that its bytes have to wait: it asks for nothing but a ping now and
/// then.
fn patience(there: &There) -> Duration {
    3 * there.far.patience
}

/// How many bytes more were taken than before.
fn in_bounds(taken: u64, before: u64, offered: usize) -> Option<usize> {
    let more = usize::try_from(taken.checked_sub(before)?).ok()?;
    (more <= offered).then_some(more)
}

/// Brings what the other node has for the client, until that has no more.
async fn down<S: AsyncRead + AsyncWrite>(
    there: &There,
    stream: StreamId,
    mut writer: WriteHalf<S>,
    mut bytes: Bytes,
) {
    let mut offset = 0;
    loop {
        if writer.write_all_buf(&mut bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        let hold = there.far.hold;
        let pull = Pull {
            stream,
            offset,
            hold_ms: millis(hold),
        };
        match there.ask(&Call::Pull(pull), hold, patience(there)).await {
            Ok(Answer::Pulled(more)) => {
                offset += more.remaining() as u64;
                bytes = more;
            }
            _ => {
                let _ = writer.shutdown().await;
                return;
            }
        }
    }
}

//! The two connections to Redis, for as long as the bridge lives.
//!
//! One listens, one sends; both are asked twice a second whether they are there, for a Redis that
//! hangs closes nothing. When either is lost both are given up, since what one of them missed
//! nobody can tell, and new ones are tried for until they are there.

use redis::{
    AsyncConnectionConfig, Pipeline, PushInfo, RedisError, RedisResult, aio::MultiplexedConnection,
};
use std::{convert::Infallible, fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

use super::{
    core::Core,
    ears::{CHANNELS, Ears},
    outbound::Letter,
    stats::{Kind, add, command_bytes},
};

/// How long Redis may take to accept a connection, or to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
const PING_INTERVAL: Duration = Duration::from_millis(500);
/// Pauses between attempts to connect: these, and of each between half and all, so that the
/// nodes do not come back in step.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A connection that held for so long was in order: after it the first pause is short again.
const GOOD_AFTER: Duration = Duration::from_secs(5);
/// What is sent in one go.
const BATCH_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// Why the connections are given up.
enum Loss {
    Closed,
    Hung,
    Failed(RedisError),
    /// What this node shared through Redis is not there any more, or cannot be.
    Forgotten,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Redis closed the connection"),
            Self::Hung => f.write_str("Redis does not answer"),
            Self::Failed(error) => error.fmt(f),
            Self::Forgotten => {
                f.write_str("Redis lost what this node shared, or takes nothing more")
            }
        }
    }
}

/// A faulty answer may not be told from a missing one, but a time-out is told as what it is.
impl From<RedisError> for Loss {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            Self::Hung
        } else {
            Self::Failed(error)
        }
    }
}

/// Connects again and again, from the start of the bridge until it is closed.
pub(super) async fn run(core: Arc<Core>) {
    tokio::select! {
        () = core.closed.notified() => {}
        never = reconnect(&core) => match never {},
    }
    core.go_down("it was closed", 0);
}

async fn reconnect(core: &Arc<Core>) -> Infallible {
    core.started.notified().await;
    let mut pause = PAUSE_MIN;
    loop {
        let started = Instant::now();
        // A task of its own: should the inbox panic, this one goes on.
        let connected = Guard(tokio::spawn(connected(core.clone())));
        if let Err(panic) = connected.await {
            tracing::error!(%panic, "the bridge failed");
            core.go_down("it failed", 0);
        }
        if started.elapsed() > GOOD_AFTER {
            pause = PAUSE_MIN;
        }
        sleep(pause.mul_f64(0.5 + jitter() / 2.0)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Ends its task when it is dropped.
struct Guard<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> Future for Guard<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0).poll(cx)
    }
}

/// From 0 to 1.
fn jitter() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}

/// One life of the connections.
async fn connected(core: Arc<Core>) {
    let (commands, listening, ears) = match connect(&core).await {
        Ok(connections) => connections,
        Err(error) => {
            add(&core.counters.connect_failures, 1);
            // It may have been up for a moment.
            core.go_down(&error.to_string(), 0);
            if core.complaints.lock().may_speak() {
                tracing::warn!("no connection to Redis: {error}");
            }
            return;
        }
    };
    let mut on_its_way = 0;
    let loss = tokio::select! {
        Err(loss) = ping(&core, commands.clone()) => loss,
        Err(loss) = ping_listening(&core, listening.clone(), &ears) => loss,
        Err(loss) = send(&core, commands, &mut on_its_way) => loss,
        () = ears.lost.notified() => Loss::Closed,
        () = core.broken.notified() => Loss::Forgotten,
    };
    ears.close();
    core.go_down(&loss.to_string(), on_its_way);
}

type Connections = (MultiplexedConnection, MultiplexedConnection, Arc<Ears>);

/// Makes both connections and subscribes. The ears say that the bridge is up.
async fn connect(core: &Arc<Core>) -> RedisResult<Connections> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_TIMEOUT))
        .set_response_timeout(Some(ANSWER_TIMEOUT));
    let client = &core.client;
    let commands = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let ears = Ears::new(core.clone(), commands.clone());
    let hear = ears.clone();
    let config = config.set_push_sender(move |push: PushInfo| {
        hear.hear(push);
        Ok::<(), Infallible>(())
    });
    let mut listening = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let channels: [String; CHANNELS] = [core.names.channel(&core.me), core.names.channel_of_all()];
    if let Err(error) = listening.subscribe(&channels).await {
        ears.close();
        return Err(error);
    }
    Ok((commands, listening, ears))
}

async fn ping(core: &Core, mut connection: MultiplexedConnection) -> Result<Infallible, Loss> {
    loop {
        let started = Instant::now();
        ask_for_life(core, &mut connection).await?;
        let micros = started.elapsed().as_micros();
        let micros = u64::try_from(micros).unwrap_or(u64::MAX);
        core.counters
            .ping_us
            .store(micros, std::sync::atomic::Ordering::Relaxed);
        sleep(PING_INTERVAL).await;
    }
}

/// The same on the connection that listens, where the answer may stand behind many messages:
/// those are signs of life too.
async fn ping_listening(
    core: &Core,
    mut connection: MultiplexedConnection,
    ears: &Ears,
) -> Result<Infallible, Loss> {
    loop {
        let asked = ask_for_life(core, &mut connection).await;
        if let Err(loss) = asked
            && !(matches!(loss, Loss::Hung) && ears.heard().elapsed() < ANSWER_TIMEOUT)
        {
            return Err(loss);
        }
        sleep(PING_INTERVAL).await;
    }
}

async fn ask_for_life(core: &Core, connection: &mut MultiplexedConnection) -> Result<(), Loss> {
    core.counters.sent(Kind::Ping, 1, command_bytes(&[4]));
    redis::cmd("PING").query_async::<()>(connection).await?;
    Ok(())
}

/// Sends what waits, in order, as much at a time as there is. `on_its_way` is how many are sent
/// and not yet answered.
async fn send(
    core: &Core,
    mut connection: MultiplexedConnection,
    on_its_way: &mut usize,
) -> Result<Infallible, Loss> {
    loop {
        let letters = core.outbound.next(BATCH_MAX, BATCH_BYTES_MAX).await;
        *on_its_way = letters.len();
        let mut commands = Pipeline::with_capacity(letters.len());
        let mut bytes = 0;
        for letter in &letters {
            let (channel, envelope) = (letter.channel.as_bytes(), &letter.envelope[..]);
            commands.cmd("PUBLISH").arg(channel).arg(envelope);
            bytes += command_bytes(&[7, channel.len(), envelope.len()]);
        }
        core.counters.sent(Kind::Publish, letters.len(), bytes);
        let heard: Vec<u64> = commands.query_async(&mut connection).await?;
        *on_its_way = 0;
        published(core, &letters, &heard);
    }
}

/// Counts what was sent and tells whom nobody took something for.
fn published(core: &Core, letters: &[Letter], heard: &[u64]) {
    let bytes = letters.iter().map(|letter| letter.envelope.len()).sum();
    add(&core.counters.published, letters.len());
    add(&core.counters.published_bytes, bytes);
    for (letter, heard) in letters.iter().zip(heard) {
        if let (Some(to), 0) = (&letter.to, heard) {
            add(&core.counters.undelivered, 1);
            if let Some(inbox) = core.inbox.get() {
                inbox.undelivered(to);
            }
        }
    }
}

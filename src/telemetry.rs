//! Logs to standard error, and panics as one line of them.
//!
//! Nothing that a user wrote is ever logged. That rule is kept where lines are written; here it
//! is kept for panics, whose text can hold whatever the code was working on.

use std::{
    fmt,
    io::{IsTerminal as _, stderr},
    panic::{PanicHookInfo, set_hook},
};
use tracing_subscriber::{EnvFilter, fmt::SubscriberBuilder, util::SubscriberInitExt as _};

use crate::config::{LogConfig, LogFormat};

/// Logging could not be set up.
#[derive(Debug)]
pub struct TelemetryError(String);

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logging cannot be set up: {}", self.0)
    }
}

impl std::error::Error for TelemetryError {}

/// Starts logging to standard error and takes over panics. Once per process.
///
/// `actor` tells the name of the actor that the current thread is running, if any: all that a
/// panic line says besides its place.
///
/// # Errors
/// When the filter is bad or logging was started before.
pub fn init(log: &LogConfig, actor: fn() -> Option<&'static str>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|e| TelemetryError(e.to_string()))?;
    let builder = SubscriberBuilder::default()
        .with_env_filter(filter)
        .with_writer(stderr)
        // Where a line cannot be written, as on a full disk, a line about that cannot either:
        // trying it would be a panic.
        .log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => builder
            .with_ansi(stderr().is_terminal())
            .finish()
            .try_init(),
        // Fields beside the message, where log collectors look for them.
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    started.map_err(|e| TelemetryError(e.to_string()))?;
    set_hook(Box::new(move |info| log_panic(info, actor())));
    Ok(())
}

/// One line: where, and which actor. The panic's text is left out because `expect` on a result
/// formats the error into it, and with it what a user wrote; and there is no backtrace because
/// to name its symbols takes long enough to stall every socket of the thread.
fn log_panic(info: &PanicHookInfo<'_>, actor: Option<&'static str>) {
    let (file, line) = info
        .location()
        .map_or(("unknown", 0), |place| (place.file(), place.line()));
    let thread = std::thread::current();
    tracing::error!(
        file,
        line,
        actor = actor.unwrap_or("none"),
        thread = thread.name().unwrap_or("unnamed"),
        "panicked; the rest goes on"
    );
}

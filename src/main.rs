//! The `bedside` binary. See [`bedside::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bedside::cli::run(bedside::app::serve)
}

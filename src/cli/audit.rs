//! `bedside audit verify`.

use clap::{Args as ClapArgs, Subcommand};

use crate::{
    app::{self, Noted},
    config::Config,
};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look whether the audit log is as it was written; exits with 1 when an entry was changed,
    /// removed or moved. Prints each chain's head, to be kept elsewhere
    Verify {
        /// A head that was printed before, as node:seq:hash; once for each node
        #[arg(long, value_name = "HEAD", value_parser = app::noted)]
        noted: Vec<Noted>,
    },
}

/// What was found, as a text.
pub(super) fn run(args: &Args, config: &Config) -> Result<String, Box<dyn std::error::Error>> {
    let Command::Verify { noted } = &args.command;
    app::verify_audit(config, noted)
}

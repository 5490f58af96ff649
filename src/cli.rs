//! The command line: `bedside [serve]`, `bedside token`, `bedside migrate` and others.

mod any_certificate;
mod audit;
mod healthcheck;
mod token;

use clap::{Parser, Subcommand};
use std::{io::Write as _, path::PathBuf, process::ExitCode};

use crate::config::{Config, ConfigFaults};

/// A real-time communication server for telehealth: acknowledged means stored.
///
/// Settings come from the environment; .env.example lists them all. Without any, it runs as a
/// demo on http://127.0.0.1:3000.
#[derive(Debug, Parser)]
#[command(name = "bedside", version)]
struct Cli {
    /// A TOML file with settings; the environment wins over it
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Print the effective settings, secrets as ***, and where each came from
    #[arg(long)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server (also without any sub-command)
    Serve,
    /// Mint a token and print it
    Token(token::Args),
    /// After a restore from a back-up, and before the server runs on it: have clients forget
    /// their positions, which the restored store may give to other messages
    RotateEpoch,
    /// Bring the keyspace of SCYLLA_NODES to the tables of this version, and make it when there is
    /// none; before the first start, and before the first server of a new version. One at a time
    Migrate,
    /// What auditors need
    Audit(audit::Args),
    /// Ask a running server whether it is well; exits with 0 if so and with 1 if not
    Healthcheck(healthcheck::Args),
}

/// Does what the process was called for. `serve` runs the server.
pub fn run(serve: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    let cli = Cli::parse();
    // A value that is not UTF-8 is kept in part, so that it is found faulty rather than unset.
    let env = |name: &str| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
    let config = match Config::load(env, cli.config.as_deref()) {
        Ok(config) => config,
        Err(faults) => return refuse(&faults),
    };
    if cli.print_config {
        return print(&config.report());
    }
    match cli.command {
        None | Some(Command::Serve) => serve(config),
        Some(Command::Token(args)) => match token::mint(&args, &config) {
            Ok(token) => print(&format!("{token}\n")),
            Err(error) => fail(&error),
        },
        Some(Command::RotateEpoch) => match crate::app::rotate_epoch(&config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&*error),
        },
        Some(Command::Migrate) => match crate::app::migrate(&config) {
            Ok(done) => print(&done),
            Err(error) => fail(&*error),
        },
        Some(Command::Audit(args)) => match audit::run(&args, &config) {
            Ok(found) => print(&found),
            Err(error) => fail(&*error),
        },
        Some(Command::Healthcheck(args)) => match healthcheck::check(&args, &config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
    }
}

/// Faults go to standard error as they are: logging is not set up before there is a
/// configuration.
fn refuse(faults: &ConfigFaults) -> ExitCode {
    let _ = write!(std::io::stderr(), "bedside: {faults}");
    ExitCode::FAILURE
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "bedside: {error}");
    ExitCode::FAILURE
}

/// A reader that went away, such as `head`, is no reason to panic as `println!` would.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

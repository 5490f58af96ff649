//! `bedside token`: a token for a person or another system of the clinic.

use bedside_protocol::{Role, Timestamp, UserId};
use std::{fmt, time::Duration};

use crate::{
    auth::{Grant, Minter},
    config::{Config, parse},
    demo,
    key_file::KeyFileError,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Whom the token is for: the user id, 1 to 128 bytes
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    sub: UserId,
    /// patient, doctor, nurse, assistant, pharmacy, family, admin or service; may be repeated
    #[arg(long, value_name = "ROLE", required = true, value_parser = parse_role)]
    role: Vec<Role>,
    /// Display name
    #[arg(long)]
    name: Option<String>,
    /// A scope, such as directory:write; may be repeated
    #[arg(long)]
    scope: Vec<String>,
    /// How long it lives: 7d, 12h, 15m, 30s or seconds [default: JWT_EXPIRATION, else 1h]
    #[arg(long, value_name = "TIME", value_parser = parse::lifetime)]
    expires: Option<Duration>,
}

/// Why there is no token.
#[derive(Debug)]
pub(super) enum TokenError {
    NoSecret(KeyFileError),
    NotInDemo(Role),
    NotOurs,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret(error) => error.fmt(f),
            Self::NotOurs => f.write_str(
                "others sign this server's tokens; to sign some here too, set JWT_SECRET",
            ),
            Self::NotInDemo(role) => write!(
                f,
                "there is no {} in demo mode: set JWT_SECRET",
                role.name()
            ),
        }
    }
}

pub(super) fn mint(args: &Args, config: &Config) -> Result<String, TokenError> {
    let not_in_demo = args.role.iter().find(|role| !demo::role_allowed(**role));
    if let (true, Some(role)) = (config.is_demo(), not_in_demo) {
        return Err(TokenError::NotInDemo(*role));
    }
    let secret = demo::signing_secret(config)
        .map_err(TokenError::NoSecret)?
        .ok_or(TokenError::NotOurs)?;
    let auth = &config.auth;
    let minter = Minter::hs256(&secret, auth.issuer.clone(), auth.audience.clone());
    let roles: Vec<&str> = args.role.iter().map(|role| role.name()).collect();
    let grant = Grant {
        user_id: &args.sub,
        roles: &roles,
        name: args.name.as_deref(),
        scopes: &args.scope,
        ttl: args.expires.unwrap_or(auth.token_ttl),
    };
    Ok(minter.mint(&grant, Timestamp::now()))
}

fn parse_id(text: &str) -> Result<UserId, &'static str> {
    UserId::new(text).map_err(|fault| fault.0)
}

fn parse_role(text: &str) -> Result<Role, &'static str> {
    Role::parse(text).ok_or("no such role")
}

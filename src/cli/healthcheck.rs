//! `bedside healthcheck`: what a container's supervisor runs. A request by hand, because one GET
//! is no reason for an HTTP client in the binary. Over TLS any certificate will do.

use rustls::pki_types::ServerName;
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::any_certificate;
use crate::config::Config;

/// For everything together: name look-up, connection, request and answer.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to ask [default: /health of the configured host and port]
    #[arg(long)]
    url: Option<String>,
}

/// Why the server does not count as well.
#[derive(Debug)]
pub(super) enum Unwell {
    BadUrl,
    Io(io::Error),
    Slow,
    NotHttp,
    Status(String),
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl => {
                f.write_str("--url takes http://host[:port][/path] or the same with https")
            }
            Self::Io(error) => write!(f, "the server cannot be asked: {error}"),
            Self::Slow => f.write_str("the server did not answer within 3 s"),
            Self::NotHttp => f.write_str("what answers there is no HTTP server"),
            Self::Status(status) => write!(f, "the server answered {status}"),
        }
    }
}

impl From<io::Error> for Unwell {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn check(args: &Args, config: &Config) -> Result<(), Unwell> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => {
            let scheme = config.server.scheme();
            format!("{scheme}://{}/health", reachable(config.server.address()))
        }
    };
    let target = Target::parse(&url).ok_or(Unwell::BadUrl)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async { timeout(PATIENCE, ask(&target)).await });
    // A name look-up that hangs must not hold the process.
    runtime.shutdown_background();
    match answer.map_err(|_| Unwell::Slow)??.as_str() {
        "200" => Ok(()),
        status => Err(Unwell::Status(status.to_owned())),
    }
}

/// "All addresses" can be bound but not called.
const fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[derive(Debug, PartialEq, Eq)]
struct Target {
    is_tls: bool,
    /// As `Host` has it.
    authority: String,
    /// With a port, to connect.
    address: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (is_tls, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/health"),
        };
        // Anything that could end a line early would write headers of its own.
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if authority.is_empty() || authority.contains('@') || !plain(authority) || !plain(path) {
            return None;
        }
        let after_ip6 = authority.rfind(']').map_or(0, |at| at + 1);
        let has_port = authority[after_ip6..].contains(':');
        Some(Self {
            is_tls,
            authority: authority.to_owned(),
            address: if has_port {
                authority.to_owned()
            } else {
                format!("{authority}:{port}")
            },
            path: path.to_owned(),
        })
    }
}

async fn ask(target: &Target) -> Result<String, Unwell> {
    let stream = TcpStream::connect(&target.address).await?;
    if !target.is_tls {
        return ask_on(stream, target).await;
    }
    let name = ServerName::from(stream.peer_addr()?.ip());
    let config = any_certificate::client().map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    ask_on(connector.connect(name, stream).await?, target).await
}

/// The three digits of the answer's status.
async fn ask_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &Target,
) -> Result<String, Unwell> {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bedside-healthcheck\r\nConnection: close\r\n\r\n",
        target.path, target.authority
    );
    stream.write_all(request.as_bytes()).await?;
    // As far as the status, and what ends it.
    let mut head = [0; 13];
    stream
        .read_exact(&mut head)
        .await
        .map_err(|_| Unwell::NotHttp)?;
    let head = std::str::from_utf8(&head).map_err(|_| Unwell::NotHttp)?;
    head.strip_prefix("HTTP/1.1 ")
        .or_else(|| head.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.strip_suffix([' ', '\r']))
        .map(str::to_owned)
        .ok_or(Unwell::NotHttp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_http_are_asked() {
        let parsed = |url| Target::parse(url).map(|t| (t.address, t.path));
        let target = |address: &str, path: &str| Some((address.to_owned(), path.to_owned()));
        for (url, want) in [
            (
                "http://localhost:3000/health",
                target("localhost:3000", "/health"),
            ),
            ("http://localhost:3000", target("localhost:3000", "/health")),
            (
                "http://bedside/api/health",
                target("bedside:80", "/api/health"),
            ),
            ("http://[::1]:3000/", target("[::1]:3000", "/")),
            ("http://[::1]", target("[::1]:80", "/health")),
            (
                "https://localhost/health",
                target("localhost:443", "/health"),
            ),
            ("ftp://localhost/health", None),
            ("localhost:3000", None),
            ("http:///health", None),
            ("http://me@localhost/", None),
            ("http://localhost/a\r\nX: y", None),
            ("http://local host/", None),
        ] {
            assert_eq!(parsed(url), want, "{url:?}");
        }
    }

    #[test]
    fn a_server_bound_to_all_addresses_is_asked_on_loopback() {
        for (bound, want) in [
            ("0.0.0.0:3000", "127.0.0.1:3000"),
            ("[::]:3000", "[::1]:3000"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            let bound: SocketAddr = bound.parse().expect("an address");
            assert_eq!(reachable(bound).to_string(), want);
        }
    }
}

//! Asking an identity provider over HTTP: one request on a connection of its own, within bounds,
//! and nowhere else than where the settings say. No redirect is followed, and no proxy is used.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Uri,
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{fmt, path::Path, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::config::{ProviderUrl, Secret};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Asks providers.
#[derive(Clone)]
pub struct Fetcher {
    tls: Arc<ClientConfig>,
    timeout: Duration,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) url: &'a ProviderUrl,
    /// What shows that we may ask.
    pub(super) key: Option<&'a Secret>,
    /// JSON to post; none to get.
    pub(super) body: Option<String>,
}

/// Why there is no answer. Nothing that either side said is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// Nobody is there, or the connection ended.
    Connection,
    /// Its certificate is not trusted, or there is no TLS.
    Tls,
    /// It took too long.
    Timeout,
    /// It said something else than 200.
    Status(u16),
    /// It said more than 256 KiB, or what it said cannot be read.
    Answer,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("there is no connection"),
            Self::Tls => f.write_str("TLS failed: is its certificate trusted?"),
            Self::Timeout => f.write_str("it did not answer in time"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Answer => f.write_str("its answer cannot be read"),
        }
    }
}

impl std::error::Error for FetchError {}

/// Whoever is asked must show a certificate that these vouch for: the public authorities, and
/// those in the file.
///
/// # Errors
/// When the file cannot be read or holds no certificate, as a text.
fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let Some(file) = file else { return Ok(roots) };
    let failed = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| failed(&e))? {
        let certificate = certificate.map_err(|e| failed(&e))?;
        roots.add(certificate).map_err(|e| failed(&e))?;
    }
    if roots.len() == before {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok(roots)
}

impl Fetcher {
    /// One that trusts the public authorities and those in this PEM file, and waits no longer
    /// than `timeout` for a whole answer.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate, as a text.
    pub fn new(tls_ca: Option<&Path>, timeout: Duration) -> Result<Self, String> {
        // Named, because other crates of this binary may bring other ones.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(authorities(tls_ca)?)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(tls),
            timeout,
        })
    }

    /// The body of the answer, if that is a 200.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Bytes, FetchError> {
        timeout(self.timeout, self.connect(ask))
            .await
            .unwrap_or(Err(FetchError::Timeout))
    }

    async fn connect(&self, ask: Ask<'_>) -> Result<Bytes, FetchError> {
        let uri = ask.url.uri();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(|_| FetchError::Connection)?;
        let request = request(uri, &ask)?;
        if !is_tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| FetchError::Tls)?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|_| FetchError::Tls)?;
        exchange(stream, request).await
    }
}

fn request(uri: &Uri, ask: &Ask<'_>) -> Result<Request<Full<Bytes>>, FetchError> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder()
        .uri(path)
        .header(HOST, host)
        .header(USER_AGENT, concat!("bedside/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json");
    if let Some(key) = ask.key {
        request = request.header(AUTHORIZATION, format!("Bearer {}", key.expose()));
    }
    let request = match &ask.body {
        None => request.body(Full::default()),
        Some(body) => request
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.clone())),
    };
    request.map_err(|_| FetchError::Connection)
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Connection)?;
    let answer = async move {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|_| FetchError::Connection)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status(status));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|_| FetchError::Answer)?;
        Ok(body.to_bytes())
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        answer = &mut answer => answer,
        // It may end before its answer was taken.
        _ = &mut connection => answer.await,
    }
}

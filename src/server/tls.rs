//! TLS in process: the certificate and its key from two PEM files, which are read again when they
//! change. A pair that cannot be used is told and counted, and the one before it goes on.
//!
//! Only HTTP/1.1 is offered (ALPN): a WebSocket needs it, and a client that also speaks h2 then
//! takes it.

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// How often it is looked whether the files have changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a client may take over its handshake.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a certificate cannot be used.
#[derive(Debug)]
pub struct TlsFault {
    file: PathBuf,
    why: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.why)
    }
}

impl std::error::Error for TlsFault {}

/// The certificate that clients are shown.
pub struct Certificate {
    chain_file: PathBuf,
    key_file: PathBuf,
    now: RwLock<Arc<CertifiedKey>>,
    /// What the files were when they were last looked at.
    seen: RwLock<Seen>,
    reloads: AtomicU64,
    is_failing: AtomicBool,
}

type Seen = [Option<(SystemTime, u64)>; 2];

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.chain_file.display())
    }
}

impl Certificate {
    /// Reads both files: the chain with the server's own certificate first, and its key.
    ///
    /// # Errors
    /// When one cannot be read, or the key is not the certificate's.
    pub fn open(chain_file: &Path, key_file: &Path) -> Result<Arc<Self>, TlsFault> {
        let seen = seen(chain_file, key_file);
        let now = read(chain_file, key_file)?;
        Ok(Arc::new(Self {
            chain_file: chain_file.to_owned(),
            key_file: key_file.to_owned(),
            now: RwLock::new(Arc::new(now)),
            seen: RwLock::new(seen),
            reloads: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        }))
    }

    /// Reads the files again if they have changed. True when there is another certificate now.
    pub fn look(&self) -> bool {
        let seen = seen(&self.chain_file, &self.key_file);
        // One that failed is tried again: its two files may have been written one after the
        // other.
        if *self.seen.read() == seen && !self.is_failing() {
            return false;
        }
        let was_failing = self.is_failing();
        match read(&self.chain_file, &self.key_file) {
            Ok(new) => {
                *self.now.write() = Arc::new(new);
                *self.seen.write() = seen;
                self.is_failing.store(false, Ordering::Relaxed);
                self.reloads.fetch_add(1, Ordering::Relaxed);
                tracing::info!("the TLS certificate was read again");
                true
            }
            Err(fault) => {
                if !was_failing {
                    tracing::error!(error = %fault, "the new TLS certificate cannot be used; the old one goes on");
                }
                self.is_failing.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    /// Looks now and then, for ever.
    pub async fn keep_fresh(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let own = self.clone();
            // Files may be on a slow disk.
            let _ = tokio::task::spawn_blocking(move || own.look()).await;
        }
    }

    /// How often another certificate took the place of the one before.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// Whether the files are not what is shown, because they cannot be used.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// What a listener needs: TLS 1.2 and 1.3.
    pub(super) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().clone())
    }
}

fn seen(chain_file: &Path, key_file: &Path) -> Seen {
    [chain_file, key_file].map(|file| {
        let meta = fs::metadata(file).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    })
}

fn read(chain_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsFault> {
    let fault = |file: &Path, why: &dyn fmt::Display| TlsFault {
        file: file.to_owned(),
        why: why.to_string(),
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(chain_file)
        .and_then(Iterator::collect)
        .map_err(|e| fault(chain_file, &e))?;
    if chain.is_empty() {
        return Err(fault(chain_file, &"there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| fault(key_file, &e))?;
    let key = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|e| fault(key_file, &e))?;
    let certified = CertifiedKey::new(chain, key);
    certified
        .keys_match()
        .map_err(|_| fault(key_file, &"it is not the key of the certificate"))?;
    Ok(certified)
}

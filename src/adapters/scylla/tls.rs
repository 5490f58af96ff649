//! Connections that nobody listens to.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use scylla::client::session::TlsContext;
use std::{fmt, path::Path, sync::Arc};

use super::OpenError;

/// TLS to nodes whose certificates one of the authorities in this PEM file has signed. A
/// certificate must name the IP address under which its node is reached: that is what the nodes
/// tell of each other.
///
/// # Errors
/// When the file cannot be read or holds no certificate.
pub fn trusting(authorities: &Path) -> Result<TlsContext, OpenError> {
    let failed =
        |why: &dyn fmt::Display| OpenError::Failed(format!("{}: {why}", authorities.display()));
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(authorities).map_err(|e| failed(&e))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|e| failed(&e))?;
        roots.add(certificate).map_err(|e| failed(&e))?;
    }
    if roots.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    // Named, because other crates of this binary may bring other ones.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsContext::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_told() {
        for text in ["", "nothing\n", "-----BEGIN CERTIFICATE-----\n!\n"] {
            let path = std::env::temp_dir().join(format!("bedside-ca-{}", uuid::Uuid::new_v4()));
            std::fs::write(&path, text).expect("written");
            let refused = trusting(&path).map(|_| ()).expect_err("no certificate");
            std::fs::remove_file(&path).expect("removed");
            assert!(refused.to_string().contains("bedside-ca-"), "{refused}");
        }
        assert!(trusting(Path::new("/nowhere/ca.pem")).is_err());
    }
}

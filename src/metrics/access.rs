//! Who may read the metrics.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::net::SocketAddr;

use crate::config::{MetricsConfig, Secret};

/// Whether a request for `/metrics` on the main listener is answered: from this machine without
/// a proxy in between, or with the bearer token. `has_proxy_headers` is
/// [`is_proxy_header`](crate::demo::is_proxy_header) of any header. The listener of
/// `BEDSIDE_METRICS_BIND` answers everyone and does not ask here.
#[must_use]
pub fn allowed(
    peer: Option<SocketAddr>,
    has_proxy_headers: bool,
    bearer: Option<&str>,
    config: &MetricsConfig,
) -> bool {
    let direct = peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    (direct && !has_proxy_headers)
        || matches!((bearer, &config.token), (Some(given), Some(token)) if same(given, token))
}

/// Whether both are the same text, in a time that tells nothing about where they differ, since
/// what is compared are keyed digests.
fn same(given: &str, token: &Secret) -> bool {
    let digest = |text: &str| {
        Hmac::<Sha256>::new_from_slice(token.expose().as_bytes())
            .expect("keyed, because HMAC takes keys of any length")
            .chain_update(text.as_bytes())
    };
    let wanted = digest(token.expose()).finalize().into_bytes();
    digest(given).verify(&wanted).is_ok()
}

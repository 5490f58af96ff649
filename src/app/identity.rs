//! Wires whose tokens are believed.

use std::{
    fs,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use crate::{
    auth::{
        FetchCounts, Fetcher, Gate, Home, HomeCounts, Key, KeyError, Keyring, Keys,
        PUBLIC_ALGORITHMS, Pace, Provider, Verifier, pem_keys,
    },
    config::{AuthConfig, JwksProvider, Secret},
    metrics::Metrics,
};

/// How long a provider may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Decides about tokens by the settings, and keeps published keys fresh from now on. Call it
/// inside a running actix `System`. `secret` signs tokens with HS256.
///
/// # Errors
/// When a file cannot be read or holds something else, as a text.
pub(super) fn gate(
    auth: &AuthConfig,
    secret: Option<&Secret>,
    metrics: &Metrics,
) -> Result<Gate, String> {
    let providers = &auth.providers;
    let fetcher = Fetcher::new(providers.tls_ca.as_deref(), FETCH_TIMEOUT)?;
    let counts = Arc::new(FetchCounts::default());
    let mut rings = Vec::new();
    let mut all = Vec::new();
    let own = own_keys(auth, secret)?;
    if !own.is_empty() {
        all.push(Provider {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            keys: Keys::Fixed(own.into()),
            is_home: true,
        });
    }
    for jwks in &providers.jwks {
        let ring = ring(jwks, providers.refresh, &counts);
        rings.push(Arc::clone(&ring));
        all.push(Provider {
            issuer: Some(jwks.issuer.clone()),
            audience: jwks.audience.clone(),
            keys: Keys::Published(Arc::clone(&ring)),
            is_home: auth.issuer.as_ref() == Some(&jwks.issuer),
        });
        actix_rt::spawn(ring.keep(fetcher.clone()));
    }
    let home_counts = Arc::new(HomeCounts::default());
    let home = providers.home.as_ref();
    let home = home.map(|home| Home::new(home, fetcher, Arc::clone(&home_counts)));
    register(metrics, rings, &counts, &home_counts);
    Ok(Gate::new(Arc::new(Verifier::new(all)), home))
}

/// The keys that the operator gave.
fn own_keys(auth: &AuthConfig, secret: Option<&Secret>) -> Result<Vec<Key>, String> {
    let mut keys: Vec<_> = secret.map(Key::secret).into_iter().collect();
    if let Some(pem) = &auth.providers.public_key {
        let said = |error: KeyError| format!("BEDSIDE_JWT_PUBLIC_KEY: {error}");
        keys.extend(pem_keys(pem.expose()).map_err(said)?);
    }
    if let Some(file) = &auth.providers.public_key_file {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let pem = fs::read_to_string(file).map_err(|error| said(&error))?;
        keys.extend(pem_keys(&pem).map_err(|error| said(&error))?);
    }
    Ok(keys)
}

fn ring(jwks: &JwksProvider, refresh: Duration, counts: &Arc<FetchCounts>) -> Arc<Keyring> {
    let is_named = |algorithm: &jsonwebtoken::Algorithm| {
        let name = format!("{algorithm:?}");
        jwks.algorithms.contains(&name)
    };
    let algorithms: Vec<_> = PUBLIC_ALGORITHMS.into_iter().filter(is_named).collect();
    let pace = Pace::every(refresh);
    Keyring::new(
        &jwks.issuer,
        &jwks.urls,
        &algorithms,
        pace,
        Arc::clone(counts),
    )
}

fn register(
    metrics: &Metrics,
    rings: Vec<Arc<Keyring>>,
    fetches: &Arc<FetchCounts>,
    home: &Arc<HomeCounts>,
) {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    macro_rules! counters {
        ($($name:literal, $help:literal, $counts:ident . $field:ident;)*) => {$({
            let counts = Arc::clone($counts);
            metrics.register_counter_fn($name, $help, move || read(&counts.$field));
        })*};
    }
    counters! {
        "bedside_jwks_fetches_total", "Fetches of identity providers' keys.", fetches.fetches;
        "bedside_jwks_fetch_failures_total", "Those that gave no keys.", fetches.failures;
        "bedside_introspections_total", "Tokens that the clinic's sign-in was asked about.", home.introspections;
        "bedside_introspection_failures_total", "Those that it gave no answer about.", home.introspection_failures;
        "bedside_profile_lookups_total", "People whom the clinic's sign-in was asked about.", home.profiles;
        "bedside_profile_lookup_failures_total", "Those that it gave no answer about.", home.profile_failures;
    }
    metrics.register_gauge_fn(
        "bedside_jwks_age_seconds",
        "How long ago the identity provider that was reached least lately gave its keys.",
        move || {
            let ages = rings.iter().map(|ring| ring.age());
            ages.max().unwrap_or_default().as_secs_f64()
        },
    );
}

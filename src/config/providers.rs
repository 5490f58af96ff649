//! Who issues tokens besides the clinic's own secret: keys in files and at URLs, and the clinic's
//! own sign-in, which may be asked about tokens and people.

use hyper::Uri;
use std::{
    fmt::{self, Write as _},
    net::IpAddr,
    path::PathBuf,
    time::Duration,
};

use super::{
    Secret,
    parse::{self, Parsed},
    source::Reader,
    variable as v,
};

/// Providers in the list.
const PROVIDERS_MAX: usize = 16;
/// Documents of one provider.
const URLS_MAX: usize = 4;

/// What [`ProviderUrl::parse`] wants to see.
const URL: &str = "an https URL, or an http one of this machine, without user, query or fragment";

/// Where a provider is asked. Its answers decide who people are, so it is `https`, unless it is on
/// this machine.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderUrl(Uri);

impl ProviderUrl {
    /// Reads one.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| URL)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(URL)?;
        let is_safe = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => is_this_machine(host),
            _ => false,
        };
        if !is_safe || text.contains(['@', '#']) || uri.port_u16() == Some(0) {
            return Err(URL);
        }
        Ok(Self(uri))
    }

    /// The URL itself.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// The URL of something below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let mut text = self.0.to_string();
        text.truncate(text.trim_end_matches('/').len());
        text.push('/');
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                    text.push(char::from(byte));
                }
                // The dot, too: `..` would go up.
                _ => {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
        }
        Self(
            text.parse().expect(
                "a URL, because what was added to one is letters, digits and per cent signs",
            ),
        )
    }
}

impl fmt::Debug for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn is_this_machine(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Somebody who issues tokens and publishes the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksProvider {
    /// `iss` of their tokens, byte by byte.
    pub issuer: String,
    /// What `aud` of their tokens names; none when the operator said `*`.
    pub audience: Option<String>,
    /// Their JWKS documents, 1..=4.
    pub urls: Vec<ProviderUrl>,
    /// Names of what they sign with: `RS256`, `ES256`, `EdDSA`.
    pub algorithms: Vec<String>,
}

/// The clinic's own sign-in, where it is asked about tokens or people.
#[derive(Clone, Debug)]
pub struct HomeConfig {
    /// `LARAVEL_API_KEY`.
    pub api_key: Secret,
    /// `LARAVEL_VERIFY_TOKEN_ENDPOINT`, below `LARAVEL_URL` unless it is a URL itself.
    pub verify_token: Option<ProviderUrl>,
    /// `LARAVEL_GET_USER_ENDPOINT`, likewise; the user's id is added to it.
    pub get_user: Option<ProviderUrl>,
}

/// Who issues tokens besides the holder of `JWT_SECRET`.
#[derive(Clone, Debug)]
pub struct ProvidersConfig {
    /// `BEDSIDE_JWT_PUBLIC_KEY`: PEM.
    pub public_key: Option<Secret>,
    /// `BEDSIDE_JWT_PUBLIC_KEY_FILE`: a file of PEM.
    pub public_key_file: Option<PathBuf>,
    /// `BEDSIDE_JWKS_PROVIDERS`.
    pub jwks: Vec<JwksProvider>,
    /// `BEDSIDE_JWKS_REFRESH_S`, default 5 minutes.
    pub refresh: Duration,
    /// `BEDSIDE_IDENTITY_TLS_CA`: authorities besides the public ones.
    pub tls_ca: Option<PathBuf>,
    /// None when nobody is asked.
    pub home: Option<HomeConfig>,
}

/// What tokens are believed by, as far as anybody set it.
pub(super) const KEYS: [&v::Variable; 4] = [
    v::JWT_SECRET,
    v::BEDSIDE_JWT_PUBLIC_KEY,
    v::BEDSIDE_JWT_PUBLIC_KEY_FILE,
    v::BEDSIDE_JWKS_PROVIDERS,
];

pub(super) fn read(r: &mut Reader<'_>, audience: Option<&str>) -> ProvidersConfig {
    let public_key = r.optional(v::BEDSIDE_JWT_PUBLIC_KEY, public_keys);
    let public_key_file = r.optional(v::BEDSIDE_JWT_PUBLIC_KEY_FILE, parse::file);
    let jwks = r.optional(v::BEDSIDE_JWKS_PROVIDERS, |text| providers(text, audience));
    ProvidersConfig {
        public_key,
        public_key_file,
        jwks: jwks.unwrap_or_default(),
        refresh: r.required(v::BEDSIDE_JWKS_REFRESH_S, refresh),
        tls_ca: r.optional(v::BEDSIDE_IDENTITY_TLS_CA, parse::file),
        home: read_home(r),
    }
}

/// `LARAVEL_URL` alone is an issuer and nobody who is asked.
fn read_home(r: &mut Reader<'_>) -> Option<HomeConfig> {
    let api_key = r.optional(v::LARAVEL_API_KEY, api_key);
    let mut base = None;
    if r.is_set(v::LARAVEL_VERIFY_TOKEN_ENDPOINT) || r.is_set(v::LARAVEL_GET_USER_ENDPOINT) {
        base = r.text_of(v::LARAVEL_URL);
        if !r.is_set(v::LARAVEL_API_KEY) {
            r.fault(
                v::LARAVEL_API_KEY,
                "nothing",
                "the key with which the sign-in is asked, because one of \
                 LARAVEL_VERIFY_TOKEN_ENDPOINT and LARAVEL_GET_USER_ENDPOINT is set",
            );
        }
    }
    let at = |text: &str| endpoint(base.as_deref(), text);
    let verify_token = r.optional(v::LARAVEL_VERIFY_TOKEN_ENDPOINT, at);
    let get_user = r.optional(v::LARAVEL_GET_USER_ENDPOINT, at);
    if verify_token.is_none() && get_user.is_none() {
        return None;
    }
    Some(HomeConfig {
        api_key: api_key?,
        verify_token,
        get_user,
    })
}

fn endpoint(base: Option<&str>, text: &str) -> Parsed<ProviderUrl> {
    const EXPECTED: &str = "a path such as /api/verify-token below LARAVEL_URL, which then is an \
                            https URL (or an http one of this machine), or such a URL itself";
    let url = match text.strip_prefix('/') {
        Some(path) => format!("{}/{path}", base.ok_or(EXPECTED)?.trim_end_matches('/')),
        None => text.to_owned(),
    };
    ProviderUrl::parse(&url).map_err(|_| EXPECTED)
}

fn public_keys(text: &str) -> Parsed<Secret> {
    crate::auth::pem_keys(text)
        .map_err(|_| "public keys as PEM: RSA of 2048 bits or more, P-256 or Ed25519")?;
    Ok(Secret::new(text))
}

fn api_key(text: &str) -> Parsed<Secret> {
    if text.is_empty() || text.len() > 4_096 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("at most 4096 printable ASCII characters without spaces");
    }
    Ok(Secret::new(text))
}

fn refresh(text: &str) -> Parsed<Duration> {
    parse::number(text, 10..=86_400)
        .map(Duration::from_secs)
        .ok_or("seconds from 10 to 86400 (a day)")
}

/// `issuer=... url=... audience=... algorithms=...`, comma separated.
fn providers(text: &str, audience: Option<&str>) -> Parsed<Vec<JwksProvider>> {
    let providers = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| provider(entry, audience))
        .collect::<Parsed<Vec<_>>>()?;
    if providers.len() > PROVIDERS_MAX {
        return Err("at most 16 providers");
    }
    for (at, provider) in providers.iter().enumerate() {
        if providers[..at].iter().any(|p| p.issuer == provider.issuer) {
            return Err("each issuer once; several documents of one are several url= of it");
        }
    }
    Ok(providers)
}

fn provider(entry: &str, audience: Option<&str>) -> Parsed<JwksProvider> {
    const EXPECTED: &str = "comma separated entries, each with issuer=..., one to four url=... \
                            (https), audience=... and, if you like, algorithms=RS256+ES256+EdDSA";
    const AUDIENCE: &str = "an audience=... in each entry, or BEDSIDE_JWT_AUDIENCE; audience=* \
                            where any will do, tokens for others' systems included";
    let (mut issuer, mut named, mut algorithms, mut urls) = (None, None, None, Vec::new());
    for field in entry.split_ascii_whitespace() {
        let (key, value) = field.split_once('=').ok_or(EXPECTED)?;
        let is_first = match key {
            "issuer" => issuer.replace(parse::claim(value)?).is_none(),
            "audience" => named.replace(parse::claim(value)?).is_none(),
            "algorithms" => algorithms.replace(algorithms_of(value)?).is_none(),
            "url" => {
                urls.push(ProviderUrl::parse(value)?);
                urls.len() <= URLS_MAX
            }
            _ => false,
        };
        if !is_first || value.is_empty() {
            return Err(EXPECTED);
        }
    }
    if urls.is_empty() {
        return Err(EXPECTED);
    }
    let audience = named.or_else(|| audience.map(str::to_owned));
    Ok(JwksProvider {
        issuer: issuer.ok_or(EXPECTED)?,
        audience: Some(audience.ok_or(AUDIENCE)?).filter(|audience| audience != "*"),
        urls,
        algorithms: algorithms.unwrap_or_else(|| ALGORITHMS.map(str::to_owned).to_vec()),
    })
}

const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

fn algorithms_of(text: &str) -> Parsed<Vec<String>> {
    let names: Vec<_> = text.split('+').map(str::to_owned).collect();
    if names.iter().all(|name| ALGORITHMS.contains(&name.as_str())) {
        Ok(names)
    } else {
        Err("algorithms=... of RS256, ES256 and EdDSA, joined with +")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_asked_by_https_or_on_this_machine() {
        for (text, good) in [
            ("https://id.example/jwks.json", true),
            ("https://id.example:8443/a?b=c", true),
            ("http://127.0.0.1:80/jwks", true),
            ("http://[::1]:80/jwks", true),
            ("http://localhost/jwks", true),
            ("http://id.example/jwks", false),
            ("http://localhost.evil.example/jwks", false),
            ("http://127.0.0.1@evil.example/jwks", false),
            ("https://me:secret@id.example/jwks", false),
            ("ftp://id.example/jwks", false),
            ("id.example/jwks", false),
            ("/jwks", false),
            ("https://", false),
            ("", false),
        ] {
            assert_eq!(ProviderUrl::parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_persons_id_cannot_lead_elsewhere() {
        let url = ProviderUrl::parse("https://id.example/api/users/").expect("a URL");
        for (id, want) in [
            ("17", "https://id.example/api/users/17"),
            ("../admin", "https://id.example/api/users/%2E%2E%2Fadmin"),
            (
                "a?b#c d%2e",
                "https://id.example/api/users/a%3Fb%23c%20d%252e",
            ),
            ("é", "https://id.example/api/users/%C3%A9"),
        ] {
            assert_eq!(url.below(id).uri().to_string(), want);
        }
    }

    #[test]
    fn an_entry_names_all_that_is_pinned() {
        let jwks = "url=https://id.example/jwks";
        let good = |text: String, audience| providers(&text, audience);
        let one = good(format!("issuer=https://id.example {jwks} audience=a"), None);
        let one = one.expect("one").remove(0);
        assert_eq!(
            (one.issuer.as_str(), one.audience.as_deref()),
            ("https://id.example", Some("a"))
        );
        assert_eq!(one.algorithms, ALGORITHMS);
        let all = good(format!("issuer=i {jwks} algorithms=ES256"), Some("b"));
        let all = all.expect("one").remove(0);
        assert_eq!(
            (all.audience.as_deref(), all.algorithms.as_slice()),
            (Some("b"), ["ES256".to_owned()].as_slice())
        );
        let any = good(format!("issuer=i {jwks} audience=*"), Some("b"));
        assert_eq!(any.expect("one").remove(0).audience, None);
        for bad in [
            format!("{jwks} audience=a"),
            "issuer=i audience=a".to_owned(),
            format!("issuer=i {jwks}"),
            format!("issuer= {jwks} audience=a"),
            format!("issuer=i issuer=j {jwks} audience=a"),
            format!("issuer=i {jwks} {jwks} {jwks} {jwks} {jwks} audience=a"),
            format!("issuer=i {jwks} audience=a algorithms=HS256"),
            format!("issuer=i {jwks} audience=a algorithms=none"),
            format!("issuer=i {jwks} audience=a what=ever"),
            format!("issuer=i {jwks} audience=a, issuer=i {jwks} audience=a"),
            "issuer=i url=http://id.example/jwks audience=a".to_owned(),
        ] {
            assert!(good(bad.clone(), None).is_err(), "{bad}");
        }
    }
}

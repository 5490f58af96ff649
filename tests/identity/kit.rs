//! Keys, tokens, and a provider.

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bedside::{
    auth::{
        FetchCounts, Fetcher, Gate, Keyring, Keys, PUBLIC_ALGORITHMS, Pace, Provider, Verifier,
    },
    config::ProviderUrl,
};
use bedside_actors::ports::identity::{Identities as _, Verified};
use bedside_protocol::{ErrorCode, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, encode, jwk::Jwk};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const ISSUER: &str = "https://id.clinic.example";
pub(crate) const AUDIENCE: &str = "bedside";

/// Somebody's private key, and what they tell of it.
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
    pub(crate) public_pem: String,
}

impl Signer {
    pub(crate) fn ed(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new());
        let der = der.expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key");
        let public = pair.public_key().as_der().expect("DER");
        Self {
            kid,
            algorithm: Algorithm::EdDSA,
            key: EncodingKey::from_ed_der(der.as_ref()),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    pub(crate) fn es(kid: &'static str) -> Self {
        let (curve, rng) = (
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            aws_lc_rs::rand::SystemRandom::new(),
        );
        let der = EcdsaKeyPair::generate_pkcs8(curve, &rng).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(curve, der.as_ref()).expect("a key");
        let public = pair.public_key().as_der().expect("DER");
        Self {
            kid,
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(der.as_ref()),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    pub(crate) fn rs(kid: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let private = pair.as_der().expect("DER");
        let public = pair.public_key().as_der().expect("DER");
        let private = pem("PRIVATE KEY", private.as_ref());
        Self {
            kid,
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_pem(private.as_bytes()).expect("a key"),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    }

    /// As a JWKS document has it.
    pub(crate) fn jwk(&self) -> Value {
        let pem = self.public_pem.as_bytes();
        let key = match self.algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
            _ => DecodingKey::from_ed_pem(pem),
        };
        let key = key.expect("a public key");
        let jwk = Jwk::from_decoding_key(&key, Some(self.algorithm)).expect("a JWK");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(crate) fn header(&self) -> Header {
        Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(self.algorithm)
        }
    }

    /// A token with these claims over the usual ones.
    pub(crate) fn token(&self, changes: &Value) -> String {
        self.sign(&self.header(), &claims(changes))
    }

    pub(crate) fn sign(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).expect("signs")
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64"))
        .collect();
    format!(
        "-----BEGIN {what}-----\n{}\n-----END {what}-----\n",
        lines.join("\n")
    )
}

/// The doctor `d1`, for an hour; null takes a claim away.
pub(crate) fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "sub": "d1", "role": "doctor", "name": "Dr One", "iss": ISSUER, "aud": AUDIENCE,
        "exp": now_s() + 3_600,
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        }
    }
    claims
}

pub(crate) fn now_s() -> i64 {
    Timestamp::now().as_millis() / 1_000
}

/// A document of these keys.
pub(crate) fn jwks(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// What somebody asked the provider.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

/// How the provider is today.
#[derive(Clone, Default)]
pub(crate) struct Mood {
    pub(crate) jwks: String,
    /// Another status than 200.
    pub(crate) status: Option<u16>,
    /// Hangs up without a word.
    pub(crate) down: bool,
    /// Waits so long before it answers.
    pub(crate) slow: Duration,
    /// Tokens that do not hold any more.
    pub(crate) revoked: Vec<String>,
}

/// A provider on loopback.
#[derive(Clone)]
pub(crate) struct Double {
    pub(crate) address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Double {
    pub(crate) async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let double = Self {
            address: listener.local_addr().expect("an address"),
            mood: Arc::new(Mutex::new(mood)),
            asked: Arc::default(),
        };
        let own = double.clone();
        actix_rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                actix_rt::spawn(own.clone().answer(stream));
            }
        });
        double
    }

    pub(crate) async fn publishing(signers: &[&Signer]) -> Self {
        let jwks = jwks(signers);
        Self::start(Mood {
            jwks,
            ..Mood::default()
        })
        .await
    }

    pub(crate) fn be(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock());
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn answer(self, mut stream: TcpStream) {
        let Some(asked) = read(&mut stream).await else {
            return;
        };
        self.asked.lock().push(asked.clone());
        let slow = self.mood.lock().slow;
        tokio::time::sleep(slow).await;
        let mood = self.mood.lock().clone();
        if mood.down {
            return;
        }
        let body = says(&asked, &mood);
        let status = mood.status.unwrap_or(200);
        let answer = format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\
             Location: http://{}/elsewhere\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn says(asked: &Asked, mood: &Mood) -> String {
    let path = asked.line.split(' ').nth(1).unwrap_or_default();
    if path == "/api/verify-token" {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        let token = body["token"].as_str().expect("a token").to_owned();
        return json!({"valid": !mood.revoked.contains(&token)}).to_string();
    }
    match path.strip_prefix("/api/users/") {
        Some(id) => json!({"data": {
            "id": id, "name": format!("Profile of {id}"), "email": format!("{id}@id.example"),
            "role": "admin",
        }})
        .to_string(),
        None => mood.jwks.clone(),
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(": "));
                let mut lines = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
                lines.next().map_or("", |(_, value)| value).to_owned()
            };
            if body.len() >= header("content-length").parse().unwrap_or(0) {
                return Some(Asked {
                    line: head.lines().next().unwrap_or_default().to_owned(),
                    authorization: header("authorization"),
                    body: body.to_owned(),
                });
            }
        }
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

/// One provider's keys, kept fresh at this pace.
pub(crate) struct Watched {
    pub(crate) ring: Arc<Keyring>,
    pub(crate) counts: Arc<FetchCounts>,
    pub(crate) provider: Provider,
}

pub(crate) fn watch(issuer: &str, double: &Double, pace: Pace) -> Watched {
    watch_for(issuer, double, pace, &PUBLIC_ALGORITHMS)
}

pub(crate) fn watch_for(
    issuer: &str,
    double: &Double,
    pace: Pace,
    algorithms: &[Algorithm],
) -> Watched {
    let url = ProviderUrl::parse(&double.url("/jwks")).expect("a URL");
    let counts = Arc::new(FetchCounts::default());
    let ring = Keyring::new(issuer, &[url], algorithms, pace, Arc::clone(&counts));
    let fetcher = Fetcher::new(None, Duration::from_millis(1_500)).expect("a fetcher");
    actix_rt::spawn(Arc::clone(&ring).keep(fetcher));
    Watched {
        provider: Provider {
            issuer: Some(issuer.to_owned()),
            audience: Some(AUDIENCE.to_owned()),
            keys: Keys::Published(Arc::clone(&ring)),
            is_home: false,
        },
        ring,
        counts,
    }
}

impl Watched {
    pub(crate) fn fetches(&self) -> u64 {
        self.counts.fetches.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.counts.failures.load(Ordering::Relaxed)
    }

    /// Waits until so many fetches have ended.
    pub(crate) async fn fetched(&self, times: u64) {
        until("it is fetched", || self.fetches() >= times).await;
    }

    pub(crate) fn gate(&self) -> Gate {
        gate(vec![self.provider.clone()])
    }
}

pub(crate) fn gate(providers: Vec<Provider>) -> Gate {
    Gate::new(Arc::new(Verifier::new(providers)), None)
}

/// What becomes of a token in the end.
pub(crate) async fn show(gate: &Gate, token: &str) -> Verified {
    gate.verify(token, Timestamp::now()).outcome().await
}

/// The code that it is refused with.
pub(crate) async fn refused(gate: &Gate, token: &str) -> Option<ErrorCode> {
    show(gate, token).await.err().map(|error| error.code)
}

pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let so = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let so = tokio::time::timeout(PATIENCE, so).await;
    so.unwrap_or_else(|_| panic!("it never came that {what}"));
}

/// Nothing happens by itself, and never twice within a minute.
pub(crate) const STILL: Pace = Pace {
    refresh: Duration::from_secs(3_600),
    retry: Duration::from_secs(3_600),
    floor: Duration::from_secs(60),
};

/// Nothing happens by itself, but at once when asked for.
pub(crate) const EAGER: Pace = Pace {
    floor: Duration::ZERO,
    ..STILL
};

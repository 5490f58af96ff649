//! The clinic's own sign-in, asked about tokens and people whose signature is good: whether the
//! token still holds there, and what they are called there (seed 003, section 14).

use futures_util::future::{BoxFuture, FutureExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    Identity,
    asked::{About, Answered, AskedBefore, Lasting, Unanswered},
    claims,
    fetch::{Ask, FetchError, Fetcher},
};
use crate::config::{HomeConfig, ProviderUrl, Secret};

/// That a token holds counts for a minute; ten while the sign-in cannot be asked.
const HOLDS: Lasting = Lasting {
    fresh: Duration::from_secs(60),
    stale: Duration::from_secs(600),
};
/// That it does not is said no more gladly than it is heard.
const HOLDS_NOT: Lasting = Lasting {
    fresh: Duration::from_secs(10),
    stale: Duration::from_secs(10),
};
/// A profile counts for ten minutes; a day while the sign-in cannot be asked.
const PROFILE: Lasting = Lasting {
    fresh: Duration::from_secs(600),
    stale: Duration::from_secs(86_400),
};

/// What became of the questions.
#[derive(Debug, Default)]
pub struct HomeCounts {
    /// Questions about tokens.
    pub introspections: AtomicU64,
    /// Those that were not answered.
    pub introspection_failures: AtomicU64,
    /// Questions about people.
    pub profiles: AtomicU64,
    /// Those that were not answered.
    pub profile_failures: AtomicU64,
}

/// The clinic's own sign-in.
pub struct Home {
    fetcher: Fetcher,
    key: Secret,
    verify_token: Option<ProviderUrl>,
    get_user: Option<ProviderUrl>,
    tokens: Arc<AskedBefore<bool>>,
    people: Arc<AskedBefore<Profile>>,
    counts: Arc<HomeCounts>,
}

/// What somebody is called there.
#[derive(Clone, Default)]
pub(super) struct Profile {
    name: Arc<str>,
    email: Arc<str>,
}

/// Seed 003's answer, or RFC 7662's.
#[derive(Deserialize)]
struct Introspected {
    valid: Option<bool>,
    active: Option<bool>,
}

/// A user, bare or in an envelope as Laravel's resources are.
#[derive(Deserialize)]
struct User {
    data: Option<Box<User>>,
    name: Option<Value>,
    fullname: Option<Value>,
    email: Option<Value>,
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}

impl Home {
    /// Asks where `config` says.
    #[must_use]
    pub fn new(config: &HomeConfig, fetcher: Fetcher, counts: Arc<HomeCounts>) -> Arc<Self> {
        Arc::new(Self {
            fetcher,
            key: config.api_key.clone(),
            verify_token: config.verify_token.clone(),
            get_user: config.get_user.clone(),
            tokens: AskedBefore::new(|holds| if *holds { HOLDS } else { HOLDS_NOT }),
            people: AskedBefore::new(|_| PROFILE),
            counts,
        })
    }

    /// Whether the token holds there, too; none when nobody asks about tokens.
    pub(super) fn holds(self: &Arc<Self>, token: &str) -> Option<Answered<bool>> {
        self.verify_token.as_ref()?;
        let ask = || {
            let (home, token) = (Arc::clone(self), token.to_owned());
            async move { home.introspect(token).await }.boxed()
        };
        Some(self.tokens.get(hash(token), ask))
    }

    /// What somebody is called there; none when nobody asks about people.
    pub(super) fn profile(self: &Arc<Self>, identity: &Identity) -> Option<Answered<Profile>> {
        self.get_user.as_ref()?;
        let user_id = identity.user_id.as_str();
        let ask = || -> BoxFuture<'static, _> {
            let (home, user_id) = (Arc::clone(self), user_id.to_owned());
            async move { home.look_up(user_id).await }.boxed()
        };
        Some(self.people.get(hash(user_id), ask))
    }

    async fn introspect(&self, token: String) -> Result<bool, Unanswered> {
        let url = self.verify_token.as_ref().ok_or(Unanswered)?;
        self.counts.introspections.fetch_add(1, Ordering::Relaxed);
        let asked = self.fetcher.ask(Ask {
            url,
            key: Some(&self.key),
            body: Some(json!({ "token": token }).to_string()),
        });
        let answer = match asked.await {
            // Laravel's way to say that a token is not good; or it is one that nobody could read,
            // which says nothing about the next one.
            Err(FetchError::Status(400 | 401 | 403 | 404 | 410 | 413 | 414 | 422 | 431)) => {
                return Ok(false);
            }
            answer => answer,
        };
        let said = answer.and_then(|body| {
            serde_json::from_slice::<Introspected>(&body).map_err(|_| FetchError::Answer)
        });
        match said {
            Ok(said) => Ok(said.valid.or(said.active).unwrap_or(false)),
            Err(error) => {
                let failures = &self.counts.introspection_failures;
                failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "the clinic's sign-in cannot be asked about a token");
                Err(Unanswered)
            }
        }
    }

    async fn look_up(&self, user_id: String) -> Result<Profile, Unanswered> {
        let url = self.get_user.as_ref().ok_or(Unanswered)?.below(&user_id);
        self.counts.profiles.fetch_add(1, Ordering::Relaxed);
        let asked = self.fetcher.ask(Ask {
            url: &url,
            key: Some(&self.key),
            body: None,
        });
        let answer = match asked.await {
            // It knows no such person, and need not.
            Err(FetchError::Status(400 | 404 | 410 | 414)) => return Ok(Profile::default()),
            answer => answer,
        };
        let said = answer
            .and_then(|body| serde_json::from_slice::<User>(&body).map_err(|_| FetchError::Answer));
        match said {
            Ok(user) => Ok(user.into()),
            Err(error) => {
                let failures = &self.counts.profile_failures;
                failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "the clinic's sign-in cannot be asked about a person");
                Err(Unanswered)
            }
        }
    }
}

impl Profile {
    /// What is told there counts more than what the token says; the rights are the token's.
    pub(super) fn put_into(self, identity: &mut Identity) {
        if !self.name.is_empty() {
            identity.name = self.name;
        }
        if !self.email.is_empty() {
            identity.email = self.email;
        }
    }
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        let user = user.data.map_or_else(
            || (user.name, user.fullname, user.email),
            |inner| (inner.name, inner.fullname, inner.email),
        );
        Self {
            name: claims::name(user.0.as_ref(), user.1.as_ref()),
            email: claims::email(user.2.as_ref()),
        }
    }
}

fn hash(text: &str) -> About {
    Sha256::digest(text.as_bytes()).into()
}

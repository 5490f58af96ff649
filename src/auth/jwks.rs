//! The keys that a provider publishes: fetched, kept, and fetched anew from time to time and when
//! a token names one that is not known. There is a floor between fetches, so that made-up names
//! do not become a load on the provider, and what was fetched last is used until there is better:
//! an outage of the provider is none of ours.

use bedside_protocol::CommandError;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use jsonwebtoken::Algorithm;
use parking_lot::{Mutex, RwLock};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep_until},
};

use super::{
    fetch::{Ask, Fetcher},
    keys::{Key, jwks_keys},
    unauthorized,
};
use crate::config::ProviderUrl;

/// Tokens that may wait for one provider's keys at once; more are told to come back.
const WAITING_MAX: usize = 1_000;
/// When to come back.
const RETRY_AFTER_MS: u64 = 5_000;

/// When keys are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How old keys get when all is well.
    pub refresh: Duration,
    /// How soon a fetch that failed is tried again.
    pub retry: Duration,
    /// The least time from the end of one fetch to the next, whoever asks for it.
    pub floor: Duration,
}

impl Pace {
    /// Every so often; again after 30 s when it failed; never within 10 s.
    #[must_use]
    pub const fn every(refresh: Duration) -> Self {
        Self {
            refresh,
            retry: Duration::from_secs(30),
            floor: Duration::from_secs(10),
        }
    }
}

/// What became of the fetches of all documents.
#[derive(Debug, Default)]
pub struct FetchCounts {
    /// Fetches that ended, well or not.
    pub fetches: AtomicU64,
    /// Those that did not give keys.
    pub failures: AtomicU64,
}

/// The keys of one provider, from one document or several.
pub struct Keyring {
    issuer: String,
    algorithms: Vec<Algorithm>,
    documents: Vec<Document>,
    pace: Pace,
    state: Mutex<State>,
    /// How many rounds of fetching have ended.
    rounds: watch::Sender<u64>,
    wanted: Notify,
    waiting: Arc<Semaphore>,
    counts: Arc<FetchCounts>,
}

/// One JWKS document.
struct Document {
    url: ProviderUrl,
    keys: RwLock<Vec<Key>>,
    good: Mutex<Good>,
}

/// When there last was good news.
#[derive(Clone, Copy)]
struct Good {
    at: Instant,
    is_last: bool,
}

#[derive(Clone, Copy)]
enum State {
    /// A fetch is under way.
    Fetching,
    /// The last one ended then.
    Resting { since: Instant, is_wanted: bool },
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// The keys in these documents, of these algorithms. There are none before
    /// [`keep`](Self::keep) runs.
    #[must_use]
    pub fn new(
        issuer: &str,
        urls: &[ProviderUrl],
        algorithms: &[Algorithm],
        pace: Pace,
        counts: Arc<FetchCounts>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let document = |url: &ProviderUrl| Document {
            url: url.clone(),
            keys: RwLock::default(),
            good: Mutex::new(Good {
                at: now,
                is_last: false,
            }),
        };
        Arc::new(Self {
            issuer: issuer.to_owned(),
            algorithms: algorithms.to_vec(),
            documents: urls.iter().map(document).collect(),
            pace,
            // The first fetch begins at once.
            state: Mutex::new(State::Fetching),
            rounds: watch::Sender::new(0),
            wanted: Notify::new(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            counts,
        })
    }

    /// Fetches the keys and keeps them fresh, for ever.
    pub async fn keep(self: Arc<Self>, fetcher: Fetcher) {
        loop {
            *self.state.lock() = State::Fetching;
            let fetches = self.documents.iter().map(|d| self.fetch(d, &fetcher));
            let is_good = join_all(fetches).await.into_iter().all(|good| good);
            let since = Instant::now();
            *self.state.lock() = State::Resting {
                since,
                is_wanted: false,
            };
            self.rounds.send_modify(|rounds| *rounds += 1);
            let rest = match is_good {
                true => self.pace.refresh,
                false => self.pace.retry,
            };
            sleep_until(since + self.pace.floor).await;
            tokio::select! {
                () = sleep_until(since + rest.max(self.pace.floor)) => {}
                () = self.until_wanted() => {}
            }
        }
    }

    async fn until_wanted(&self) {
        loop {
            let notified = self.wanted.notified();
            if let State::Resting {
                is_wanted: true, ..
            } = *self.state.lock()
            {
                return;
            }
            notified.await;
        }
    }

    /// Whether there are good keys now.
    async fn fetch(&self, document: &Document, fetcher: &Fetcher) -> bool {
        let asked = fetcher.ask(Ask {
            url: &document.url,
            key: None,
            body: None,
        });
        let keys = match asked.await {
            Ok(text) => jwks_keys(&text, &self.algorithms).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.counts.fetches.fetch_add(1, Ordering::Relaxed);
        match keys {
            Ok(keys) => {
                *document.keys.write() = keys;
                *document.good.lock() = Good {
                    at: Instant::now(),
                    is_last: true,
                };
                true
            }
            Err(why) => {
                self.counts.failures.fetch_add(1, Ordering::Relaxed);
                document.good.lock().is_last = false;
                tracing::warn!(
                    issuer = self.issuer,
                    why,
                    "no keys from an identity provider"
                );
                false
            }
        }
    }

    /// The key of this algorithm and name. Without a name there must be no doubt which one is
    /// meant.
    pub(super) fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<Key> {
        let is_it =
            |key: &&Key| key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid);
        let mut found = None;
        for document in &self.documents {
            for key in document.keys.read().iter().filter(is_it) {
                if found.is_some() && kid.is_none() {
                    return None;
                }
                found = Some(key.clone());
            }
        }
        found
    }

    /// Ends with the next fetch; none when there may be none yet, or too many wait for it.
    pub(super) fn refreshed(self: &Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        let mut rounds = self.rounds.subscribe();
        let seen = *rounds.borrow_and_update();
        match &mut *self.state.lock() {
            State::Fetching => {}
            State::Resting { since, is_wanted } => {
                if since.elapsed() < self.pace.floor {
                    return None;
                }
                *is_wanted = true;
            }
        }
        let place = Arc::clone(&self.waiting).try_acquire_owned().ok()?;
        self.wanted.notify_one();
        Some(
            async move {
                // An error means that nobody fetches any more: then the answer is what is known.
                let _ = rounds.wait_for(|rounds| *rounds > seen).await;
                drop(place);
            }
            .boxed(),
        )
    }

    /// What a token is refused with whose key is not known.
    pub(super) fn refusal(&self) -> CommandError {
        let is_good = |document: &Document| document.good.lock().is_last;
        if self.documents.iter().all(is_good) {
            unauthorized("the token is not signed by whom this server trusts")
        } else {
            CommandError::unavailable(
                "the keys of the token's issuer cannot be had for now",
                RETRY_AFTER_MS,
            )
        }
    }

    /// How long ago the document that was read least lately gave keys; since the start for one
    /// that never did.
    #[must_use]
    pub fn age(&self) -> Duration {
        let ages = self.documents.iter().map(|d| d.good.lock().at.elapsed());
        ages.max().unwrap_or_default()
    }
}

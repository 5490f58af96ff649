//! Where tokens are shown: what is known is told at once, and what has to be asked for is waited
//! for, within bounds.

use bedside_actors::ports::identity::{Identities, SessionIdentity, Verification};
use bedside_protocol::{CommandError, Role, Roles, Timestamp};
use futures_util::future::{BoxFuture, FutureExt as _};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::timeout;

use super::{
    Identity, Verifier,
    asked::{Answered, Unanswered},
    home::{Home, Profile},
    unauthorized,
    verifier::{Verdict, refreshed},
};

/// How long a token may take that others are asked about: less than a client has to say hello.
const PATIENCE: Duration = Duration::from_secs(4);
/// When to come back with a token that could not be looked at.
const RETRY_AFTER_MS: u64 = 5_000;

/// Decides about tokens.
#[derive(Clone)]
pub struct Gate {
    verifier: Arc<Verifier>,
    home: Option<Arc<Home>>,
}

type Judged = Result<Identity, CommandError>;

/// A token on its way, as far as it is known.
enum Passing {
    Done(Judged),
    Waiting(BoxFuture<'static, Judged>),
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// Believes what `verifier` does, and what the clinic's own sign-in says if that is asked.
    #[must_use]
    pub const fn new(verifier: Arc<Verifier>, home: Option<Arc<Home>>) -> Self {
        Self { verifier, home }
    }

    /// The scopes of a token that was let in before; none of another.
    #[must_use]
    pub fn scopes(&self, token: &str, now: Timestamp) -> Vec<String> {
        let verified = self.verifier.verify(token, now);
        verified.map_or_else(|_| Vec::new(), |identity| identity.scopes.to_vec())
    }

    fn pass(&self, token: &str, now: Timestamp) -> Passing {
        let rings = match self.verifier.judge(token, now) {
            Verdict::Done(Ok((identity, provider))) => {
                return self.ask_home(token, identity, provider.is_home);
            }
            Verdict::Done(Err(error)) => return Passing::Done(Err(error)),
            Verdict::UnknownKey(rings) => rings,
        };
        let Some(refreshed) = refreshed(&rings) else {
            // They may have come in this moment.
            return self.pass_as_known(token, now);
        };
        let (gate, token) = (self.clone(), token.to_owned());
        let judged = async move {
            refreshed.await;
            gate.pass_as_known(&token, now).outcome().await
        };
        Passing::Waiting(judged.boxed())
    }

    /// By the keys that are known now.
    fn pass_as_known(&self, token: &str, now: Timestamp) -> Passing {
        match self.verifier.known(token, now) {
            Ok((identity, provider)) => self.ask_home(token, identity, provider.is_home),
            Err(error) => Passing::Done(Err(error)),
        }
    }

    /// The signature is good. What does the sign-in say that it is for?
    fn ask_home(&self, token: &str, identity: Identity, is_home: bool) -> Passing {
        let Some(home) = self.home.as_ref().filter(|_| is_home) else {
            return Passing::Done(Ok(identity));
        };
        // A system is not a person, so nobody is asked what it is called.
        let is_person = identity.roles != Roles::from(Role::Service);
        let profile = is_person.then(|| home.profile(&identity)).flatten();
        match (home.holds(token), profile) {
            (Some(Answered::Asking(_)), _) | (_, Some(Answered::Asking(_))) => {}
            (holds, profile) => {
                let known = |answered: Option<Answered<_>>| answered.and_then(said);
                let holds = holds.map(|holds| said(holds).ok_or(Unanswered));
                return Passing::Done(settle(identity, holds, known(profile)));
            }
        }
        let (home, token) = (Arc::clone(home), token.to_owned());
        let judged = async move {
            let holds = async {
                match home.holds(&token)? {
                    Answered::Known(holds) => Some(holds),
                    Answered::Asking(holds) => Some(holds.await),
                }
            };
            let profile = async {
                match is_person.then(|| home.profile(&identity)).flatten()? {
                    Answered::Known(profile) => profile.ok(),
                    Answered::Asking(profile) => profile.await.ok(),
                }
            };
            let (holds, profile) = futures_util::future::join(holds, profile).await;
            settle(identity, holds, profile)
        };
        Passing::Waiting(judged.boxed())
    }
}

/// What is known now.
fn said<V>(answered: Answered<V>) -> Option<V> {
    match answered {
        Answered::Known(said) => said.ok(),
        Answered::Asking(_) => None,
    }
}

/// Without an answer about the token nobody is let in; without one about the person they are,
/// by the name that the token gives.
fn settle(
    mut identity: Identity,
    holds: Option<Result<bool, Unanswered>>,
    profile: Option<Profile>,
) -> Judged {
    match holds {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => return Err(unauthorized("the clinic's sign-in refuses the token")),
        Some(Err(Unanswered)) => return Err(not_now()),
    }
    if let Some(profile) = profile {
        profile.put_into(&mut identity);
    }
    Ok(identity)
}

fn not_now() -> CommandError {
    CommandError::unavailable("the token cannot be looked at for now", RETRY_AFTER_MS)
}

impl Passing {
    async fn outcome(self) -> Judged {
        match self {
            Self::Done(judged) => judged,
            Self::Waiting(judged) => judged.await,
        }
    }
}

impl Identities for Gate {
    fn verify(&self, token: &str, now: Timestamp) -> Verification {
        match self.pass(token, now) {
            Passing::Done(judged) => Verification::Done(judged.map(SessionIdentity::from)),
            Passing::Waiting(judged) => {
                let verified = async move {
                    let judged = timeout(PATIENCE, judged).await;
                    judged
                        .unwrap_or_else(|_| Err(not_now()))
                        .map(SessionIdentity::from)
                };
                Verification::Waiting(verified.boxed())
            }
        }
    }
}

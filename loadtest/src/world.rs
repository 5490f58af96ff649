//! People, relations and conversations to load, made through REST as a clinic's systems would.

use bedside_protocol::{ConversationId, Role};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::task::JoinSet;

use crate::{Fault, Outcome, fault, http::Rest, token};

/// REST connections that set things up at once.
const HANDS: usize = 32;
/// Up to so many conversations are between doctors and patients, each pair with its relation;
/// beyond, between doctors and nurses, who need none.
const RELATIONS_MAX: usize = 4096;

/// Someone with a token.
#[derive(Clone, Debug)]
pub struct User {
    /// The token's subject.
    pub id: String,
    /// Its role.
    pub role: Role,
    /// The token.
    pub token: String,
}

impl User {
    /// Someone new.
    #[must_use]
    pub fn new(secret: &str, id: String, role: Role) -> Self {
        let token = token::mint(secret, &id, role);
        Self { id, role, token }
    }
}

/// A direct conversation.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Its id.
    pub id: ConversationId,
    /// Its members, as places in [`World::users`].
    pub members: [usize; 2],
}

/// Everyone, and what they may say to whom.
#[derive(Debug, Default)]
pub struct World {
    /// Doctors first, then as many patients or nurses.
    pub users: Vec<User>,
    /// All conversations.
    pub pairs: Vec<Pair>,
}

impl World {
    /// How many people so many conversations need, at least.
    #[must_use]
    pub fn users_needed(conversations: usize) -> usize {
        2 * (1..).find(|n| n * n >= conversations).unwrap_or(1)
    }

    /// Makes `users` people and `conversations` direct conversations among them, spread evenly.
    /// `tag` keeps the people of one run apart from those of another on the same store.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn make(
        server: SocketAddr,
        secret: &str,
        tag: &str,
        users: usize,
        conversations: usize,
    ) -> Outcome<Self> {
        let side = (users / 2).max(1);
        if side * side < conversations {
            return fault("too few users for so many conversations");
        }
        let related = conversations <= RELATIONS_MAX;
        let other = if related { Role::Patient } else { Role::Nurse };
        let person = |i: usize| {
            let role = if i < side { Role::Doctor } else { other };
            User::new(secret, format!("{tag}-{}-{i}", role.name()), role)
        };
        let users: Vec<_> = (0..side * 2).map(person).collect();
        let service = Arc::new(token::mint(secret, "load-harness", Role::Service));

        let puts = users.iter().map(|user| {
            let body = json!({"name": format!("Load {}", user.id), "role": user.role.name()});
            Call::new("PUT", format!("/api/v1/users/{}", user.id), &service, body)
        });
        each(server, puts.collect()).await?;

        // Row k / side of the square of all pairs, turned by one each row, so that everyone has
        // about as many conversations as everyone else.
        let members = |k: usize| [k % side, side + (k + k / side) % side];
        if related {
            let puts = (0..conversations).map(members).map(|[doctor, patient]| {
                let (doctor, patient) = (&users[doctor].id, &users[patient].id);
                let body = json!({"patient_id": patient, "user_id": doctor, "kind": "clinician"});
                Call::new("PUT", "/api/v1/relations".to_owned(), &service, body)
            });
            each(server, puts.collect()).await?;
        }
        let posts = (0..conversations).map(members).map(|[one, two]| {
            let body = json!({"kind": "direct", "member_ids": [users[two].id]});
            let token = Arc::new(users[one].token.clone());
            Call::new("POST", "/api/v1/conversations".to_owned(), &token, body)
        });
        let made = each(server, posts.collect()).await?;
        let pairs = made.iter().enumerate().map(|(k, made)| {
            let id = made["conversation"]["conversation_id"].as_str();
            let id = id.and_then(|id| id.parse().ok());
            let id = id.ok_or("a new conversation has no id")?;
            Ok(Pair {
                id,
                members: members(k),
            })
        });
        let pairs = pairs.collect::<Result<_, Fault>>()?;
        Ok(Self { users, pairs })
    }
}

/// One thing to ask REST.
#[derive(Clone, Debug)]
pub struct Call {
    method: &'static str,
    path: String,
    token: Arc<String>,
    body: Value,
}

impl Call {
    /// A call with a JSON body.
    #[must_use]
    pub fn new(method: &'static str, path: String, token: &Arc<String>, body: Value) -> Self {
        let token = Arc::clone(token);
        Self {
            method,
            path,
            token,
            body,
        }
    }
}

/// Asks all of it over a few connections at once; the answers in the order of the calls.
///
/// # Errors
/// When one goes wrong.
pub async fn each(server: SocketAddr, calls: Vec<Call>) -> Outcome<Vec<Value>> {
    let total = calls.len();
    let calls = Arc::new(calls);
    let mut hands = JoinSet::new();
    for hand in 0..HANDS.min(total) {
        let calls = Arc::clone(&calls);
        hands.spawn(async move {
            let mut rest = Rest::connect(server).await?;
            let mut answers = Vec::new();
            for (i, call) in calls.iter().enumerate().skip(hand).step_by(HANDS) {
                let body = Some(&call.body).filter(|body| !body.is_null());
                let answer = rest.ask(call.method, &call.path, &call.token, body).await?;
                let answer = answer
                    .ok()
                    .map_err(|e| format!("{} {}: {e}", call.method, call.path))?;
                answers.push((i, answer));
            }
            Ok::<_, Fault>(answers)
        });
    }
    let mut all = vec![Value::Null; total];
    while let Some(done) = hands.join_next().await {
        for (i, answer) in done?? {
            all[i] = answer;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn enough_people_for_any_number_of_conversations() {
        for conversations in [1, 2, 64, 65, 512, 100_000] {
            let side = World::users_needed(conversations) / 2;
            assert!(side * side >= conversations, "{conversations}");
            let pairs: HashSet<_> = (0..conversations)
                .map(|k| (k % side, (k + k / side) % side))
                .collect();
            assert_eq!(pairs.len(), conversations, "every pair once");
        }
    }
}

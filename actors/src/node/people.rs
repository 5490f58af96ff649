//! The directory of people, their relations, and whose presence who may see.

use bedside_protocol::{
    CommandError, ConversationKind, Presence, RelationKind, Timestamp, UserId, limits,
};
use std::{
    collections::HashSet,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use super::Node;
use crate::{
    caller::Caller,
    conversation::direct_until,
    ports::{
        identity::SessionIdentity,
        store::{PersonRecord, Relation, Select, StoreResult},
    },
    resume::storage_error,
    rights::{Party, Until},
};

/// People whose last written claims are remembered.
const KNOWN_MAX: usize = 100_000;

impl Node {
    /// Puts the identity into the directory if it differs from what was last written. Called by
    /// every transport after it verified a token.
    pub fn note_identity(&self, identity: &SessionIdentity) {
        if let Some(write) = self.identity_written(identity) {
            actix_rt::spawn(write);
        }
    }

    /// The write of an identity that differs from what was last written; none when it does not.
    pub(crate) fn identity_written(
        &self,
        identity: &SessionIdentity,
    ) -> Option<impl Future<Output = ()> + 'static> {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let hash = hasher.hash_one((&identity.name, &identity.email, identity.roles));
        {
            let mut known = self.known.lock();
            if known.get(&identity.user_id) == Some(&hash) {
                return None;
            }
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(identity.user_id.clone(), hash);
        }
        let person = PersonRecord {
            user_id: identity.user_id.clone(),
            name: identity.name.to_string(),
            email: identity.email.to_string(),
            roles: identity.roles,
            last_seen_at: None,
        };
        let (store, known) = (self.shared.store.clone(), self.known.clone());
        Some(async move {
            let user_id = person.user_id.clone();
            if let Err(fault) = store.put_person(person).await {
                tracing::error!(error = %fault, "a person could not be written");
                // Tried again when they are next seen.
                let mut known = known.lock();
                if known.get(&user_id) == Some(&hash) {
                    known.remove(&user_id);
                }
            }
        })
    }

    /// Forgets what was last written of someone, because somebody else wrote it.
    pub fn forget_identity(&self, user_id: &UserId) {
        self.known.lock().remove(user_id);
    }

    /// Makes or changes a relation, and rechecks the conversations that rest on it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put_relation(&self, relation: Relation) -> StoreResult<()> {
        let (patient_id, user_id) = (relation.patient_id.clone(), relation.user_id.clone());
        self.shared.store.put_relation(relation).await?;
        self.recheck(&patient_id, &user_id).await
    }

    /// Ends a relation, and rechecks the conversations that rest on it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delete_relation(&self, patient_id: UserId, user_id: UserId) -> StoreResult<bool> {
        let there_was = self
            .shared
            .store
            .delete_relation(patient_id.clone(), user_id.clone())
            .await?;
        // Also when it was gone already: the recheck of the first try may have failed.
        self.recheck(&patient_id, &user_id).await?;
        Ok(there_was)
    }

    /// Has every direct conversation of somebody look again whether the two may write to each
    /// other, because what this person is has changed.
    ///
    /// # Errors
    /// What the store says.
    pub async fn recheck_person(&self, user_id: &UserId) -> StoreResult<()> {
        for one in self.shared.store.listed(user_id.clone()).await? {
            if one.kind == ConversationKind::Direct {
                self.shared.directory.recheck(one.conversation_id);
            }
        }
        Ok(())
    }

    /// Has every conversation look again that may rest on a relation of these two.
    async fn recheck(&self, patient_id: &UserId, user_id: &UserId) -> StoreResult<()> {
        let store = &self.shared.store;
        let mut pairs = vec![(patient_id.clone(), user_id.clone())];
        // A family member writes to the patient's clinicians by two relations together.
        for relation in store.relations_of(patient_id.clone()).await? {
            if relation.patient_id == *patient_id
                && relation.user_id != *user_id
                && matches!(
                    relation.kind,
                    RelationKind::Family | RelationKind::Clinician
                )
            {
                pairs.push((user_id.clone(), relation.user_id));
            }
        }
        for (a, b) in pairs {
            self.shared.presence.unwatch_pair(&a, &b);
            if let Some(cluster) = &self.shared.cluster {
                cluster.unrelated(&a, vec![b.clone()]);
            }
            if let Some(id) = store.direct_of(a, b).await? {
                self.shared.directory.recheck(id);
            }
        }
        let mut after = None;
        loop {
            let page = store
                .conversations(
                    user_id.clone(),
                    Select::Page {
                        after,
                        limit: limits::CONVERSATIONS_PAGE_MAX,
                        without: Vec::new(),
                    },
                )
                .await?;
            for c in &page.rows {
                if c.kind != ConversationKind::Direct && c.patient_id.as_ref() == Some(patient_id) {
                    self.shared.directory.recheck(c.conversation_id);
                }
            }
            after = page
                .rows
                .last()
                .map(|c| (c.last_activity_at, c.conversation_id));
            if !page.has_more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Presence of those of `user_ids` that the caller may see.
    ///
    /// # Errors
    /// `too_large` past 200 people, `unavailable`.
    pub async fn presence(
        &self,
        caller: &Caller,
        user_ids: Vec<UserId>,
    ) -> Result<Vec<Presence>, CommandError> {
        let visible = self.visible(caller, user_ids).await?;
        let ids = visible.into_iter().map(|(user_id, _)| user_id).collect();
        self.shared
            .presence
            .of(&self.shared, ids)
            .await
            .map_err(|fault| storage_error(&fault))
    }

    /// From now on the caller's socket hears of the presence of those of `user_ids` that the
    /// caller may see, in the place of those it watched before: `presence.watch`. Returns their
    /// presence.
    ///
    /// # Errors
    /// `too_large` past 200 people, `unavailable`.
    pub async fn watch_presence(
        &self,
        caller: &Caller,
        user_ids: Vec<UserId>,
    ) -> Result<Vec<Presence>, CommandError> {
        let visible = self.visible(caller, user_ids).await?;
        if let Some(origin) = caller.outbox() {
            self.shared
                .presence
                .watch(origin, &caller.user_id, &visible);
        }
        let ids = visible.into_iter().map(|(user_id, _)| user_id).collect();
        self.shared
            .presence
            .of(&self.shared, ids)
            .await
            .map_err(|fault| storage_error(&fault))
    }

    /// Those whose presence the caller may see, and until when: who shares a group with them,
    /// or whom they may write to.
    async fn visible(
        &self,
        caller: &Caller,
        user_ids: Vec<UserId>,
    ) -> Result<Vec<(UserId, Option<Timestamp>)>, CommandError> {
        if user_ids.len() > limits::PRESENCE_WATCH_MAX {
            return Err(CommandError::too_large("user_ids: at most 200"));
        }
        let store = &self.shared.store;
        let now = self.shared.clock.now();
        let mut seen = HashSet::new();
        let user_ids: Vec<_> = user_ids
            .into_iter()
            .filter(|user_id| *user_id != caller.user_id && seen.insert(user_id.clone()))
            .collect();
        let fault = |fault| storage_error(&fault);
        let sharing = store
            .sharing_with(caller.user_id.clone(), user_ids.clone())
            .await
            .map_err(fault)?;
        let rest: Vec<_> = user_ids
            .into_iter()
            .filter(|user_id| !sharing.contains(user_id))
            .collect();
        let mut visible: Vec<_> = sharing.into_iter().map(|user_id| (user_id, None)).collect();
        let me = Party {
            user_id: caller.user_id.clone(),
            roles: caller.roles,
        };
        for person in store.people(rest).await.map_err(fault)? {
            let them = Party {
                user_id: person.user_id,
                roles: person.roles,
            };
            match direct_until(&**store, &me, &them, now)
                .await
                .map_err(fault)?
            {
                None => {}
                Some(Until::Ever) => visible.push((them.user_id, None)),
                Some(Until::At(at)) => visible.push((them.user_id, Some(at))),
            }
        }
        Ok(visible)
    }
}

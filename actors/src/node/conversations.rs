//! Making conversations, and finding the direct one of a pair.

use bedside_protocol::{
    CommandError, Conversation, ConversationId, ConversationKind, MemberRole, Reply, UserId,
    command::ConversationCreate,
    event::{Change, ConversationChanged},
    limits,
    reply::ConversationReply,
};
use std::sync::Arc;

use super::Node;
use crate::{
    audit,
    caller::Caller,
    conversation::{direct_until, redact},
    ports::store::{Created, Listed, NewConversation, NewMember, PersonRecord, Select, StoreError},
    resume::{self, storage_error},
    rights::{self, Party},
};

impl Node {
    /// The id of the direct conversation with somebody, made if need be and allowed.
    pub(crate) async fn direct_with(
        self: &Arc<Self>,
        caller: &Caller,
        other: UserId,
    ) -> Result<ConversationId, CommandError> {
        Ok(self.direct(caller, other).await?.conversation_id)
    }

    async fn direct(
        self: &Arc<Self>,
        caller: &Caller,
        other: UserId,
    ) -> Result<Created, CommandError> {
        let store = &self.shared.store;
        // An existing one can be found even when its relation has ended: it is read-only then.
        if let Some(conversation_id) = store
            .direct_of(caller.user_id.clone(), other.clone())
            .await
            .map_err(fault)?
        {
            return Ok(Created {
                conversation_id,
                created: false,
            });
        }
        self.may_write_to(caller, &other).await?;
        let member_ids = vec![caller.user_id.clone(), other];
        self.make(
            caller,
            ConversationKind::Direct,
            String::new(),
            None,
            member_ids,
        )
        .await
    }

    /// Whether the caller may write to somebody directly, by the relations of now.
    ///
    /// # Errors
    /// `forbidden` when not, `not_found` for somebody who is not known, `unavailable`.
    pub async fn may_write_to(&self, caller: &Caller, other: &UserId) -> Result<(), CommandError> {
        let store = &self.shared.store;
        let now = self.shared.clock.now();
        let me = party(caller);
        let them = self.known_person(other).await?;
        let them = Party {
            user_id: them.user_id,
            roles: them.roles,
        };
        let until = direct_until(&**store, &me, &them, now)
            .await
            .map_err(fault)?;
        if until.is_none() {
            return Err(CommandError::forbidden(
                "you may not write to this person directly",
            ));
        }
        Ok(())
    }

    async fn known_person(&self, user_id: &UserId) -> Result<PersonRecord, CommandError> {
        let mut people = self
            .shared
            .store
            .people(vec![user_id.clone()])
            .await
            .map_err(fault)?;
        people
            .pop()
            .ok_or_else(|| CommandError::not_found("nobody of that id is known"))
    }

    /// `conversation.create`.
    pub(crate) async fn create_conversation(
        self: &Arc<Self>,
        caller: &Caller,
        create: ConversationCreate,
    ) -> Result<Reply, CommandError> {
        let created = if create.kind == ConversationKind::Direct {
            let [other] = create.member_ids.as_slice() else {
                return Err(CommandError::invalid(
                    "member_ids: a direct conversation takes exactly one other person",
                ));
            };
            self.direct(caller, other.clone()).await?
        } else {
            self.create_group(caller, create).await?
        };
        let conversation = resume::view(&self.shared, caller, created.conversation_id).await?;
        if created.created {
            let (at, id) = (self.shared.clock.now(), created.conversation_id);
            self.shared.trail.note(audit::made(at, &caller.user_id, id));
        }
        Ok(Reply::Conversation(Box::new(ConversationReply {
            conversation,
            created: created.created,
        })))
    }

    async fn create_group(
        self: &Arc<Self>,
        caller: &Caller,
        create: ConversationCreate,
    ) -> Result<Created, CommandError> {
        crate::conversation::validate_title(&create.title)?;
        let store = &self.shared.store;
        let now = self.shared.clock.now();
        let relations = match &create.patient_id {
            Some(patient_id) => store
                .relations_of(patient_id.clone())
                .await
                .map_err(fault)?,
            None => Vec::new(),
        };
        let me = party(caller);
        rights::may_create(
            create.kind,
            &me,
            create.patient_id.as_ref(),
            &relations,
            now,
        )?;
        let mut member_ids = vec![caller.user_id.clone()];
        for user_id in create.patient_id.iter().chain(&create.member_ids) {
            if member_ids.contains(user_id) {
                continue;
            }
            // Before the rest is looked at: a long list must not cost its square.
            if member_ids.len() == limits::MEMBERS_MAX {
                return Err(CommandError::too_large("member_ids: at most 1000 members"));
            }
            member_ids.push(user_id.clone());
        }
        let others = member_ids[1..].to_vec();
        let people = store.people(others.clone()).await.map_err(fault)?;
        if people.len() < others.len() {
            return Err(CommandError::not_found(
                "member_ids: not everybody is known",
            ));
        }
        for person in people {
            let party = Party {
                user_id: person.user_id,
                roles: person.roles,
            };
            rights::may_join(
                create.kind,
                create.patient_id.as_ref(),
                &party,
                &relations,
                now,
            )?;
        }
        self.make(
            caller,
            create.kind,
            create.title,
            create.patient_id,
            member_ids,
        )
        .await
    }

    async fn make(
        self: &Arc<Self>,
        caller: &Caller,
        kind: ConversationKind,
        title: String,
        patient_id: Option<UserId>,
        member_ids: Vec<UserId>,
    ) -> Result<Created, CommandError> {
        let now = self.shared.clock.now();
        let conversation_id = ConversationId::new();
        let mut event =
            ConversationChanged::new(Change::Created, Some(caller.user_id.clone()), now);
        event.kind = Some(kind);
        event.title = Some(title.clone());
        event.patient_id.clone_from(&patient_id);
        if kind != ConversationKind::Broadcast {
            event.member_ids.clone_from(&member_ids);
        }
        let members = member_ids
            .into_iter()
            .map(|user_id| NewMember {
                member_role: if user_id == caller.user_id && kind != ConversationKind::Direct {
                    MemberRole::Admin
                } else {
                    MemberRole::Member
                },
                user_id,
                first_seq: 1,
                joined_at: now,
            })
            .collect();
        let created = self
            .shared
            .store
            .create_conversation(NewConversation {
                conversation_id,
                kind,
                title,
                patient_id,
                created_by: caller.user_id.clone(),
                created_at: now,
                members,
                event,
            })
            .await
            .map_err(fault)?;
        if created.created {
            if let Some(origin) = caller.outbox() {
                // The reply tells the maker.
                origin.shown(created.conversation_id, 1);
            }
            self.shared.directory.start_new(created.conversation_id);
        }
        Ok(created)
    }

    /// A user's conversations, as `sync.resume` lists them: newest activity first, at most
    /// `limit`, and a cursor when there are more.
    ///
    /// # Errors
    /// `invalid_argument` for a cursor that is none, `unavailable`.
    pub async fn conversations(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, Option<String>), CommandError> {
        let after = cursor.map(resume::parse_cursor).transpose()?;
        let page = self
            .shared
            .store
            .conversations(
                caller.user_id.clone(),
                Select::Page {
                    after,
                    limit: limit.min(limits::CONVERSATIONS_PAGE_MAX),
                    without: Vec::new(),
                },
            )
            .await
            .map_err(fault)?;
        Ok(resume::page_of(page.rows, page.has_more, caller))
    }

    /// All conversations that the caller is or was in, newest activity first, as far as it takes
    /// to count and sort them.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn listed(&self, caller: &Caller) -> Result<Vec<Listed>, CommandError> {
        let store = &self.shared.store;
        let mut listed = store.listed(caller.user_id.clone()).await.map_err(fault)?;
        listed.retain(|one| !resume::is_closed_to(one.kind, caller));
        Ok(listed)
    }

    /// These conversations as the caller sees them, in any order; those that are none of the
    /// caller's are left out.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn conversations_of(
        &self,
        caller: &Caller,
        ids: Vec<ConversationId>,
    ) -> Result<Vec<Conversation>, CommandError> {
        let found = self
            .shared
            .store
            .conversations(caller.user_id.clone(), Select::Ids(ids))
            .await
            .map_err(fault)?;
        let mut rows = found.rows;
        rows.retain(|row| !resume::is_closed_to(row.kind, caller));
        for row in &mut rows {
            redact(row, &caller.user_id);
        }
        Ok(rows)
    }

    /// One conversation as the caller sees it.
    ///
    /// # Errors
    /// `not_a_member`, `forbidden`, `unavailable`.
    pub async fn conversation(
        &self,
        caller: &Caller,
        id: ConversationId,
    ) -> Result<Conversation, CommandError> {
        resume::view(&self.shared, caller, id).await
    }
}

fn party(caller: &Caller) -> Party {
    Party {
        user_id: caller.user_id.clone(),
        roles: caller.roles,
    }
}

fn fault(fault: StoreError) -> CommandError {
    storage_error(&fault)
}

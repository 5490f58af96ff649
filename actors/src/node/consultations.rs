//! Consultations: making them, and what the REST facade asks of them.

use bedside_protocol::{
    CommandError, Consultation, ConsultationId, ConsultationStatus, ConsultationType,
    ConversationId, ConversationKind, ErrorCode, MemberRole, RelationKind, Reply, Role, Timestamp,
    UserId,
    event::{Change, ConversationChanged},
    limits,
};
use std::{collections::HashSet, sync::Arc};

use super::Node;
use crate::{
    caller::Caller,
    conversation::Act,
    ports::store::{
        ConsultationSelect, NewConsultation, NewConversation, NewMember, Relation, Select,
        StoreError, StoreResult,
    },
    resume::storage_error,
};

/// Ids that are tried before giving up: each has one chance in 4,096 to be taken when another
/// consultation was made in the same millisecond.
const IDS_TRIED_MAX: usize = 8;

/// A consultation that somebody asks for.
#[derive(Clone)]
pub struct ConsultationRequest {
    /// The clinic's own name of the appointment: one consultation each.
    pub appointment_id: String,
    /// How it is to be held.
    pub consultation_type: ConsultationType,
    /// Whose care it is about.
    pub patient_id: UserId,
    /// Who holds it; the caller, when absent and the caller is a doctor.
    pub doctor_id: Option<UserId>,
    /// When it is to begin.
    pub scheduled_at: Option<Timestamp>,
}

/// Which consultations to list. People see their own; admins and services all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsultationFilter {
    /// Only this patient's.
    pub patient_id: Option<UserId>,
    /// Only this doctor's.
    pub doctor_id: Option<UserId>,
    /// Only those before this one: the next page.
    pub before: Option<ConsultationId>,
    /// At most this many, and never more than 200.
    pub limit: usize,
}

impl Node {
    /// Makes a consultation with a conversation of its own, for a doctor, an admin or a service.
    /// Patient and doctor become its members, and clinician and patient by that.
    ///
    /// # Errors
    /// `forbidden`, `not_found` for people that are not known, `invalid_argument`, `too_large`,
    /// `conflict` when the appointment has a consultation already, `unavailable`.
    pub async fn create_consultation(
        self: &Arc<Self>,
        caller: &Caller,
        request: ConsultationRequest,
    ) -> Result<Consultation, CommandError> {
        let doctor_id = check_request(caller, &request)?;
        self.check_people(caller, &request.patient_id, &doctor_id)
            .await?;
        let (patient_id, appointment_id) =
            (request.patient_id.clone(), request.appointment_id.clone());
        match self.store_new(caller, request, &doctor_id).await? {
            Some(consultation) => {
                let directory = &self.shared.directory;
                directory.start_new(consultation.conversation_id);
                self.relate_clinician(&patient_id, &doctor_id)
                    .await
                    .map_err(fault)?;
                Ok(consultation)
            }
            None => {
                self.mend(&patient_id, &doctor_id, &appointment_id)
                    .await
                    .map_err(fault)?;
                Err(CommandError::new(
                    ErrorCode::Conflict,
                    "appointment_id: this appointment has a consultation already",
                ))
            }
        }
    }

    async fn check_people(
        &self,
        caller: &Caller,
        patient_id: &UserId,
        doctor_id: &UserId,
    ) -> Result<(), CommandError> {
        let ids = vec![patient_id.clone(), doctor_id.clone()];
        let people = self.shared.store.people(ids).await.map_err(fault)?;
        let roles_of = |user_id: &UserId| {
            let person = people.iter().find(|person| person.user_id == *user_id);
            person.map(|person| person.roles)
        };
        let unknown =
            |field| CommandError::not_found(format!("{field}: nobody of that id is known"));
        let patient = roles_of(patient_id).ok_or_else(|| unknown("patient_id"))?;
        // The directory may be about to hear of the caller; the token says it now.
        let doctor = if *doctor_id == caller.user_id {
            caller.roles
        } else {
            roles_of(doctor_id).ok_or_else(|| unknown("doctor_id"))?
        };
        if !patient.has(Role::Patient) {
            return Err(CommandError::invalid("patient_id: not a patient"));
        }
        if !doctor.is_clinician() {
            return Err(CommandError::invalid("doctor_id: not a clinician"));
        }
        Ok(())
    }

    /// Stores it; none when the appointment has one.
    async fn store_new(
        &self,
        caller: &Caller,
        request: ConsultationRequest,
        doctor_id: &UserId,
    ) -> Result<Option<Consultation>, CommandError> {
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        let mut consultation = Consultation {
            consultation_id: ConsultationId::new(now),
            conversation_id: ConversationId::new(),
            appointment_id: request.appointment_id,
            consultation_type: request.consultation_type,
            status: ConsultationStatus::Scheduled,
            patient_id: request.patient_id,
            doctor_id: doctor_id.clone(),
            scheduled_at: request.scheduled_at,
            started_at: None,
            ended_at: None,
            notes: None,
            created_at: now,
            updated_at: now,
        };
        for _ in 0..IDS_TRIED_MAX {
            let new = NewConsultation {
                conversation: chat_of(&consultation, &caller.user_id),
                consultation: consultation.clone(),
            };
            match store.create_consultation(new).await {
                Ok(()) => return Ok(Some(consultation)),
                Err(StoreError::Conflict) => {}
                Err(other) => return Err(fault(other)),
            }
            let id = consultation.consultation_id;
            if store.consultation(id).await.map_err(fault)?.is_none() {
                return Ok(None);
            }
            consultation.consultation_id = ConsultationId::new(now);
        }
        Err(CommandError::unavailable("no id was free", 1))
    }

    /// Makes the two patient and clinician, unless they are.
    async fn relate_clinician(&self, patient_id: &UserId, doctor_id: &UserId) -> StoreResult<()> {
        let now = self.shared.clock.now();
        let relations = self.shared.store.relations_of(patient_id.clone()).await?;
        let is_related = relations.iter().any(|relation| {
            relation.patient_id == *patient_id
                && relation.user_id == *doctor_id
                && relation.kind == RelationKind::Clinician
                && relation.is_live(now)
        });
        if is_related {
            return Ok(());
        }
        self.put_relation(Relation {
            patient_id: patient_id.clone(),
            user_id: doctor_id.clone(),
            kind: RelationKind::Clinician,
            until: None,
        })
        .await
    }

    /// An earlier try may have stored this very consultation and failed at what comes after it.
    async fn mend(
        &self,
        patient_id: &UserId,
        doctor_id: &UserId,
        appointment_id: &str,
    ) -> StoreResult<()> {
        let select = ConsultationSelect {
            patient_id: Some(patient_id.clone()),
            doctor_id: Some(doctor_id.clone()),
            limit: limits::CONSULTATIONS_PAGE_MAX,
            ..ConsultationSelect::default()
        };
        let theirs = self.shared.store.consultations(select).await?;
        if theirs
            .iter()
            .any(|c| c.appointment_id == appointment_id && !c.status.is_final())
        {
            self.relate_clinician(patient_id, doctor_id).await?;
        }
        Ok(())
    }

    /// One consultation, for those in its conversation, admins and services. Who has left it
    /// sees no notes.
    ///
    /// # Errors
    /// `not_found`, also for one that is nothing to the caller; `unavailable`.
    pub async fn consultation(
        &self,
        caller: &Caller,
        id: ConsultationId,
    ) -> Result<Consultation, CommandError> {
        let found = self.shared.store.consultation(id).await.map_err(fault)?;
        let found = found.into_iter().collect();
        let mut visible = self.visible_of(caller, found).await?;
        visible.pop().ok_or_else(unknown)
    }

    /// Consultations, the newest first. See [`Self::consultation`].
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn consultations(
        &self,
        caller: &Caller,
        filter: ConsultationFilter,
    ) -> Result<Vec<Consultation>, CommandError> {
        let select = ConsultationSelect {
            member_id: (!sees_all(caller)).then(|| caller.user_id.clone()),
            patient_id: filter.patient_id,
            doctor_id: filter.doctor_id,
            before: filter.before,
            limit: filter.limit.min(limits::CONSULTATIONS_PAGE_MAX),
        };
        let found = self.shared.store.consultations(select).await;
        self.visible_of(caller, found.map_err(fault)?).await
    }

    /// What of these the caller may see.
    async fn visible_of(
        &self,
        caller: &Caller,
        mut found: Vec<Consultation>,
    ) -> Result<Vec<Consultation>, CommandError> {
        if sees_all(caller) || found.is_empty() {
            return Ok(found);
        }
        if caller.roles.is_empty() {
            return Ok(Vec::new());
        }
        let chats = found.iter().map(|c| c.conversation_id).collect();
        let store = &self.shared.store;
        let own = store.conversations(caller.user_id.clone(), Select::Ids(chats));
        let own = own.await.map_err(fault)?.rows;
        let all: HashSet<_> = own.iter().map(|c| c.conversation_id).collect();
        let left = own.iter().filter(|c| c.me.last_seq.is_some());
        let left: HashSet<_> = left.map(|c| c.conversation_id).collect();
        found.retain(|c| all.contains(&c.conversation_id));
        for consultation in &mut found {
            if left.contains(&consultation.conversation_id) {
                // Written after they had gone, as notes are.
                consultation.notes = None;
            }
        }
        Ok(found)
    }

    /// Cancels one that has not ended, for its clinicians, admins and services.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `conflict` when it is over, `unavailable`.
    pub async fn cancel_consultation(
        self: &Arc<Self>,
        caller: &Caller,
        id: ConsultationId,
    ) -> Result<Consultation, CommandError> {
        let chat = self.consultation_chat(id).await?;
        match self
            .ask(caller.clone(), chat, Act::CancelConsultation)
            .await
        {
            Ok(Reply::Consultation(reply)) => Ok(reply.consultation),
            Ok(other) => {
                unreachable!("a step of a consultation is answered with it, not {other:?}")
            }
            Err(error) if error.code == ErrorCode::NotAMember => Err(unknown()),
            Err(error) => Err(error),
        }
    }

    /// Who is in a consultation's room right now: here in the order in which they came, and then
    /// those on other nodes.
    #[must_use]
    pub fn room_of(&self, id: ConsultationId) -> Vec<UserId> {
        let mut people = self.shared.rooms.people(id);
        if let Some(cluster) = &self.shared.cluster {
            let elsewhere = cluster.elsewhere.people(id);
            people.extend(
                elsewhere
                    .into_iter()
                    .filter(|user_id| !people.contains(user_id))
                    .collect::<Vec<_>>(),
            );
        }
        people
    }

    /// The conversation of a consultation: the same one for ever.
    pub(crate) async fn consultation_chat(
        &self,
        id: ConsultationId,
    ) -> Result<ConversationId, CommandError> {
        let found = self.shared.store.consultation(id).await.map_err(fault)?;
        Ok(found.ok_or_else(unknown)?.conversation_id)
    }
}

/// Checks what needs no look into the store; who holds it.
fn check_request(caller: &Caller, request: &ConsultationRequest) -> Result<UserId, CommandError> {
    let makers = [Role::Doctor, Role::Admin, Role::Service];
    if !makers.into_iter().any(|role| caller.roles.has(role)) {
        return Err(CommandError::forbidden(
            "only doctors, admins and the clinic's systems make consultations",
        ));
    }
    let appointment_id = &request.appointment_id;
    if appointment_id.len() > limits::APPOINTMENT_ID_BYTES_MAX {
        return Err(CommandError::too_large("appointment_id: at most 128 bytes"));
    }
    if appointment_id.trim().is_empty() || appointment_id.chars().any(char::is_control) {
        return Err(CommandError::invalid(
            "appointment_id is empty or holds control characters",
        ));
    }
    let own = || {
        caller
            .roles
            .has(Role::Doctor)
            .then(|| caller.user_id.clone())
    };
    let doctor_id = request.doctor_id.clone().or_else(own);
    let doctor_id = doctor_id.ok_or_else(|| CommandError::invalid("doctor_id is missing"))?;
    if doctor_id == request.patient_id {
        return Err(CommandError::invalid(
            "doctor_id: the patient is somebody else",
        ));
    }
    Ok(doctor_id)
}

/// The conversation that comes with a consultation.
fn chat_of(consultation: &Consultation, created_by: &UserId) -> NewConversation {
    let at = consultation.created_at;
    let (patient_id, doctor_id) = (&consultation.patient_id, &consultation.doctor_id);
    let mut event = ConversationChanged::new(Change::Created, Some(created_by.clone()), at);
    event.kind = Some(ConversationKind::Consultation);
    event.title = Some(String::new());
    event.patient_id = Some(patient_id.clone());
    event.member_ids = vec![patient_id.clone(), doctor_id.clone()];
    let member = |user_id: &UserId, member_role| NewMember {
        user_id: user_id.clone(),
        member_role,
        first_seq: 1,
        joined_at: at,
    };
    NewConversation {
        conversation_id: consultation.conversation_id,
        kind: ConversationKind::Consultation,
        title: String::new(),
        patient_id: Some(patient_id.clone()),
        created_by: created_by.clone(),
        created_at: at,
        members: vec![
            member(patient_id, MemberRole::Member),
            member(doctor_id, MemberRole::Admin),
        ],
        event,
    }
}

/// The clinic's calendar is theirs.
const fn sees_all(caller: &Caller) -> bool {
    caller.roles.has(Role::Admin) || caller.roles.has(Role::Service)
}

fn unknown() -> CommandError {
    CommandError::not_found("there is no such consultation")
}

fn fault(fault: StoreError) -> CommandError {
    storage_error(&fault)
}

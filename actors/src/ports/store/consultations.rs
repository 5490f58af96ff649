//! What the actors need of durable storage for consultations.

use async_trait::async_trait;
use bedside_protocol::{Consultation, ConsultationId, UserId};

use super::{NewConversation, StoreResult};

/// A consultation to be made, with its conversation.
#[derive(Clone)]
pub struct NewConsultation {
    /// The consultation; its `conversation_id` is that of `conversation`.
    pub consultation: Consultation,
    /// Its chat, of kind consultation.
    pub conversation: NewConversation,
}

/// Which consultations to return. What is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsultationSelect {
    /// Only those in whose conversation this user is, or was, a member.
    pub member_id: Option<UserId>,
    /// Only this patient's.
    pub patient_id: Option<UserId>,
    /// Only this doctor's.
    pub doctor_id: Option<UserId>,
    /// Only those with a smaller id: the next page.
    pub before: Option<ConsultationId>,
    /// At most this many.
    pub limit: usize,
}

/// Durable storage of consultations. Their changes come through the log of their conversations:
/// see [`AppendBody::Consultation`](super::AppendBody::Consultation).
#[async_trait]
pub trait ConsultationStore: Send + Sync {
    /// Makes a consultation, its conversation and its members, all or nothing.
    /// [`StoreError::Conflict`](super::StoreError::Conflict) when the appointment has one already,
    /// an id is taken, or the conversation is not of kind consultation or not the one that the
    /// consultation names.
    async fn create_consultation(&self, new: NewConsultation) -> StoreResult<()>;

    /// One consultation as it stands now.
    async fn consultation(&self, id: ConsultationId) -> StoreResult<Option<Consultation>>;

    /// Consultations, the newest id first.
    async fn consultations(&self, select: ConsultationSelect) -> StoreResult<Vec<Consultation>>;
}

bedside_protocol::quiet_debug! {
    NewConsultation { consultation }
}

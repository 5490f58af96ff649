//! Consultations: making them, and what the REST facade asks of them.

use bedside_protocol::{
    CommandError, Consultation, ConsultationId, ConsultationType, Timestamp, UserId,
};
use std::sync::Arc;

use super::Node;
use crate::caller::Caller;

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
    /// `forbidden`, `not_found` for people that are not known, `invalid_argument`, `conflict`
    /// when the appointment has a consultation already, `unavailable`.
    pub async fn create_consultation(
        self: &Arc<Self>,
        _caller: &Caller,
        _request: ConsultationRequest,
    ) -> Result<Consultation, CommandError> {
        Err(CommandError::unavailable("not there yet", 0))
    }

    /// One consultation, for those in its conversation, admins and services.
    ///
    /// # Errors
    /// `not_found`, also for one that is nothing to the caller; `unavailable`.
    pub async fn consultation(
        &self,
        _caller: &Caller,
        _id: ConsultationId,
    ) -> Result<Consultation, CommandError> {
        Err(CommandError::unavailable("not there yet", 0))
    }

    /// Consultations, the newest first.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn consultations(
        &self,
        _caller: &Caller,
        _filter: ConsultationFilter,
    ) -> Result<Vec<Consultation>, CommandError> {
        Err(CommandError::unavailable("not there yet", 0))
    }

    /// Cancels one that has not ended, for its clinicians, admins and services.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `conflict` when it is over, `unavailable`.
    pub async fn cancel_consultation(
        self: &Arc<Self>,
        _caller: &Caller,
        _id: ConsultationId,
    ) -> Result<Consultation, CommandError> {
        Err(CommandError::unavailable("not there yet", 0))
    }
}

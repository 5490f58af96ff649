//! Consultations, notifications and settings in memory.

use async_trait::async_trait;
use bedside_protocol::{
    Consultation, ConsultationId, Notification, NotificationId, Timestamp, UserId,
};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::MemoryStore;
use crate::ports::store::{
    ConsultationSelect, ConsultationStore, NewConsultation, NewNotification, NotificationMark,
    NotificationRecord, NotificationStore, Store as _, StoreError, StoreResult,
};

#[derive(Default)]
pub(super) struct Aside {
    pub(super) consultations: BTreeMap<ConsultationId, Consultation>,
    appointments: HashSet<String>,
    notifications: BTreeMap<NotificationId, NotificationRecord>,
    dedupe: HashMap<(UserId, String), NotificationId>,
    settings: HashMap<UserId, String>,
}

#[async_trait]
impl ConsultationStore for MemoryStore {
    async fn create_consultation(&self, new: NewConsultation) -> StoreResult<()> {
        {
            let mut state = self.state.lock();
            let aside = &mut state.writable()?.aside;
            let id = new.consultation.consultation_id;
            if aside.consultations.contains_key(&id)
                || !aside
                    .appointments
                    .insert(new.consultation.appointment_id.clone())
            {
                return Err(StoreError::Conflict);
            }
            aside.consultations.insert(id, new.consultation);
        }
        self.create_conversation(new.conversation).await.map(drop)
    }

    async fn consultation(&self, id: ConsultationId) -> StoreResult<Option<Consultation>> {
        Ok(self.state.lock().aside.consultations.get(&id).cloned())
    }

    async fn consultations(&self, select: ConsultationSelect) -> StoreResult<Vec<Consultation>> {
        let state = self.state.lock();
        let is_member = |c: &Consultation, user_id: &UserId| {
            let log = state.log(c.conversation_id);
            log.is_some_and(|log| log.members.contains_key(user_id))
        };
        let found = state.aside.consultations.values().rev().filter(|c| {
            select
                .before
                .is_none_or(|before| c.consultation_id < before)
                && select
                    .patient_id
                    .as_ref()
                    .is_none_or(|id| c.patient_id == *id)
                && select
                    .doctor_id
                    .as_ref()
                    .is_none_or(|id| c.doctor_id == *id)
                && select.member_id.as_ref().is_none_or(|id| is_member(c, id))
        });
        Ok(found.take(select.limit).cloned().collect())
    }
}

#[async_trait]
impl NotificationStore for MemoryStore {
    async fn put_notifications(&self, new: Vec<NewNotification>) -> StoreResult<Vec<bool>> {
        let mut state = self.state.lock();
        let aside = &mut state.writable()?.aside;
        let put = |new: NewNotification| {
            let Notification {
                notification_id: id,
                ref user_id,
                ..
            } = new.notification;
            if let Some(key) = new.dedupe_key {
                let name = (user_id.clone(), key);
                if aside.dedupe.contains_key(&name) {
                    return false;
                }
                aside.dedupe.insert(name, id);
            }
            let record = NotificationRecord {
                notification: new.notification,
                read_at: None,
                acked_at: None,
            };
            aside.notifications.insert(id, record);
            true
        };
        Ok(new.into_iter().map(put).collect())
    }

    async fn notifications(
        &self,
        user_id: UserId,
        before: Option<NotificationId>,
        limit: usize,
    ) -> StoreResult<Vec<NotificationRecord>> {
        let state = self.state.lock();
        let newest_first = state.aside.notifications.iter().rev();
        let found = newest_first.filter(|(id, record)| {
            record.notification.user_id == user_id && before.is_none_or(|before| **id < before)
        });
        Ok(found
            .take(limit)
            .map(|(_, record)| record.clone())
            .collect())
    }

    async fn unread_notifications(&self, user_id: UserId) -> StoreResult<u64> {
        let state = self.state.lock();
        let all = state.aside.notifications.values();
        Ok(all
            .filter(|r| r.notification.user_id == user_id && r.read_at.is_none())
            .count() as u64)
    }

    async fn mark_notification(
        &self,
        id: NotificationId,
        user_id: UserId,
        mark: NotificationMark,
        at: Timestamp,
    ) -> StoreResult<bool> {
        let mut state = self.state.lock();
        let aside = &mut state.writable()?.aside;
        let own = aside.notifications.get_mut(&id);
        let Some(record) = own.filter(|record| record.notification.user_id == user_id) else {
            return Ok(false);
        };
        let marked = match mark {
            NotificationMark::Acked => &mut record.acked_at,
            NotificationMark::Read => &mut record.read_at,
        };
        marked.get_or_insert(at);
        Ok(true)
    }

    async fn prune_notifications(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let mut state = self.state.lock();
        let aside = &mut state.writable()?.aside;
        let old: HashSet<_> = aside
            .notifications
            .iter()
            .filter(|(_, record)| record.notification.created_at < before)
            .take(limit)
            .map(|(id, _)| *id)
            .collect();
        aside.notifications.retain(|id, _| !old.contains(id));
        aside.dedupe.retain(|_, id| !old.contains(id));
        Ok(old.len())
    }

    async fn settings(&self, user_id: UserId) -> StoreResult<Option<String>> {
        Ok(self.state.lock().aside.settings.get(&user_id).cloned())
    }

    async fn put_settings(
        &self,
        user_id: UserId,
        settings: String,
        _: Timestamp,
    ) -> StoreResult<()> {
        let mut state = self.state.lock();
        state.writable()?.aside.settings.insert(user_id, settings);
        Ok(())
    }
}

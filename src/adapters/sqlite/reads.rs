//! What is read, each file for one kind of question. All of it runs on any connection.

pub(super) mod active;
pub(super) mod consultations;
pub(super) mod listing;
pub(super) mod load;
pub(super) mod log;
pub(super) mod lookups;
pub(super) mod notifications;
pub(super) mod people;

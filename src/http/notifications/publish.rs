//! Publishing for the clinic's systems, by whichever path.

use bedside_actors::{node::Publication, ports::store::AuditRecord};
use bedside_protocol::Notification;

use crate::http::{auth::Bearer, parts::HttpParts, problem::Problem};

/// Publishes, and writes down for auditors who did: notifications themselves do not say. Those
/// that are new.
pub(in crate::http) async fn publish(
    parts: &HttpParts,
    bearer: &Bearer,
    publication: Publication,
) -> Result<Vec<Notification>, Problem> {
    let subject = publication.notification_type.name();
    let published = parts.node.publish(publication).await?;
    if !published.is_empty() {
        let record = AuditRecord {
            at: parts.node.clock().now(),
            actor: Some(bearer.identity.user_id.clone()),
            action: "notification.publish".into(),
            subject: subject.to_owned(),
            detail: format!("for {}", published.len()),
        };
        parts.node.trail().write(record).await?;
    }
    Ok(published)
}

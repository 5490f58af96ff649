//! Keeping people and tokens out, and letting them in again.

use bedside_protocol::{CommandError, UserId, node::Denied as Told};

use super::Node;
use crate::{
    denials::DenialCounts,
    ports::{
        identity::SessionIdentity,
        store::{Denial, DenialRecord, StoreResult},
    },
    resume::storage_error,
};

impl Node {
    /// Reads whom to keep out. To be done before anybody is let in.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load_denials(&self) -> StoreResult<()> {
        self.shared.gate.look(&*self.shared.store).await.map(|_| ())
    }

    /// Whether somebody is let in who was identified in another way than by
    /// [`identities`](Self::identities), which sees to it itself.
    ///
    /// # Errors
    /// `forbidden` for who is blocked, `unauthorized` for a token that was revoked.
    pub fn admit(&self, identity: &SessionIdentity) -> Result<(), CommandError> {
        self.shared.gate.check(identity)
    }

    /// How many are kept out, as far as this node knows.
    #[must_use]
    pub fn denial_counts(&self) -> DenialCounts {
        self.shared.gate.counts()
    }

    /// Keeps somebody or a token out from now on, and closes their sockets, on all nodes. When
    /// this is answered with success it stands in the store.
    ///
    /// # Errors
    /// `too_large` when there are too many of its kind, `unavailable`.
    pub async fn deny(&self, record: DenialRecord) -> Result<(), CommandError> {
        if !self.shared.gate.has_room(&record.denial) {
            return Err(CommandError::too_large(
                "as many are kept out as this server keeps (100,000 of each kind)",
            ));
        }
        let told = match &record.denial {
            Denial::Issued { user_id, before } => Told::Issued {
                user_id: user_id.clone(),
                before: *before,
            },
            Denial::Token(token_id) => Told::Token(token_id.as_str().to_owned()),
            Denial::Block { user_id, .. } => Told::Blocked(user_id.clone()),
        };
        // What is stored last is heard last.
        let _turn = self.shared.gate.changing.lock().await;
        let stored = self.shared.store.deny(record).await;
        stored.map_err(|fault| storage_error(&fault))?;
        self.tell_denied(told);
        Ok(())
    }

    /// Lifts a block; whether there was one.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn unblock(&self, user_id: UserId) -> Result<bool, CommandError> {
        let _turn = self.shared.gate.changing.lock().await;
        let lifted = self.shared.store.unblock(user_id.clone()).await;
        let was_blocked = lifted.map_err(|fault| storage_error(&fault))?;
        // Also when it was lifted already: the first try may not have been told.
        self.tell_denied(Told::Unblocked(user_id));
        Ok(was_blocked)
    }

    fn tell_denied(&self, told: Told) {
        if let Some(cluster) = &self.shared.cluster {
            cluster.denied(told.clone());
        }
        self.shared.gate.hear(&self.shared, told);
    }
}

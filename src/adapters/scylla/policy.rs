//! What the driver may try again by itself.

use scylla::policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy, RetryPolicy};
use std::sync::{Arc, LazyLock};

use super::cql::Kind;

/// Reads and upserts are tried on another node; a conditional write is not, because a second
/// try would meet the first one and call it somebody else's.
pub(super) fn retry(kind: Kind) -> Arc<dyn RetryPolicy> {
    static IDEMPOTENT: LazyLock<Arc<DefaultRetryPolicy>> =
        LazyLock::new(|| Arc::new(DefaultRetryPolicy::new()));
    static NEVER: LazyLock<Arc<FallthroughRetryPolicy>> =
        LazyLock::new(|| Arc::new(FallthroughRetryPolicy::new()));
    match kind {
        Kind::Conditional => NEVER.clone(),
        _ => IDEMPOTENT.clone(),
    }
}

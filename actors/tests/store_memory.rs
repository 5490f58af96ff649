//! The contract suite on the in-memory store.

use bedside_actors::{ports::store::memory::MemoryStore, testkit::store_contract::Opened};
use std::sync::Arc;

fn open() -> Opened {
    Opened {
        store: Arc::new(MemoryStore::new()),
        guard: Box::new(()),
    }
}

bedside_actors::store_contract!(crate::open);

mod random {
    use bedside_actors::testkit::store_contract::{self, Fixture, receipts};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn watermarks_only_grow(writes in prop::collection::vec((0u64..40, 0u64..40), 1..30)) {
            let writes: Vec<_> = writes.iter().map(|(r, d)| receipts::read_up_to(*r, *d)).collect();
            let case = async |fx: Fixture| receipts::watermarks_after(&fx, &writes).await;
            store_contract::run(super::open, case);
        }
    }
}

//! The bridge on a real Redis: the one at `BEDSIDE_TEST_REDIS`, or one that each test starts for
//! itself. Tests that stop or kill Redis always start their own. Without `redis-server` they fail
//! with `CI=true`, and otherwise say that they were not run.
#![cfg(feature = "cluster")]

mod leases;
mod login;
mod loss;
mod messages;
mod presence;
mod sealed;
mod support;

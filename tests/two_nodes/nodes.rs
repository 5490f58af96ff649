//! That there really are two.

use std::sync::atomic::Ordering;

use crate::{
    cluster::wires,
    support::{polling::Session, under_test::engine_io},
};

#[tokio::test]
async fn requests_of_one_session_come_to_both() {
    let session = Session::open(engine_io()).await;
    let (_, node) = session.sid.rsplit_once('.').expect("an id names its node");
    assert!(["one", "two"].contains(&node), "{node}");
    let before = wires().calls.load(Ordering::Relaxed);
    for number in 0..10 {
        let message = format!("4{number}");
        session.post(&message).await;
        assert_eq!(session.next().await, [message]);
    }
    assert!(wires().calls.load(Ordering::Relaxed) >= before + 5);
}

//! An administrator reads what they are not in: on whichever node they ask.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    audit::Whence,
    caller::Caller,
    cluster::Cluster,
    node::Node,
    ports::clock::HurriedClock,
    testkit::{
        client::{Client, PlainIdentities, config, identity},
        hub::Hub,
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    ConversationId, ConversationKind, ErrorCode, Role, command::MessageHistory,
};
use common::*;
use std::{sync::Arc, time::Duration};

async fn start(hub: &Arc<Hub>, disk: &Arc<Disk>, name: &str) -> (Arc<Node>, Arc<Liar>) {
    let store = Liar::new(disk);
    let node = Node::start_in(
        config(),
        store.clone(),
        Arc::new(HurriedClock(1)),
        Arc::new(PlainIdentities),
        Some(Cluster::new(hub.bus(name))),
    );
    node.load_denials().await.unwrap();
    (node, store)
}

fn admin() -> Caller {
    let identity = identity("a1", Role::Admin);
    Caller {
        user_id: identity.user_id,
        name: identity.name,
        roles: identity.roles,
        origin: None,
    }
}

async fn staff_room(node: &Arc<Node>) -> ConversationId {
    know(node, &[("d2", Role::Doctor)]).await;
    let mut doctor = Client::open_as(node, identity("d1", Role::Doctor)).await;
    let room = group(ConversationKind::InternalStaff, None, &["d2"]);
    make(&mut doctor, room).await
}

fn history(id: ConversationId) -> MessageHistory {
    MessageHistory {
        conversation_id: id,
        after_seq: None,
        before_seq: None,
        limit: None,
    }
}

#[test]
fn what_is_broken_on_one_node_is_read_on_another() {
    run(async {
        let (hub, disk) = (Hub::new(), Disk::new());
        let (one, _) = start(&hub, &disk, "n1").await;
        let (two, _) = start(&hub, &disk, "n2").await;
        while one.cluster().unwrap().peers().len() + two.cluster().unwrap().peers().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Enough of them, so that both nodes have some.
        for _ in 0..8 {
            let id = staff_room(&one).await;
            let refused = two
                .read_behind_glass(&admin(), &Whence::default(), history(id))
                .await;
            assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
            let broken = one
                .break_glass(&admin(), &Whence::default(), id, "a reason")
                .await
                .unwrap();
            assert_eq!(broken.seq, 2);
            let page = two
                .read_behind_glass(&admin(), &Whence::default(), history(id))
                .await;
            assert_eq!(page.unwrap().head_seq, 2);
        }
        one.shut_down().await;
        two.shut_down().await;
    });
}

#[test]
fn nothing_is_read_that_cannot_be_written_down() {
    run(async {
        let (hub, disk) = (Hub::new(), Disk::new());
        let (node, store) = start(&hub, &disk, "n1").await;
        let id = staff_room(&node).await;
        let broken = async || {
            node.break_glass(&admin(), &Whence::default(), id, "a reason")
                .await
        };
        let read = async || {
            node.read_behind_glass(&admin(), &Whence::default(), history(id))
                .await
        };
        store.moods(|call| call == "append_audit");
        let refused = broken().await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        store.moods(|call| call == "put_glass");
        let refused = broken().await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        store.be_honest();
        assert_eq!(read().await.unwrap_err().code, ErrorCode::Forbidden);
        broken().await.unwrap();
        assert!(read().await.is_ok());
        store.moods(|call| call == "append_audit");
        assert_eq!(read().await.unwrap_err().code, ErrorCode::Unavailable);
        store.be_honest();
        node.shut_down().await;
    });
}

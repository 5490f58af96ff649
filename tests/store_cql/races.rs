//! Several servers at once, on one keyspace.

use bedside_actors::{
    ports::store::{ConsultationSelect, ConsultationStore as _, Store, StoreError},
    testkit::store_contract::{Fixture, consultations::new, fixture::user},
};
use std::sync::Arc;

use crate::{ring::Keyspace, wait};

#[test]
fn an_appointment_gets_one_consultation_from_many_servers() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    let stores = [keyspace.open(), keyspace.open(), keyspace.open()];
    wait(async {
        for round in 0..5 {
            let makes = stores.iter().enumerate().map(|(n, store)| {
                let fx = Fixture::deaf(store.clone() as Arc<dyn Store>);
                let mut one = new(&fx, round * 10 + n as u64 + 1, "p1", "d1");
                one.consultation.appointment_id = format!("appointment of round {round}");
                async move { (store.create_consultation(one.clone()).await, one) }
            });
            let made = futures_util::future::join_all(makes).await;
            let won: Vec<_> = made.iter().filter(|(made, _)| made.is_ok()).collect();
            assert_eq!(won.len(), 1, "round {round}");
            for (made, one) in &made {
                let id = one.consultation.consultation_id;
                let seen = stores[0].consultation(id).await;
                let loaded = stores[1].load(one.conversation.conversation_id, true).await;
                let is_there = loaded.expect("a load").is_some();
                match made {
                    Ok(()) => assert_eq!(seen, Ok(Some(one.consultation.clone()))),
                    Err(why) => {
                        assert_eq!((why, seen), (&StoreError::Conflict, Ok(None)));
                    }
                }
                assert_eq!(is_there, made.is_ok());
            }
        }
        for member_id in [None, Some(user("p1"))] {
            let select = ConsultationSelect {
                member_id,
                limit: 100,
                ..ConsultationSelect::default()
            };
            let all = stores[2].consultations(select).await;
            assert_eq!(all.expect("a list").len(), 5);
        }
    });
}

#[test]
fn all_servers_get_the_same_fact() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    let stores = [keyspace.open(), keyspace.open(), keyspace.open()];
    let key = uuid::Uuid::new_v4().to_string();
    wait(async {
        let values = ["a", "b", "c"];
        let asked = stores.iter().zip(values);
        let asked = asked.map(|(store, value)| store.meta_or(&key, value));
        let got = futures_util::future::join_all(asked).await;
        let first = got[0].clone().expect("a fact");
        assert!(values.contains(&first.as_str()));
        assert!(got.iter().all(|one| *one == Ok(first.clone())), "{got:?}");
    });
}

/// A load reads in several steps, and another server may append between them.
#[test]
fn what_a_load_counts_is_of_one_moment() {
    let Some(keyspace) = Keyspace::take() else {
        return;
    };
    let (writer, reader) = (keyspace.open(), keyspace.open());
    wait(async {
        let fixture = Fixture::new(writer.clone());
        let mut room = fixture.room(&["d1"]).await;
        let id = room.id;
        let write = async {
            for n in 0..40 {
                room.say("d1", &format!("{n}")).await;
            }
        };
        let load = async {
            let mut loads = 0;
            loop {
                let loaded = reader
                    .load(id, false)
                    .await
                    .expect("a load")
                    .expect("it is there");
                let sent = loaded.sender_ords.get(&user("d1")).copied().unwrap_or(0);
                assert_eq!(sent, loaded.head.ord, "all that there is is theirs");
                loads += 1;
                if loaded.head.ord == 40 {
                    return loads;
                }
            }
        };
        let (loads, ()) = futures_util::join!(load, write);
        println!("{loads} loads beside 40 appends");
    });
}

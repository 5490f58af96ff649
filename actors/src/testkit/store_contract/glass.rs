//! Who may read what in an emergency.

use bedside_protocol::ConversationId;

use super::fixture::{Fixture, user};
use crate::ports::store::Glass;

fn glass(fx: &Fixture, id: &str, conversation_id: ConversationId, at: i64) -> Glass {
    Glass {
        conversation_id,
        user_id: user(id),
        at: fx.at(at),
        until: fx.at(at + 60),
    }
}

pub async fn it_is_kept_for_one_user_and_conversation(fx: Fixture) {
    let (here, elsewhere) = (ConversationId::new(), ConversationId::new());
    assert_eq!(fx.store.glass(user("a1"), here).await, Ok(None));
    let kept = glass(&fx, "a1", here, 1);
    assert_eq!(fx.store.put_glass(kept.clone()).await, Ok(()));
    assert_eq!(fx.store.glass(user("a1"), here).await, Ok(Some(kept)));
    assert_eq!(fx.store.glass(user("a1"), elsewhere).await, Ok(None));
    assert_eq!(fx.store.glass(user("a2"), here).await, Ok(None));
}

pub async fn the_last_one_stands(fx: Fixture) {
    let here = ConversationId::new();
    for at in [1, 30] {
        let stored = fx.store.put_glass(glass(&fx, "a1", here, at)).await;
        assert_eq!(stored, Ok(()));
    }
    let last = glass(&fx, "a1", here, 30);
    assert_eq!(fx.store.glass(user("a1"), here).await, Ok(Some(last)));
}

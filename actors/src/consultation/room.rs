//! Who is in one room: plain state, no lock and no actor.

use bedside_protocol::{CommandError, SessionId, UserId, limits};
use std::{collections::HashSet, sync::Arc};

use super::Who;
use crate::outbox::Outbox;

/// One room.
#[derive(Default)]
pub(super) struct Room {
    sockets: Vec<Socket>,
    /// Whom the others have been told of.
    told: Vec<UserId>,
    /// Whom the other nodes have been told of: those with a socket here.
    told_elsewhere: Vec<UserId>,
}

struct Socket {
    user_id: UserId,
    outbox: Arc<Outbox>,
    /// It came in since the room was last settled: the answer to its join says who is there.
    is_new: bool,
}

/// Somebody came or went.
pub(super) struct Moved {
    pub(super) user_id: UserId,
    /// Came, or went.
    pub(super) is_in: bool,
    /// The others' sockets.
    pub(super) to: Vec<Arc<Outbox>>,
}

impl Room {
    pub(super) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Each person once, in the order in which they came.
    pub(super) fn people(&self) -> Vec<UserId> {
        let mut seen = HashSet::new();
        let users = self.sockets.iter().map(|socket| &socket.user_id);
        users.filter(|user| seen.insert(*user)).cloned().collect()
    }

    /// A socket that is not in it comes in.
    pub(super) fn enter(
        &mut self,
        user_id: UserId,
        outbox: Arc<Outbox>,
    ) -> Result<(), CommandError> {
        if self.sockets.len() >= limits::ROOM_SOCKETS_MAX {
            return Err(CommandError::too_large(
                "consultation.join: at most 256 sockets in a room",
            ));
        }
        self.sockets.push(Socket {
            user_id,
            outbox,
            is_new: true,
        });
        Ok(())
    }

    /// Takes sockets out; which.
    pub(super) fn take_out(&mut self, who: &Who) -> Vec<SessionId> {
        let gone = self.sockets.extract_if(.., |socket| match who {
            Who::Session(session_id) => socket.outbox.session_id() == *session_id,
            Who::User(user_id) => socket.user_id == *user_id,
        });
        gone.map(|socket| socket.outbox.session_id()).collect()
    }

    /// What other nodes have not been told yet of who is in it here; from now on they have.
    pub(super) fn settle_elsewhere(&mut self) -> Vec<(UserId, bool)> {
        let people = self.people();
        let went = missing(&self.told_elsewhere, &people);
        let came = missing(&people, &self.told_elsewhere);
        self.told_elsewhere = people;
        let went = went.into_iter().map(|user_id| (user_id, false));
        went.chain(came.into_iter().map(|user_id| (user_id, true)))
            .collect()
    }

    /// What those in the room have not been told yet; from now on they have. `elsewhere` are
    /// those who are in it on other nodes.
    pub(super) fn settle(&mut self, elsewhere: Vec<UserId>) -> Vec<Moved> {
        let mut people = self.people();
        people.extend(missing(&elsewhere, &people));
        let (came, went) = (missing(&people, &self.told), missing(&self.told, &people));
        let went = went.into_iter().map(|user_id| (user_id, false));
        let came = came.into_iter().map(|user_id| (user_id, true));
        let moves = went
            .chain(came)
            .map(|(user_id, is_in)| Moved {
                to: self.others(&user_id),
                user_id,
                is_in,
            })
            .collect();
        self.told = people;
        for socket in &mut self.sockets {
            socket.is_new = false;
        }
        moves
    }

    /// Whom those in the room know to be there.
    pub(super) fn told(&self) -> &[UserId] {
        &self.told
    }

    fn others(&self, user_id: &UserId) -> Vec<Arc<Outbox>> {
        let others = self.sockets.iter();
        let others = others.filter(|s| s.user_id != *user_id && !s.is_new);
        others.map(|socket| socket.outbox.clone()).collect()
    }
}

/// Those of `all` who are not in `there`.
fn missing(all: &[UserId], there: &[UserId]) -> Vec<UserId> {
    let there: HashSet<_> = there.iter().collect();
    let missing = all.iter().filter(|user| !there.contains(user));
    missing.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Ambient;
    use bedside_protocol::{ErrorCode, Roles};

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("a user id")
    }

    fn socket() -> Arc<Outbox> {
        Outbox::raw(Roles::NONE, Ambient::default())
    }

    /// What was told: who, came or went, and to how many sockets.
    fn told(room: &mut Room) -> Vec<(String, bool, usize)> {
        let moves = room.settle(Vec::new()).into_iter();
        moves
            .map(|m| (m.user_id.to_string(), m.is_in, m.to.len()))
            .collect()
    }

    #[test]
    fn others_hear_of_each_person_once() {
        let (mut room, phone, desk) = (Room::default(), socket(), socket());
        room.enter(user("d"), socket()).expect("room");
        assert_eq!(told(&mut room), [("d".to_owned(), true, 0)]);
        room.enter(user("p"), phone.clone()).expect("room");
        assert_eq!(told(&mut room), [("p".to_owned(), true, 1)]);
        room.enter(user("p"), desk.clone()).expect("room");
        assert_eq!(told(&mut room), []);
        room.take_out(&Who::Session(phone.session_id()));
        assert_eq!(told(&mut room), []);
        assert_eq!(room.people(), [user("d"), user("p")]);
        room.take_out(&Who::Session(desk.session_id()));
        assert_eq!(told(&mut room), [("p".to_owned(), false, 1)]);
        room.take_out(&Who::User(user("d")));
        assert!(room.is_empty());
    }

    #[test]
    fn who_came_and_went_in_between_was_never_there() {
        let mut room = Room::default();
        room.enter(user("d"), socket()).expect("room");
        told(&mut room);
        room.enter(user("p"), socket()).expect("room");
        room.enter(user("n"), socket()).expect("room");
        assert_eq!(room.take_out(&Who::User(user("p"))).len(), 1);
        assert_eq!(told(&mut room), [("n".to_owned(), true, 1)]);
    }

    #[test]
    fn who_comes_in_is_told_by_the_answer_alone() {
        let (mut room, first) = (Room::default(), socket());
        room.enter(user("d"), first.clone()).expect("room");
        told(&mut room);
        room.take_out(&Who::Session(first.session_id()));
        room.enter(user("p"), socket()).expect("room");
        let expected = [("d".to_owned(), false, 0), ("p".to_owned(), true, 0)];
        assert_eq!(told(&mut room), expected);
        assert_eq!(room.told(), [user("p")]);
    }

    #[test]
    fn who_is_there_elsewhere_is_in_it_as_well() {
        let mut room = Room::default();
        let at = |room: &mut Room, elsewhere: &[&str]| {
            let moves = room.settle(elsewhere.iter().map(|id| user(id)).collect());
            let moves = moves.into_iter();
            moves
                .map(|m| (m.user_id.to_string(), m.is_in, m.to.len()))
                .collect::<Vec<_>>()
        };
        room.enter(user("d"), socket()).expect("room");
        at(&mut room, &[]);
        assert_eq!(at(&mut room, &["p"]), [("p".to_owned(), true, 1)]);
        // On two nodes, and then on one: nobody came or went.
        room.enter(user("p"), socket()).expect("room");
        assert_eq!(at(&mut room, &["p"]), []);
        assert_eq!(at(&mut room, &[]), []);
        assert_eq!(
            room.settle_elsewhere(),
            [(user("d"), true), (user("p"), true)]
        );
        room.take_out(&Who::User(user("p")));
        assert_eq!(room.settle_elsewhere(), [(user("p"), false)]);
        assert_eq!(at(&mut room, &["p"]), []);
        assert_eq!(at(&mut room, &[]), [("p".to_owned(), false, 1)]);
    }

    #[test]
    fn it_holds_so_many_sockets() {
        let mut room = Room::default();
        for _ in 0..limits::ROOM_SOCKETS_MAX {
            room.enter(user("d"), socket()).expect("room");
        }
        let error = room.enter(user("p"), socket()).expect_err("it is full");
        assert_eq!(error.code, ErrorCode::TooLarge);
        assert_eq!(room.people(), [user("d")]);
        assert_eq!(
            room.take_out(&Who::User(user("d"))).len(),
            limits::ROOM_SOCKETS_MAX
        );
    }
}

//! Who is there and which rooms they are in: made through REST at Bedside; Node's server takes
//! anybody and any room.

use bedside_protocol::Role;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};

use super::{Contender, RoomLoad};
use crate::{
    Outcome,
    server::SECRET,
    token,
    world::{Call, User, World, each},
};

/// People in rooms.
pub(super) struct Hall {
    /// Everybody; those of a room one after the other.
    pub(super) users: Vec<User>,
    /// The rooms' ids: of chats, for rooms of more than two.
    pub(super) chats: Vec<String>,
}

impl Hall {
    /// Makes as many rooms as the load wants.
    pub(super) async fn make(
        contender: Contender,
        server: SocketAddr,
        load: &RoomLoad,
    ) -> Outcome<Self> {
        match contender {
            Contender::Node => Ok(Self {
                users: people(load),
                chats: (0..load.rooms).map(|room| format!("room-{room}")).collect(),
            }),
            Contender::Bedside | Contender::Memory if load.is_direct() => pairs(server, load).await,
            Contender::Bedside | Contender::Memory => teams(server, load).await,
        }
    }
}

fn people(load: &RoomLoad) -> Vec<User> {
    let user = |i: usize| {
        let id = format!("room{}-{i}", load.members);
        User::new(SECRET, id, Role::Doctor)
    };
    (0..load.rooms * load.members).map(user).collect()
}

/// Doctors with a patient each.
async fn pairs(server: SocketAddr, load: &RoomLoad) -> Outcome<Hall> {
    let world = World::make(server, SECRET, "pair", 2 * load.rooms, load.rooms).await?;
    let members = world.pairs.iter().flat_map(|pair| pair.members);
    Ok(Hall {
        users: members.map(|user| world.users[user].clone()).collect(),
        chats: world.pairs.iter().map(|pair| pair.id.to_string()).collect(),
    })
}

/// Teams of staff, as seed 003's clients make them.
async fn teams(server: SocketAddr, load: &RoomLoad) -> Outcome<Hall> {
    let users = people(load);
    let service = Arc::new(token::mint(SECRET, "load-harness", Role::Service));
    let put = |user: &User| {
        let body = json!({"name": format!("Load {}", user.id), "role": user.role.name()});
        Call::new("PUT", format!("/api/v1/users/{}", user.id), &service, body)
    };
    each(server, users.iter().map(put).collect()).await?;
    let posts = users.chunks(load.members).map(|members| {
        let others: Vec<_> = members[1..].iter().map(|user| user.id.as_str()).collect();
        let body = json!({"name": "Load", "type": "Internal Staff", "participants": others});
        let token = Arc::new(members[0].token.clone());
        Call::new("POST", "/api/v1/chats".to_owned(), &token, body)
    });
    let made = each(server, posts.collect()).await?;
    let id = |chat: &Value| {
        let id = chat["id"].as_str().ok_or("a new chat has no id")?;
        Ok(id.to_owned())
    };
    let chats = made.iter().map(id).collect::<Outcome<_>>()?;
    Ok(Hall { users, chats })
}

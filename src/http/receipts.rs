//! Who has what: `/api/v1/conversations/{id}/receipts`, `.../messages/{seq}/receipts`.

use super::openapi::{Routes, at, bounds, one, op};
use actix_web::{HttpResponse, web};
use bedside_protocol::reply::ReceiptTaken;
use bedside_protocol::{
    Command, Conversation, ConversationId, UserId, command::Receipt, reply::MemberReceipt,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{auth::Me, input::Body, messages, parts::Parts, problem::Problem, view};

pub(super) fn routes(routes: &mut Routes<'_>) {
    let under = "/conversations/{conversation_id}";
    routes
        .under("Receipts")
        .add(
            at(format!("{under}/receipts")).get(
                list,
                op("How far everybody has read")
                    .about("Ordinary members of a broadcast, and past members, get their own only.")
                    .ok(one::<Receipts>),
            ),
        )
        .add(
            at(format!("{under}/receipts/read"))
                .put(read, op("All up to here was seen").ok(one::<ReceiptTaken>)),
        )
        .add(at(format!("{under}/receipts/delivered")).put(
            deliver,
            op("All up to here reached this device").ok(one::<ReceiptTaken>),
        ))
        .add(at(format!("{under}/messages/{{seq}}/receipts")).get(
            of_message,
            op("Who has a message").ok(one::<MessageReceipts>),
        ));
}

#[derive(Serialize, ToSchema)]
struct Receipts {
    receipts: Vec<MemberReceipt>,
}

/// 200 `{receipts: [{user_id, delivered_up_to_seq, read_up_to_seq}]}`. Ordinary members of a
/// broadcast, and past members, get their own only.
async fn list(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
) -> Result<HttpResponse, Problem> {
    let conversation = view::conversation(&parts, &me, *id).await?;
    let visible = visible(&conversation, me.id());
    Ok(HttpResponse::Ok().json(Receipts {
        receipts: visible.into_iter().map(|(receipt, _)| receipt).collect(),
    }))
}

/// Receipts that the caller may see, each with the first seq that its member may read.
fn visible(conversation: &Conversation, me: &UserId) -> Vec<(MemberReceipt, u64)> {
    let own = &conversation.me;
    if !view::sees_everyone(conversation) {
        let receipt = MemberReceipt {
            user_id: me.clone(),
            delivered_up_to_seq: own.delivered_up_to_seq,
            read_up_to_seq: own.read_up_to_seq,
        };
        return vec![(receipt, own.first_seq)];
    }
    let members = conversation.members.iter();
    members
        .map(|member| {
            let receipt = MemberReceipt {
                user_id: member.user_id.clone(),
                delivered_up_to_seq: member.delivered_up_to_seq,
                read_up_to_seq: member.read_up_to_seq,
            };
            (receipt, member.first_seq)
        })
        .collect()
}

#[derive(Serialize, ToSchema)]
struct MessageReceipts {
    seq: u64,
    read_by: Vec<Who>,
    delivered_to: Vec<Who>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Receiver)]
struct Who {
    user_id: UserId,
}

/// 200 `{seq, read_by: [{user_id}], delivered_to: [{user_id}]}`, the sender left out. Who read
/// it also got it, so they are in both.
async fn of_message(
    parts: Parts,
    me: Me,
    path: web::Path<(ConversationId, u64)>,
) -> Result<HttpResponse, Problem> {
    let (id, seq) = path.into_inner();
    let message = messages::message(&parts, &me, id, seq).await?.message;
    let conversation = view::conversation(&parts, &me, id).await?;
    let mut visible = visible(&conversation, me.id());
    // A newcomer's watermark starts just below their window: it says nothing of what is before.
    visible.retain(|(receipt, first_seq)| {
        message.sender_id.as_ref() != Some(&receipt.user_id) && *first_seq <= seq
    });
    let who = |up_to: fn(&MemberReceipt) -> u64| -> Vec<Who> {
        let having = visible.iter().filter(|(receipt, _)| up_to(receipt) >= seq);
        having
            .map(|(receipt, _)| Who {
                user_id: receipt.user_id.clone(),
            })
            .collect()
    };
    Ok(HttpResponse::Ok().json(MessageReceipts {
        seq,
        read_by: who(|receipt| receipt.read_up_to_seq),
        delivered_to: who(|receipt| receipt.delivered_up_to_seq.max(receipt.read_up_to_seq)),
    }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = UpToSeq)]
struct UpTo {
    #[schema(schema_with = bounds::number)]
    up_to_seq: u64,
}

/// Body: `{up_to_seq}`. 200 `{up_to_seq, unread_count}`.
async fn read(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<UpTo>,
) -> Result<HttpResponse, Problem> {
    let command = Command::ReceiptRead(up_to(*id, &body));
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}

/// Body: `{up_to_seq}`. 200 `{up_to_seq, unread_count}`.
async fn deliver(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<UpTo>,
) -> Result<HttpResponse, Problem> {
    let command = Command::ReceiptDeliver(up_to(*id, &body));
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}

const fn up_to(conversation_id: ConversationId, body: &Body<UpTo>) -> Receipt {
    Receipt {
        conversation_id,
        up_to_seq: body.0.up_to_seq,
    }
}

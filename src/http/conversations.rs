//! `/api/v1/conversations`, `/api/v1/conversations/{id}`.

use super::openapi::{Routes, at, bounds, one, op};
use actix_web::{HttpResponse, http::header, web};
use bedside_protocol::reply::{ConversationReply, Logged};
use bedside_protocol::{
    Command, Conversation, ConversationId, Reply,
    command::{ConversationCreate, ConversationUpdate},
    limits::CONVERSATIONS_PAGE_MAX,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    auth::Me,
    input::{Body, Params},
    page,
    parts::Parts,
    problem::Problem,
    view,
};

/// Pages of the node that one listing looks through for rows that pass its filter.
const SCANS_MAX: usize = 4;

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("Conversations").add(
        at("/conversations")
            .get(
                list,
                op("List my conversations")
                    .about("The newest activity first. A page may have fewer rows than its limit; the list ends where there is no cursor.")
                    .ok(one::<Page>),
            )
            .post(
                create,
                op("Make a conversation, or find the direct one of a pair")
                    .ok(one::<ConversationReply>)
                    .created_somewhere(one::<ConversationReply>)
                    .or(404),
            ),
    )
    .add(
        at("/conversations/{conversation_id}")
            .get(get, op("One conversation, past ones too").ok(one::<Conversation>))
            .patch(update, op("Change the title").ok(one::<Logged>).or(409)),
    );
}

/// Body: [`ConversationCreate`]. 201 when it was made, 200 when it was there:
/// `{conversation, created}`.
async fn create(
    parts: Parts,
    me: Me,
    body: Body<ConversationCreate>,
) -> Result<HttpResponse, Problem> {
    let reply = me.run(&parts, Command::ConversationCreate(body.0)).await?;
    Ok(match &reply {
        Reply::Conversation(made) if made.created => {
            let id = made.conversation.conversation_id;
            HttpResponse::Created()
                .insert_header((header::LOCATION, format!("/api/v1/conversations/{id}")))
                .json(reply)
        }
        _ => HttpResponse::Ok().json(reply),
    })
}

async fn get(parts: Parts, me: Me, id: web::Path<ConversationId>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(view::conversation(&parts, &me, *id).await?))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ConversationTitle)]
struct Title {
    #[schema(schema_with = bounds::title)]
    title: String,
}

/// Body: `{title}`. 200 `{conversation_id, seq}`.
async fn update(
    parts: Parts,
    me: Me,
    id: web::Path<ConversationId>,
    body: Body<Title>,
) -> Result<HttpResponse, Problem> {
    let command = Command::ConversationUpdate(ConversationUpdate {
        conversation_id: *id,
        title: body.0.title,
    });
    Ok(HttpResponse::Ok().json(me.run(&parts, command).await?))
}

#[derive(Deserialize, IntoParams)]
struct List {
    #[param(schema_with = bounds::cursor)]
    cursor: Option<String>,
    #[param(schema_with = bounds::conversations_page)]
    limit: Option<usize>,
    #[serde(default)]
    #[param(inline)]
    archived: Archived,
}

/// Which of them to list.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Archived {
    #[default]
    False,
    True,
    All,
}

impl Archived {
    /// Whether a conversation with this mark is among them.
    pub(super) const fn takes(self, archived: bool) -> bool {
        match self {
            Self::False => !archived,
            Self::True => archived,
            Self::All => true,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Conversations)]
struct Page {
    conversations: Vec<Conversation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Newest activity first: `{conversations: [...], cursor?}`. `limit` 1..=200, by default 50;
/// `archived` false (the default), true or all. A page may have fewer rows than its limit; the
/// list ends where there is no cursor.
async fn list(parts: Parts, me: Me, params: Params<List>) -> Result<HttpResponse, Problem> {
    let List {
        cursor,
        limit,
        archived,
    } = params.0;
    let limit = page::limit(limit, CONVERSATIONS_PAGE_MAX)?;
    let mut page = Page {
        conversations: Vec::new(),
        cursor,
    };
    for _ in 0..SCANS_MAX {
        let room = limit - page.conversations.len();
        let (rows, next) = parts
            .node
            .conversations(&me.0, page.cursor.as_deref(), room)
            .await?;
        let rows = rows
            .into_iter()
            .filter(|row| archived.takes(row.me.archived));
        page.conversations.extend(rows);
        page.cursor = next;
        if page.cursor.is_none() || page.conversations.len() == limit {
            break;
        }
    }
    Ok(HttpResponse::Ok().json(page))
}

//! `/api/v1/presence`.

use super::openapi::{Routes, at, bounds, empty, one, op};
use actix_web::HttpResponse;
use bedside_protocol::{
    Command, CommandError, UserId, command::PresenceSet, limits::PRESENCE_WATCH_MAX,
    reply::Presences,
};
use serde::Deserialize;
use utoipa::{
    IntoParams,
    openapi::{
        Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{
    auth::Me,
    contacts,
    input::{Body, Params},
    parts::Parts,
    problem::Problem,
};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("People").add(
        at("/presence")
            .get(
                get,
                op("Who is here")
                    .about("People whom the caller may not see are left out.")
                    .ok(one::<Presences>),
            )
            .put(set, op("My own availability").ok(empty)),
    );
}

/// The query as it is: `user_ids` may be repeated.
#[derive(Deserialize)]
#[serde(transparent)]
struct Asked(Vec<(String, String)>);

impl IntoParams for Asked {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let user_ids = ParameterBuilder::new()
            .name("user_ids")
            .parameter_in(place().unwrap_or_default())
            .required(Required::False)
            .description(Some(
                "Repeated, or with commas between; by default the first 200 contacts",
            ))
            .schema(Some(bounds::asked()));
        vec![user_ids.build()]
    }
}

/// `?user_ids=a,b` (or repeated), at most 200; without it the first 200 contacts.
/// 200 `{presence: [...]}`; people whom the caller may not see are left out.
async fn get(parts: Parts, me: Me, params: Params<Asked>) -> Result<HttpResponse, Problem> {
    let user_ids = match asked_for(&params.0.0)? {
        Some(user_ids) => user_ids,
        None => contacts::first_ids(&parts, &me, PRESENCE_WATCH_MAX).await?,
    };
    let presence = parts.node.presence(&me.0, user_ids).await?;
    Ok(HttpResponse::Ok().json(Presences { presence }))
}

fn asked_for(params: &[(String, String)]) -> Result<Option<Vec<UserId>>, CommandError> {
    let mut lists = params
        .iter()
        .filter(|(name, _)| name == "user_ids")
        .map(|(_, list)| list)
        .peekable();
    if lists.peek().is_none() {
        return Ok(None);
    }
    let named: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
    if named.len() > PRESENCE_WATCH_MAX {
        return Err(CommandError::too_large("user_ids: at most 200"));
    }
    let user_ids = named
        .into_iter()
        .filter(|id| !id.is_empty())
        .map(UserId::new)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CommandError::invalid(format!("user_ids: {error}")))?;
    Ok(Some(user_ids))
}

/// Body: `{status}`, available, busy or away. 200 `{}`.
async fn set(parts: Parts, me: Me, body: Body<PresenceSet>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(me.run(&parts, Command::PresenceSet(body.0)).await?))
}

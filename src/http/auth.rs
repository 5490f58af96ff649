//! Who asks: the bearer of a verified token, and nothing that the request says besides.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use bedside_actors::{
    caller::Caller,
    ports::identity::{SessionIdentity, Verification, Verified},
};
use bedside_protocol::{
    Command, CommandError, ErrorCode, Reply, Role, Roles, UserId, limits::TOKEN_BYTES_MAX,
};
use futures_util::future::{Either, FutureExt as _, LocalBoxFuture, Ready, ready};
use std::sync::Arc;

use super::{
    parts::{HttpParts, Parts},
    problem::{Problem, refuse},
};
use crate::strangers::Way;

/// The scope with which an admin may write the directory.
const DIRECTORY_WRITE: &str = "directory:write";

/// Whoever holds a good token: a person or one of the clinic's systems.
pub(crate) struct Bearer {
    /// What the token says.
    pub(crate) identity: SessionIdentity,
    token: String,
}

/// Who asks, or why they are refused: ready at once when all is known that it takes, without a
/// box for it.
pub(crate) type Known<T> = Either<
    Ready<Result<T, actix_web::Error>>,
    LocalBoxFuture<'static, Result<T, actix_web::Error>>,
>;

impl Bearer {
    fn of(request: &HttpRequest) -> Known<Self> {
        let parts = parts_of(request);
        let token = match token_of(request) {
            Ok(token) => token,
            Err(error) => return Either::Left(ready(Err(refuse(request, error)))),
        };
        let now = parts.node.clock().now();
        match parts.node.identities().verify(token, now) {
            Verification::Done(verified) => {
                let bearer = let_in(request, verified)
                    .and_then(|identity| Self::verified(parts, identity, token));
                Either::Left(ready(bearer.map_err(|error| refuse(request, error))))
            }
            Verification::Waiting(verified) => {
                let (request, token) = (request.clone(), token.to_owned());
                let bearer = async move {
                    let verified = verified.await;
                    let bearer = let_in(&request, verified)
                        .and_then(|identity| Self::verified(parts_of(&request), identity, &token));
                    bearer.map_err(|error| refuse(&request, error))
                };
                Either::Right(bearer.boxed_local())
            }
        }
    }

    fn verified(
        parts: &HttpParts,
        identity: SessionIdentity,
        token: &str,
    ) -> Result<Self, CommandError> {
        parts.node.allow(&identity.user_id)?;
        // A system is not a person, so it does not enter the directory of people.
        if !is_system(identity.roles) {
            parts.node.note_identity(&identity);
        }
        Ok(Self {
            identity,
            token: token.to_owned(),
        })
    }

    /// Checks that the bearer may read and write people and relations: one of the clinic's
    /// systems, or an admin whose token has the scope `directory:write`.
    pub(crate) fn require_directory(&self, parts: &HttpParts) -> Result<(), CommandError> {
        if self.may_write_directory(parts) {
            Ok(())
        } else {
            Err(CommandError::forbidden(
                "this takes the role service, or the role admin with the scope directory:write",
            ))
        }
    }

    /// Checks that the bearer is one of the clinic's systems.
    pub(crate) fn require_service(&self) -> Result<(), CommandError> {
        if self.identity.roles.has(Role::Service) {
            Ok(())
        } else {
            Err(CommandError::forbidden("this takes the role service"))
        }
    }

    /// Checks that the bearer runs the directory: an admin, or one of the clinic's systems.
    pub(crate) fn require_admin(&self) -> Result<(), CommandError> {
        let roles = self.identity.roles;
        if roles.has(Role::Admin) || roles.has(Role::Service) {
            Ok(())
        } else {
            Err(CommandError::forbidden(
                "this takes the role admin or service",
            ))
        }
    }

    /// The bearer as a person who asks something of the node.
    pub(crate) fn caller(&self) -> Caller {
        caller(&self.identity)
    }

    fn may_write_directory(&self, parts: &HttpParts) -> bool {
        let roles = self.identity.roles;
        let has_scope = || {
            let scopes = parts.scopes.scopes(&self.token);
            scopes.iter().any(|scope| scope == DIRECTORY_WRITE)
        };
        roles.has(Role::Service) || roles.has(Role::Admin) && has_scope()
    }
}

/// Who is not let in is told so, and an auditor is.
fn let_in(request: &HttpRequest, verified: Verified) -> Verified {
    verified.map_err(|error| {
        let strangers = &parts_of(request).strangers;
        let headers = request.head().headers();
        let whence = strangers.whence(headers, request.peer_addr());
        let why = error.message.clone();
        strangers.refused(Way::Rest, &whence, None, &why, error)
    })
}

fn parts_of(request: &HttpRequest) -> &HttpParts {
    request
        .app_data::<Parts>()
        .expect("the parts are there, because `configure` puts them beside the routes")
}

fn token_of(request: &HttpRequest) -> Result<&str, CommandError> {
    let unauthorized = |why: &'static str| CommandError::new(ErrorCode::Unauthorized, why);
    let value = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or_else(|| unauthorized("the header Authorization: Bearer is missing"))?;
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| unauthorized("the header Authorization holds no bearer token"))?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(unauthorized("the token is too long"));
    }
    Ok(token)
}

/// Whether these are the rights of one of the clinic's systems and of no person.
fn is_system(roles: Roles) -> bool {
    roles == Roles::from(Role::Service)
}

fn caller(identity: &SessionIdentity) -> Caller {
    Caller {
        user_id: identity.user_id.clone(),
        name: Arc::clone(&identity.name),
        roles: identity.roles,
        origin: None,
    }
}

impl FromRequest for Bearer {
    type Error = actix_web::Error;
    type Future = Known<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Self::of(request)
    }
}

/// A person who is signed in. Systems are refused with `forbidden`: they never act as one.
pub(crate) struct Me(pub(crate) Caller);

impl Me {
    /// The token's `sub`.
    pub(crate) const fn id(&self) -> &UserId {
        &self.0.user_id
    }

    /// Has the node do one command for this person.
    pub(crate) async fn run(&self, parts: &HttpParts, command: Command) -> Result<Reply, Problem> {
        Ok(parts.node.execute(self.0.clone(), command).await?)
    }

    fn of(request: &HttpRequest) -> Known<(Self, SessionIdentity)> {
        let at = request.clone();
        then(Bearer::of(request), move |bearer| {
            let caller = bearer.caller();
            let identity = bearer.identity;
            if identity.roles.is_empty() || is_system(identity.roles) {
                let error = CommandError::forbidden(
                    "this is for people; the token's roles have no rights here",
                );
                return Err(refuse(&at, error));
            }
            Ok((Self(caller), identity))
        })
    }
}

impl FromRequest for Me {
    type Error = actix_web::Error;
    type Future = Known<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        then(Self::of(request), |(me, _)| Ok(me))
    }
}

/// A person who is signed in, with all that their token says.
pub(crate) struct SignedIn(pub(crate) SessionIdentity);

impl FromRequest for SignedIn {
    type Error = actix_web::Error;
    type Future = Known<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        then(Me::of(request), |(_, identity)| Ok(Self(identity)))
    }
}

/// Goes on with what was found out.
pub(crate) fn then<A: 'static, B: 'static>(
    known: Known<A>,
    go_on: impl FnOnce(A) -> Result<B, actix_web::Error> + 'static,
) -> Known<B> {
    match known {
        Either::Left(known) => Either::Left(ready(known.into_inner().and_then(go_on))),
        Either::Right(later) => Either::Right(async { go_on(later.await?) }.boxed_local()),
    }
}

/// Path parts that do not parse name nothing.
pub(crate) fn path_config() -> web::PathConfig {
    web::PathConfig::default().error_handler(|_, request| {
        refuse(
            request,
            CommandError::not_found("the path holds an id or a number that cannot be one"),
        )
    })
}

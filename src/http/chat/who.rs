//! For whom a path is.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use bedside_protocol::{CommandError, Role};

use crate::http::{
    auth::{Known, Me, then},
    openapi::{Extracts, Signature},
    problem::refuse,
};

/// Somebody signed in for whom a path is.
pub(super) trait Who: FromRequest + 'static {
    /// The person.
    fn into_me(self) -> Me;
}

impl Who for Me {
    fn into_me(self) -> Me {
        self
    }
}

/// Only patients.
pub(super) struct Patient(Me);

/// Only doctors.
pub(super) struct Doctor(Me);

impl Who for Patient {
    fn into_me(self) -> Me {
        self.0
    }
}

impl Who for Doctor {
    fn into_me(self) -> Me {
        self.0
    }
}

impl FromRequest for Patient {
    type Error = actix_web::Error;
    type Future = Known<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        only(Role::Patient, request, payload, Self)
    }
}

impl FromRequest for Doctor {
    type Error = actix_web::Error;
    type Future = Known<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        only(Role::Doctor, request, payload, Self)
    }
}

impl Extracts for Patient {
    fn note(signature: &mut Signature) {
        signature.only(Role::Patient.name());
    }
}

impl Extracts for Doctor {
    fn note(signature: &mut Signature) {
        signature.only(Role::Doctor.name());
    }
}

fn only<W: Who>(
    role: Role,
    request: &HttpRequest,
    payload: &mut Payload,
    who: fn(Me) -> W,
) -> Known<W> {
    let at = request.clone();
    then(Me::from_request(request, payload), move |me| {
        if me.0.roles.has(role) {
            Ok(who(me))
        } else {
            let why = format!("this is for the role {}", role.name());
            Err(refuse(&at, CommandError::forbidden(why)))
        }
    })
}

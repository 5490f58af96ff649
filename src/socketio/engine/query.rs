//! What a request asks for, by its query.

use actix_web::http::Method;
use std::borrow::Cow;

use super::fault::Fault;

/// The parameters that count.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    transport: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    sid: Option<Cow<'a, str>>,
    jsonp: bool,
}

/// What long polling is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// A new session.
    Open,
    /// What there is to read in this session.
    Poll(Cow<'a, str>),
    /// To take what is in the body.
    Post(Cow<'a, str>),
}

impl<'a> Query<'a> {
    pub(super) fn of(query: &'a str) -> Self {
        let mut found = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "transport" => found.transport = Some(value),
                "EIO" => found.version = Some(value),
                "sid" if !value.is_empty() => found.sid = Some(value),
                "j" => found.jsonp = true,
                _ => {}
            }
        }
        found
    }

    /// What a request without an upgrade asks for.
    pub(super) fn polling(self, method: &Method, allowed: bool) -> Result<Asked<'a>, Fault> {
        match self.transport.as_deref() {
            Some("polling") if allowed => {}
            // In the words of the reference server, which looks at the method first.
            Some("websocket") if self.sid.is_none() && method != Method::GET => {
                return Err(Fault::BadHandshakeMethod);
            }
            Some("websocket") => return Err(Fault::BadRequest),
            _ => return Err(Fault::UnknownTransport),
        }
        let Some(sid) = self.sid else {
            if method != Method::GET {
                return Err(Fault::BadHandshakeMethod);
            }
            check_version(self.version.as_deref())?;
            return if self.jsonp {
                Err(Fault::BadRequest)
            } else {
                Ok(Asked::Open)
            };
        };
        match *method {
            Method::GET if !self.jsonp => Ok(Asked::Poll(sid)),
            Method::POST if !self.jsonp => Ok(Asked::Post(sid)),
            _ => Err(Fault::BadRequest),
        }
    }

    /// Which session a request for an upgrade wants to carry on; none when it wants a new one.
    pub(super) fn websocket(self) -> Result<Option<Cow<'a, str>>, Fault> {
        match self.transport.as_deref() {
            Some("websocket") => {}
            Some("polling") => return Err(Fault::BadRequest),
            _ => return Err(Fault::UnknownTransport),
        }
        if self.sid.is_none() {
            check_version(self.version.as_deref())?;
        }
        Ok(self.sid)
    }
}

/// Only version 4 is spoken: version 3 has other packets and pings the other way round.
fn check_version(version: Option<&str>) -> Result<(), Fault> {
    match version {
        Some("4") => Ok(()),
        _ => Err(Fault::UnsupportedVersion),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polling(method: &Method, query: &str) -> Result<String, Fault> {
        let asked = Query::of(query).polling(method, true)?;
        Ok(format!("{asked:?}"))
    }

    #[test]
    fn polling_is_refused_in_the_order_of_the_reference_server() {
        use Fault::{BadHandshakeMethod, BadRequest, UnknownTransport, UnsupportedVersion};
        for (method, query, fault) in [
            (Method::GET, "", UnknownTransport),
            (Method::GET, "EIO=4", UnknownTransport),
            (Method::GET, "EIO=4&transport=abc", UnknownTransport),
            (
                Method::GET,
                "EIO=4&transport=webtransport",
                UnknownTransport,
            ),
            (Method::POST, "EIO=4&transport=polling", BadHandshakeMethod),
            (Method::PUT, "EIO=4&transport=polling", BadHandshakeMethod),
            (
                Method::POST,
                "EIO=4&transport=websocket",
                BadHandshakeMethod,
            ),
            (Method::GET, "EIO=4&transport=websocket", BadRequest),
            (Method::GET, "EIO=4&transport=websocket&sid=a", BadRequest),
            (Method::GET, "transport=polling", UnsupportedVersion),
            (Method::GET, "EIO=3&transport=polling", UnsupportedVersion),
            (Method::GET, "EIO=abc&transport=polling", UnsupportedVersion),
            (Method::GET, "EIO=4&transport=polling&j=0", BadRequest),
            (Method::GET, "EIO=4&transport=polling&sid=a&j=0", BadRequest),
            (Method::PUT, "EIO=4&transport=polling&sid=a", BadRequest),
        ] {
            assert_eq!(polling(&method, query), Err(fault), "{method} {query}");
        }
    }

    #[test]
    fn polling_is_asked_for_three_things() {
        let open = polling(&Method::GET, "EIO=4&transport=polling&t=abc&sid=");
        assert_eq!(open.as_deref(), Ok("Open"));
        let poll = polling(&Method::GET, "transport=polling&sid=a%2Bb");
        assert_eq!(poll.as_deref(), Ok(r#"Poll("a+b")"#));
        let post = polling(&Method::POST, "transport=polling&sid=ab");
        assert_eq!(post.as_deref(), Ok(r#"Post("ab")"#));
    }

    #[test]
    fn polling_can_be_switched_off() {
        let query = Query::of("EIO=4&transport=polling");
        assert_eq!(
            query.polling(&Method::GET, false),
            Err(Fault::UnknownTransport)
        );
    }

    #[test]
    fn an_upgrade_needs_the_version_only_for_a_new_session() {
        let websocket = |query| Query::of(query).websocket().map(|sid| sid.is_some());
        assert_eq!(websocket("EIO=4&transport=websocket"), Ok(false));
        assert_eq!(websocket("transport=websocket&sid=a"), Ok(true));
        assert_eq!(websocket("transport=polling"), Err(Fault::BadRequest));
        assert_eq!(websocket("EIO=4"), Err(Fault::UnknownTransport));
        let old = websocket("EIO=3&transport=websocket");
        assert_eq!(old, Err(Fault::UnsupportedVersion));
    }
}

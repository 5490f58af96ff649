//! Routes, each registered together with what is said of it: none can be served that is not
//! described.

use actix_web::{FromRequest, Handler, Resource, Responder, Route, http::Method, web};

use super::{
    document::Document,
    operation::Operation,
    signature::{Extracts, Signature},
};

/// Takes in routes, either to serve them or to describe them.
pub(crate) struct Routes<'a>(Target<'a>);

enum Target<'a> {
    Serve(&'a mut web::ServiceConfig),
    Describe {
        document: &'a mut Document,
        prefix: &'static str,
        tag: &'static str,
    },
}

impl<'a> Routes<'a> {
    /// They are served.
    pub(crate) const fn serve(cfg: &'a mut web::ServiceConfig) -> Self {
        Self(Target::Serve(cfg))
    }

    /// They are described, as they are below this prefix.
    pub(super) const fn describe(document: &'a mut Document, prefix: &'static str) -> Self {
        Self(Target::Describe {
            document,
            prefix,
            tag: "",
        })
    }

    /// What follows goes under this heading.
    pub(crate) fn under(&mut self, heading: &'static str) -> &mut Self {
        if let Target::Describe { tag, .. } = &mut self.0 {
            *tag = heading;
        }
        self
    }

    /// Takes in what is at one path.
    pub(crate) fn add(&mut self, endpoint: Endpoint) -> &mut Self {
        match &mut self.0 {
            Target::Serve(cfg) => {
                cfg.service(endpoint.resource);
            }
            Target::Describe {
                document,
                prefix,
                tag,
            } => {
                let path = format!("{prefix}{}", endpoint.path);
                for (method, operation) in endpoint.operations {
                    document.add(&path, &method, tag, operation);
                }
            }
        }
        self
    }

    /// Takes in what another function has.
    pub(crate) fn with(&mut self, routes: impl FnOnce(&mut Self)) -> &mut Self {
        routes(self);
        self
    }
}

/// What is at one path.
pub(crate) struct Endpoint {
    path: String,
    resource: Resource,
    operations: Vec<(Method, Operation)>,
}

/// Nothing yet at this path, whose changing parts stand in braces.
pub(crate) fn at(path: impl Into<String>) -> Endpoint {
    let path = path.into();
    Endpoint {
        resource: web::resource(path.as_str()),
        path,
        operations: Vec::new(),
    }
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        $(
            pub(crate) fn $name<F, Args>(self, handler: F, operation: Operation) -> Self
            where
                F: Handler<Args>,
                Args: FromRequest + Extracts + 'static,
                F::Output: Responder + 'static,
            {
                let signature = Signature::of::<Args>();
                self.with(Method::$method, web::$name().to(handler), operation.of(signature))
            }
        )*
    };
}

impl Endpoint {
    methods! {
        get GET;
        post POST;
        put PUT;
        patch PATCH;
        delete DELETE;
    }

    fn with(mut self, method: Method, route: Route, operation: Operation) -> Self {
        self.resource = self.resource.route(route);
        self.operations.push((method, operation));
        self
    }
}

//! The document as it is put together.

use actix_web::http::{Method, StatusCode};
use bedside_protocol::{ErrorCode, limits::CLIENT_MSG_ID_BYTES_MAX, openapi::plain_text};
use utoipa::openapi::{
    Content, HeaderBuilder, HttpMethod, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathItem, Ref, Required, ResponseBuilder, Tag, Type,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::Components,
    security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};

use super::{
    operation::{Answer, Operation},
    shapes::{always, count},
    signature::Who,
};
use crate::http::problem::is_native;

/// The name of the one security scheme.
const BEARER: &str = "bearer";

const ABOUT: &str = "Chat, presence, receipts, consultations and notifications for telehealth. \
    Text bounds are counted in bytes of UTF-8; where this document can only count characters, \
    what is over in bytes is refused with 413. Every GET answers HEAD too. A path takes no other \
    methods than are listed here: 405 with `Allow`. Answers are JSON whatever `Accept` asks for.";

/// An OpenAPI 3.1 document in the making.
pub(super) struct Document(OpenApi);

impl Document {
    /// One without operations.
    pub(super) fn new() -> Self {
        let info = InfoBuilder::new()
            .title("Bedside")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(ABOUT));
        let mut components = Components::new();
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
        add_errors(&mut components);
        let document = OpenApiBuilder::new()
            .info(info)
            .components(Some(components));
        Self(document.build())
    }

    /// The whole.
    pub(super) fn finish(self) -> OpenApi {
        self.0
    }

    /// Takes one operation in.
    pub(super) fn add(&mut self, path: &str, method: &Method, tag: &str, operation: Operation) {
        let tags = self.0.tags.get_or_insert_default();
        if !tags.iter().any(|known| known.name == tag) {
            tags.push(Tag::new(tag));
        }
        let components = self.0.components.get_or_insert_default();
        let mut described = OperationBuilder::new()
            .tag(tag)
            .operation_id(Some(id_of(method, path)))
            .summary(Some(operation.summary))
            .description(Some(operation.description()));
        // Said of each, so that a reader need not know what is usual.
        described = described.security(match operation.who() {
            Who::Anybody => SecurityRequirement::default(),
            _ => SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, []),
        });
        for answer in &operation.answers {
            let response = answered(answer, components);
            described = described.response(answer.status.to_string(), response);
        }
        for status in operation.all_refusals() {
            let response = Ref::from_response_name(refusal_name(status, is_native(path)));
            described = described.response(status.to_string(), response);
        }
        described = with_parameters(described, path, &operation);
        if let Some((shape, is_required)) = operation.signature.and_then(|s| s.body) {
            let schema = operation.body.unwrap_or(shape)(components);
            let content = Content::new(Some(schema));
            let body = RequestBodyBuilder::new().content("application/json", content);
            let body = body.required(Some(required(is_required))).build();
            described = described.request_body(Some(body));
        }
        let item = PathItem::new(http_method(method), described);
        let before = self.0.paths.paths.get_mut(path);
        match before {
            Some(before) => before.merge_operations(item),
            None => {
                self.0.paths.paths.insert(path.to_owned(), item);
            }
        }
    }
}

fn with_parameters(
    mut described: OperationBuilder,
    path: &str,
    operation: &Operation,
) -> OperationBuilder {
    let Some(signature) = &operation.signature else {
        return described;
    };
    let names: Vec<&str> = names_in(path).collect();
    assert_eq!(
        names.len(),
        signature.path.len(),
        "{path}: a handler reads all changing parts of its path, because actix refuses others"
    );
    for (name, schema) in names.into_iter().zip(&signature.path) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(schema()));
        described = described.parameter(parameter);
    }
    for mut parameter in signature.query.map(|query| query()).into_iter().flatten() {
        if operation.needed == Some(parameter.name.as_str()) {
            parameter.required = Required::True;
        }
        described = described.parameter(parameter);
    }
    if operation.is_idempotent {
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Stands for a client_msg_id that the body does not have",
            ))
            .schema(Some(idempotency_key()));
        described = described.parameter(parameter);
    }
    described
}

/// Visible ASCII without quotes and without blanks at its ends.
fn idempotency_key() -> utoipa::openapi::Object {
    let mut key = plain_text(CLIENT_MSG_ID_BYTES_MAX);
    key.pattern = Some("^[!#-~]+$".to_owned());
    key
}

fn answered(answer: &Answer, components: &mut Components) -> utoipa::openapi::Response {
    let status = StatusCode::from_u16(answer.status).ok();
    let words = match answer.status {
        200 => "Done",
        201 => "Made",
        _ => status
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Answered"),
    };
    let schema = match answer.shape {
        Some(shape) => shape(components),
        None => ObjectBuilder::new().schema_type(Type::String).into(),
    };
    let mut response = ResponseBuilder::new()
        .description(words)
        .content(answer.content_type, Content::new(Some(schema)));
    if answer.has_location {
        response = response.header("Location", header("Where it is", Type::String));
    }
    response.build()
}

fn header(about: &str, kind: Type) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(kind)))
        .build()
}

/// The statuses of refusals, with what they mean.
const REFUSALS: &[(u16, &str, &str)] = &[
    (
        400,
        "Malformed",
        "Something in it is missing, malformed or out of its bounds",
    ),
    (
        401,
        "NotSignedIn",
        "No token, or one that is not good, or not any more",
    ),
    (403, "NotAllowed", "The caller may not do this"),
    (
        404,
        "NotFound",
        "There is no such thing, or none that the caller may know of",
    ),
    (408, "TooSlow", "The body took too long to arrive"),
    (409, "Contradicts", "It contradicts what is stored"),
    (413, "TooLarge", "Something in it is over its limit"),
    (415, "NotJson", "The body is not application/json"),
    (
        429,
        "TooMany",
        "Too many requests; Retry-After says when to go on",
    ),
    (
        503,
        "NotNow",
        "Not available now; try again, with the same key where there is one",
    ),
];

/// The name of a refusal's response, in the shape that its place has.
fn refusal_name(status: u16, is_native: bool) -> String {
    let known = REFUSALS.iter().find(|(known, _, _)| *known == status);
    let (_, name, _) = known.expect("is in the table, because a test describes everything");
    if is_native {
        (*name).to_owned()
    } else {
        format!("{name}Plain")
    }
}

fn add_errors(components: &mut Components) {
    let schemas = &mut components.schemas;
    schemas.insert("Problem".to_owned(), problem().into());
    schemas.insert("Refusal".to_owned(), plain_problem().into());
    for (status, _, about) in REFUSALS {
        for (is_native, schema, content_type) in [
            (true, "Problem", "application/problem+json"),
            (false, "Refusal", "application/json"),
        ] {
            let content = Content::new(Some(Ref::from_schema_name(schema)));
            let mut response = ResponseBuilder::new()
                .description(*about)
                .content(content_type, content);
            if *status == 401 {
                let name = "WWW-Authenticate";
                response = response.header(name, header("Bearer", Type::String));
            }
            if matches!(status, 429 | 503) {
                let words = "Seconds to wait, where there is something to say";
                response = response.header("Retry-After", header(words, Type::Integer));
            }
            let name = refusal_name(*status, is_native);
            components.responses.insert(name, response.build().into());
        }
    }
}

fn problem() -> ObjectBuilder {
    let codes = ErrorCode::ALL.iter().map(|code| code.name());
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(codes));
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let members: [(&str, ObjectBuilder); 8] = [
        ("type", text()),
        ("title", text()),
        ("status", count()),
        ("detail", text()),
        ("code", code),
        ("success", always(false)),
        ("message", text()),
        ("statusCode", count()),
    ];
    let problem = ObjectBuilder::new()
        .description(Some(
            "Problem details (RFC 9457), with members for clients of another kind",
        ))
        .property("retry_after_ms", count());
    members
        .into_iter()
        .fold(problem, |problem, (name, schema)| {
            problem.property(name, schema).required(name)
        })
}

fn plain_problem() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("success", always(false))
        .property("message", ObjectBuilder::new().schema_type(Type::String))
        .required("success")
        .required("message")
}

fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// `GET /api/v1/conversations/{id}/me` is `get_api_v1_conversations_by_id_me`.
fn id_of(method: &Method, path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let parts = parts.map(|part| match part.strip_prefix('{') {
        Some(name) => format!("by_{}", name.trim_end_matches('}')),
        None => part.replace(['-', '.'], "_"),
    });
    let mut words = vec![method.as_str().to_ascii_lowercase()];
    words.extend(parts);
    words.join("_")
}

const fn required(is_required: bool) -> Required {
    if is_required {
        Required::True
    } else {
        Required::False
    }
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
